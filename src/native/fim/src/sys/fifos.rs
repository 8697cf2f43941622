//! FIFOs and directories by descriptor, so that no link is followed.

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, mkfifoat, openat};
use rustix::process::geteuid;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

pub fn open_directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

/// A directory in another one, and no link to one.
pub fn open_directory_at(directory: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(directory, name, flags, Mode::empty())?)
}

/// Opens a FIFO of this user. Anything else is refused without being opened: to open a device can have effects.
pub fn open_fifo_at(directory: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd> {
    let place = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = openat(directory, name, place, Mode::empty())?;
    let found = fstat(&place)?;
    if !FileType::from_raw_mode(found.st_mode).is_fifo() || found.st_uid != geteuid().as_raw() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("'{name}' is not a FIFO of ours"),
        ));
    }
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    Ok(openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())?)
}

/// Whether two descriptors lead to the same file, pipe or terminal.
pub fn is_same(left: impl AsFd, right: impl AsFd) -> bool {
    match (fstat(left), fstat(right)) {
        (Ok(left), Ok(right)) => (left.st_dev, left.st_ino) == (right.st_dev, right.st_ino),
        _ => false,
    }
}

/// Whether a descriptor leads to a character device, such as a terminal.
pub fn is_device(descriptor: impl AsFd) -> bool {
    fstat(descriptor).is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_char_device())
}

/// Whether a descriptor leads to `/dev/null`.
pub fn is_null(descriptor: impl AsFd) -> bool {
    let null = rustix::fs::makedev(1, 3);
    is_device(&descriptor) && fstat(descriptor).is_ok_and(|found| found.st_rdev == null)
}

pub fn make_fifo_at(directory: BorrowedFd<'_>, name: &str) -> Result<()> {
    Ok(mkfifoat(directory, name, Mode::RUSR | Mode::WUSR)?)
}

/// Whether nobody will ever read what is written into a pipe.
pub fn is_unread(pipe: impl AsFd) -> bool {
    super::poll([super::closed(&pipe)], 0).is_ok_and(|[closed]| closed)
}
