//! A file or directory that the kernel knows.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use crate::names::Names;

pub(crate) struct Node {
    /// Its number, for the kernel and as `st_ino`.
    pub id: u64,
    /// The type bits of its mode.
    pub kind: u32,
    /// Where it is: one place, or none once it is removed, or several hard links.
    places: Mutex<Vec<Place>>,
    /// Open files of it, for what is asked of a file that has no name any more.
    files: Mutex<Vec<Weak<File>>>,
    /// Of a directory: the names in it, if they are known. Held for writing while names change, and for reading while one
    /// of them is used, so that a name stands for the same file from the question to the answer.
    pub names: RwLock<Option<Box<Names>>>,
    /// Of a directory: an `O_PATH` descriptor, if one is kept open.
    descriptor: Mutex<Option<Arc<OwnedFd>>>,
}

/// A stored name in a directory.
#[derive(Clone)]
pub(crate) struct Place {
    pub parent: Arc<Node>,
    pub name: Arc<[u8]>,
}

impl Place {
    pub(crate) fn is(&self, parent: &Node, name: &[u8]) -> bool {
        self.parent.id == parent.id && *self.name == *name
    }
}

impl Node {
    pub(crate) fn new(id: u64, kind: u32, place: Option<Place>) -> Self {
        Self {
            id,
            kind,
            places: Mutex::new(place.into_iter().collect()),
            files: Mutex::default(),
            names: RwLock::default(),
            descriptor: Mutex::default(),
        }
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind == libc::S_IFDIR
    }

    /// One of its places.
    pub(crate) fn place(&self) -> Option<Place> {
        lock(&self.places).first().cloned()
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        lock(&self.places).clone()
    }

    pub(crate) fn is_at(&self, place: &Place) -> bool {
        lock(&self.places)
            .iter()
            .any(|other| other.is(&place.parent, &place.name))
    }

    pub(crate) fn add_place(&self, place: Place) {
        lock(&self.places).push(place);
    }

    pub(crate) fn remove_place(&self, parent: &Node, name: &[u8]) {
        lock(&self.places).retain(|place| !place.is(parent, name));
    }

    /// A file of it that is open.
    pub(crate) fn open_file(&self) -> Option<Arc<File>> {
        lock(&self.files).iter().find_map(Weak::upgrade)
    }

    pub(crate) fn add_file(&self, file: &Arc<File>) {
        let mut files = lock(&self.files);
        files.retain(|other| other.strong_count() > 0);
        files.push(Arc::downgrade(file));
    }

    pub(crate) fn descriptor(&self) -> Option<Arc<OwnedFd>> {
        lock(&self.descriptor).clone()
    }

    pub(crate) fn set_descriptor(&self, descriptor: Option<Arc<OwnedFd>>) {
        *lock(&self.descriptor) = descriptor;
    }
}

/// A lock whose holder has panicked is as good as any: the program ends on panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
