//! Open directories: what they list, in the order of positions that the kernel goes on from.

use std::io;

use fuser::FileType;
use rustix::fs::{self as below, Mode, OFlags, openat};

use crate::entries::Casefold;
use crate::handles::OpenDirectory;

/// Entries before the first name of a directory: itself and its parent.
const DOTS: u64 = 2;

impl Casefold {
    pub(crate) fn open_directory(&self, id: u64) -> io::Result<u64> {
        let (_, directory) = self.directory(id)?;
        Ok(self.handles.add_directory(OpenDirectory::new(directory)))
    }

    /// Tells `add` the entries from the position `offset` on until it says that it has enough: the number of each, the
    /// position behind it, its type and its name.
    pub(crate) fn read_directory(
        &self,
        id: u64,
        handle: u64,
        offset: u64,
        mut add: impl FnMut(u64, u64, FileType, &[u8]) -> bool,
    ) -> io::Result<()> {
        let directory = self.handles.directory(handle)?;
        let listing = directory.listing(offset == 0, || self.lower.list(&directory.descriptor))?;
        let parent = || self.node(id).ok()?.place().map(|place| place.parent.id);
        if offset == 0 && add(id, 1, FileType::Directory, b".") {
            return Ok(());
        }
        if offset <= 1 && add(parent().unwrap_or(id), 2, FileType::Directory, b"..") {
            return Ok(());
        }
        let start = offset.max(DOTS);
        let rest = listing.iter().skip(usize::try_from(start - DOTS).unwrap_or(usize::MAX));
        for (entry, position) in rest.zip(start + 1..) {
            let number = self.inodes.number_at(id, &entry.name).unwrap_or(entry.inode);
            let kind = match entry.kind {
                below::FileType::Unknown => self
                    .lower
                    .look(&directory.descriptor, &entry.name)
                    .map_or(entry.kind, |stat| below::FileType::from_raw_mode(stat.st_mode)),
                kind => kind,
            };
            if add(number, position, listed_type(kind), &entry.name) {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn sync_directory(&self, handle: u64, data_only: bool) -> io::Result<()> {
        let directory = self.handles.directory(handle)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let readable = openat(&*directory.descriptor, c".", flags, Mode::empty())?;
        Ok(if data_only {
            below::fdatasync(readable)
        } else {
            below::fsync(readable)
        }?)
    }
}

fn listed_type(kind: below::FileType) -> FileType {
    match kind {
        below::FileType::Directory => FileType::Directory,
        below::FileType::Symlink => FileType::Symlink,
        below::FileType::BlockDevice => FileType::BlockDevice,
        below::FileType::CharacterDevice => FileType::CharDevice,
        below::FileType::Fifo => FileType::NamedPipe,
        below::FileType::Socket => FileType::Socket,
        below::FileType::RegularFile | below::FileType::Unknown => FileType::RegularFile,
    }
}
