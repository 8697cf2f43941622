//! Which signals the caller has had ignored. The standard library ignores SIGPIPE before `main` begins, so they are looked at earlier.

use super::{Disposition, dispose_signals};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};

/// Carries them from the launcher to the janitor and the boot program, as hexadecimal digits of [`Ignored`]. Absent where there are none.
pub const IGNORED: &str = "FIM_IGNORED";

/// Signals, a bit each: that of signal 1 is the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored(u64);

/// Those that have names. No program of ours changes the others, so they are inherited by themselves.
const NAMED: std::ops::RangeInclusive<i32> = 1..=31;

static AT_START: AtomicU64 = AtomicU64::new(0);

/// Called by the C library before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static REMEMBER: extern "C" fn() = remember;

extern "C" fn remember() {
    let is_ignored = |signal: &i32| {
        let mut action = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: changes nothing; the kernel writes a whole structure, or the call fails and it is not read.
        unsafe {
            libc::sigaction(*signal, std::ptr::null(), action.as_mut_ptr()) == 0
                && action.assume_init().sa_sigaction == libc::SIG_IGN
        }
    };
    let ignored = NAMED.filter(is_ignored).fold(0, |all, signal| all | 1 << (signal - 1));
    AT_START.store(ignored, Ordering::Relaxed);
}

impl Ignored {
    /// What was ignored when this program was started.
    pub fn at_start() -> Ignored {
        Ignored(AT_START.load(Ordering::Relaxed))
    }

    /// From what the launcher has said; nothing where that makes no sense.
    pub fn parse(text: &str) -> Ignored {
        Ignored(u64::from_str_radix(text, 16).unwrap_or_default())
    }

    /// What the launcher has said to this process.
    pub fn of_caller() -> Ignored {
        std::env::var(IGNORED).map_or(Ignored::default(), |text| Ignored::parse(&text))
    }

    /// As hexadecimal digits; `None` if there are none.
    pub fn text(self) -> Option<String> {
        (self.0 != 0).then(|| format!("{:x}", self.0))
    }

    /// Has them ignored again. Makes system calls only.
    pub fn ignore(self) {
        for signal in NAMED.filter(|signal| self.0 & 1 << (signal - 1) != 0) {
            dispose_signals(&[signal], Disposition::Ignore);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_told_in_digits() {
        let hangup = Ignored::parse("1");
        assert_eq!(hangup, Ignored(1));
        assert_eq!(Ignored::parse("1001").text().as_deref(), Some("1001"));
        assert_eq!(Ignored::default().text(), None);
        for wrong in ["", "x", "-1", "10000000000000000"] {
            assert_eq!(Ignored::parse(wrong), Ignored::default(), "{wrong}");
        }
    }
}
