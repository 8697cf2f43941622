//! What an instance writes down about itself in its directory, for `fim-instance list` and for commands that name it.
//!
//! It is read by other processes of the same user, which check everything in it: a guest cannot write there, but programs of the user
//! on the host can.

use crate::failure::{Context, Result};
use crate::names;
use crate::trust::Directory;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const FILE: &str = "about";
/// Of the file. What is written is far smaller.
const LIMIT: u64 = 1 << 16;
/// Of a name, an account or an image in it.
const TEXT_LIMIT: usize = 4096;
/// Arguments of the command that are kept, and their bytes together.
const ARGUMENTS: usize = 64;
const COMMAND_LIMIT: usize = 4096;

/// What the boot program says of a run.
#[derive(Deserialize)]
pub struct Said {
    /// Set for a run in the background.
    pub name: Option<String>,
    #[serde(with = "names::path")]
    pub image: PathBuf,
    /// The user in the guest.
    pub user: String,
    /// Each character is one byte.
    pub command: Vec<String>,
}

/// The record of an instance.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub struct About {
    pub name: Option<String>,
    #[serde(with = "names::path")]
    pub image: PathBuf,
    pub user: String,
    pub command: Vec<String>,
    /// Whether the command is longer.
    pub is_cut: bool,
    /// Seconds since 1970.
    pub started: u64,
}

/// Whether a name is one that an instance can have: it is no number, and harmless as a file and in a terminal.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 64
        && bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl About {
    /// The record of a run that starts now.
    pub fn now(said: &Said) -> About {
        let mut room = COMMAND_LIMIT;
        let fitting = said.command.iter().take(ARGUMENTS).take_while(|argument| {
            let fits = argument.len() < room;
            room = room.saturating_sub(argument.len() + 1);
            fits
        });
        let command: Vec<String> = fitting.cloned().collect();
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        About {
            name: said.name.clone().filter(|name| is_name(name)),
            image: said.image.clone(),
            user: said.user.clone(),
            is_cut: command.len() < said.command.len(),
            command,
            started: since.map_or(0, |since| since.as_secs()),
        }
    }

    /// Writes it down in the directory of its instance.
    pub fn write(&self, instance: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).context(|| "cannot encode the record of the instance".to_string())?;
        Directory::given(instance)?.put(FILE, 0o600, &text)
    }

    /// The record in the directory of an instance. `None` before its program starts, and for one that no start has written.
    pub fn read(instance: &Directory) -> Option<About> {
        let about: About = serde_json::from_slice(&instance.read(FILE, LIMIT).ok()?).ok()?;
        about.is_sound().then_some(about)
    }

    fn is_sound(&self) -> bool {
        self.name.as_deref().is_none_or(is_name)
            && self.image.as_os_str().len() <= TEXT_LIMIT
            && self.user.len() <= TEXT_LIMIT
            && self.command.len() <= ARGUMENTS
            && self.command.iter().map(String::len).sum::<usize>() <= 2 * COMMAND_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(command: Vec<String>) -> Said {
        Said {
            name: Some("web".to_string()),
            image: PathBuf::from("/a.flatimage"),
            user: "ada".to_string(),
            command,
        }
    }

    #[test]
    fn names_are_no_numbers_and_harmless_everywhere() {
        for name in ["web", "a", "_x", "Web-1.2_b"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(65);
        for name in ["", "0", "1web", "-x", ".x", "a/b", "a b", "a\n", "ä", &long] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_long_command_is_cut() {
        let about = About::now(&said(vec!["x".repeat(4000), "y".repeat(200)]));
        assert_eq!((about.command.len(), about.is_cut), (1, true));
        let about = About::now(&said(vec!["x".to_string(); 100]));
        assert_eq!((about.command.len(), about.is_cut), (64, true));
        let about = About::now(&said(vec!["sh".to_string(), String::new()]));
        assert_eq!((about.command.len(), about.is_cut), (2, false));
        assert!(about.is_sound());
    }

    #[test]
    fn a_record_that_no_start_would_write_is_none() {
        let sound = About::now(&said(vec!["sh".to_string()]));
        let text = serde_json::to_value(&sound).unwrap();
        assert_eq!(serde_json::from_value::<About>(text.clone()).unwrap(), sound);
        for (field, value) in [
            ("name", serde_json::json!("../x")),
            ("user", serde_json::json!("x".repeat(TEXT_LIMIT + 1))),
            ("command", serde_json::json!(vec!["x"; ARGUMENTS + 1])),
            ("command", serde_json::json!(["x".repeat(2 * COMMAND_LIMIT + 1)])),
        ] {
            let mut changed = text.clone();
            changed[field] = value;
            assert!(!serde_json::from_value::<About>(changed).unwrap().is_sound(), "{field}");
        }
    }
}
