//! Signals as something that is read.

use super::descriptors::descriptor;
use super::exports;
use crate::failure::{OrThrow, throw};
use nix::sys::signal::{self, SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rquickjs::{Ctx, Result};
use rustix::io::Errno;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

exports! {
    "catchSignals" => catch_signals,
    "readSignal" => read_signal,
    "releaseSignals" => release_signals,
    "kill" => kill,
    "killGroup" => kill_group,
}

/// The signals that were blocked when the program started, as they are to be in what it starts.
static INHERITED: OnceLock<SigSet> = OnceLock::new();

fn named(numbers: &[i32]) -> impl Iterator<Item = Signal> {
    numbers.iter().filter_map(|number| Signal::try_from(*number).ok())
}

/// Changes what this thread blocks, and returns what it blocked before.
pub fn mask(how: SigmaskHow, set: &SigSet) -> SigSet {
    set.thread_swap_mask(how).unwrap_or_else(|_| SigSet::empty())
}

/// What was blocked when the program started.
pub fn inherited() -> SigSet {
    *INHERITED.get_or_init(|| mask(SigmaskHow::SIG_BLOCK, &SigSet::empty()))
}

/// Runs a function, with all signals blocked. A thread that it starts gets none: they are for the thread of JavaScript.
pub fn without_signals<A>(function: impl FnOnce() -> A) -> A {
    let before = mask(SigmaskHow::SIG_BLOCK, &SigSet::all());
    let result = function();
    mask(SigmaskHow::SIG_SETMASK, &before);
    result
}

/// From now on these signals do nothing but make the descriptor readable that is returned.
fn catch_signals(ctx: Ctx<'_>, numbers: Vec<i32>) -> Result<RawFd> {
    inherited();
    let set: SigSet = named(&numbers).collect();
    mask(SigmaskHow::SIG_BLOCK, &set);
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let descriptor = SignalFd::with_flags(&set, flags).map_err(std::io::Error::from);
    Ok(OwnedFd::from(descriptor.or_throw(&ctx)?).into_raw_fd())
}

/// The number of the next signal that waits, 0 if none does.
fn read_signal(ctx: Ctx<'_>, number: RawFd) -> Result<u32> {
    let mut info = [0; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(descriptor(&ctx, number)?, &mut info) {
        // The kernel writes whole structures only, which begin with the number.
        Ok(_) => Ok(u32::from_ne_bytes([info[0], info[1], info[2], info[3]])),
        Err(Errno::AGAIN) => Ok(0),
        Err(error) => Err(error).or_throw(&ctx),
    }
}

/// Gives signals the effect again that they have in every program.
fn release_signals(numbers: Vec<i32>) {
    let blocked = inherited();
    let ours: SigSet = named(&numbers).filter(|signal| !blocked.contains(*signal)).collect();
    mask(SigmaskHow::SIG_UNBLOCK, &ours);
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
    // 0 only asks whether there is such a process.
    let signal = match signal {
        0 => Ok(None),
        number => Signal::try_from(number).map(Some),
    };
    let sent = signal.and_then(|signal| signal::kill(Pid::from_raw(sign * process), signal));
    sent.map_err(std::io::Error::from).or_throw(ctx)
}
