//! What a running instance writes down in `work/NAME.holder`, for others to join it: its process, and what it has mounted.
//!
//! A pid says little by itself, since pids come back; so it goes with the time when the process was started.

use super::session::Role;
use crate::fail;
use crate::failure::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

const EXTENSION: &str = "holder";

#[derive(Deserialize, Serialize)]
struct Record {
    holder: i32,
    start: u64,
    /// The process that serves the layers, as the janitors see it, if they have to be served.
    driver: Option<i32>,
    /// The trees of unpacked layers.
    #[serde(default)]
    trees: Vec<PathBuf>,
    stack: String,
    /// Where the merged root is mounted, in the holder's mount namespace.
    merged: PathBuf,
    /// Whether it outlives the holder as long as somebody uses it.
    lasts: bool,
    /// Processes that serve the overlay and do not end with the holder's namespaces: pid and start.
    #[serde(default)]
    servers: Vec<(i32, u64)>,
}

/// What an instance has mounted, for those that may join it.
pub struct Overlay<'a> {
    pub merged: &'a Path,
    pub lasts: bool,
    /// The process that serves the layers, as the janitors see it, if there is one.
    pub driver: Option<i32>,
    /// The trees of unpacked layers.
    pub trees: &'a [PathBuf],
    /// The processes that serve it, where the holder has no namespaces that they end with.
    pub servers: &'a [i32],
}

/// Where the record of an instance is.
pub fn path(work: &Path, name: &str) -> PathBuf {
    work.join(format!("{name}.{EXTENSION}"))
}

/// Writes the record of this process, which is the holder: `pid` is how others see it.
pub fn write(path: &Path, pid: i32, stack: &str, overlay: &Overlay<'_>) -> Result<()> {
    let Some(start) = start_time_of("self") else {
        fail!("cannot read when the holder was started")
    };
    let record = Record {
        holder: pid,
        start,
        driver: overlay.driver,
        trees: overlay.trees.to_vec(),
        stack: stack.to_string(),
        merged: overlay.merged.to_path_buf(),
        lasts: overlay.lasts,
        servers: overlay
            .servers
            .iter()
            .filter_map(|server| Some((*server, start_time(*server)?)))
            .collect(),
    };
    let text = serde_json::to_vec(&record).context(|| "cannot encode the holder's record".to_string())?;
    std::fs::write(path, text).context(|| format!("cannot write '{}'", path.display()))
}

/// Whether an instance has written one down, be it still there or not.
pub fn is_any_in(work: &Path) -> bool {
    records(work).next().is_some()
}

fn records(work: &Path) -> impl Iterator<Item = Record> {
    std::fs::read_dir(work)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .filter_map(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok())
}

/// Whether anything of an instance in `work` is left that could change files. A holder is there until the kernel has done
/// away with all that was in its namespaces.
pub fn is_any_left(work: &Path) -> bool {
    records(work).any(|record| record.lives() || record.servers.iter().any(|(pid, start)| lives(*pid, *start)))
}

impl Record {
    fn lives(&self) -> bool {
        lives(self.holder, self.start)
    }
}

fn lives(pid: i32, start: u64) -> bool {
    start_time(pid) == Some(start)
}

/// The namespaces of an instance that lives and can be joined. `None` if there is none that can be entered. Fails if one lives
/// that has something else mounted than the layers of `stack`, or cannot share it.
pub fn join(work: &Path, stack: &str, data: &Path) -> Result<Option<Role>> {
    let mut other = None;
    for record in records(work).filter(Record::lives) {
        if record.stack != stack || !record.lasts {
            other = Some((record.holder, record.stack == stack));
            continue;
        }
        let namespace = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", record.holder)).map(OwnedFd::from);
        let Ok(mount) = namespace("mnt") else { continue };
        let user = if same_user_namespace(record.holder) {
            None
        } else {
            namespace("user").ok()
        };
        if record.lives() {
            return Ok(Some(Role::Joined {
                user,
                mount,
                merged: record.merged,
                driver: record.driver,
                trees: record.trees,
            }));
        }
    }
    if let Some((holder, same_layers)) = other {
        let why = if same_layers {
            "an overlay that cannot be shared"
        } else {
            "other layers or another overlay"
        };
        fail!(
            "the data directory '{}' is in use by an instance with {why} (process {holder}); end it, or set FIM_DIR_DATA to another directory",
            data.display()
        )
    }
    Ok(None)
}

fn same_user_namespace(pid: i32) -> bool {
    let name = |path: String| std::fs::read_link(path).ok();
    name(format!("/proc/{pid}/ns/user")) == name("/proc/self/ns/user".to_string())
}

/// When a process was started, in clock ticks since the boot of the host; tells a process from a later one with its pid.
pub fn start_time(pid: i32) -> Option<u64> {
    start_time_of(&pid.to_string())
}

fn start_time_of(process: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold spaces and parentheses; field 22 is counted from behind it, where field 3 begins.
    let fields = stat.get(stat.rfind(')')? + 1..)?;
    let mut fields = fields.split_ascii_whitespace();
    if matches!(fields.clone().next(), Some("Z" | "X")) {
        return None;
    }
    fields.nth(19)?.parse().ok()
}
