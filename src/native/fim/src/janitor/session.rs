//! Which instances share one overlay.
//!
//! Two overlay mounts on one upper directory lose data: each copies a file up on its own and the later copy wins. So only
//! the first instance on a data directory mounts; the next ones join its mount namespace and bind the same overlay, and
//! the kernel keeps it alive until the last of them is gone. Two bytes of `work/lock` order this. Byte 0 is held shared by
//! every instance that lives, and exclusively by whoever mounts or takes down. Byte 1 is held while an instance decides and
//! until its overlay is in place. These are open-file-description locks: the kernel drops them with their last process.

use crate::fail;
use crate::failure::{Context, Result};
use crate::sys::{self, Lock, LockByte};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A commit holds it exclusively too.
pub const ALIVE: LockByte = LockByte(0);
const DECIDING: LockByte = LockByte(1);

/// How long another instance may take to start or to end before this one gives up.
const PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(2);

/// A running instance, as it is written down in `work/NAME.holder`.
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
}

/// What an instance has mounted, for those that may join it.
pub struct Overlay<'a> {
    pub merged: &'a Path,
    pub lasts: bool,
    /// The process that serves the layers, as the janitors see it, if there is one.
    pub driver: Option<i32>,
    /// The trees of unpacked layers.
    pub trees: &'a [PathBuf],
}

pub struct Session {
    work: PathBuf,
    lock: File,
    record: PathBuf,
    pub role: Role,
}

pub enum Role {
    /// Nobody else uses the data directory: mount.
    First,
    /// Join the namespaces of a running instance, and bind what it has mounted there.
    Joined {
        user: Option<OwnedFd>,
        mount: OwnedFd,
        merged: PathBuf,
        driver: Option<i32>,
        trees: Vec<PathBuf>,
    },
}

impl Session {
    /// Decides between mounting and joining. Other instances wait until `settle`. Gives up when the boot program is gone.
    pub fn decide(data: &Path, name: &str, stack: &str, is_abandoned: impl Fn() -> bool) -> Result<Session> {
        let work = data.join("work");
        let (lock, path) = open_lock(&work)?;
        let failed = || format!("cannot lock '{}'", path.display());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if sys::lock(lock.as_fd(), DECIDING, Lock::Exclusive).context(failed)? {
                if sys::lock(lock.as_fd(), ALIVE, Lock::Exclusive).context(failed)? {
                    clear(&work);
                    let record = work.join(format!("{name}.holder"));
                    return Ok(Session {
                        work,
                        lock,
                        record,
                        role: Role::First,
                    });
                }
                if let Some(role) = join(&work, stack, data)? {
                    sys::lock(lock.as_fd(), ALIVE, Lock::Shared).context(failed)?;
                    let record = work.join(format!("{name}.holder"));
                    return Ok(Session {
                        work,
                        lock,
                        record,
                        role,
                    });
                }
                // Somebody is alive but cannot be joined: on the way out. Let it finish.
                sys::lock(lock.as_fd(), DECIDING, Lock::None).context(failed)?;
            }
            if is_abandoned() {
                fail!("the boot program has ended")
            }
            if Instant::now() > deadline {
                fail!(
                    "the data directory '{}' is in use by an instance that neither starts nor ends; end it, or set FIM_DIR_DATA to another directory",
                    data.display()
                )
            }
            std::thread::sleep(STEP);
        }
    }

    /// Where the overlay's work directory goes.
    pub fn work_of(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    /// Says that the overlay is in place and can be joined. Called by the holder: its own `/proc` does not know the pid that
    /// others see, `holder`, but when it was started is the same everywhere.
    pub fn settle(&self, holder: i32, stack: &str, overlay: &Overlay<'_>) -> Result<()> {
        let Some(start) = start_time_of("self") else {
            fail!("cannot read when the holder was started")
        };
        let record = Record {
            holder,
            start,
            driver: overlay.driver,
            trees: overlay.trees.to_vec(),
            stack: stack.to_string(),
            merged: overlay.merged.to_path_buf(),
            lasts: overlay.lasts,
        };
        let text = serde_json::to_vec(&record).context(|| "cannot encode the holder's record".to_string())?;
        std::fs::write(&self.record, text).context(|| format!("cannot write '{}'", self.record.display()))?;
        let failed = || "cannot lock the data directory".to_string();
        sys::lock(self.lock.as_fd(), ALIVE, Lock::Shared).context(failed)?;
        sys::lock(self.lock.as_fd(), DECIDING, Lock::None).context(failed)?;
        Ok(())
    }

    /// Nobody joins this instance from here on. Waits for those who are about to: they bind a directory of ours.
    pub fn retire(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !sys::lock(self.lock.as_fd(), DECIDING, Lock::Exclusive).unwrap_or(true) && Instant::now() < deadline {
            std::thread::sleep(STEP);
        }
        let _ = std::fs::remove_file(&self.record);
    }

    /// Lets others decide again, after `retire`.
    pub fn allow_others(&self) {
        let _ = sys::lock(self.lock.as_fd(), DECIDING, Lock::None);
    }

    /// Takes this instance off the books. The last one removes what the overlay left in `work`. The answer says whether
    /// this was the last one.
    pub fn leave(self) -> bool {
        let last = sys::lock(self.lock.as_fd(), ALIVE, Lock::Exclusive).unwrap_or(false);
        if last {
            clear(&self.work);
        }
        last
    }
}

/// The lock file in `work`, made if it is not there, and its path.
pub fn open_lock(work: &Path) -> Result<(File, PathBuf)> {
    let path = work.join("lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let lock = options
        .open(&path)
        .context(|| format!("cannot open the lock '{}'", path.display()))?;
    Ok((lock, path))
}

/// Removes what overlays and instances have left in `work`. For whoever knows that none lives.
fn clear(work: &Path) {
    for entry in std::fs::read_dir(work).into_iter().flatten().flatten() {
        if entry.file_name() != "lock" {
            super::instance::remove(&entry.path());
        }
    }
}

/// The namespaces of an instance that lives. `None` if there is none that can be entered.
fn join(work: &Path, stack: &str, data: &Path) -> Result<Option<Role>> {
    let mut other = None;
    for entry in std::fs::read_dir(work).into_iter().flatten().flatten() {
        if entry.path().extension().is_none_or(|extension| extension != "holder") {
            continue;
        }
        let Some(record) = std::fs::read(entry.path())
            .ok()
            .and_then(|text| serde_json::from_slice::<Record>(&text).ok())
        else {
            continue;
        };
        if start_time(record.holder) != Some(record.start) {
            continue;
        }
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
        if start_time(record.holder) == Some(record.start) {
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
