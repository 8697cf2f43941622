//! May the caller use this directory? Nothing that another user can change or replace is read, executed or written to.
//!
//! `rule` and `groups` are pure: they judge what the system reports. `walk` resolves a path one component at a time and
//! judges each. `directory` is a descriptor of a directory that passed; work below it needs no path any more. `data` prepares a data directory. `docs/directories.md` has the rule.

mod acl;
mod applet;
mod data;
mod directory;
mod groups;
mod mounts;
mod rule;
mod walk;

pub use applet::command;
pub use console::shown;
pub use data::{Purpose, claim};
pub use directory::{Directory, is_unplaced};
pub use walk::{Last, Make, walk};

use crate::failure::Failure;
use std::fmt;
use std::path::Path;

/// Why a directory cannot be used, and what to type to change that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    pub reason: String,
    pub remedy: Option<String>,
    /// There is nothing at the path, which is no danger.
    pub is_missing: bool,
    /// Its file system cannot keep what belongs there.
    pub is_unfit: bool,
}

impl Refusal {
    fn new(reason: String) -> Refusal {
        Refusal {
            reason,
            remedy: None,
            is_missing: false,
            is_unfit: false,
        }
    }

    fn with_remedy(reason: String, remedy: String) -> Refusal {
        Refusal {
            remedy: Some(remedy),
            ..Refusal::new(reason)
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)?;
        match &self.remedy {
            Some(remedy) => write!(formatter, "; to use it: {remedy}"),
            None => Ok(()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure(refusal.to_string())
    }
}

/// A path as a word that a shell takes.
fn quoted(path: &Path) -> String {
    let text = shown(path);
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+,@%:=".contains(character);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
