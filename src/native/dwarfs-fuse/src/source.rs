//! The part of a file an image lies in. Nothing outside of it is ever read, whatever offsets the image claims.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use dwarfs::positioned_io::{ReadAt, Size};

use crate::hot::Stamp;

/// Where a layer lies: a whole file, or a part of one such as the tail of an executable.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// First byte of the image in the file.
    pub offset: u64,
    /// Length of the image in bytes; `None` means up to the end of the file.
    pub size: Option<u64>,
}

/// An open file narrowed to the bytes of one image; positions count from the start of the image.
#[derive(Debug)]
pub(crate) struct Window {
    file: File,
    offset: u64,
    size: u64,
}

impl Window {
    /// Fails with `UnexpectedEof` if the file is shorter than `offset + size`.
    pub(crate) fn new(file: File, offset: u64, size: Option<u64>) -> io::Result<Self> {
        let length = file_length(&file)?;
        let rest = length.checked_sub(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = match size {
            Some(size) if size > rest => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(size) => size,
            None => rest,
        };
        Ok(Self { file, offset, size })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// What tells these bytes of this file from others, as long as the file is not changed.
    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        Stamp::of(&self.file, self.offset, self.size)
    }

    pub(crate) fn status(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }
}

/// Length of a regular file, or of a block device, whose metadata says zero.
fn file_length(file: &File) -> io::Result<u64> {
    use std::io::{Seek, SeekFrom};
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    let mut file = file;
    file.seek(SeekFrom::End(0))
}

impl ReadAt for Window {
    fn read_at(&self, position: u64, into: &mut [u8]) -> io::Result<usize> {
        let Some(rest) = self.size.checked_sub(position) else {
            return Ok(0);
        };
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(into.len());
        let Some(into) = into.get_mut(..length) else {
            return Ok(0);
        };
        // The sum cannot overflow: the window lies within the file.
        FileExt::read_at(&self.file, into, self.offset + position)
    }
}

impl Size for Window {
    fn size(&self) -> io::Result<Option<u64>> {
        Ok(Some(self.size))
    }
}
