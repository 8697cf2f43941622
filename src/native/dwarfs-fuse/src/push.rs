//! Gives the kernel the pages of a file that starts read before anybody asks for them.
//!
//! A program that maps a library asks for its pages one fault at a time, and each costs a request. What starts read of a file is in
//! the hot file, so it is stored in the kernel's page cache as soon as the file is looked up. A thread of its own does that: the
//! kernel lets it wait for a page that somebody reads, whom the other threads have to answer meanwhile.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fuser::INodeNo;

use crate::hot::PAGE;
use crate::layer::Room;
use crate::view::{Node, View};

/// Bytes that are given at once: so few that they are still in the processor's cache.
const MOST: u64 = 128 << 10;
/// The kernel knows an inode only when it has read our answer. As often it is tried again, and after this time.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_micros(50);
/// After this time without a file the memory is given back.
const IDLE: Duration = Duration::from_secs(1);
/// `FUSE_NOTIFY_STORE` of the kernel's `fuse.h`.
const STORE: i32 = 4;

/// What is to be given.
pub(crate) struct Pusher {
    files: Sender<(INodeNo, Node)>,
    known: Mutex<HashSet<u64>>,
}

impl Pusher {
    /// None where no layer has anything to give, or there is no thread for it.
    pub(crate) fn start(view: &Arc<View>, fuse: OwnedFd) -> Option<Self> {
        let has_ranges = |layer: &crate::Layer| layer.hot().is_some_and(|hot| hot.has_ranges());
        if !view.layers().iter().any(has_ranges) {
            return None;
        }
        let (files, wanted) = channel();
        let view = Arc::clone(view);
        let thread = std::thread::Builder::new()
            .name("dwarfs-push".into())
            .stack_size(128 << 10);
        thread.spawn(move || work(&view, &fuse, &wanted)).ok()?;
        Some(Self {
            files,
            known: Mutex::default(),
        })
    }

    /// Has a file given once, if starts read more of it than one request brings.
    pub(crate) fn want(&self, view: &View, node: Node) {
        let hot = view.layer(node).and_then(|layer| layer.hot());
        let ranges = hot.map_or(&[][..], |hot| hot.ranges_of(node.inode));
        let pages: u64 = ranges.iter().map(|range| u64::from(range.pages)).sum();
        if pages * PAGE <= MOST {
            return;
        }
        let number = view.number(node);
        let is_new = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number.0);
        if is_new {
            // Without the thread the kernel asks for what it needs.
            let _ = self.files.send((number, node));
        }
    }
}

fn work(view: &View, fuse: &OwnedFd, wanted: &Receiver<(INodeNo, Node)>) {
    loop {
        let next = match wanted.recv_timeout(IDLE) {
            Err(RecvTimeoutError::Timeout) => {
                Room::release();
                wanted.recv().map_err(|_| RecvTimeoutError::Disconnected)
            }
            next => next,
        };
        let Ok((number, node)) = next else { return };
        let Some(layer) = view.layer(node) else { continue };
        let size = layer.attributes(node.inode).map_or(0, |attributes| attributes.size);
        let ranges = layer.hot().map_or(&[][..], |hot| hot.ranges_of(node.inode));
        let parts = ranges.iter().flat_map(|range| {
            let start = u64::from(range.page) * PAGE;
            let end = (start + u64::from(range.pages) * PAGE).min(size);
            (start..end)
                .step_by(MOST as usize)
                .map(move |start| (start, end.min(start + MOST)))
        });
        // The beginning is what somebody asks for right now.
        let (beginning, rest): (Vec<_>, Vec<_>) = parts.partition(|(start, _)| *start == 0);
        let mut room = Room::take();
        for (start, end) in rest.into_iter().chain(beginning) {
            let bytes = layer.read_hot(node.inode, start, (end - start) as usize, &mut room);
            // What cannot be given is asked for.
            if bytes.is_none_or(|bytes| give(fuse, number, start, bytes).is_err()) {
                break;
            }
        }
        room.keep();
    }
}

fn give(fuse: &OwnedFd, number: INodeNo, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..TRIES {
        result = store(fuse, number, offset, bytes);
        match &result {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => std::thread::sleep(PAUSE),
            _ => break,
        }
    }
    result
}

/// `struct fuse_out_header` and `struct fuse_notify_store_out`, and then the bytes. Not through the crate, which does not say that the
/// kernel does not know the inode yet.
fn store(fuse: &OwnedFd, number: INodeNo, offset: u64, bytes: &[u8]) -> io::Result<()> {
    const HEAD: usize = 40;
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(&((HEAD + bytes.len()) as u32).to_ne_bytes());
    head.extend_from_slice(&STORE.to_ne_bytes());
    head.extend_from_slice(&0u64.to_ne_bytes());
    head.extend_from_slice(&number.0.to_ne_bytes());
    head.extend_from_slice(&offset.to_ne_bytes());
    head.extend_from_slice(&(bytes.len() as u32).to_ne_bytes());
    head.extend_from_slice(&0u32.to_ne_bytes());
    let parts = [head.as_slice(), bytes].map(|part| libc::iovec {
        iov_base: part.as_ptr().cast_mut().cast(),
        iov_len: part.len(),
    });
    // SAFETY: both parts are live slices, and the kernel only reads them.
    let written = unsafe { libc::writev(fuse.as_raw_fd(), parts.as_ptr(), parts.len() as libc::c_int) };
    match written {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
