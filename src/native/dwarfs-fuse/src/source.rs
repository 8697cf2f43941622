//! The part of a file an image lies in. Nothing outside of it is ever read, whatever offsets the image claims.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

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
    /// The first and last bytes of the image: the header of its first section, and the end of its index.
    marks: Vec<u8>,
    /// What the kernel said of the file when the marks were compared last; `None` for block devices.
    seen: Mutex<Option<Seen>>,
    is_overwritten: AtomicBool,
}

/// So many bytes of an image are compared at both of its ends. The index has 8 for each section.
const MARK: u64 = 1024;

/// Changes with each write to a file.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    size: u64,
    changed: (i64, i64),
}

impl Seen {
    fn of(status: &Metadata) -> Option<Seen> {
        status.is_file().then(|| Seen {
            size: status.len(),
            changed: (status.ctime(), status.ctime_nsec()),
        })
    }
}

impl Window {
    /// Fails with `UnexpectedEof` if the file is shorter than `offset + size`.
    pub(crate) fn new(file: File, offset: u64, size: Option<u64>) -> io::Result<Self> {
        let seen = Seen::of(&file.metadata()?);
        let length = file_length(&file)?;
        let rest = length.checked_sub(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = match size {
            Some(size) if size > rest => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(size) => size,
            None => rest,
        };
        let mut window = Self {
            file,
            offset,
            size,
            marks: Vec::new(),
            seen: Mutex::new(seen),
            is_overwritten: AtomicBool::new(false),
        };
        window.marks = window.read_marks()?;
        Ok(window)
    }

    fn read_marks(&self) -> io::Result<Vec<u8>> {
        let length = self.size.min(MARK);
        let mut marks = vec![0; 2 * length as usize];
        let (head, tail) = marks.split_at_mut(length as usize);
        self.read_exact_at(0, head)?;
        self.read_exact_at(self.size - length, tail)?;
        Ok(marks)
    }

    /// Fails if the file was written to and this image is no longer in it. After each read: what was read before the file has
    /// changed is right. Settings of the file may change, and layers may be added behind this one.
    pub(crate) fn check(&self) -> io::Result<()> {
        let now = Seen::of(&self.file.metadata()?);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return Ok(());
        }
        if self.read_marks().is_ok_and(|marks| marks == self.marks) {
            *seen = now;
            return Ok(());
        }
        self.is_overwritten.store(true, Ordering::Relaxed);
        Err(io::Error::from_raw_os_error(libc::EIO))
    }

    /// Whether a check has failed because the file was written to.
    pub(crate) fn is_overwritten(&self) -> bool {
        self.is_overwritten.load(Ordering::Relaxed)
    }

    /// The path of the file as it is now.
    pub(crate) fn path(&self) -> PathBuf {
        let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        std::fs::read_link(&link).unwrap_or_else(|_| link.into())
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
