//! What an instance in the background writes: a file of limited size, and the one before it.

use super::complain;
use super::find::{find, is_index};
use crate::failure::{Context, EXIT_CODE, Result};
use crate::janitor::is_name;
use crate::sys::{self, Lock, LockByte};
use crate::trust::{Directory, Last, Make};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// The parent directory of the directories of names, in an application directory.
pub const BACKGROUND: &str = "background";
/// Held by the process that writes the log, as long as it does.
pub const LOCK: &str = "lock";
pub const HELD: LockByte = LockByte(0);
const LOG: &str = "log";
const BEFORE: &str = "log.1";
/// Of one file.
const LIMIT: u64 = 1 << 20;

/// A log that is written.
pub struct Log {
    directory: Directory,
    file: File,
    size: u64,
}

impl Log {
    /// A new log in the directory of a name; what an instance before has left there goes.
    pub fn begin(directory: Directory) -> Result<Log> {
        directory.remove(BEFORE);
        let file = Log::open(&directory)?;
        Ok(Log {
            directory,
            file,
            size: 0,
        })
    }

    fn open(directory: &Directory) -> Result<File> {
        let failed = || "cannot write the log".to_string();
        // A new file: whoever follows the one before sees that it is another.
        directory.put(LOG, 0o600, b"")?;
        directory.open_to_change(LOG).context(failed)
    }

    /// Adds what was written. A full disk loses it, and never stops the program that writes.
    pub fn add(&mut self, bytes: &[u8]) {
        if self.size > 0 && self.size + bytes.len() as u64 > LIMIT {
            let turned = self
                .directory
                .rename(LOG, BEFORE)
                .context(|| "cannot rename the log".to_string());
            if let Ok(file) = turned.and_then(|()| Log::open(&self.directory)) {
                self.file = file;
                self.size = 0;
            }
        }
        if self.file.write_all(bytes).is_ok() {
            self.size += bytes.len() as u64;
        }
    }

    /// The end of what was written, for a message.
    pub fn tail(directory: &Directory, limit: usize) -> Vec<u8> {
        let mut bytes = directory.read(LOG, LIMIT * 2).unwrap_or_default();
        bytes.split_off(bytes.len().saturating_sub(limit))
    }
}

/// The directory of a name.
pub fn directory_of(instances: &Path, name: &str) -> Result<Directory> {
    let application = instances.parent().unwrap_or(Path::new("/"));
    let failed = || "there is no directory for logs".to_string();
    let application = Directory::trusted(application, Last::Own, Make::No).context(failed)?;
    application.enter(BACKGROUND)?.enter(name)
}

/// Prints the log of a running instance or of the last one with a name; with `follows`, until that has ended.
pub fn print(instances: &Path, id: &OsStr, follows: bool) -> i32 {
    let failed = |lines: &[&str]| {
        let lines = [lines, &["Could not print the log of an instance"]].concat();
        complain(&lines)
    };
    let name = match find(instances, id) {
        Ok(living) => match living.about.and_then(|about| about.name) {
            Some(name) => name,
            None => {
                return failed(&[
                    "The instance has no log: it was not started by fim-instance start, and writes where its caller has said",
                ]);
            }
        },
        // Its log stays after its end.
        Err(missing) => match id.to_str().filter(|name| !is_index(id) && is_name(name)) {
            Some(name) if directory_of(instances, name).is_ok() => name.to_string(),
            _ => {
                let lines = missing.lines();
                return failed(&lines.iter().map(String::as_str).collect::<Vec<_>>());
            }
        },
    };
    let printed = directory_of(instances, &name).and_then(|directory| copy(&directory, follows));
    match printed {
        Ok(()) => 0,
        // A reader that has ended, such as `head`, is no failure worth a line.
        Err(failure) if failure.0.is_empty() => EXIT_CODE,
        Err(failure) => failed(&[&failure.0]),
    }
}

fn copy(directory: &Directory, follows: bool) -> Result<()> {
    let failed = || "cannot follow the log".to_string();
    // Before the first look, so that nothing is missed.
    let watch = match follows {
        true => {
            let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).context(failed)?;
            let events = WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::CLOSE_WRITE;
            inotify::add_watch(&watch, directory.path(), events).context(failed)?;
            Some(watch)
        }
        false => None,
    };
    if let Ok(mut before) = directory.open(BEFORE) {
        pass(&mut before)?;
    }
    let Ok(mut log) = directory.open(LOG) else {
        return Ok(());
    };
    loop {
        let is_over = !is_written(directory);
        pass(&mut log)?;
        let is_same = || {
            let (ours, there) = (log.metadata().ok()?, directory.open(LOG).ok()?.metadata().ok()?);
            Some(sys::same_file(&ours, &there))
        };
        if is_same() == Some(false)
            && let Ok(next) = directory.open(LOG)
        {
            // What was written between the last look and the change of files.
            pass(&mut log)?;
            log = next;
            continue;
        }
        let Some(watch) = watch.as_ref().filter(|_| !is_over) else {
            return Ok(());
        };
        // A writer that is killed lets go of its lock just after the last event.
        let _ = sys::poll([sys::readable(watch)], 1000).context(failed)?;
        let mut events = [0; 4096];
        while rustix::io::read(watch, &mut events).is_ok_and(|count| count > 0) {}
    }
}

/// Whether somebody still writes it.
fn is_written(directory: &Directory) -> bool {
    // Only to read: the end of a file that could be written is what followers wait for.
    let Ok(lock) = directory.open(LOCK) else {
        return false;
    };
    // It is given back when the file is closed.
    !sys::lock(lock.as_fd(), HELD, Lock::Shared).unwrap_or(false)
}

fn pass(from: &mut File) -> Result<()> {
    let mut chunk = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut chunk).context(|| "cannot read the log".to_string())?;
        if count == 0 {
            return Ok(());
        }
        let mut output = std::io::stdout().lock();
        let written = output.write_all(&chunk[..count]).and_then(|()| output.flush());
        written.map_err(|error| {
            let is_gone = error.kind() == std::io::ErrorKind::BrokenPipe;
            crate::failure::Failure(if is_gone {
                String::new()
            } else {
                format!("cannot print: {error}")
            })
        })?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_no_more_than_two_files_of_its_limit() {
        let path = std::env::temp_dir().join(format!("fim-log-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let mut log = Log::begin(Directory::given(&path).unwrap()).unwrap();
        let line = [b'x'; 1000];
        for _ in 0..3000 {
            log.add(&line);
        }
        let size = |name: &str| std::fs::metadata(path.join(name)).unwrap().len();
        assert!(size(LOG) <= LIMIT && size(BEFORE) <= LIMIT);
        assert!(size(LOG) + size(BEFORE) > LIMIT);
        assert_eq!(Log::tail(&Directory::given(&path).unwrap(), 10), [b'x'; 10]);
        let before = std::fs::metadata(path.join(LOG)).unwrap();
        drop(Log::begin(Directory::given(&path).unwrap()).unwrap());
        assert_eq!(size(LOG), 0);
        assert!(!sys::same_file(&before, &std::fs::metadata(path.join(LOG)).unwrap()));
        assert!(!path.join(BEFORE).exists());
        crate::trust::remove(&path);
    }
}
