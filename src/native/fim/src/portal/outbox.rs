//! What a caller tells whoever runs its command: a request that is too large for the FIFO of all, then signals and sizes.

use super::LIMIT as MESSAGE_LIMIT;
use super::message::{Control, Form};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Signals that ask for the end.
pub const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
/// Bytes that wait to be sent: a request, and what is told after it. More of that would be for nobody.
const LIMIT: usize = MESSAGE_LIMIT + (1 << 16);
/// How long a signal that asks for the end may stay unread.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Outbox {
    bytes: Vec<u8>,
    /// A signal that asks for the end, and when it has to have been read.
    ending: Option<(i32, Instant)>,
}

impl Outbox {
    pub fn new(bytes: Vec<u8>) -> Outbox {
        Outbox { bytes, ending: None }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn post(&mut self, control: BorrowedFd<'_>, message: &Control) {
        if let Control::Signal { signal } = message
            && ENDING.contains(signal)
        {
            self.ending.get_or_insert((*signal, Instant::now() + PATIENCE));
        }
        if let Ok(encoded) = messages::encode_apart(&Form::from(message))
            && self.bytes.len() + encoded.len() <= LIMIT
        {
            self.bytes.extend(encoded);
            self.send(control);
        }
    }

    /// Writes what `control` takes now.
    pub fn send(&mut self, control: BorrowedFd<'_>) {
        match rustix::io::write(control, &self.bytes) {
            Ok(count) => drop(self.bytes.drain(..count)),
            Err(Errno::AGAIN) => {}
            // The reply says why nobody reads it any more.
            Err(_) => self.bytes.clear(),
        }
    }

    /// Milliseconds until a signal has to have been read, for `poll`; -1 if there is none.
    pub fn patience(&self) -> i32 {
        self.ending.map_or(-1, |(_, at)| {
            at.saturating_duration_since(Instant::now()).as_millis() as i32 + 1
        })
    }

    /// The signal that asked for the end, if it was not even read in time. A command that has heard of it may take as long as
    /// it likes.
    pub fn unheard(&mut self, control: BorrowedFd<'_>) -> Option<i32> {
        let (signal, _) = self.ending.filter(|(_, at)| Instant::now() >= *at)?;
        self.ending = None;
        // What was written into the FIFO and not yet read counts too.
        let unread = rustix::io::ioctl_fionread(control).unwrap_or(0);
        (!self.bytes.is_empty() || unread > 0).then_some(signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;
    use std::os::fd::AsFd;

    const TERM: Control = Control::Signal { signal: libc::SIGTERM };

    #[test]
    fn what_nobody_reads_takes_no_more_than_its_room() {
        let (_reader, control) = sys::pipe().unwrap();
        rustix::io::ioctl_fionbio(&control, true).unwrap();
        let mut outbox = Outbox::new(Vec::new());
        let size = messages::encode_apart(&Form::from(&TERM)).unwrap().len();
        for _ in 0..LIMIT / size + 10_000 {
            outbox.post(control.as_fd(), &TERM);
        }
        assert!(outbox.bytes.len() <= LIMIT && outbox.bytes.len() + size > LIMIT);
    }

    #[test]
    fn only_a_signal_that_stays_unread_was_not_heard() {
        let (reader, control) = sys::pipe().unwrap();
        let mut outbox = Outbox::new(Vec::new());
        assert_eq!(outbox.patience(), -1);
        outbox.post(control.as_fd(), &TERM);
        assert!(outbox.patience() > 1000);
        assert_eq!(outbox.unheard(control.as_fd()), None);
        let late = |outbox: &mut Outbox| outbox.ending = Some((libc::SIGTERM, Instant::now()));
        late(&mut outbox);
        assert_eq!(outbox.unheard(control.as_fd()), Some(libc::SIGTERM));
        rustix::io::read(&reader, &mut [0; 4096]).unwrap();
        late(&mut outbox);
        assert_eq!(outbox.unheard(control.as_fd()), None);
        assert_eq!(outbox.patience(), -1);
    }
}
