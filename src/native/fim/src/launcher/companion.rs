//! The janitor, started before the boot program so that both load at the same time. Which instance it is for, and what it
//! mounts, the boot program tells it.

use super::image::Image;
use super::variable;
use crate::failure::{Context, EXIT_CODE, Result};
use crate::janitor::{LINGER, REPLIES, REQUESTS, REST, START};
use crate::streams;
use crate::sys::{self, Forked, IGNORED, Ignored, Step};
use crate::trust::TRUST_GROUP;
use rustix::io::{FdFlags, fcntl_setfd};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Companion {
    requests: OwnedFd,
    replies: OwnedFd,
}

/// The program that the caller's words start: empty for the boot command. `None` for commands that only read or change the image, and
/// need no janitor.
pub fn program(words: &[OsString]) -> Option<OsString> {
    match words.first() {
        Some(word) if word == "fim-exec" || word == "fim-root" => {
            let program = words[1..].iter().take(2).find(|word| *word != "--");
            Some(program.cloned().unwrap_or_default())
        }
        // The program stands behind options, which only the boot program parses. What such starts read has a record of its own.
        Some(word) if word == "fim-run" => Some(word.clone()),
        Some(word) if word.as_encoded_bytes().starts_with(b"fim-") => None,
        _ => Some(OsString::new()),
    }
}

/// Starts the janitor for a program; it has the rest of the tools unpacked, unless all are there.
pub fn start(application: &Path, image: &Image, program: &OsStr, is_complete: bool) -> Result<Companion> {
    streams::check()?;
    let failed = || "cannot start the janitor".to_string();
    let (requests, our_requests) = sys::pipe().context(failed)?;
    let (our_replies, replies) = sys::pipe().context(failed)?;
    let places = [(requests.as_fd(), REQUESTS), (replies.as_fd(), REPLIES)];
    let mut command = Command::new(application.join("bin/fim"));
    command.arg("janitor");
    if !is_complete {
        command
            .arg(REST)
            .arg(&image.path)
            .arg(image.reserved_offset.to_string());
    }
    command.arg(program).args(starts(&image.path)).env_clear();
    for name in [TRUST_GROUP, LINGER] {
        if let Some(value) = variable(name) {
            command.env(name, value);
        }
    }
    if let Some(signals) = Ignored::at_start().text() {
        command.env(IGNORED, signals);
    }
    // Not by `spawn`, which waits until the other program is loaded. The boot program sees that it is not there.
    if let Forked::Child = sys::clone(0).context(failed)? {
        let error = sys::become_program(command, &[Step::Place(&places)]);
        console::complain!("C::{}: {error}", failed());
        std::process::exit(EXIT_CODE)
    }
    for ours in [&our_requests, &our_replies] {
        fcntl_setfd(ours, FdFlags::empty()).context(failed)?;
    }
    Ok(Companion {
        requests: our_requests,
        replies: our_replies,
    })
}

/// Where the last start of this image may have left what it has read of its layers: in `work` of the data directory. Which one
/// that is the boot program decides, by `dataCandidates` of `src/relocate/Directories.ts`; this is a guess, and no more than time is
/// lost where it is wrong.
fn starts(image: &Path) -> Vec<PathBuf> {
    let variable = |name| variable(name).map(PathBuf::from);
    let (Some(directory), Some(name)) = (image.parent(), image.file_name()) else {
        return Vec::new();
    };
    let mut data = OsString::from(".");
    data.push(name);
    data.push(".data");
    let candidates = match variable("FIM_DIR_DATA") {
        Some(chosen) => vec![std::env::current_dir().unwrap_or_default().join(chosen)],
        None => {
            let chosen = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
            let home = chosen.or_else(|| Some(variable("HOME")?.join(".local/share")));
            let homes = home.map(|home| home.join("flatimage").join(&data));
            [Some(directory.join(&data)), homes].into_iter().flatten().collect()
        }
    };
    candidates.iter().map(|data| data.join("work").join(START)).collect()
}

impl Companion {
    /// For the boot program: where requests are written and where replies are read.
    pub fn descriptors(&self) -> String {
        format!("{},{}", self.requests.as_raw_fd(), self.replies.as_raw_fd())
    }
}
