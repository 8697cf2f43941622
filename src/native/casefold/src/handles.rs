//! Open files and directories.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::lower::error;
use crate::lower_names::Listed;
use crate::node::lock;

#[derive(Default)]
pub(crate) struct Handles {
    open: RwLock<HashMap<u64, Handle>>,
    last: AtomicU64,
}

#[derive(Clone)]
enum Handle {
    File(Arc<File>),
    Directory(Arc<OpenDirectory>),
}

/// A directory that is being read. What it lists is read once from beginning to end, so that a position in it means the same
/// entry until somebody starts from the beginning.
pub(crate) struct OpenDirectory {
    pub descriptor: Arc<OwnedFd>,
    listing: Mutex<Option<Arc<Vec<Listed>>>>,
}

impl OpenDirectory {
    pub(crate) fn new(descriptor: Arc<OwnedFd>) -> Self {
        Self {
            descriptor,
            listing: Mutex::default(),
        }
    }

    /// What it lists; read anew for whoever starts from the beginning.
    pub(crate) fn listing(
        &self,
        is_beginning: bool,
        read: impl FnOnce() -> io::Result<Vec<Listed>>,
    ) -> io::Result<Arc<Vec<Listed>>> {
        let mut listing = lock(&self.listing);
        match listing.as_ref() {
            Some(listed) if !is_beginning => Ok(Arc::clone(listed)),
            _ => Ok(Arc::clone(listing.insert(Arc::new(read()?)))),
        }
    }
}

impl Handles {
    pub(crate) fn add_file(&self, file: Arc<File>) -> u64 {
        self.add(Handle::File(file))
    }

    pub(crate) fn add_directory(&self, directory: OpenDirectory) -> u64 {
        self.add(Handle::Directory(Arc::new(directory)))
    }

    fn add(&self, handle: Handle) -> u64 {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, handle);
        number
    }

    /// `EBADF` if there is no such open file.
    pub(crate) fn file(&self, number: u64) -> io::Result<Arc<File>> {
        match self.get(number) {
            Some(Handle::File(file)) => Ok(file),
            _ => Err(error(libc::EBADF)),
        }
    }

    /// `EBADF` if there is no such open directory.
    pub(crate) fn directory(&self, number: u64) -> io::Result<Arc<OpenDirectory>> {
        match self.get(number) {
            Some(Handle::Directory(directory)) => Ok(directory),
            _ => Err(error(libc::EBADF)),
        }
    }

    pub(crate) fn close(&self, number: u64) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let handle = open.remove(&number);
        drop(open);
        // Closing may take a while; others need not wait for it.
        drop(handle);
    }

    fn get(&self, number: u64) -> Option<Handle> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.get(&number).cloned()
    }
}
