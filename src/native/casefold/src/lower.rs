//! The directory below: its directories by descriptor, and its files by their names. A descriptor and single names reach a
//! file whatever is renamed above it. `lower_names` has the names that are in a directory.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLockReadGuard, Weak};

use rustix::fs::{AtFlags, Mode, OFlags, Stat, openat, statat};

use crate::names::Names;
use crate::node::{Node, lock};

/// How often a question is asked anew because what it is about was renamed in the meantime.
const ATTEMPTS: usize = 100;

/// How often the directory below was asked for what costs most.
#[derive(Debug, Default)]
pub struct Counters {
    /// Directories read from their beginning to their end.
    pub listings: AtomicU64,
    /// Names looked up.
    pub lookups: AtomicU64,
}

pub(crate) struct Lower {
    /// Directories with an open descriptor, the one opened first first.
    opened: Mutex<VecDeque<Weak<Node>>>,
    descriptor_limit: usize,
    /// Directories whose names are known, likewise.
    pub(crate) indexed: Mutex<VecDeque<Weak<Node>>>,
    pub(crate) names_total: Arc<AtomicUsize>,
    pub(crate) counters: Arc<Counters>,
}

/// A file pinned down, whatever its name becomes.
pub(crate) enum Pinned {
    Directory(Arc<OwnedFd>),
    Named(OwnedFd),
    Open(Arc<File>),
}

impl AsFd for Pinned {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Directory(descriptor) => descriptor.as_fd(),
            Self::Named(descriptor) => descriptor.as_fd(),
            Self::Open(file) => file.as_fd(),
        }
    }
}

impl Lower {
    pub(crate) fn new(descriptor_limit: usize) -> Self {
        Self {
            opened: Mutex::default(),
            descriptor_limit: descriptor_limit.max(1),
            indexed: Mutex::default(),
            names_total: Arc::default(),
            counters: Arc::default(),
        }
    }

    /// A descriptor of a directory, opened from the nearest directory above that has one. `ESTALE` if it was removed.
    /// The caller must not hold the names of any directory.
    pub(crate) fn directory(&self, node: &Arc<Node>) -> io::Result<Arc<OwnedFd>> {
        if !node.is_directory() {
            return Err(error(libc::ENOTDIR));
        }
        for _ in 0..ATTEMPTS {
            let mut missing = Vec::new();
            let mut nearest = Arc::clone(node);
            let mut descriptor = loop {
                if let Some(descriptor) = nearest.descriptor() {
                    break descriptor;
                }
                let place = nearest.place().ok_or_else(|| error(libc::ESTALE))?;
                missing.push((nearest, place.clone()));
                nearest = place.parent;
            };
            let mut is_whole = true;
            while let Some((node, place)) = missing.pop() {
                let held = read(&place.parent);
                if !node.is_at(&place) {
                    is_whole = false;
                    break;
                }
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                descriptor = Arc::new(openat(&*descriptor, &*place.name, flags, Mode::empty())?);
                drop(held);
                self.keep(&node, Arc::clone(&descriptor));
            }
            if is_whole {
                return Ok(descriptor);
            }
        }
        Err(error(libc::ESTALE))
    }

    fn keep(&self, node: &Arc<Node>, descriptor: Arc<OwnedFd>) {
        node.set_descriptor(Some(descriptor));
        let mut opened = lock(&self.opened);
        opened.push_back(Arc::downgrade(node));
        if opened.len() > self.descriptor_limit {
            opened.retain(|node| node.strong_count() > 0);
        }
        while opened.len() > self.descriptor_limit {
            if let Some(oldest) = opened.pop_front().and_then(|node| node.upgrade()) {
                oldest.set_descriptor(None);
            }
        }
    }

    /// Opens a file by one of its names; symlinks are not followed. `ESTALE` if it has no name any more.
    pub(crate) fn open(&self, node: &Arc<Node>, flags: OFlags) -> io::Result<OwnedFd> {
        for _ in 0..ATTEMPTS {
            let mut result = Err(error(libc::ESTALE));
            let mut is_current = true;
            for place in node.places() {
                let directory = self.directory(&place.parent)?;
                let held = read(&place.parent);
                is_current = node.is_at(&place);
                if !is_current {
                    break;
                }
                let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                result = openat(&*directory, &*place.name, flags, Mode::empty()).map_err(io::Error::from);
                drop(held);
                if result.as_ref().err().and_then(io::Error::raw_os_error) != Some(libc::ENOENT) {
                    break;
                }
            }
            if is_current {
                return result;
            }
        }
        Err(error(libc::ESTALE))
    }

    /// Pins a node down: by its name, or where it has none any more by an open file of it.
    pub(crate) fn pin(&self, node: &Arc<Node>) -> io::Result<Pinned> {
        if node.is_directory() {
            return self.directory(node).map(Pinned::Directory);
        }
        match (self.open(node, OFlags::PATH), node.open_file()) {
            (Ok(descriptor), _) => Ok(Pinned::Named(descriptor)),
            (Err(_), Some(file)) => Ok(Pinned::Open(file)),
            (Err(cause), None) => Err(cause),
        }
    }

    /// What is said about a name, without following it.
    pub(crate) fn look(&self, directory: &OwnedFd, name: &[u8]) -> io::Result<Stat> {
        self.counters.lookups.fetch_add(1, Ordering::Relaxed);
        Ok(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// Holds the names of a directory as they are, known or not.
pub(crate) fn read(node: &Node) -> RwLockReadGuard<'_, Option<Box<Names>>> {
    node.names.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}
