//! May the caller use this directory? Nothing that another user can change or replace is read, executed or written to.
//!
//! `rule` and `groups` are pure: they judge what the system reports. `walk` resolves a path one component at a time and judges
//! each. `directory` is a descriptor of a directory that passed; work below it needs no path any more. `data` prepares a data
//! directory. `docs/directories.md` has the rule.

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
pub use data::{Purpose, examine};
pub use directory::{Directory, is_unplaced};
pub use groups::TRUST_GROUP;
pub use walk::{Last, Make, walk};

use crate::failure::Failure;
use crate::sys;
use std::fmt;
use std::path::Path;

/// Why a directory cannot be used, and what to type to change that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    pub reason: String,
    pub remedy: Option<String>,
    /// Somebody else could change the directory.
    pub is_unsafe: bool,
    /// There is nothing at the path.
    pub is_missing: bool,
    /// Its file system cannot keep what belongs there.
    pub is_unfit: bool,
}

impl Refusal {
    fn new(reason: String) -> Refusal {
        Refusal {
            reason,
            remedy: None,
            is_unsafe: false,
            is_missing: false,
            is_unfit: false,
        }
    }

    /// Of a directory that somebody else could change.
    fn danger(reason: String, remedy: Option<String>) -> Refusal {
        Refusal {
            remedy,
            is_unsafe: true,
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

/// Removes a tree of the caller's, as far as it can be removed. For a path that nobody else can change.
pub fn remove(path: &Path) {
    let _ = sys::remove_tree(path);
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
