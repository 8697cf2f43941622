//! Processes: who we are, forks into namespaces, ends.

use rustix::io::Errno;
use rustix::ioctl::{Getter, ioctl};
use rustix::process::{self, Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus};
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

/// Whether this process is in the first user namespace: the kernel gives that one a fixed number. True if /proc is missing.
pub fn has_first_users() -> bool {
    const FIRST: u64 = 0xefff_fffd;
    std::fs::metadata("/proc/self/ns/user").map_or(true, |namespace| namespace.ino() == FIRST)
}

/// What a process that `clone` makes is: the child itself, or its parent with the child's pid.
pub enum Forked {
    Child,
    Parent(i32),
}

/// `fork` into new namespaces, given as `CLONE_NEW…` flags. Only for a process with a single thread. By the call itself: what
/// rustix and nix have either takes no flags or wants another stack.
pub fn clone(namespaces: i32) -> Result<Forked> {
    let flags = libc::c_long::from(namespaces | libc::SIGCHLD);
    // SAFETY: with no stack given this is fork(2); the process has one thread, so the child can go on with all of its state.
    match unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } {
        0 => Ok(Forked::Child),
        pid if pid > 0 => Ok(Forked::Parent(pid as i32)),
        _ => Err(Error::last_os_error()),
    }
}

/// The user who has made the user namespace behind a descriptor, as this process sees him.
pub fn namespace_owner(namespace: BorrowedFd<'_>) -> Result<u32> {
    const NS_GET_OWNER_UID: u32 = 0xb704;
    // SAFETY: for this number the kernel writes one `uid_t`.
    Ok(unsafe { ioctl(namespace, Getter::<NS_GET_OWNER_UID, libc::uid_t>::new()) }?)
}

/// The user namespace to which the namespace behind a descriptor belongs.
pub fn owning_namespace(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    const NS_GET_USERNS: libc::Ioctl = 0xb701_u32 as libc::Ioctl;
    // SAFETY: for this number the kernel takes nothing and makes a descriptor, which is ours.
    unsafe {
        match libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS) {
            descriptor if descriptor >= 0 => Ok(OwnedFd::from_raw_fd(descriptor as RawFd)),
            _ => Err(Error::last_os_error()),
        }
    }
}

/// All children, as far as `/proc` tells.
pub fn children() -> Vec<i32> {
    let own = std::process::id();
    if let Ok(text) = std::fs::read_to_string(format!("/proc/self/task/{own}/children")) {
        return text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    }
    // A kernel without that file.
    let is_child = |pid: &i32| {
        let said = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = said.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
        parent.and_then(|parent| parent.parse().ok()) == Some(own)
    };
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}

/// kill(2), with its meanings of 0 and of negative numbers, and with the number of any signal: neither rustix nor nix sends those of
/// real time.
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: takes plain numbers.
    match unsafe { libc::kill(pid, signal) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

/// How a child ended, as a shell counts: its exit code, or 128 + n when signal n ended it.
pub fn exit_code(status: WaitStatus) -> i32 {
    match status.terminating_signal() {
        Some(signal) => 128 + signal,
        None => status.exit_status().unwrap_or_default(),
    }
}

/// Waits for a child (-1: any). `None` when `WNOHANG` is set and none has ended, or when there is none left.
pub fn wait(pid: i32, options: WaitOptions) -> Option<(i32, WaitStatus)> {
    let wait = || match Pid::from_raw(pid.max(0)) {
        None => process::wait(options),
        child => process::waitpid(child, options),
    };
    let (ended, status) = rustix::io::retry_on_intr(wait).ok().flatten()?;
    Some((ended.as_raw_pid(), status))
}

/// Whether there is a child, running or not yet waited for.
pub fn has_children() -> bool {
    // What has ended is left to `wait`.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(process::waitid(WaitId::All, options), Err(Errno::CHILD))
}
