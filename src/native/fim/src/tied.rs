//! `fim tied [--parent PID] -- PROGRAM [ARGUMENT]…`: runs a program that ends when the caller does, and leaves nothing behind.
//!
//! The kernel ends a child with its parent if the child asks for it, but not the child's own children. So this process stays between:
//! it adopts whatever is orphaned below it, and when its parent ends or the program has ended it ends all of that.

use crate::failure::EXIT_CODE;
use crate::sys::{self, Step};
use nix::sys::signal::SigmaskHow;
use nix::sys::signalfd::SignalFd;
use rustix::process::{Signal, WaitOptions, getpid, set_child_subreaper};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::Command;
use std::time::{Duration, Instant};

/// The kernel sends it when the parent ends. Nobody else has a use for it here.
const PARENT_ENDED: i32 = Signal::USR2.as_raw();
/// What is passed on, for a caller that signals us and not our group.
const PASSED: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;
/// For those that clean up after themselves.
const GRACE: Duration = Duration::from_secs(2);
/// Whoever lives longer than that after SIGKILL waits for the kernel.
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(5);

pub fn command(arguments: &[OsString]) -> i32 {
    let (parent, rest) = match arguments {
        [option, pid, rest @ ..] if option == "--parent" => {
            (pid.to_str().and_then(|pid| pid.parse::<i32>().ok()), rest)
        }
        _ => (None, arguments),
    };
    let [separator, program, words @ ..] = rest else {
        console::complain!("usage: fim tied [--parent PID] -- PROGRAM [ARGUMENT]...");
        return EXIT_CODE;
    };
    if separator != "--" {
        console::complain!("usage: fim tied [--parent PID] -- PROGRAM [ARGUMENT]...");
        return EXIT_CODE;
    }
    let mut watched = vec![PARENT_ENDED, libc::SIGCHLD];
    watched.extend(PASSED);
    sys::mask_signals(SigmaskHow::SIG_BLOCK, &watched);
    let _ = set_child_subreaper(Some(getpid()));
    let Ok(signals) = sys::signal_descriptor(&watched) else {
        console::complain!("tied: cannot receive signals");
        return EXIT_CODE;
    };
    if rustix::process::set_parent_process_death_signal(Some(Signal::USR2)).is_err()
        || parent.is_some_and(|pid| pid != std::os::unix::process::parent_id() as i32)
    {
        return EXIT_CODE;
    }
    let mut command = Command::new(program);
    command.args(words);
    let steps = [Step::Unblock, Step::SignalAtEndOfParent(Signal::KILL)];
    let child = match sys::spawn(command, &steps) {
        Ok(child) => child.id() as i32,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            console::complain!("tied: not found: {}", program.to_string_lossy());
            return NOT_FOUND;
        }
        Err(error) => {
            console::complain!("tied: cannot run {}: {error}", program.to_string_lossy());
            return NOT_EXECUTABLE;
        }
    };
    match attend(child, &signals) {
        Some(code) => {
            end_all();
            code
        }
        None => {
            end_all();
            EXIT_CODE
        }
    }
}

/// Waits for the end of the program, or of the parent. The exit code of the program, if it has ended first.
fn attend(child: i32, signals: &SignalFd) -> Option<i32> {
    loop {
        while let Some((ended, status)) = sys::wait(-1, WaitOptions::NOHANG) {
            if ended == child {
                return Some(sys::exit_code(status));
            }
        }
        if sys::poll([sys::readable(signals)], -1).is_err() {
            return None;
        }
        while let Some(signal) = sys::next_signal(signals) {
            match signal.ssi_signo as i32 {
                PARENT_ENDED => return None,
                libc::SIGCHLD => {}
                // A terminal has sent it to all of the group.
                _ if signal.ssi_code == libc::SI_KERNEL => {}
                number => {
                    let _ = sys::kill(child, number);
                }
            }
        }
    }
}

/// Ends the children until there are none: those of a child become ours when it ends. Each is asked first: what has to clean up, as
/// the janitor of an image that was just run, pays no attention and is done soon.
fn end_all() {
    let mut asked = Vec::new();
    let deadline = Instant::now() + GRACE;
    while sys::has_children() && Instant::now() < deadline {
        for pid in sys::children() {
            if !asked.contains(&pid) {
                asked.push(pid);
                let _ = sys::kill(pid, libc::SIGTERM);
            }
        }
        if remain() {
            std::thread::sleep(STEP);
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while sys::has_children() && Instant::now() < deadline {
        for pid in sys::children() {
            let _ = sys::kill(pid, libc::SIGKILL);
        }
        if remain() {
            std::thread::sleep(STEP);
        }
    }
}

/// Whether there are children that live.
fn remain() -> bool {
    while sys::wait(-1, WaitOptions::NOHANG).is_some() {}
    sys::has_children()
}
