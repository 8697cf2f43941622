//! Locks that the kernel drops with their last holder.

use super::check;
use std::io::Result;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A byte of a lock file.
#[derive(Clone, Copy)]
pub struct LockByte(pub i64);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    None,
    Shared,
    Exclusive,
}

/// Sets an open-file-description lock on one byte without waiting; a lock that is held is converted in one step. False
/// when somebody else's lock is in the way.
pub fn lock(file: BorrowedFd<'_>, byte: LockByte, lock: Lock) -> Result<bool> {
    let kind = match lock {
        Lock::None => libc::F_UNLCK,
        Lock::Shared => libc::F_RDLCK,
        Lock::Exclusive => libc::F_WRLCK,
    };
    // SAFETY: flock is plain data, and the kernel reads one valid structure.
    let result = unsafe {
        let mut request: libc::flock = std::mem::zeroed();
        request.l_type = kind as libc::c_short;
        request.l_whence = libc::SEEK_SET as libc::c_short;
        request.l_start = byte.0;
        request.l_len = 1;
        libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const request)
    };
    match check(result.into()) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}
