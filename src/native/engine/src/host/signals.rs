//! Signals as something that is read.

use super::descriptors::descriptor;
use super::exports;
use crate::failure::{OrThrow, throw};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rquickjs::{Ctx, Result};
use rustix::io::Errno;
use std::mem::offset_of;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

exports! {
    "catchSignals" => catch_signals,
    "readSignal" => read_signal,
    "releaseSignals" => release_signals,
    "stop" => stop,
    "kill" => kill,
    "killGroup" => kill_group,
}

/// The signals that were blocked when the program started, as they are to be in what it starts.
static INHERITED: OnceLock<SigSet> = OnceLock::new();

/// By numbers, because nix has no real-time signals.
fn set_of(numbers: &[i32]) -> SigSet {
    let mut set = *SigSet::empty().as_ref();
    for number in numbers {
        // SAFETY: the set is valid; a number that is no signal gives an error.
        unsafe { libc::sigaddset(&raw mut set, *number) };
    }
    // SAFETY: it was made by nix.
    unsafe { SigSet::from_sigset_t_unchecked(set) }
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
    let set = set_of(&numbers);
    mask(SigmaskHow::SIG_BLOCK, &set);
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let descriptor = SignalFd::with_flags(&set, flags).map_err(std::io::Error::from);
    Ok(OwnedFd::from(descriptor.or_throw(&ctx)?).into_raw_fd())
}

/// Signals that the kernel sends to a process for what it does itself, and SIGCHLD.
const FOR_OURSELVES: [i32; 9] = [
    libc::SIGBUS,
    libc::SIGCHLD,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGPIPE,
    libc::SIGSEGV,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGXFSZ,
];

/// The number of the next signal that waits, 0 if none does. Those of `FOR_OURSELVES` count only if another process has sent them.
fn read_signal(ctx: Ctx<'_>, number: RawFd) -> Result<u32> {
    let mut info = [0; size_of::<libc::signalfd_siginfo>()];
    // The kernel writes whole structures only, which begin with the number; an error is between it and the code.
    let field = |info: &[u8], at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
    loop {
        match rustix::io::read(descriptor(&ctx, number)?, &mut info) {
            Ok(_) => {}
            Err(Errno::AGAIN) => return Ok(0),
            Err(error) => return Err(error).or_throw(&ctx),
        }
        let signal = field(&info, offset_of!(libc::signalfd_siginfo, ssi_signo));
        let code = field(&info, offset_of!(libc::signalfd_siginfo, ssi_code)) as i32;
        let sender = field(&info, offset_of!(libc::signalfd_siginfo, ssi_pid));
        if !FOR_OURSELVES.contains(&(signal as i32)) || (code <= 0 && sender != std::process::id()) {
            return Ok(signal);
        }
    }
}

/// Stops this process by a signal, as that stops every program, and returns when it goes on. Does nothing where nobody could continue
/// it: the kernel ignores SIGTSTP, SIGTTIN and SIGTTOU there.
fn stop(ctx: Ctx<'_>, number: i32) -> Result<()> {
    let signal = Signal::try_from(number).map_err(|_| throw(&ctx, libc::EINVAL))?;
    let set = SigSet::from(signal);
    let before = mask(SigmaskHow::SIG_BLOCK, &set);
    // SAFETY: installs no code of ours, only SIG_DFL and what was there before.
    let action = unsafe {
        sigaction(
            signal,
            &SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty()),
        )
    };
    let sent = send(&ctx, rustix::process::getpid().as_raw_nonzero().get(), 1, number);
    // It arrives here.
    mask(SigmaskHow::SIG_UNBLOCK, &set);
    mask(SigmaskHow::SIG_SETMASK, &before);
    if let Ok(action) = action {
        // SAFETY: as above.
        let _ = unsafe { sigaction(signal, &action) };
    }
    sent
}

/// Gives signals the effect again that they have in every program.
fn release_signals(numbers: Vec<i32>) {
    let blocked = inherited();
    // SAFETY: the set is valid.
    let is_ours = |number: &i32| unsafe { libc::sigismember(blocked.as_ref(), *number) } == 0;
    let ours: Vec<i32> = numbers.into_iter().filter(is_ours).collect();
    mask(SigmaskHow::SIG_UNBLOCK, &set_of(&ours));
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
    // SAFETY: takes plain numbers. Neither nix nor rustix sends real-time signals.
    if unsafe { libc::kill(sign * process, signal) } < 0 {
        return Err(std::io::Error::last_os_error()).or_throw(ctx);
    }
    Ok(())
}
