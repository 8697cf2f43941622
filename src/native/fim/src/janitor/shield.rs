//! Keeps the directory of a running instance in spite of programs that clean `/tmp` by age. `systemd-tmpfiles` leaves out directories
//! that are locked; what others remove is made again, so that the instance stays in the lists and its number is not given away.

use super::instance::Instance;
use crate::sys::{Watched, readable};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

/// How long nothing more may be removed before the directory is made again: a cleaner is still at work until then.
pub const QUIET: i32 = 200;

const WATCHED: WatchFlags = WatchFlags::DELETE_SELF
    .union(WatchFlags::DELETE)
    .union(WatchFlags::ONLYDIR);

/// Held as long as the instance runs.
pub struct Shield {
    _locks: Vec<OwnedFd>,
    watch: Option<OwnedFd>,
}

impl Shield {
    /// Where locks and watches are refused the directory has no shield.
    pub fn raise(instance: &Path) -> Shield {
        // The directory of all applications, and the global one, which may be somebody else's. The application directory itself is locked
        // by whoever unpacks into it.
        let places = [3, 4].into_iter().filter_map(|above| instance.ancestors().nth(above));
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        let shield = Shield {
            _locks: places.filter_map(lock).collect(),
            watch,
        };
        shield.watch(instance);
        shield
    }

    fn watch(&self, instance: &Path) {
        if let Some(watch) = &self.watch {
            let _ = inotify::add_watch(watch, instance, WATCHED);
        }
    }

    /// For `poll`: has an event when `is_hit` is to be called.
    pub fn watched(&self) -> Watched<'_> {
        self.watch.as_ref().and_then(readable)
    }

    /// Whether something was removed that others find the instance by.
    pub fn is_hit(&self) -> bool {
        let Some(watch) = &self.watch else { return false };
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(watch, &mut room);
        let mut is_hit = false;
        while let Ok(event) = events.next() {
            let is_needed = event.file_name().is_some_and(|name| Instance::needs(name.to_bytes()));
            is_hit |= is_needed || event.events().contains(ReadFlags::DELETE_SELF);
        }
        is_hit
    }

    /// Makes again what was removed.
    pub fn restore(&self, instance: &Instance, pid: u32) {
        if instance.restore(pid).is_ok() {
            self.watch(&instance.directory);
        }
    }
}

fn lock(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    flock(&directory, FlockOperation::NonBlockingLockShared).ok()?;
    Some(directory)
}
