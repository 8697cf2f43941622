//! Directories of calls whose caller was killed before anybody has served it: whoever serves the others removes them.

use super::call::{CONTROL, remove};
use super::request::is_call;
use crate::sys;
use rustix::fs::OFlags;
use std::fs::File;
use std::io::Result;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// From one look to the next. They come with calls: nobody is waited for.
const INTERVAL: Duration = Duration::from_secs(10);
/// A caller may take so long to open its FIFOs.
const MAKING: Duration = Duration::from_secs(10);
/// Most entries that are looked at in one go: a guest can make as many as it likes.
const MOST: usize = 1024;

#[derive(Default)]
pub struct Sweeper {
    last: Option<Instant>,
}

impl Sweeper {
    /// Looks through the calls of a room, unless that was done lately.
    pub fn sweep(&mut self, room: BorrowedFd<'_>) {
        if self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return;
        }
        self.last = Some(Instant::now());
        let Ok(entries) = std::fs::read_dir(format!("/proc/self/fd/{}", room.as_raw_fd())) else {
            return;
        };
        for entry in entries.flatten().take(MOST) {
            let name = entry.file_name();
            if let Some(name) = name.to_str().filter(|name| is_call(name)) {
                let _ = remove_left(room, name);
            }
        }
    }
}

/// Removes a directory that has been there for a while and has nobody who would read its `control`: a caller keeps that
/// open until it is served, and who serves it from then on. To open it changes nothing for either.
fn remove_left(room: BorrowedFd<'_>, name: &str) -> Result<()> {
    let directory = File::from(sys::open_directory_at(room, name)?);
    let age = directory.metadata()?.modified()?.elapsed().unwrap_or_default();
    if age > MAKING && sys::open_fifo_at(directory.as_fd(), CONTROL, OFlags::WRONLY | OFlags::NONBLOCK).is_err() {
        remove(room, directory.as_fd(), name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    /// A directory of a test, removed at its end.
    struct Room(PathBuf, OwnedFd);

    impl Room {
        fn new(name: &str) -> Room {
            let path = std::env::temp_dir().join(format!("fim-sweep-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            let room = sys::open_directory(&path).unwrap();
            Room(path, room)
        }

        /// A call with these FIFOs that was made so many seconds ago.
        fn call(&self, name: &str, fifos: &[&str], seconds: u64) -> PathBuf {
            let path = self.0.join(name);
            std::fs::create_dir(&path).unwrap();
            for fifo in fifos {
                sys::make_fifo_at(sys::open_directory(&path).unwrap().as_fd(), fifo).unwrap();
            }
            age(&path, seconds);
            path
        }
    }

    impl Drop for Room {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn age(path: &Path, seconds: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        File::open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn what_a_killed_caller_has_left_is_removed() {
        let room = Room::new("left");
        let whole = room.call("1-a", &[CONTROL, "reply", "stdin", "stdout", "stderr"], 60);
        let begun = room.call("2-a", &[], 60);
        Sweeper::default().sweep(room.1.as_fd());
        assert!(!whole.exists() && !begun.exists());
    }

    #[test]
    fn calls_of_the_living_and_what_is_no_call_stay() {
        let room = Room::new("living");
        let young = room.call("1-a", &[CONTROL], 0);
        let waiting = room.call("2-a", &[CONTROL], 60);
        let reader = |path: &Path| {
            let directory = sys::open_directory(path).unwrap();
            sys::open_fifo_at(directory.as_fd(), CONTROL, OFlags::RDONLY | OFlags::NONBLOCK).unwrap()
        };
        let held = reader(&waiting);
        let other = room.call("Other", &[], 60);
        let full = room.call("3-a", &["more"], 60);
        std::os::unix::fs::symlink("/etc", room.0.join("4-a")).unwrap();
        let mut sweeper = Sweeper::default();
        sweeper.sweep(room.1.as_fd());
        for path in [&young, &waiting, &other, &full, &room.0.join("4-a")] {
            assert!(path.symlink_metadata().is_ok(), "{}", path.display());
        }
        // Not again at once, and with a later look it is gone.
        drop(held);
        sweeper.sweep(room.1.as_fd());
        assert!(waiting.exists());
        sweeper.last = None;
        sweeper.sweep(room.1.as_fd());
        assert!(!waiting.exists() && young.exists());
    }
}
