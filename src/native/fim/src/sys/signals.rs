//! Signals as something that is read.

use super::check;
use std::io::Result;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What a terminal or a service manager sends to all processes of a group.
pub const GROUP_SIGNALS: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGPIPE,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// A set of signals.
pub fn signal_set(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset makes the set valid before signals are added to it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

/// Blocks or unblocks signals (`SIG_BLOCK`, `SIG_UNBLOCK`, `SIG_SETMASK`) in this thread.
pub fn mask_signals(how: i32, signals: &[i32]) {
    let set = signal_set(signals);
    // SAFETY: the kernel reads one valid set.
    unsafe { libc::sigprocmask(how, &raw const set, std::ptr::null_mut()) };
}

/// Those that a fault of the process itself raises. Blocked, they would end it all the same, and be harder to find.
const FAULTS: [i32; 7] = [
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGSEGV,
    libc::SIGSYS,
    libc::SIGTRAP,
];

/// Blocks every signal that can be blocked, except faults. For processes that a signal to the caller's process group, or to
/// everything in its terminal, must neither end nor stop.
pub fn block_signals() {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigfillset makes the set valid before signals are taken from it; the kernel reads it.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for signal in FAULTS {
            libc::sigdelset(set.as_mut_ptr(), signal);
        }
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
    }
}

/// Ignores signals or gives them their default effect.
pub fn dispose_signals(signals: &[i32], disposition: libc::sighandler_t) {
    for signal in signals {
        // SAFETY: installs no code of ours, only SIG_IGN or SIG_DFL.
        unsafe { libc::signal(*signal, disposition) };
    }
}

/// Takes back that a caller ignores the ends of its children, which programs that it starts inherit: the kernel keeps none of them
/// to be waited for then, and whoever waits hears of none.
pub fn hear_of_children() {
    dispose_signals(&[libc::SIGCHLD], libc::SIG_DFL);
}

/// A descriptor from which blocked signals are read.
pub fn signal_descriptor(signals: &[i32]) -> Result<OwnedFd> {
    let set = signal_set(signals);
    // SAFETY: the kernel reads one valid set.
    let descriptor =
        check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) }.into())?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) })
}

/// The next signal that waits, and who sent it: `SI_KERNEL` for a terminal, `SI_USER` for kill(2).
pub fn next_signal(descriptor: BorrowedFd<'_>) -> Option<libc::signalfd_siginfo> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: the kernel writes one whole structure or nothing; it is read only in the first case.
    unsafe {
        let count = libc::read(descriptor.as_raw_fd(), info.as_mut_ptr().cast(), size);
        (count == size as isize).then(|| info.assume_init())
    }
}

/// Whether one of these signals, which are blocked, waits to be read.
pub fn is_pending(signals: &[i32]) -> bool {
    let mut set = signal_set(&[]);
    // SAFETY: the kernel writes a set into one of ours, which is then only read.
    unsafe {
        libc::sigpending(&raw mut set);
        signals
            .iter()
            .any(|signal| libc::sigismember(&raw const set, *signal) == 1)
    }
}
