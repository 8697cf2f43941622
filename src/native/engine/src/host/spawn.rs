//! Other programs.

use super::exports;
use super::signals::{inherited, mask, without_signals};
use crate::failure::{OrThrow, throw};
use crate::text::Text;
use nix::sys::signal::SigmaskHow;
use rquickjs::{Ctx, Result};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use std::ffi::OsStr;
use std::io::Error;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

exports! {
    "spawn" => spawn,
    "reap" => reap,
}

/// Has everything but the standard streams closed in what is started from here, unless it is passed on: the pipes to the janitor,
/// which tell it of the end of this process, and whatever the caller has left open.
pub fn keep_descriptors_from_children() {
    // SAFETY: changes a flag of descriptors, of which none is used by Rust in a program that it starts. Kernels before 5.11
    // refuse it and all stays as the caller has it.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Starts a program. Its variables are as `NAME=value`, `descriptors` are ours for its 0, 1, 2 and so on, -1 for one that is
/// closed; in a session of its own if told so. Returns its number, and a descriptor that becomes readable when it has ended.
fn spawn(
    ctx: Ctx<'_>,
    program: Text,
    arguments: Vec<Text>,
    variables: Vec<Text>,
    descriptors: Vec<RawFd>,
    directory: Option<Text>,
    own_session: bool,
) -> Result<Vec<i32>> {
    let mut command = Command::new(program.os());
    command.args(arguments.iter().map(Text::os)).env_clear();
    for variable in &variables {
        // A name may begin with the sign, but is not empty.
        let at = variable
            .0
            .iter()
            .skip(1)
            .position(|byte| *byte == b'=')
            .map(|at| at + 1);
        let Some(at) = at else {
            return Err(throw(&ctx, libc::EINVAL));
        };
        command.env(
            OsStr::from_bytes(&variable.0[..at]),
            OsStr::from_bytes(&variable.0[at + 1..]),
        );
    }
    if let Some(directory) = directory {
        command.current_dir(directory.path());
    }
    let signals = inherited();
    let mut placed = descriptors.clone();
    // SAFETY: after the fork only calls are made that a forked process may make, and nothing is allocated: the numbers are
    // changed in a vector that exists.
    unsafe {
        command.pre_exec(move || {
            mask(SigmaskHow::SIG_SETMASK, &signals);
            if own_session {
                let _ = rustix::process::setsid();
            }
            place(&mut placed)
        });
    }
    // The standard library has a pipe of its own to the child, which must not lie in a place that is taken there.
    let _taken = take_numbers_below(descriptors.len()).or_throw(&ctx)?;
    let child = command.spawn().or_throw(&ctx)?;
    let process = i32::try_from(child.id()).map_err(|_| throw(&ctx, libc::ERANGE))?;
    let ended = notice_of_end(process).or_throw(&ctx)?;
    Ok(vec![process, ended.into_raw_fd()])
}

/// Puts descriptors in the places 0, 1, 2 and so on of a forked process; all others are closed on exec.
fn place(descriptors: &mut [RawFd]) -> std::io::Result<()> {
    let check = |result: RawFd| {
        if result < 0 {
            Err(Error::last_os_error())
        } else {
            Ok(result)
        }
    };
    let above = descriptors.len() as RawFd;
    // SAFETY: all of these take plain numbers, in a process that owns copies of all of its parent's descriptors.
    unsafe {
        // Out of the way first, so that none is overwritten before it is placed itself.
        for descriptor in descriptors.iter_mut().filter(|descriptor| **descriptor >= 0) {
            *descriptor = check(libc::fcntl(*descriptor, libc::F_DUPFD_CLOEXEC, above))?;
        }
        for (place, descriptor) in (0..).zip(descriptors.iter()) {
            if *descriptor < 0 {
                libc::close(place);
            } else {
                check(libc::dup2(*descriptor, place))?;
            }
        }
    }
    Ok(())
}

/// Takes all numbers of descriptors that are free below one, until what is returned is dropped.
fn take_numbers_below(number: usize) -> std::io::Result<Vec<OwnedFd>> {
    // The standard streams are never free, and the lowest free number is always given first.
    let mut taken: Vec<OwnedFd> = Vec::new();
    while taken.last().map_or(2, AsRawFd::as_raw_fd) + 1 < number as RawFd {
        taken.push(rustix::fs::open(
            "/dev/null",
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?);
    }
    Ok(taken)
}

/// A descriptor that becomes readable when a child has ended. Some hosts refuse such descriptors of processes, by a filter or
/// for their age: a thread waits there and closes a pipe.
fn notice_of_end(process: i32) -> std::io::Result<OwnedFd> {
    let pid = Pid::from_raw(process).ok_or(Error::from_raw_os_error(libc::ESRCH))?;
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(descriptor) => Ok(descriptor),
        Err(_) => watch_by_thread(pid),
    }
}

fn watch_by_thread(pid: Pid) -> std::io::Result<OwnedFd> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    without_signals(|| {
        std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
            let waiting = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(rustix::process::waitid(WaitId::Pid(pid), waiting), Err(Errno::INTR)) {}
            drop(writer);
        })
    })?;
    Ok(reader)
}

/// How a child ended, whose end was noticed: its exit code, and the number of the signal that ended it or 0.
fn reap(ctx: Ctx<'_>, process: i32) -> Result<Vec<i32>> {
    let pid = Pid::from_raw(process).ok_or_else(|| throw(&ctx, libc::ESRCH))?;
    let status = rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).or_throw(&ctx)?;
    let status = status.ok_or_else(|| throw(&ctx, libc::ECHILD))?;
    Ok(vec![
        status.exit_status().unwrap_or(0),
        status.terminating_signal().unwrap_or(0),
    ])
}

#[cfg(test)]
mod tests {
    use super::{notice_of_end, watch_by_thread};
    use rustix::event::{PollFd, PollFlags, Timespec};
    use rustix::process::Pid;
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    /// Whether the descriptor becomes readable with the end of a child, and not before.
    fn tells(watch: impl Fn(i32) -> std::io::Result<OwnedFd>) {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let ended = watch(child.id() as i32).unwrap();
        let poll = |milliseconds: i64| {
            let mut waiting = [PollFd::new(&ended, PollFlags::IN)];
            let timeout = Timespec {
                tv_sec: milliseconds / 1000,
                tv_nsec: milliseconds % 1000 * 1_000_000,
            };
            rustix::event::poll(&mut waiting, Some(&timeout)).unwrap() == 1
        };
        assert!(!poll(50));
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        assert!(!poll(50));
        drop(child.stdin.take());
        assert!(poll(10_000));
        // It is left to be waited for.
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn the_end_of_a_child_is_told_by_its_descriptor() {
        tells(notice_of_end);
    }

    #[test]
    fn the_end_of_a_child_is_told_where_processes_have_no_descriptors() {
        tells(|process| watch_by_thread(Pid::from_raw(process).unwrap()));
    }
}
