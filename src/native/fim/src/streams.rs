//! The caller's standard streams: what they may be, and how they are kept away from the runtime.

use crate::fail;
use crate::failure::{Context, Result};
use crate::sys;
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};

/// What each is called, and how a shell leads it elsewhere.
const NAMES: [(&str, &str); 3] = [
    ("input", "< /dev/null"),
    ("output", "> /dev/null"),
    ("error", "2> /dev/null"),
];

/// Fails if one of them is a directory, or a descriptor that was opened with `O_PATH`. A program in the sandbox that holds
/// such a descriptor can open through it what the sandbox does not show.
pub fn check() -> Result<()> {
    for (number, (name, remedy)) in (0..).zip(NAMES) {
        let what = if sys::is_directory(number) {
            "a directory"
        } else if sys::is_path(number) {
            "open as a path only (O_PATH)"
        } else {
            continue;
        };
        fail!(
            "standard {name} is {what}, through which a program could open files that it must not see: \
             use a file, a pipe or '{remedy}'"
        )
    }
    Ok(())
}

/// The caller's streams under other numbers, with `/dev/null` in their places.
///
/// Bun and Node set `O_NONBLOCK` on a standard stream as soon as anything asks for its object, and Bun sets the modes of a
/// terminal back to what they were when it started. Both belong to the open file or terminal itself, which the caller and
/// the guest share; no copy of a descriptor has its own. So the runtime gets only numbers that it does not know as streams.
pub struct Aside([RawFd; 3]);

/// Below are the numbers that programs of ours give out.
const ABOVE: RawFd = 10;

impl Aside {
    /// Puts them aside, open across exec.
    pub fn put() -> Result<Aside> {
        let failed = || "cannot keep the standard streams".to_string();
        let null = File::options().read(true).write(true).open("/dev/null");
        let null = null.context(|| "cannot open '/dev/null'".to_string())?;
        let mut aside = [0; 3];
        for (number, copy) in (0..).zip(&mut aside) {
            *copy = sys::copy_above(number, ABOVE).context(failed)?;
        }
        for number in 0..3 {
            sys::place_descriptor(null.as_raw_fd(), number).context(failed)?;
        }
        Ok(Aside(aside))
    }

    /// For the runtime: the numbers of standard input, output and error.
    pub fn numbers(&self) -> String {
        let [input, output, error] = self.0;
        format!("{input},{output},{error}")
    }

    /// Puts them back, for a last word: the runtime did not start.
    pub fn restore(&self) {
        for (number, copy) in (0..).zip(self.0) {
            let _ = sys::place_descriptor(copy, number);
        }
    }
}
