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

use super::linger::Lent;
use super::process::Here;
use super::protocol::Open;
use super::record::{self, Overlay, Wanted};
use super::start;
use crate::fail;
use crate::failure::{Context, Result};
use crate::sys::{self, Lock, LockByte};
use crate::trust::{Directory, Last, Make, shown};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ALIVE: LockByte = LockByte(0);
const DECIDING: LockByte = LockByte(1);
const LOCK: &str = "lock";

/// How long another instance may take to start or to end before this one gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one of this machine may take to end, before a record of another machine is taken to be of whoever holds the lock.
const PATIENCE_ELSEWHERE: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(2);

pub struct Session {
    work: Directory,
    lock: File,
    /// The name of the instance, and where its pids count.
    name: String,
    here: Here,
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
        /// The holder of the instance whose programs serve it: pid and start. Absent where the kernel does.
        served_by: Option<(i32, u64)>,
    },
    /// Mount an overlay above layers that are still mounted.
    Lent(Lent),
}

impl Session {
    /// Decides between mounting and joining. Other instances wait until `settle`. Gives up when the boot program is gone.
    pub fn decide(open: &Open, is_abandoned: impl Fn() -> bool) -> Result<Session> {
        let data = &open.data;
        let work = open_work(data)?;
        let (lock, path) = open_lock(&work)?;
        let failed = || format!("cannot lock '{}'", shown(&path));
        let here = Here::current();
        let wanted = Wanted {
            stack: &open.stack,
            data,
            instances: open.instance.parent().unwrap_or(Path::new("/")),
            trees: &open.trees,
            here: &here,
        };
        let begin = Instant::now();
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
                    Others::Living => record::join(&work, &wanted)?,
                };
                if let Some(role) = role {
                    if matches!(role, Role::Joined { .. }) {
                        sys::lock(lock.as_fd(), ALIVE, Lock::Shared).context(failed)?;
                    }
                    return Ok(Session {
                        work,
                        lock,
                        name: open.name(),
                        here,
                        role,
                    });
                }
                // Nobody to join, but somebody on the way out. Let it finish.
                sys::lock(lock.as_fd(), DECIDING, Lock::None).context(failed)?;
            }
            if is_abandoned() {
                fail!("the boot program has ended")
            }
            if begin.elapsed() > PATIENCE_ELSEWHERE
                && let Some(machine) = record::elsewhere(&work, &here)
            {
                fail!(
                    "the data directory '{}' is in use on {machine}; end it there, or set FIM_DIR_DATA to another directory",
                    shown(data)
                )
            }
            if begin.elapsed() > PATIENCE {
                fail!(
                    "the data directory '{}' is in use by an instance that neither starts nor ends; end it, or set FIM_DIR_DATA to another directory",
                    shown(data)
                )
            }
            std::thread::sleep(STEP);
        }
    }

    /// Where it is kept what the last start has read of the layers.
    pub fn start(&self) -> PathBuf {
        self.work.path().join(start::NAME)
    }

    /// Makes the overlay's work directory.
    pub fn make_work(&self) -> Result<()> {
        self.work.enter_or_make(&self.name, 0o700).map(drop)
    }

    /// Makes the directory in `work` where others find the merged root of this instance.
    pub fn make_joinable(&self) -> Result<PathBuf> {
        let name = format!("{}{}", self.name, record::JOINABLE);
        self.work.enter_or_make(&name, 0o700)?;
        Ok(self.work.path().join(name))
    }

    /// Says that the overlay is in place and can be joined. Called by the holder: its own `/proc` does not know the pid that
    /// others see, `holder`, but when it was started is the same everywhere.
    pub fn settle(&self, holder: i32, stack: &str, overlay: &Overlay<'_>) -> Result<()> {
        record::write(&self.work, &self.name, (holder, &self.here), stack, overlay)?;
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
        let _ = self.work.remove_file(record::file_name(&self.name));
    }

    /// As `retire`, without waiting for those who are about to join. Whether nobody else uses the overlay, or will.
    pub fn retire_alone(&self) -> bool {
        if !sys::lock(self.lock.as_fd(), DECIDING, Lock::Exclusive).unwrap_or(false) {
            return false;
        }
        let _ = self.work.remove_file(record::file_name(&self.name));
        self.is_alone()
    }

    /// Whether nobody else uses the data directory. After `retire`.
    pub fn is_alone(&self) -> bool {
        have_alone(&self.lock, &self.work).unwrap_or(true)
    }

    /// Waits until nobody else uses the data directory.
    pub fn wait_until_alone(&self) {
        let _ = sys::wait_for_lock(self.lock.as_fd(), ALIVE, Lock::Exclusive);
        let deadline = Instant::now() + PATIENCE;
        while record::is_any_left(&self.work) && Instant::now() < deadline {
            std::thread::sleep(STEP);
        }
    }

    /// The holder whose programs serve the overlay of another instance that this one has joined.
    pub fn served_by(&self) -> Option<(i32, u64)> {
        match &self.role {
            Role::Joined { served_by, .. } => *served_by,
            _ => None,
        }
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

/// The directory `work` of a data directory. Both have to be the caller's alone.
pub fn open_work(data: &Path) -> Result<Directory> {
    let trusted = Directory::trusted(data, Last::Own, Make::No);
    trusted
        .context(|| format!("the data directory '{}' cannot be used", shown(data)))?
        .enter("work")
}

/// The lock file in `work`, made if it is not there, and its path.
pub fn open_lock(work: &Directory) -> Result<(File, PathBuf)> {
    let path = work.path().join(LOCK);
    let lock = work.open_or_make(LOCK, 0o600);
    let lock = lock.context(|| format!("cannot open the lock '{}'", shown(&path)))?;
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
fn take_alone(lock: &File, work: &Directory) -> std::io::Result<Others> {
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
pub fn have_alone(lock: &File, work: &Directory) -> std::io::Result<bool> {
    take_alone(lock, work).map(|others| matches!(others, Others::None))
}

/// Removes what overlays and instances have left in `work`. For whoever knows that none lives.
fn clear(work: &Directory) {
    for name in work.names().unwrap_or_default() {
        if name != LOCK && name != start::NAME {
            work.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::os::unix::fs::DirBuilderExt;
    use std::process::{Child, Command};

    /// A data directory that goes with the test, and what wants to be its second instance.
    struct Kept {
        open: Open,
        work: PathBuf,
    }

    impl Kept {
        fn new(name: &str) -> Kept {
            let data = std::env::temp_dir().join(format!("fim-session-{name}-{}", std::process::id()));
            let work = data.join("work");
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&work).unwrap();
            let open = Open {
                instance: data.join("instance/2"),
                pid: 2,
                data,
                stack: "ours".to_string(),
                trees: Vec::new(),
                lingering: None,
            };
            Kept { open, work }
        }

        /// Says that a process is the holder of the first instance.
        fn say(&self, holder: &Child, change: impl FnOnce(&mut serde_json::Value)) {
            let start = record::start_time(holder.id() as i32).unwrap();
            let mut text = serde_json::json!({
                "holder": holder.id(), "start": start, "here": Here::current(), "driver": null, "stack": "ours",
                "merged": self.open.instance.with_file_name("1").join(record::MERGED), "lasts": true
            });
            change(&mut text);
            std::fs::write(self.work.join("1.holder"), text.to_string()).unwrap();
        }

        /// Holds the lock as a running instance does.
        fn hold(&self) -> File {
            let (lock, _) = open_lock(&open_work(&self.open.data).unwrap()).unwrap();
            assert!(sys::lock(lock.as_fd(), ALIVE, Lock::Shared).unwrap());
            lock
        }

        /// Decides with the lock held, for a short time.
        fn decide(&self) -> Result<Role> {
            let begin = Instant::now();
            let session = Session::decide(&self.open, || begin.elapsed() > 2 * PATIENCE_ELSEWHERE)?;
            Ok(session.role)
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            crate::trust::remove(&self.open.data);
        }
    }

    /// A process that lasts as long as the test.
    struct Sleeper(Child);

    impl Sleeper {
        fn new() -> Sleeper {
            Sleeper(Command::new("sleep").arg("1000").spawn().unwrap())
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn an_instance_that_holds_no_lock_is_waited_for_until_its_holder_is_gone() {
        let kept = Kept::new("waits");
        let mut sleeper = Sleeper::new();
        kept.say(&sleeper.0, |_| ());
        let work = open_work(&kept.open.data).unwrap();
        let (lock, _) = open_lock(&work).unwrap();
        assert!(!have_alone(&lock, &work).unwrap());
        let asked = Cell::new(0);
        let child = Cell::new(Some(&mut sleeper.0));
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
        let session = Session::decide(&kept.open, is_abandoned).unwrap();
        assert_eq!(asked.get(), 3);
        assert!(matches!(session.role, Role::First));
        assert!(!kept.work.join("1.holder").exists());
        assert!(session.leave());
    }

    #[test]
    fn a_record_is_joined_only_if_everything_in_it_is_what_we_would_have_chosen() {
        let kept = Kept::new("joined");
        let sleeper = Sleeper::new();
        let _lock = kept.hold();
        kept.say(&sleeper.0, |_| ());
        assert!(matches!(kept.decide(), Ok(Role::Joined { user: None, .. })));
        let changes: [fn(&mut serde_json::Value); 5] = [
            |record| record["merged"] = "/tmp".into(),
            |record| record["trees"] = serde_json::json!(["/etc"]),
            |record| record["start"] = 1.into(),
            |record| record["here"] = serde_json::Value::Object(serde_json::Map::new()),
            |record| record["driver"] = i32::MAX.into(),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            kept.say(&sleeper.0, change);
            assert_eq!(
                kept.decide().err().map(|error| error.0).as_deref(),
                Some("the boot program has ended"),
                "{index}"
            );
        }
        kept.say(&sleeper.0, |_| ());
        let record = kept.work.join("1.holder");
        std::fs::rename(&record, kept.work.join("kept")).unwrap();
        std::os::unix::fs::symlink("kept", &record).unwrap();
        assert!(kept.decide().is_err(), "a link is not a record");
    }

    #[test]
    fn a_data_directory_in_use_on_another_machine_is_refused_by_its_name() {
        let kept = Kept::new("machine");
        let sleeper = Sleeper::new();
        let lock = kept.hold();
        kept.say(&sleeper.0, |record| {
            record["here"]["boot"] = "another".into();
            record["here"]["machine"] = "lighthouse".into();
        });
        let Err(refused) = kept.decide() else {
            panic!("the lock is held")
        };
        assert!(refused.0.contains("in use on the machine 'lighthouse'"), "{refused}");
        assert!(refused.0.contains("FIM_DIR_DATA"), "{refused}");
        // What a machine has left that was switched off.
        drop(lock);
        assert!(matches!(kept.decide(), Ok(Role::First)));
    }

    #[test]
    fn work_that_others_can_change_is_not_used() {
        let kept = Kept::new("open");
        std::fs::set_permissions(&kept.work, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let Err(refused) = kept.decide() else {
            panic!("everybody can write to it")
        };
        assert!(refused.0.contains("other users can write"), "{refused}");
    }
}
