//! Locks that the kernel drops with their last holder.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::io::Result;
use std::os::fd::BorrowedFd;

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
    match fcntl(file, FcntlArg::F_OFD_SETLK(&request(byte, lock))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The same, but waits for those in the way. A lock that is held is kept meanwhile.
pub fn wait_for_lock(file: BorrowedFd<'_>, byte: LockByte, lock: Lock) -> Result<()> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(&request(byte, lock))) {
            Err(Errno::EINTR) => {}
            result => return Ok(result.map(drop)?),
        }
    }
}

fn request(byte: LockByte, lock: Lock) -> libc::flock {
    let kind = match lock {
        Lock::None => libc::F_UNLCK,
        Lock::Shared => libc::F_RDLCK,
        Lock::Exclusive => libc::F_WRLCK,
    };
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte.0,
        l_len: 1,
        l_pid: 0,
    }
}
