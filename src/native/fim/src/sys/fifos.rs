//! FIFOs and directories by descriptor, so that no link is followed.

use super::{c_string, check};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

fn open_at(directory: RawFd, name: &std::ffi::OsStr, flags: i32) -> Result<OwnedFd> {
    let name = c_string(name)?;
    // SAFETY: the name is a terminated string that outlives the call.
    let descriptor = check(unsafe { libc::openat(directory, name.as_ptr(), flags | libc::O_CLOEXEC) }.into())?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) })
}

pub fn open_directory(path: &Path) -> Result<OwnedFd> {
    open_at(libc::AT_FDCWD, path.as_os_str(), libc::O_RDONLY | libc::O_DIRECTORY)
}

/// A directory in another one, and no link to one.
pub fn open_directory_at(directory: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    open_at(directory.as_raw_fd(), name.as_ref(), flags)
}

/// Opens a FIFO of this user. Anything else is refused without being opened: to open a device can have effects.
pub fn open_fifo_at(directory: BorrowedFd<'_>, name: &str, flags: i32) -> Result<OwnedFd> {
    let place = open_at(directory.as_raw_fd(), name.as_ref(), libc::O_PATH | libc::O_NOFOLLOW)?;
    let (kind, owner) = identify(place.as_raw_fd())?;
    if kind != libc::S_IFIFO || owner != super::effective_uid() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("'{name}' is not a FIFO of ours"),
        ));
    }
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    open_at(libc::AT_FDCWD, path.as_ref(), flags)
}

/// Type and owner of what is open.
fn identify(descriptor: RawFd) -> Result<(libc::mode_t, u32)> {
    let status = status_of(descriptor)?;
    Ok((status.st_mode & libc::S_IFMT, status.st_uid))
}

fn status_of(descriptor: RawFd) -> Result<libc::stat> {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills the structure, or the call fails and it is not read.
    unsafe {
        check(libc::fstat(descriptor, status.as_mut_ptr()).into())?;
        Ok(status.assume_init())
    }
}

/// Whether two descriptors lead to the same file, pipe or terminal.
pub fn is_same(left: RawFd, right: RawFd) -> bool {
    match (status_of(left), status_of(right)) {
        (Ok(left), Ok(right)) => (left.st_dev, left.st_ino) == (right.st_dev, right.st_ino),
        _ => false,
    }
}

/// Whether a descriptor leads to a character device, such as a terminal.
pub fn is_device(descriptor: RawFd) -> bool {
    status_of(descriptor).is_ok_and(|status| status.st_mode & libc::S_IFMT == libc::S_IFCHR)
}

/// Whether a descriptor leads to `/dev/null`.
pub fn is_null(descriptor: RawFd) -> bool {
    status_of(descriptor)
        .is_ok_and(|status| status.st_mode & libc::S_IFMT == libc::S_IFCHR && status.st_rdev == libc::makedev(1, 3))
}

pub fn make_fifo_at(directory: BorrowedFd<'_>, name: &str) -> Result<()> {
    let name = c_string(name)?;
    // SAFETY: the name is a terminated string that outlives the call.
    check(unsafe { libc::mkfifoat(directory.as_raw_fd(), name.as_ptr(), 0o600) }.into()).map(drop)
}

pub fn make_directory_at(directory: BorrowedFd<'_>, name: &str) -> Result<()> {
    let name = c_string(name)?;
    // SAFETY: the name is a terminated string that outlives the call.
    check(unsafe { libc::mkdirat(directory.as_raw_fd(), name.as_ptr(), 0o700) }.into()).map(drop)
}

pub fn remove_at(directory: BorrowedFd<'_>, name: &str, is_directory: bool) -> Result<()> {
    let name = c_string(name)?;
    let flags = if is_directory { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: the name is a terminated string that outlives the call.
    check(unsafe { libc::unlinkat(directory.as_raw_fd(), name.as_ptr(), flags) }.into()).map(drop)
}

pub fn read(descriptor: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes no further than the buffer is long.
    let count = unsafe { libc::read(descriptor.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    check(count as libc::c_long).map(|count| count as usize)
}

pub fn write(descriptor: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads no further than the bytes are long.
    let count = unsafe { libc::write(descriptor.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    check(count as libc::c_long).map(|count| count as usize)
}

/// Moves bytes between two descriptors, of which one is a pipe, without a copy and without waiting for a pipe.
pub fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, count: usize) -> Result<usize> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    let none = std::ptr::null_mut();
    // SAFETY: takes descriptors and numbers; without offsets the kernel uses those of the files.
    let count = unsafe { libc::splice(from.as_raw_fd(), none, to.as_raw_fd(), none, count, flags) };
    check(count as libc::c_long).map(|count| count as usize)
}

/// Gives a pipe at least this room, if the user may have it. Anything but a pipe stays as it is.
pub fn enlarge(pipe: BorrowedFd<'_>, bytes: i32) {
    // SAFETY: takes plain numbers.
    unsafe {
        if libc::fcntl(pipe.as_raw_fd(), libc::F_GETPIPE_SZ) < bytes {
            libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, bytes);
        }
    }
}

/// Bytes that were written into a pipe and not yet read, asked at either end.
pub fn unread(pipe: BorrowedFd<'_>) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the kernel writes one number into ours.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if result < 0 { 0 } else { count as usize }
}

/// Makes reads and writes wait again.
pub fn block(descriptor: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFL, 0) }.into()).map(drop)
}

/// Waits as `poll` does, for any number of descriptors. What has happened is in `revents`.
pub fn poll_all(entries: &mut [libc::pollfd], milliseconds: i32) -> Result<()> {
    loop {
        // SAFETY: the kernel reads and writes the entries of the slice. A negative descriptor is passed over.
        let result = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, milliseconds) };
        match check(result.into()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other.map(drop),
        }
    }
}

/// Whether nobody will ever read what is written into a pipe.
pub fn is_unread(pipe: BorrowedFd<'_>) -> bool {
    super::poll([(pipe.as_raw_fd(), 0)], 0).is_ok_and(|[closed]| closed)
}

pub fn fill_random(buffer: &mut [u8]) -> Result<()> {
    // SAFETY: the kernel writes no further than the buffer is long; so few bytes come in one piece.
    check(unsafe { libc::getrandom(buffer.as_mut_ptr().cast(), buffer.len(), 0) } as libc::c_long).map(drop)
}
