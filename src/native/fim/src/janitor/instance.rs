//! The directory of an instance: made before anything is put there, removed when everything is gone.

use super::outside;
use super::record::start_time;
use crate::failure::{Context, Result};
use crate::sys::{self, effective_uid};
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Rooms of an instance, outermost first. `docs/directories.md` says what is in them.
const ROOMS: [&str; 10] = [
    "calls",
    "layers",
    "logs",
    "logs/bwrap",
    "logs/daemon",
    "logs/daemon/guest",
    "logs/daemon/host",
    "logs/dispatcher",
    "logs/fuse",
    "mount",
];

/// Says whose instance a directory is: pid, its start time, and the pid namespace in which the pid counts.
const OWNER: &str = "owner";

pub struct Instance {
    pub directory: PathBuf,
}

/// The directory of an instance that has ended. The next start removes what is left of it if we cannot.
pub struct Condemned(PathBuf);

impl Condemned {
    pub fn remove(self) {
        remove(&self.0);
    }
}

impl Instance {
    /// Makes the directory under a hidden name and renames it once it says whose it is, so that no one takes it for a
    /// leftover in between.
    pub fn make(directory: &Path, pid: u32) -> Result<Instance> {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        let hidden = directory.with_file_name(format!(".{name}"));
        remove(&hidden);
        remove(directory);
        let failed = || format!("cannot make the instance directory '{}'", directory.display());
        let make = |path: &Path| {
            DirBuilder::new()
                .mode(0o700)
                .recursive(true)
                .create(path)
                .context(failed)
        };
        make(&hidden)?;
        for room in ROOMS {
            make(&hidden.join(room))?;
        }
        std::fs::write(hidden.join(OWNER), owner(pid)).context(failed)?;
        std::fs::rename(&hidden, directory).context(failed)?;
        Ok(Instance {
            directory: directory.to_path_buf(),
        })
    }

    /// Takes its name away, in one step: nobody finds it any more, and whoever still writes into it by its path does not bring
    /// part of it back.
    pub fn condemn(self) -> Condemned {
        let name = self.directory.file_name().unwrap_or_default().to_string_lossy();
        let hidden = self.directory.with_file_name(format!(".{name}"));
        match std::fs::rename(&self.directory, &hidden) {
            Ok(()) => Condemned(hidden),
            Err(_) => Condemned(self.directory),
        }
    }

    pub fn remove(self) {
        self.condemn().remove();
    }

    /// Removes directories beside this one, of instances whose process is gone.
    pub fn sweep(&self) {
        if let Some(parent) = self.directory.parent() {
            sweep_instances(parent);
        }
    }
}

/// Removes those directories in `parent` that are of instances whose process is gone.
pub fn sweep_instances(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let number = name.trim_start_matches('.').split('-').next().unwrap_or_default();
        let Ok(pid) = number.parse::<u32>() else {
            continue;
        };
        let said = std::fs::read_to_string(entry.path().join(OWNER)).unwrap_or_default();
        let same_namespace = said.is_empty() || said.ends_with(&pid_namespace());
        let lives = start_time(pid as i32).is_some() && (said.is_empty() || said == owner(pid));
        if same_namespace && !lives {
            outside::unmount_below(&entry.path());
            remove(&entry.path());
        }
    }
}

/// Names of the instances of this user that run, in the order of their pids.
pub fn living(instances: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(instances).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut numbers = name.splitn(2, '-').map(str::parse::<u32>);
        let (Some(Ok(pid)), number) = (numbers.next(), numbers.next().unwrap_or(Ok(0))) else {
            continue;
        };
        let is_ours = entry
            .metadata()
            .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == effective_uid());
        let said = std::fs::read_to_string(entry.path().join(OWNER)).unwrap_or_default();
        if is_ours && start_time(pid as i32).is_some() && said == owner(pid) {
            found.push((pid, number.unwrap_or(u32::MAX), name));
        }
    }
    found.sort();
    found.into_iter().map(|(_, _, name)| name).collect()
}

fn owner(pid: u32) -> String {
    format!("{pid} {} {}", start_time(pid as i32).unwrap_or(0), pid_namespace())
}

fn pid_namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid")
        .map(|link| link.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Removes a tree, but nothing of what is mounted below it. Who asks can do nothing about what stays.
pub fn remove(path: &Path) {
    let _ = sys::remove_tree(path);
}
