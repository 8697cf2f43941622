//! Signals as something that is read.

use super::exports;
use crate::failure::{OrThrow, throw};
use rquickjs::{Ctx, Result};
use std::io::Error;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::OnceLock;

exports! {
    "catchSignals" => catch_signals,
    "readSignal" => read_signal,
    "releaseSignals" => release_signals,
    "kill" => kill,
    "killGroup" => kill_group,
}

/// The signals that were blocked when the program started, as they are to be in what it starts.
static INHERITED: OnceLock<libc::sigset_t> = OnceLock::new();

fn set_of(numbers: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset makes the set valid before signals are added to it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for number in numbers {
            libc::sigaddset(set.as_mut_ptr(), *number);
        }
        set.assume_init()
    }
}

/// Changes what this thread blocks, and returns what it blocked before.
pub fn mask(how: i32, set: &libc::sigset_t) -> libc::sigset_t {
    let mut before = MaybeUninit::uninit();
    // SAFETY: the kernel reads one valid set and writes another, which is valid then.
    unsafe {
        libc::sigprocmask(how, set, before.as_mut_ptr());
        before.assume_init()
    }
}

/// What was blocked when the program started.
pub fn inherited() -> libc::sigset_t {
    *INHERITED.get_or_init(|| mask(libc::SIG_BLOCK, &set_of(&[])))
}

/// Runs a function, with all signals blocked. A thread that it starts gets none: they are for the thread of JavaScript.
pub fn without_signals<A>(function: impl FnOnce() -> A) -> A {
    let mut all = MaybeUninit::uninit();
    // SAFETY: sigfillset makes the set valid.
    let all = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        all.assume_init()
    };
    let before = mask(libc::SIG_BLOCK, &all);
    let result = function();
    mask(libc::SIG_SETMASK, &before);
    result
}

/// From now on these signals do nothing but make the descriptor readable that is returned.
fn catch_signals(ctx: Ctx<'_>, numbers: Vec<i32>) -> Result<RawFd> {
    inherited();
    let set = set_of(&numbers);
    mask(libc::SIG_BLOCK, &set);
    // SAFETY: the kernel reads one valid set.
    let descriptor = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if descriptor < 0 {
        Err(Error::last_os_error()).or_throw(&ctx)
    } else {
        Ok(descriptor)
    }
}

/// The number of the next signal that waits, 0 if none does.
fn read_signal(ctx: Ctx<'_>, descriptor: RawFd) -> Result<u32> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: the kernel writes one whole structure or nothing; it is read only in the first case.
    let count = unsafe { libc::read(descriptor, info.as_mut_ptr().cast(), size) };
    if count == size as isize {
        // SAFETY: it was written.
        return Ok(unsafe { info.assume_init() }.ssi_signo);
    }
    let error = Error::last_os_error();
    if error.raw_os_error() == Some(libc::EAGAIN) {
        Ok(0)
    } else {
        Err(error).or_throw(&ctx)
    }
}

/// Gives signals the effect again that they have in every program.
fn release_signals(numbers: Vec<i32>) {
    let blocked = inherited();
    // SAFETY: the set is valid.
    let ours = numbers
        .into_iter()
        .filter(|number| unsafe { libc::sigismember(&raw const blocked, *number) } == 0);
    mask(libc::SIG_UNBLOCK, &set_of(&ours.collect::<Vec<_>>()));
}

fn kill(ctx: Ctx<'_>, process: i32, signal: i32) -> Result<()> {
    send(&ctx, process, 1, signal)
}

/// The process and all others of the group that it leads.
fn kill_group(ctx: Ctx<'_>, process: i32, signal: i32) -> Result<()> {
    send(&ctx, process, -1, signal)
}

fn send(ctx: &Ctx<'_>, process: i32, sign: i32, signal: i32) -> Result<()> {
    // 0 and 1 with the other sign mean our own group and everybody.
    if process <= 1 {
        return Err(throw(ctx, libc::ESRCH));
    }
    // SAFETY: takes plain numbers.
    if unsafe { libc::kill(sign * process, signal) } < 0 {
        Err(Error::last_os_error()).or_throw(ctx)
    } else {
        Ok(())
    }
}
