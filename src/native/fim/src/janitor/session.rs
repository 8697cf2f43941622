//! Which instances share one overlay.
//!
//! Two overlay mounts on one upper directory lose data: each copies a file up on its own and the later copy wins. So only
//! the first instance on a data directory mounts; the next ones join its mount namespace and bind the same overlay, and
//! the kernel keeps it alive until the last of them is gone. Two bytes of `work/lock` order this. Byte 0 is held shared by
//! every instance that lives, and exclusively by whoever mounts or takes down. Byte 1 is held while an instance decides and
//! until its overlay is in place. These are open-file-description locks: the kernel drops them with their last process.
//!
//! That process is the holder, the first of a process namespace: the kernel closes its files, and only then kills what is in
//! the namespace. So where the janitor was killed nobody holds a lock any more while the guest may still write, and whoever
//! gets the lock also looks for holders that are not gone: they are there until all of their namespace is.

use super::record::{self, Overlay};
use super::start;
use crate::fail;
use crate::failure::{Context, Result};
use crate::sys::{self, Lock, LockByte};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ALIVE: LockByte = LockByte(0);
const DECIDING: LockByte = LockByte(1);

/// How long another instance may take to start or to end before this one gives up.
const PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(2);

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
            if take_turn(&lock).context(failed)? {
                // It may have got another name since the boot program chose it: see `adopt`.
                if !sys::is_still_at(&lock, &path) {
                    fail!(
                        "the data directory '{}' was renamed or removed meanwhile; start again",
                        data.display()
                    )
                }
                let role = match take_alone(&lock, &work).context(failed)? {
                    Others::None => {
                        clear(&work);
                        Some(Role::First)
                    }
                    Others::Ending => None,
                    Others::Living => record::join(&work, stack, data)?,
                };
                if let Some(role) = role {
                    if matches!(role, Role::Joined { .. }) {
                        sys::lock(lock.as_fd(), ALIVE, Lock::Shared).context(failed)?;
                    }
                    let record = record::path(&work, name);
                    return Ok(Session {
                        work,
                        lock,
                        record,
                        role,
                    });
                }
                // Nobody to join, but somebody on the way out. Let it finish.
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

    /// Where it is kept what the last start has read of the layers.
    pub fn start(&self) -> PathBuf {
        self.work.join(start::NAME)
    }

    /// Where the overlay's work directory goes.
    pub fn work_of(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    /// Says that the overlay is in place and can be joined. Called by the holder: its own `/proc` does not know the pid that
    /// others see, `holder`, but when it was started is the same everywhere.
    pub fn settle(&self, holder: i32, stack: &str, overlay: &Overlay<'_>) -> Result<()> {
        record::write(&self.record, holder, stack, overlay)?;
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
        let last = have_alone(&self.lock, &self.work).unwrap_or(false);
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

/// Takes the lock that is held while an instance decides and until its overlay is in place. False while another holds it.
pub fn take_turn(lock: &File) -> std::io::Result<bool> {
    sys::lock(lock.as_fd(), DECIDING, Lock::Exclusive)
}

/// Who else uses a data directory.
enum Others {
    None,
    /// Instances of which nobody holds the lock any more, and that are not wholly gone.
    Ending,
    Living,
}

/// Takes the lock that every instance holds, unless there are others.
fn take_alone(lock: &File, work: &Path) -> std::io::Result<Others> {
    if !sys::lock(lock.as_fd(), ALIVE, Lock::Exclusive)? {
        return Ok(Others::Living);
    }
    if record::is_any_left(work) {
        sys::lock(lock.as_fd(), ALIVE, Lock::None)?;
        return Ok(Others::Ending);
    }
    Ok(Others::None)
}

/// Takes the lock that every instance holds, for whoever must be alone. False while any instance is not wholly gone.
pub fn have_alone(lock: &File, work: &Path) -> std::io::Result<bool> {
    take_alone(lock, work).map(|others| matches!(others, Others::None))
}

/// Removes what overlays and instances have left in `work`. For whoever knows that none lives.
fn clear(work: &Path) {
    for entry in std::fs::read_dir(work).into_iter().flatten().flatten() {
        if entry.file_name() != "lock" && entry.file_name() != start::NAME {
            super::instance::remove(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::process::Command;

    #[test]
    fn an_instance_that_holds_no_lock_is_waited_for_until_its_holder_is_gone() {
        let data = std::env::temp_dir().join(format!("fim-session-{}", std::process::id()));
        let work = data.join("work");
        std::fs::create_dir_all(&work).unwrap();
        let mut holder = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = holder.id() as i32;
        let start = record::start_time(pid).unwrap();
        let text =
            format!(r#"{{"holder":{pid},"start":{start},"driver":null,"stack":"other","merged":"/","lasts":true}}"#);
        let record = record::path(&work, "1");
        std::fs::write(&record, text).unwrap();
        let (lock, _) = open_lock(&work).unwrap();
        assert!(!have_alone(&lock, &work).unwrap());
        let asked = Cell::new(0);
        let child = Cell::new(Some(&mut holder));
        let is_abandoned = || {
            asked.set(asked.get() + 1);
            if asked.get() == 3
                && let Some(holder) = child.take()
            {
                holder.kill().unwrap();
                holder.wait().unwrap();
            }
            false
        };
        let session = Session::decide(&data, "2", "ours", is_abandoned).unwrap();
        assert_eq!(asked.get(), 3);
        assert!(matches!(session.role, Role::First));
        assert!(!record.exists());
        assert!(session.leave());
        std::fs::remove_dir_all(&data).unwrap();
    }
}
