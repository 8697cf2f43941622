//! Failures, as one sentence for the user.

use std::fmt;

#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

pub type Result<T> = std::result::Result<T, Failure>;

/// Puts the action that failed before an error: `cannot read 'x': No such file or directory`.
pub trait Context<T> {
    fn context(self, action: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, action: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure(format!("{}: {error}", action())))
    }
}

/// Fails with a formatted sentence.
#[macro_export]
macro_rules! fail {
    ($($part:tt)*) => { return Err($crate::failure::Failure(format!($($part)*))) };
}
