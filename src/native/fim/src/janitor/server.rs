//! How a process of ours that serves a file system begins.

use crate::sys;
use std::ffi::CStr;
use std::fs::OpenOptions;
use std::io::Result;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Leaves the terminal, the directory and everything else of the caller, so that neither ^C nor ^Z reaches it and no pipe of the caller
/// stays open because of it. The descriptors in `kept` are returned under their new numbers. `name`, of at most 15 bytes, is
/// what `ps` shows. For a new child with a single thread.
pub fn leave_caller<const N: usize>(name: &CStr, kept: [BorrowedFd<'_>; N]) -> Result<[OwnedFd; N]> {
    let _ = rustix::thread::set_name(name);
    dwarfs_fuse::tune_allocator();
    std::env::set_current_dir("/")?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    sys::become_session([null.as_fd(); 3], kept)
}

/// What it complains of goes to `log` from here on.
pub fn complain_to(log: &Path) -> Result<()> {
    let log = OpenOptions::new().append(true).create(true).open(log)?;
    Ok(rustix::stdio::dup2_stderr(log)?)
}

/// What it complains of is lost from here on.
pub fn complain_to_nobody() -> Result<()> {
    let null = OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stderr(null)?)
}
