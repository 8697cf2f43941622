//! Processes: who we are, forks into namespaces, ends.

use super::check;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

pub fn effective_uid() -> u32 {
    // SAFETY: takes and returns plain numbers and cannot fail.
    unsafe { libc::geteuid() }
}

pub fn effective_gid() -> u32 {
    // SAFETY: takes and returns plain numbers and cannot fail.
    unsafe { libc::getegid() }
}

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

/// `fork` into new namespaces, given as `CLONE_NEW…` flags. Only for a process with a single thread.
pub fn clone(namespaces: i32) -> Result<Forked> {
    let flags = libc::c_long::from(namespaces | libc::SIGCHLD);
    // SAFETY: with no stack given this is fork(2); the process has one thread, so the child can go on with all of its state.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    Ok(match check(pid)? {
        0 => Forked::Child,
        pid => Forked::Parent(pid as i32),
    })
}

/// Enters the namespace behind a descriptor of `/proc/PID/ns/…`.
pub fn enter_namespace(namespace: BorrowedFd<'_>, kind: i32) -> Result<()> {
    // SAFETY: takes a descriptor and a number.
    check(unsafe { libc::c_long::from(libc::setns(namespace.as_raw_fd(), kind)) }).map(drop)
}

/// The user who has made the user namespace behind a descriptor, as this process sees him.
pub fn namespace_owner(namespace: BorrowedFd<'_>) -> Result<u32> {
    const NS_GET_OWNER_UID: libc::Ioctl = 0xb704_u32 as libc::Ioctl;
    let mut uid: libc::uid_t = 0;
    // SAFETY: the kernel writes one number of ours.
    check(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) }.into())?;
    Ok(uid)
}

/// The user namespace to which the namespace behind a descriptor belongs.
pub fn owning_namespace(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    const NS_GET_USERNS: libc::Ioctl = 0xb701_u32 as libc::Ioctl;
    // SAFETY: takes a descriptor and returns one.
    let descriptor = check(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS) }.into())? as RawFd;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Starts a session of its own, without a terminal. For a process that leads no group, such as a new child.
pub fn start_session() -> Result<()> {
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() }.into()).map(drop)
}

/// Dies by SIGKILL when the parent does.
pub fn die_with_parent() -> Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }.into()).map(drop)
}

/// Other processes of the same user can neither read this one's memory nor open its descriptors through `/proc`, until it
/// executes another program. Copies of it, made by `clone`, are the same.
pub fn hide_from_others() -> Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }.into()).map(drop)
}

/// Makes this process the first of a process group of its own.
pub fn lead_group() -> Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::setpgid(0, 0) }.into()).map(drop)
}

/// Has the kernel send a signal when the parent ends.
pub fn signal_at_end_of_parent(signal: i32) -> Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) }.into()).map(drop)
}

pub fn parent() -> i32 {
    // SAFETY: takes and returns plain numbers and cannot fail.
    unsafe { libc::getppid() }
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

/// The name that `ps` shows for this process, at most 15 bytes.
pub fn set_name(name: &std::ffi::CStr) {
    // SAFETY: the kernel reads up to 16 bytes of a terminated string.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::kill(pid, signal) }.into()).map(drop)
}

/// How a child ended, as a shell counts: its exit code, or 128 + n when signal n ended it.
pub fn exit_code(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    }
}

/// Waits for a child (-1: any). `None` when `WNOHANG` is set and none has ended, or when there is none left.
pub fn wait(pid: i32, options: i32) -> Option<(i32, i32)> {
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes the status into a number of ours.
        let ended = unsafe { libc::waitpid(pid, &raw mut status, options) };
        if ended > 0 {
            return Some((ended, status));
        }
        if ended == 0 || Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return None;
        }
    }
}

/// Leads a session of its own without a terminal. A process that leads a group already keeps its session.
pub fn lead_session() {
    // SAFETY: takes nothing.
    unsafe { libc::setsid() };
}

/// Descendants whose parent ends become children of this process.
pub fn adopt_orphans() {
    // SAFETY: takes plain numbers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
}

/// Whether there is a child, running or not yet waited for.
pub fn has_children() -> bool {
    let mut information = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the kernel fills a structure that is valid when all zero; WNOWAIT leaves the children to `wait`.
    let result = unsafe {
        libc::waitid(
            libc::P_ALL,
            0,
            information.as_mut_ptr(),
            libc::WEXITED | libc::WNOHANG | libc::WNOWAIT,
        )
    };
    result == 0
}
