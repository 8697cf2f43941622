//! `fim kept`: what flatimage keeps for this user, and how large it is; removes what nothing uses.
//!
//! Which directories that may be in, and what is to be removed, the command says (`src/cli/flatimage/Kept.ts`): a request on
//! standard input.

use crate::failure::{Context, EXIT_CODE, Result};
use crate::hot;
use crate::launcher::{is_in_use, remove_application};
use crate::names;
use crate::trust::{Directory, Last, Make};
use messages::{Limits, Reader, Reply};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const LIMITS: Limits = Limits::heads(1 << 20);

#[derive(Deserialize)]
struct Request {
    /// Directories of application directories, of unpacked layers, of hot caches, and of data directories.
    #[serde(with = "names::paths")]
    tools: Vec<PathBuf>,
    #[serde(with = "names::paths")]
    layers: Vec<PathBuf>,
    #[serde(with = "names::paths")]
    hot: Vec<PathBuf>,
    #[serde(with = "names::paths")]
    data: Vec<PathBuf>,
    /// Whether tools and hot caches that nothing uses are removed.
    removes: bool,
}

#[derive(Clone, Copy, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Tools,
    Layer,
    Hot,
    Data,
}

#[derive(Serialize)]
struct Entry {
    kind: Kind,
    #[serde(with = "names::path")]
    path: PathBuf,
    /// Of disk.
    bytes: u64,
    /// Seconds since 1970 of the last use, as far as that is known.
    used: u64,
    in_use: bool,
    removed: bool,
}

#[derive(Serialize)]
struct Answer {
    entries: Vec<Entry>,
    /// Why a directory was not looked into: somebody else can change it.
    skipped: Vec<String>,
}

pub fn command(_: &[OsString]) -> i32 {
    let answered = answer();
    let code = if answered.is_ok() { 0 } else { EXIT_CODE };
    match messages::print(&Reply::from(answered), &[]) {
        Ok(()) => code,
        Err(_) => EXIT_CODE,
    }
}

fn answer() -> Result<Answer> {
    let failed = || "cannot understand what is asked for".to_string();
    let message = Reader::new(std::io::stdin().lock(), LIMITS).read().context(failed)?;
    let request: Request = message.unwrap_or_default().parse().context(failed)?;
    let mut answer = Answer {
        entries: Vec::new(),
        skipped: Vec::new(),
    };
    let all = [
        (Kind::Tools, &request.tools),
        (Kind::Layer, &request.layers),
        (Kind::Hot, &request.hot),
        (Kind::Data, &request.data),
    ];
    for (kind, paths) in all {
        for path in paths {
            match Directory::trusted(path, Last::Own, Make::No) {
                Ok(directory) => look_into(&directory, kind, request.removes, &mut answer.entries),
                Err(refusal) if refusal.is_missing => {}
                Err(refusal) => answer.skipped.push(refusal.to_string()),
            }
        }
    }
    Ok(answer)
}

fn look_into(directory: &Directory, kind: Kind, removes: bool, entries: &mut Vec<Entry>) {
    let mut names = directory.names().unwrap_or_default();
    names.sort();
    for name in names {
        let path = directory.path().join(&name);
        let Ok(found) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        let is_ours = match kind {
            Kind::Tools => found.is_dir(),
            Kind::Layer => found.is_dir() && !is_part(&name),
            Kind::Hot => found.is_file() && hot::is_layer(&name),
            Kind::Data => found.is_dir() && is_data(&name),
        };
        if !is_ours {
            continue;
        }
        let used = match kind {
            Kind::Tools => time_of(&path.join("instance")),
            Kind::Layer => time_of(&directory.path().join(lock_of(&name))),
            Kind::Hot => seconds(found.mtime()),
            Kind::Data => time_of(&path.join("work")),
        };
        let mut entry = Entry {
            kind,
            bytes: size(&path),
            used,
            in_use: match kind {
                Kind::Tools => is_in_use(&path),
                Kind::Layer => directory
                    .open(lock_of(&name))
                    .is_ok_and(|lock| lock.try_lock().is_err()),
                Kind::Hot | Kind::Data => false,
            },
            removed: false,
            path,
        };
        if removes && !entry.in_use {
            entry.removed = match kind {
                Kind::Tools => remove_application(&entry.path),
                Kind::Hot => directory.remove_file(&name).is_ok(),
                Kind::Layer | Kind::Data => false,
            };
        }
        entries.push(entry);
    }
    if removes && kind == Kind::Hot {
        hot::forget(directory);
    }
}

fn is_part(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "part")
}

fn is_data(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") && name.ends_with(b".data")
}

fn lock_of(key: &OsStr) -> OsString {
    let mut name = key.to_os_string();
    name.push(".lock");
    name
}

fn time_of(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).map_or(0, |found| seconds(found.mtime()))
}

fn seconds(time: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let latest = now.map_or(0, |now| now.as_secs());
    u64::try_from(time).unwrap_or(0).min(latest)
}

/// The disk that a tree takes; what several names have counts once. What cannot be looked at counts as nothing.
fn size(path: &Path) -> u64 {
    let mut seen = HashSet::new();
    let mut left = vec![path.to_path_buf()];
    let mut bytes: u64 = 0;
    while let Some(path) = left.pop() {
        let Ok(found) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        if found.is_dir() {
            left.extend(
                std::fs::read_dir(&path)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|entry| entry.path()),
            );
        } else if found.nlink() > 1 && !seen.insert((found.dev(), found.ino())) {
            continue;
        }
        bytes = bytes.saturating_add(found.blocks().saturating_mul(512));
    }
    bytes
}
