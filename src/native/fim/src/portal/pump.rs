//! Moves bytes from one descriptor to another as fast as both allow, and never more than the other side takes.

use super::end::End;
use crate::sys::{self, Watched};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, splice};
use std::os::fd::{AsFd, BorrowedFd};

/// So much at once, in bytes.
const PORTION: usize = 1 << 20;
const COPY: usize = 1 << 16;
/// From so many bytes on pipes get more room. Users have a bound for that, so small calls do not take of it.
const BULK: u64 = 4 << 20;
/// More fits into a pipe and less into the caches of a processor: a MiB is no faster.
const ROOM: usize = 256 << 10;
/// So many portions before others have their turn.
const TURNS: usize = 16;
/// So often in a row something may refuse to be spliced although both ends are ready. Once says nothing: an end may have become
/// ready just after it refused.
const REFUSALS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Source,
    Sink,
}

pub struct Pump {
    /// `None` when there is nothing left to move.
    ends: Option<(End, End)>,
    awaits: Awaits,
    splices: bool,
    refusals: usize,
    moved: u64,
    buffer: Vec<u8>,
    written: usize,
}

impl Pump {
    pub fn new(from: End, to: End) -> Pump {
        // A device may wait inside `splice` although it was told not to.
        let splices = [&from, &to].into_iter().all(|end| !sys::is_device(end));
        Pump {
            ends: Some((from, to)),
            awaits: Awaits::Source,
            splices,
            refusals: 0,
            moved: 0,
            buffer: Vec::new(),
            written: 0,
        }
    }

    /// Both ends are closed.
    pub fn is_done(&self) -> bool {
        self.ends.is_none()
    }

    /// What to wait for: the end that is not ready, and whether the reader of the other one goes away.
    pub fn watched(&self) -> [Watched<'_>; 2] {
        match (&self.ends, self.awaits) {
            (None, _) => [None, None],
            (Some((from, to)), Awaits::Source) => [sys::readable(from), sys::closed(to)],
            (Some((_, to)), Awaits::Sink) => [None, sys::writable(to)],
        }
    }

    /// Moves what can be moved, after `poll` has said what has happened to what is watched.
    pub fn advance(&mut self, events: &[PollFlags]) {
        let [source, sink] = [events[0], events[1]];
        let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        if self.awaits == Awaits::Source && source.is_empty() && sink.intersects(gone) {
            self.close();
        } else if !source.is_empty() || !sink.is_empty() {
            if self.moved >= BULK {
                // A writer wakes us with its first bytes. Who lets it write on moves more at once, and wakes others less often.
                std::thread::yield_now();
            }
            self.step();
        }
    }

    /// Moves what is there now. True when there is no more of it.
    pub fn drain(&mut self) -> bool {
        self.step();
        self.is_done() || self.awaits == Awaits::Source
    }

    pub fn close(&mut self) {
        self.ends = None;
        self.buffer = Vec::new();
    }

    fn step(&mut self) {
        for _ in 0..TURNS {
            let Some((from, to)) = &self.ends else { return };
            let result = if self.written < self.buffer.len() {
                self.awaits = Awaits::Sink;
                rustix::io::write(to, &self.buffer[self.written..]).inspect(|count| self.written += count)
            } else if self.splices {
                splice(from, None, to, None, PORTION, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)
            } else {
                self.awaits = Awaits::Source;
                if !from.is_ready(PollFlags::IN) {
                    return;
                }
                self.buffer.resize(COPY, 0);
                self.written = 0;
                let count = rustix::io::read(from, &mut self.buffer[..]);
                self.buffer.truncate(*count.as_ref().unwrap_or(&0));
                count
            };
            match result {
                Ok(0) => return self.close(),
                Ok(count) => self.count(count as u64),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if !self.splices || self.written < self.buffer.len() {
                        return;
                    }
                    let (source, sink) = (from.is_ready(PollFlags::IN), to.is_ready(PollFlags::OUT));
                    if source && sink {
                        self.refused();
                        continue;
                    }
                    self.awaits = if source { Awaits::Sink } else { Awaits::Source };
                    return;
                }
                Err(Errno::INVAL) if self.splices => self.splices = false,
                // The end of a terminal is an error, and so is a reader that is gone.
                Err(_) => return self.close(),
            }
        }
        // Others have their turn; `poll` returns at once if more is there.
        self.awaits = if self.written < self.buffer.len() {
            Awaits::Sink
        } else {
            Awaits::Source
        };
    }

    /// It says that it would wait, and both ends are ready.
    fn refused(&mut self) {
        self.refusals += 1;
        self.splices = self.refusals < REFUSALS;
    }

    fn count(&mut self, count: u64) {
        self.refusals = 0;
        let before = self.moved;
        self.moved += count;
        if before < BULK
            && self.moved >= BULK
            && let Some((from, to)) = &self.ends
        {
            // Not those of the caller: the room of a pipe is seen by all who share it.
            for end in [from, to] {
                if let End::Own(pipe) = end {
                    enlarge(pipe.as_fd());
                }
            }
        }
    }
}

/// Gives a pipe more room, if the user may have it. Anything but a pipe stays as it is.
fn enlarge(pipe: BorrowedFd<'_>) {
    if fcntl_getpipe_size(pipe).is_ok_and(|size| size < ROOM) {
        let _ = fcntl_setpipe_size(pipe, ROOM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};

    /// Bytes whose loss or exchange would be seen.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at / 251 + at) as u8).collect()
    }

    /// Moves what a writer writes to a reader who takes their time, and gives what arrived.
    fn moved(pump: &mut Pump, writer: File, mut reader: File, bytes: &[u8]) -> Vec<u8> {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut writer = writer;
                bytes.chunks(8192).for_each(|chunk| writer.write_all(chunk).unwrap());
            });
            let arrived = scope.spawn(move || {
                let mut arrived = Vec::new();
                reader.read_to_end(&mut arrived).unwrap();
                arrived
            });
            while !pump.is_done() {
                let events = sys::poll_all(&pump.watched(), -1).unwrap();
                pump.advance(&events);
            }
            arrived.join().unwrap()
        })
    }

    #[test]
    fn pipes_are_spliced_to_the_last_byte() {
        let (source, writer) = sys::pipe().unwrap();
        let (reader, sink) = sys::pipe().unwrap();
        let mut pump = Pump::new(End::Own(source), End::Own(sink));
        let bytes = pattern(96 << 20);
        assert!(moved(&mut pump, writer.into(), reader.into(), &bytes) == bytes);
        assert!(pump.splices);
    }

    #[test]
    fn only_refusals_in_a_row_end_the_splicing() {
        let ((source, _writer), (_reader, sink)) = (sys::pipe().unwrap(), sys::pipe().unwrap());
        let mut pump = Pump::new(End::Own(source), End::Own(sink));
        for _ in 0..100 {
            pump.refused();
            pump.count(1);
        }
        assert!(pump.splices);
        (0..REFUSALS).for_each(|_| pump.refused());
        assert!(!pump.splices);
    }

    #[test]
    fn what_cannot_be_spliced_is_copied() {
        let path = std::env::temp_dir().join(format!("fim-pump-{}", std::process::id()));
        // Splicing to a file that was opened for appending is refused.
        let file = File::options().create(true).append(true).open(&path).unwrap();
        let (source, writer) = sys::pipe().unwrap();
        let mut pump = Pump::new(End::Own(source), End::Own(file.into()));
        let bytes = pattern(1 << 20);
        moved(&mut pump, writer.into(), File::open("/dev/null").unwrap(), &bytes);
        let arrived = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!pump.splices);
        assert!(arrived == bytes);
    }
}
