//! Which instance is meant: its index in the list, or its name.

use crate::janitor::{Living, living};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Why there is no such instance.
pub enum Missing {
    /// Nothing runs.
    Nothing,
    /// The index is beyond the list.
    Index,
    /// No instance has this name.
    Name(String),
}

impl Missing {
    pub fn lines(&self) -> Vec<String> {
        match self {
            Missing::Nothing => vec!["No instances are running".to_string()],
            Missing::Index => vec!["Instance index out of bounds".to_string()],
            Missing::Name(name) => vec![
                "Id argument must be a digit".to_string(),
                format!(
                    "or a name, and no running instance has the name '{name}'; to see them: fim-instance list --long"
                ),
            ],
        }
    }
}

pub fn is_index(id: &OsStr) -> bool {
    !id.is_empty() && id.as_bytes().iter().all(u8::is_ascii_digit)
}

/// The running instance with this index or name.
pub fn find(instances: &Path, id: &OsStr) -> Result<Living, Missing> {
    let mut found = living(instances);
    if is_index(id) {
        if found.is_empty() {
            return Err(Missing::Nothing);
        }
        let index: usize = id.to_string_lossy().parse().unwrap_or(usize::MAX);
        if index >= found.len() {
            return Err(Missing::Index);
        }
        return Ok(found.swap_remove(index));
    }
    let is_it = |living: &Living| {
        let name = living.about.as_ref().and_then(|about| about.name.as_deref());
        name.is_some_and(|name| name == id)
    };
    match found.into_iter().find(is_it) {
        Some(living) => Ok(living),
        None => Err(Missing::Name(console::shown(id))),
    }
}
