//! One data block, decompressed from its start as far as anybody asked for.
//!
//! Many threads may want bytes of the same block. One of them works at a time; what is ready is read without a lock.
//! The others sleep until their bytes are ready, or take the work over when the one before has what it wanted.

mod decoder;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use dwarfs::positioned_io::ReadAt;
use dwarfs::section::{CompressAlgo, Header, SectionReader, SectionType};

use self::decoder::Decoder;
pub(crate) use self::decoder::release;
use crate::buffer::Buffer;
use crate::error::Fault;
use crate::index::{self, HEADER_SIZE, Section};
use crate::sections;
use crate::source::Window;

/// Most bytes that a decoder makes at once.
const STEP: usize = 128 << 10;
/// Blocks up to this size are decompressed as wholes: the rest takes about as long as it takes to ask for it.
pub(crate) const SMALL: usize = 512 << 10;
/// Memory of a decoder, without its input.
const DECODER: u64 = 192 << 10;

#[derive(Debug)]
pub(crate) struct Block {
    section: Section,
    /// Largest size of the content.
    limit: usize,
    room: OnceLock<Buffer>,
    /// Bytes of `room` that are final; only ever grows, and only by the thread that holds the work.
    ready: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
    /// Whether the whole of it has been asked for in advance.
    pub(crate) wished: AtomicBool,
    /// What the cache has booked for it.
    pub(crate) booked: AtomicU64,
    /// Whether the blocks after this one have been asked for in advance.
    pub(crate) followed: AtomicBool,
}

#[derive(Debug)]
struct State {
    work: Work,
    waiting: u32,
}

#[derive(Debug)]
enum Work {
    /// Nothing has been read yet.
    Unread,
    Started(Box<Decoder>),
    /// A thread is at it.
    Taken,
    Finished,
    Failed,
}

impl Block {
    pub(crate) fn new(section: Section, limit: usize) -> Self {
        Self {
            section,
            limit,
            room: OnceLock::new(),
            ready: AtomicUsize::new(0),
            state: Mutex::new(State {
                work: Work::Unread,
                waiting: 0,
            }),
            changed: Condvar::new(),
            wished: AtomicBool::new(false),
            booked: AtomicU64::new(0),
            followed: AtomicBool::new(false),
        }
    }

    /// Bytes of memory that a block of at most `limit` bytes takes when `end` of them are ready: until all are, which of small
    /// blocks they soon will be, the compressed ones are kept too.
    pub(crate) fn cost(section: Section, limit: usize, end: usize) -> u64 {
        let end = end.next_multiple_of(STEP);
        if end < limit && limit > SMALL {
            end as u64 + section.length + DECODER
        } else {
            limit as u64
        }
    }

    /// Bytes of memory that it takes now.
    pub(crate) fn held(&self) -> u64 {
        Self::cost(self.section, self.limit, self.ready.load(Ordering::Relaxed))
    }

    /// True if the first `end` bytes can be read without any work.
    pub(crate) fn is_ready(&self, end: usize) -> bool {
        self.ready.load(Ordering::Acquire) >= end
    }

    /// The content from `start` to `end`, decompressing what is missing. `EIO` if the block is damaged or too short.
    pub(crate) fn bytes(&self, window: &Window, start: usize, end: usize) -> io::Result<&[u8]> {
        self.prepare(window, end)?;
        let room = self.room.get().filter(|room| start <= end && end <= room.len());
        match room {
            // SAFETY: the range lies within the mapping, and below `ready`: `prepare` saw it there with `Acquire`, so the
            // bytes are written and nobody writes to them any more. The mapping lives as long as `self`.
            Some(room) => Ok(unsafe { std::slice::from_raw_parts(room.start().as_ptr().add(start), end - start) }),
            None => Err(broken()),
        }
    }

    /// Makes the first `end` bytes ready, or all if there are fewer.
    pub(crate) fn prepare_up_to(&self, window: &Window, end: usize) -> io::Result<()> {
        match self.prepare(window, end) {
            Err(_) if matches!(self.lock().work, Work::Finished) => Ok(()),
            result => result,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepare(&self, window: &Window, end: usize) -> io::Result<()> {
        if self.is_ready(end) {
            return Ok(());
        }
        let mut state = self.lock();
        loop {
            if self.is_ready(end) {
                return Ok(());
            }
            match std::mem::replace(&mut state.work, Work::Taken) {
                Work::Taken => {
                    state.waiting += 1;
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.waiting -= 1;
                }
                last @ (Work::Finished | Work::Failed) => {
                    state.work = last;
                    return Err(broken());
                }
                work => {
                    drop(state);
                    let result = self.advance(work, window, end);
                    state = self.lock();
                    let (work, result) = match result {
                        Ok(work) => (work, Ok(())),
                        Err(cause) => (Work::Failed, Err(cause)),
                    };
                    state.work = work;
                    self.changed.notify_all();
                    result?;
                }
            }
        }
    }

    /// Works until `end` bytes are ready; returns what is left to do.
    fn advance(&self, work: Work, window: &Window, end: usize) -> io::Result<Work> {
        let mut decoder = match work {
            Work::Started(decoder) => decoder,
            _ => match self.start_unchanged(window)? {
                Some(decoder) => decoder,
                None => return Ok(Work::Finished),
            },
        };
        let room = self.room.get().ok_or_else(broken)?;
        let mut ready = self.ready.load(Ordering::Relaxed);
        while ready < end {
            let is_last = decoder.step(room, &mut ready)?;
            self.ready.store(ready, Ordering::Release);
            if is_last {
                return Ok(Work::Finished);
            }
            // Taking the lock orders this with a waiter that has just looked and is about to sleep.
            let someone_waits = self.lock().waiting > 0;
            if someone_waits {
                self.changed.notify_all();
            }
        }
        Ok(Work::Started(decoder))
    }

    /// As `start`, unless the file was overwritten meanwhile.
    fn start_unchanged(&self, window: &Window) -> io::Result<Option<Box<Decoder>>> {
        let started = self.start(window);
        window.check()?;
        started.map_err(|fault| match fault {
            Fault::Read(cause) => cause,
            Fault::Damaged(_) | Fault::Unsupported(_) => broken(),
        })
    }

    /// Reads and checks the compressed block. Without a decoder everything is ready.
    fn start(&self, window: &Window) -> Result<Option<Box<Decoder>>, Fault> {
        let header = index::header(window, self.section, SectionType::BLOCK)?;
        let length = usize::try_from(header.payload_size.get()).unwrap_or(usize::MAX);
        // What does not become smaller is stored as it is; the rest is for the headers of the formats.
        if length == 0 || length > self.limit.saturating_add(4096) {
            return Err(Fault::damaged("a data block has an impossible size"));
        }
        let mut input = Buffer::taken(length)?;
        window.read_exact_at(self.section.offset + HEADER_SIZE, input.bytes_mut())?;
        header.validate_fast_checksum(input.bytes())?;
        let size = sections::content_size(&header, input.bytes(), self.limit)?;
        if size == 0 || size > self.limit {
            return Err(Fault::damaged("a data block is larger than the block size"));
        }
        match header.compress_algo {
            CompressAlgo::NONE => self.finish(input, size),
            CompressAlgo::ZSTD => {
                let decoder = Decoder::new(input)?;
                let room = if size <= SMALL {
                    Buffer::taken(size)
                } else {
                    Buffer::new(size)
                };
                self.room
                    .set(room?)
                    .map_err(|_| Fault::damaged("a block began twice"))?;
                Ok(Some(Box::new(decoder)))
            }
            _ => self.decompress_whole(&header, input, size),
        }
    }

    /// For the formats that are not decompressed step by step.
    fn decompress_whole(&self, header: &Header, input: Buffer, size: usize) -> Result<Option<Box<Decoder>>, Fault> {
        let mut room = Buffer::new(size.max(input.len()))?;
        let mut reader = SectionReader::new(input.bytes());
        let size = reader.read_payload_at_into(header, 0, room.bytes_mut())?;
        drop(reader);
        self.finish(room, size)
    }

    fn finish(&self, room: Buffer, size: usize) -> Result<Option<Box<Decoder>>, Fault> {
        let size = size.min(room.len());
        self.room.set(room).map_err(|_| Fault::damaged("a block began twice"))?;
        self.ready.store(size, Ordering::Release);
        Ok(None)
    }
}

fn broken() -> io::Error {
    io::Error::from_raw_os_error(libc::EIO)
}
