//! The names in the directories below: read whole when a spelling is not there as it is, kept while the directory says that
//! nothing has changed in it, and forgotten, of those that are not in use, when they are too many.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLockWriteGuard};

use rustix::fs::{FileType, Mode, OFlags, RawDir, fstat, openat};

use crate::lower::Lower;
use crate::names::{Names, Stamp};
use crate::node::{Node, lock};

/// Names kept at most in directories that are not in use; some 100 bytes each.
const NAMES_LIMIT: usize = 1 << 18;

/// An entry of a listing.
pub(crate) struct Listed {
    pub name: Box<[u8]>,
    pub inode: u64,
    pub kind: FileType,
}

impl Lower {
    /// The names of a directory as they are now, for changing them.
    pub(crate) fn names<'a>(
        &self,
        node: &'a Arc<Node>,
        directory: &OwnedFd,
    ) -> io::Result<RwLockWriteGuard<'a, Option<Box<Names>>>> {
        let mut guard = node.names.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = guard.as_mut()
            && (names.is_trusted() || names.check(stamp(directory)?))
        {
            return Ok(guard);
        }
        self.reread(node, directory, &mut guard)?;
        Ok(guard)
    }

    /// Reads the names of a directory anew.
    pub(crate) fn reread(
        &self,
        node: &Arc<Node>,
        directory: &OwnedFd,
        known: &mut Option<Box<Names>>,
    ) -> io::Result<()> {
        let was_known = known.is_some();
        let mut names = Names::new(stamp(directory)?, &self.names_total);
        for entry in self.list(directory)? {
            names.insert(&entry.name);
        }
        *known = Some(Box::new(names));
        if !was_known {
            lock(&self.indexed).push_back(Arc::downgrade(node));
        }
        self.bound_names();
        Ok(())
    }

    /// Forgets the names of directories until few enough are left. Those that are in use right now are passed over.
    fn bound_names(&self) {
        let mut indexed = lock(&self.indexed);
        for _ in 0..indexed.len() {
            if self.names_total.load(Ordering::Relaxed) <= NAMES_LIMIT {
                return;
            }
            let Some(node) = indexed.pop_front().and_then(|node| node.upgrade()) else {
                continue;
            };
            match node.names.try_write() {
                Ok(mut names) => *names = None,
                Err(_) => indexed.push_back(Arc::downgrade(&node)),
            }
        }
    }

    /// All entries of a directory but itself and its parent.
    pub(crate) fn list(&self, directory: &OwnedFd) -> io::Result<Vec<Listed>> {
        self.counters.listings.fetch_add(1, Ordering::Relaxed);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let readable = openat(directory, c".", flags, Mode::empty())?;
        let mut buffer = Vec::with_capacity(64 << 10);
        let mut entries = RawDir::new(readable, buffer.spare_capacity_mut());
        let mut listed = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                listed.push(Listed {
                    name: name.into(),
                    inode: entry.ino(),
                    kind: entry.file_type(),
                });
            }
        }
        Ok(listed)
    }
}

/// When a directory was changed last.
pub(crate) fn stamp(directory: &OwnedFd) -> io::Result<Stamp> {
    let stat = fstat(directory)?;
    let nanoseconds = |part| i64::try_from(part).unwrap_or(0);
    Ok([
        stat.st_mtime,
        nanoseconds(stat.st_mtime_nsec),
        stat.st_ctime,
        nanoseconds(stat.st_ctime_nsec),
    ])
}
