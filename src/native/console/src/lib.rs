//! Words on standard output and standard error. What the standard library has for that panics where they cannot be written, because
//! whoever read them is gone or the disk is full that they go to, and the exit code is lost or what is served with it. The lints
//! of the workspace forbid it.

use std::io::{Result, Write, stderr, stdout};

/// Says a line on standard error, in one piece. What cannot be said is lost, and nothing else with it.
#[macro_export]
macro_rules! complain {
    ($($part:tt)*) => { $crate::error(&format!("{}\n", format_args!($($part)*))) };
}

/// Puts text on standard error as it is, or loses it.
pub fn error(text: &str) {
    let _ = stderr().write_all(text.as_bytes());
}

/// Puts text on standard output as it is, all of it or with an error.
pub fn output(text: &str) -> Result<()> {
    let mut stdout = stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
