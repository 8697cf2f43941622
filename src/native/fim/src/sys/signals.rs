//! Signals as something that is read. They are numbers here, as they come from the kernel and from other processes.

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, pthread_sigmask, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io::Result;
use std::ops::RangeInclusive;
use std::str::FromStr;

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

/// Signals of real time, as shells and most C libraries name them: 32 and 33 are theirs.
const REAL_TIME: RangeInclusive<i32> = 34..=64;

/// What is done about signals that are not blocked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    Default,
    Ignore,
}

/// A set of signals, of which none is of real time.
pub fn signal_set(signals: &[i32]) -> SigSet {
    named(signals).collect()
}

fn named(signals: &[i32]) -> impl Iterator<Item = Signal> {
    signals.iter().filter_map(|signal| Signal::try_from(*signal).ok())
}

/// Changes what this thread blocks.
pub fn mask_signals(how: SigmaskHow, signals: &[i32]) {
    let _ = pthread_sigmask(how, Some(&signal_set(signals)), None);
}

/// Those that a fault of the process itself raises. Blocked, they would end it all the same, and be harder to find.
const FAULTS: [Signal; 7] = [
    Signal::SIGABRT,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGSEGV,
    Signal::SIGSYS,
    Signal::SIGTRAP,
];

/// The number of a signal by its name, with or without `SIG`, in any case, or by its number; those of real time as `RTMIN+n` and
/// `RTMAX-n`.
pub fn signal_number(name: &str) -> Option<i32> {
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let distance = |text: &str, sign: char| match text {
        "" => Some(0),
        text => text.strip_prefix(sign)?.parse::<i32>().ok(),
    };
    let number = if short.bytes().all(|byte| byte.is_ascii_digit()) {
        short.parse().ok()?
    } else if let Some(rest) = short.strip_prefix("RTMIN") {
        REAL_TIME.start().checked_add(distance(rest, '+')?)?
    } else if let Some(rest) = short.strip_prefix("RTMAX") {
        REAL_TIME.end().checked_sub(distance(rest, '-')?)?
    } else {
        let alias = match short {
            "POLL" => "IO",
            "IOT" => "ABRT",
            "CLD" => "CHLD",
            short => short,
        };
        return Signal::from_str(&format!("SIG{alias}"))
            .ok()
            .map(|signal| signal as i32);
    };
    (REAL_TIME.contains(&number) || Signal::try_from(number).is_ok()).then_some(number)
}

/// Blocks every signal that can be blocked, except faults. For processes that a signal to the caller's process group, or to
/// everything in its terminal, must neither end nor stop.
pub fn block_signals() {
    let mut set = SigSet::all();
    for signal in FAULTS {
        set.remove(signal);
    }
    let _ = set.thread_set_mask();
}

/// Ignores signals or gives them their default effect.
pub fn dispose_signals(signals: &[i32], disposition: Disposition) {
    let handler = match disposition {
        Disposition::Default => SigHandler::SigDfl,
        Disposition::Ignore => SigHandler::SigIgn,
    };
    for number in named(signals) {
        // SAFETY: installs no code of ours, only SIG_IGN or SIG_DFL.
        let _ = unsafe { signal(number, handler) };
    }
}

/// Resets SIGCHLD to default. With an inherited SIG_IGN the kernel reaps children itself, and `waitpid` reports nothing.
pub fn hear_of_children() {
    dispose_signals(&[libc::SIGCHLD], Disposition::Default);
}

/// A descriptor from which blocked signals are read, which also says who sent them: `SI_KERNEL` for a terminal, `SI_USER` for kill(2).
pub fn signal_descriptor(signals: &[i32]) -> Result<SignalFd> {
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    Ok(SignalFd::with_flags(&signal_set(signals), flags)?)
}

/// Blocks every signal, faults too, and gives a descriptor from which they are read.
pub fn every_signal() -> Result<SignalFd> {
    let set = SigSet::all();
    set.thread_block()?;
    Ok(SignalFd::with_flags(
        &set,
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )?)
}

/// The next signal that waits.
pub fn next_signal(descriptor: &SignalFd) -> Option<libc::signalfd_siginfo> {
    descriptor.read_signal().ok().flatten()
}

/// Whether one of these signals, which are blocked, waits to be read.
pub fn is_pending(signals: &[i32]) -> bool {
    let mut pending = std::mem::MaybeUninit::uninit();
    // SAFETY: the kernel writes a valid set into ours, or the call fails and it is not read.
    let pending = unsafe {
        if libc::sigpending(pending.as_mut_ptr()) != 0 {
            return false;
        }
        SigSet::from_sigset_t_unchecked(pending.assume_init())
    };
    named(signals).any(|signal| pending.contains(signal))
}

#[cfg(test)]
mod tests {
    use super::signal_number;

    #[test]
    fn signals_have_names_and_numbers() {
        for (name, number) in [
            ("TERM", 15),
            ("sigterm", 15),
            ("15", 15),
            ("POLL", 29),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmax-1", 63),
            ("64", 64),
        ] {
            assert_eq!(signal_number(name), Some(number), "{name}");
        }
        for name in [
            "",
            "SIG",
            "0",
            "32",
            "65",
            "99999999999",
            "-1",
            "NO",
            "RTMIN+99",
            "RTMIN-1",
            "RTMAX+1",
            "15 ",
        ] {
            assert_eq!(signal_number(name), None, "{name:?}");
        }
    }
}
