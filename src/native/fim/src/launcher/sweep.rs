//! Removes application directories of builds that nobody uses any more; each takes some 20 MB.
//!
//! Only after something was unpacked: a warm start looks at its own directory alone.

use crate::janitor::sweep_instances;
use crate::trust::remove;
use rustix::process::geteuid;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A run makes and removes a directory in `instance`, which therefore has the time of the last one.
const UNUSED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Removes the neighbours of `application` that are the caller's and in which nothing has run for a week.
pub fn sweep(application: &Path) {
    let Some(parent) = application.parent() else { return };
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        if path == application || !is_ours(&path) {
            continue;
        }
        // What a sweeper that was killed has left; whoever is at it holds the lock.
        let is_condemned = entry.file_name().as_encoded_bytes().starts_with(b".");
        // An unpacker holds it too.
        let Ok(lock) = File::open(&path) else { continue };
        if lock.try_lock().is_ok() && (is_condemned || is_unused(&path)) {
            // In one step, so that a start finds all of it or nothing.
            let hidden = hidden_name(&path);
            if is_condemned || std::fs::rename(&path, &hidden).is_ok() {
                remove(&hidden);
            }
        }
    }
}

/// Whether anything runs from an application directory, or something is being unpacked to it.
pub fn is_in_use(application: &Path) -> bool {
    let instances = application.join("instance");
    sweep_instances(&instances);
    let is_locked = File::open(application).is_ok_and(|file| file.try_lock().is_err());
    is_locked || is_in_use_locked(application)
}

/// Removes an application directory, if nothing uses it: whoever unpacks holds its lock. Out: whether it is gone.
pub fn remove_application(application: &Path) -> bool {
    let Ok(lock) = File::open(application) else {
        return false;
    };
    let hidden = hidden_name(application);
    let is_free = is_ours(application) && lock.try_lock().is_ok() && !is_in_use_locked(application);
    if is_free && (hidden == application || std::fs::rename(application, &hidden).is_ok()) {
        remove(&hidden);
        return true;
    }
    false
}

/// As `is_in_use` for who holds the lock.
fn is_in_use_locked(application: &Path) -> bool {
    let instances = application.join("instance");
    let has_instances = std::fs::read_dir(&instances).is_ok_and(|mut left| left.next().is_some());
    has_instances || is_running(application)
}

fn hidden_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{}", name.trim_start_matches('.')))
}

fn is_ours(path: &Path) -> bool {
    let found = std::fs::symlink_metadata(path);
    found.is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw())
}

fn is_unused(application: &Path) -> bool {
    let instances = application.join("instance");
    let last = std::fs::symlink_metadata(&instances).and_then(|found| found.modified());
    let age = last.ok().and_then(|last| SystemTime::now().duration_since(last).ok());
    if age.is_none_or(|age| age < UNUSED) {
        return false;
    }
    sweep_instances(&instances);
    let is_empty = std::fs::read_dir(&instances).is_ok_and(|mut left| left.next().is_none());
    is_empty && !is_running(application)
}

/// Whether a process runs a program of the directory.
fn is_running(application: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| std::fs::read_link(process.path().join("exe")).ok())
        .any(|program| program.starts_with(application))
}
