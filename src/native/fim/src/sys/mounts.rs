//! Mounts that go from one mount namespace to another. The calls for that are Linux 5.2.

use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags};
use std::io::Result;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

/// Goes on in a copy of the mount namespace.
pub fn copy_mounts() -> Result<()> {
    // SAFETY: no table of descriptors is unshared.
    Ok(unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }?)
}

/// A copy of the mount at a path, without what is mounted below it, that is mounted nowhere and goes with its descriptor.
pub fn copy_of_mount(path: &Path) -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(rustix::mount::open_tree(CWD, path, flags)?)
}

/// Mounts what `copy_of_mount` has made.
pub fn mount_copy(copy: BorrowedFd<'_>, target: &Path) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(rustix::mount::move_mount(copy, "", CWD, target, flags)?)
}

/// Makes the mount of an open directory the root of this mount namespace, and unmounts everything else.
pub fn keep_only(place: BorrowedFd<'_>) -> Result<()> {
    rustix::process::fchdir(place)?;
    // The old root then lies on the new one, where `.` still is: see pivot_root(2).
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}
