//! The foreground of a terminal, for shells in a guest. They remember the process group that they have found there and give it back at
//! their end. But the group of the caller has no number in the process namespace of the guest: the kernel shows it as 0, and takes no
//! 0 back. So where a guest sets that as the foreground, a process outside does it (`seccomp_unotify(2)`).

use super::{send, standard};
use nix::errno::Errno;
use nix::unistd::{getpgrp, tcgetpgrp, tcsetpgrp};
use std::fs::File;
use std::io::{Error, IsTerminal, Result};
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// As `linux/audit.h` has it. Programs of another word size are left alone.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

const RECEIVE: u32 = 0xc050_2100;
const SEND: u32 = 0xc018_2101;
const IS_VALID: u32 = 0x4008_2102;
/// Has the kernel carry out the call after all.
const CONTINUE: u32 = 1;
/// Linux 5.5, the first one that can.
const FIRST: (u32, u32) = (5, 5);

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Default)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    architecture: u32,
    instruction: u64,
    arguments: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
#[derive(Default)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// Whether the kernel has what this takes.
pub fn can_listen() -> bool {
    let known = rustix::system::uname();
    let mut numbers = known.release().to_str().unwrap_or_default().split(['.', '-']);
    let mut next = || numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    (next(), next()) >= FIRST
}

/// Has calls of this process, and of the programs that come of it, that set the foreground of a terminal wait for an answer, and sends
/// the descriptor to answer them through a socket. Makes system calls only. Where it cannot be done nothing changes.
pub fn announce(socket: BorrowedFd<'_>, message: &[u8]) {
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equals = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let command = offset_of!(libc::seccomp_data, args) + size_of::<u64>();
    let filter = [
        step(load, 0, 0, offset_of!(libc::seccomp_data, arch) as u32),
        step(equals, 0, 5, ARCHITECTURE),
        step(load, 0, 0, offset_of!(libc::seccomp_data, nr) as u32),
        step(equals, 0, 3, libc::SYS_ioctl as u32),
        // The lower half: both architectures have it first.
        step(load, 0, 0, command as u32),
        step(equals, 0, 1, libc::TIOCSPGRP as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        step(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as libc::c_ushort,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel reads a program of the length given, which outlives the call, and makes a descriptor, which is ours.
    let listener = unsafe {
        let result = libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        );
        (result >= 0).then(|| OwnedFd::from_raw_fd(result as i32))
    };
    if let Some(listener) = listener {
        let _ = send(socket, message, Some(listener.as_fd()));
    }
}

/// Answers the next call that waits: the group of the caller is ours, and all others the kernel knows itself. Fails when there will be
/// none any more.
pub fn answer_foreground(listener: &OwnedFd) -> Result<()> {
    let events = super::poll_all(&[super::readable(listener)], 0)?;
    let is_waiting = events
        .iter()
        .any(|events| events.contains(rustix::event::PollFlags::IN));
    if !is_waiting {
        return Err(Error::from_raw_os_error(libc::EPIPE));
    }
    let mut asked = Notification::default();
    match call(listener, RECEIVE, &raw mut asked) {
        // Whoever has called was interrupted.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => return Ok(()),
        received => received?,
    }
    let mut response = Response {
        id: asked.id,
        flags: CONTINUE,
        ..Response::default()
    };
    let is_callers = || {
        let mut number = [0xff; 4];
        let memory = File::open(format!("/proc/{}/mem", asked.pid)).ok()?;
        memory.read_exact_at(&mut number, asked.arguments[2]).ok()?;
        // The process may have ended, and its pid be another's, until this.
        let mut id = asked.id;
        call(listener, IS_VALID, &raw mut id).ok()?;
        Some(i32::from_ne_bytes(number) == 0)
    };
    if is_callers() == Some(true) && take_foreground() {
        response.flags = 0;
    }
    match call(listener, SEND, &raw mut response) {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

fn call<T>(listener: &OwnedFd, number: u32, value: *mut T) -> Result<()> {
    // SAFETY: the number has the size of the structure in it, to which the pointer leads.
    match unsafe { libc::ioctl(listener.as_raw_fd(), number as libc::Ioctl, value) } {
        0.. => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

fn terminal() -> Option<BorrowedFd<'static>> {
    standard().into_iter().find(BorrowedFd::is_terminal)
}

/// Puts our process group in the foreground of the terminal. For a process that blocks SIGTTOU.
fn take_foreground() -> bool {
    terminal().is_some_and(|terminal| tcsetpgrp(terminal, getpgrp()).is_ok())
}

/// The same, if a group is there of which nobody is left: a shell of a guest that was killed, or that does not give it back.
pub fn take_back_foreground() {
    let is_left = |terminal| {
        let group = tcgetpgrp(terminal).ok()?;
        let nobody = nix::sys::signal::killpg(group, None) == Err(Errno::ESRCH);
        Some(group != getpgrp() && nobody)
    };
    if terminal().and_then(is_left) == Some(true) {
        take_foreground();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_are_those_of_the_kernel() {
        assert_eq!(size_of::<Notification>(), (RECEIVE >> 16 & 0x3fff) as usize);
        assert_eq!(size_of::<Response>(), (SEND >> 16 & 0x3fff) as usize);
        assert_eq!(offset_of!(Notification, arguments), 32);
    }
}
