//! What is in open files: read, written, and moved below without coming here.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, SeekFrom};

use crate::entries::Casefold;
use crate::lower::error;

/// Largest request; the kernel itself stops at 1 MiB.
pub(crate) const LARGEST: u32 = 1 << 20;
/// What is copied by one call.
const LARGEST_COPY: u64 = 1 << 30;

/// A place in an open file.
pub(crate) struct Position {
    pub handle: u64,
    pub offset: u64,
}

impl Casefold {
    /// Up to `size` bytes; fewer only at the end of the file.
    pub(crate) fn read(&self, from: &Position, size: u32) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; size.min(LARGEST) as usize];
        let count = read_fully(&*self.handles.file(from.handle)?, &mut buffer, from.offset)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    /// Says how many bytes were written.
    pub(crate) fn write(&self, to: &Position, data: &[u8]) -> io::Result<usize> {
        self.handles.file(to.handle)?.write_at(data, to.offset)
    }

    pub(crate) fn sync_file(&self, handle: u64, data_only: bool) -> io::Result<()> {
        let file = self.handles.file(handle)?;
        if data_only { file.sync_data() } else { file.sync_all() }
    }

    /// `mode` is that of fallocate(2).
    pub(crate) fn allocate(&self, at: &Position, length: u64, mode: i32) -> io::Result<()> {
        let flags = FallocateFlags::from_bits_retain(mode.cast_unsigned());
        let file = self.handles.file(at.handle)?;
        Ok(rustix::fs::fallocate(&file, flags, at.offset, length)?)
    }

    /// Where the next data, or the next hole, begins. The kernel answers every other `whence` itself.
    pub(crate) fn seek(&self, handle: u64, offset: i64, whence: i32) -> io::Result<u64> {
        let to = match (whence, u64::try_from(offset)) {
            (libc::SEEK_DATA, Ok(from)) => SeekFrom::Data(from),
            (libc::SEEK_HOLE, Ok(from)) => SeekFrom::Hole(from),
            _ => return Err(error(libc::EINVAL)),
        };
        Ok(rustix::fs::seek(&self.handles.file(handle)?, to)?)
    }

    /// Says how many bytes were copied.
    pub(crate) fn copy(&self, mut from: Position, mut to: Position, length: u64) -> io::Result<usize> {
        let length = length.min(LARGEST_COPY) as usize;
        let (source, target) = (self.handles.file(from.handle)?, self.handles.file(to.handle)?);
        let (read, written) = (Some(&mut from.offset), Some(&mut to.offset));
        Ok(rustix::fs::copy_file_range(&source, read, &target, written, length)?)
    }
}

fn read_fully(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) if done == 0 => return Err(cause),
            Err(_) => break,
        }
    }
    Ok(done)
}
