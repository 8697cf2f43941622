//! The directory of an instance: made before anything is put there, removed when everything is gone.

use super::about::About;
use super::outside;
use super::record::start_time;
use crate::fail;
use crate::failure::{Context, Result};
use crate::trust::{Directory, Last, Make, remove, shown};
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

/// Marks an instance that has ended, and of which other instances use the file system.
const SERVES: &str = "serves";
/// Says whose instance a directory is: pid, its start time, and the pid namespace in which the pid counts.
const OWNER: &str = "owner";
/// Of that file.
const OWNER_LIMIT: u64 = 4096;
/// Holds the number of the signal that ends the program, where the image names one.
const STOP: &str = "stop";
const STOP_LIMIT: u64 = 8;

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
        let failed = || format!("cannot make the instance directory '{}'", shown(directory));
        let parent = directory.parent().unwrap_or(Path::new("/"));
        let parent = Directory::trusted(parent, Last::Own, Make::No).context(failed)?;
        let name = directory.file_name().unwrap_or_default();
        let hidden_name = format!(".{}", name.to_string_lossy());
        parent.remove(&hidden_name);
        if let Ok(taken) = parent.enter(name)
            && owner_of(&taken).is_some()
        {
            fail!(
                "the number {pid} is that of an instance that a program has left running; start again, or end it by fim-instance stop"
            )
        }
        parent.remove(name);
        let hidden = parent.make(&hidden_name, 0o700).context(failed)?;
        hidden.make_rooms(&ROOMS).context(failed)?;
        hidden.put(OWNER, 0o600, owner(pid).as_bytes())?;
        parent.rename(&hidden_name, name).context(failed)?;
        Ok(Instance {
            directory: directory.to_path_buf(),
        })
    }

    /// Whether others find an instance by an entry of its directory.
    pub fn needs(name: &[u8]) -> bool {
        name == OWNER.as_bytes()
    }

    /// Makes the directory again, after somebody has removed it or part of it. What was mounted there is gone for good, and what
    /// runs does not need it.
    pub fn restore(&self, pid: u32) -> Result<()> {
        let failed = || format!("cannot make the instance directory '{}' again", shown(&self.directory));
        let parent = self.directory.parent().unwrap_or(Path::new("/"));
        let parent = Directory::trusted(parent, Last::Own, Make::Private).context(failed)?;
        let name = self.directory.file_name().unwrap_or_default();
        let directory = parent.enter_or_make(name, 0o700)?;
        for room in ROOMS {
            // Those that are still there stay.
            let _ = directory.make_rooms(&[room]);
        }
        directory.put(OWNER, 0o600, owner(pid).as_bytes())
    }

    /// Makes it that of another process. Its name stays: what is mounted in it has it in its paths.
    pub fn give(&self, pid: u32) -> Result<()> {
        Directory::given(&self.directory)?.put(OWNER, 0o600, owner(pid).as_bytes())
    }

    /// It has ended, but has to stay as long as this process does: others use its file system. Nobody lists it any more.
    pub fn serve(&self, pid: u32) -> Result<()> {
        Directory::given(&self.directory)?.put(SERVES, 0o600, b"")?;
        self.give(pid)
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
    let Ok(instances) = Directory::given(parent) else {
        return;
    };
    for name in instances.names().unwrap_or_default() {
        let shown = name.to_string_lossy();
        let number = shown.trim_start_matches('.').split('-').next().unwrap_or_default();
        let Ok(pid) = number.parse::<u32>() else {
            continue;
        };
        // What is not the caller's is not his to remove.
        let Ok(instance) = instances.enter(&name) else { continue };
        let said = said_by(&instance);
        let same_namespace = said.is_empty() || said.ends_with(&pid_namespace());
        let lives = (said.is_empty() && start_time(pid as i32).is_some()) || owner_of(&instance).is_some();
        if same_namespace && !lives {
            outside::unmount_below(instance.path());
            instances.remove(&name);
        }
    }
}

/// An instance that runs.
pub struct Living {
    /// Of its directory.
    pub name: String,
    /// Whose end is its end: the boot program, or the janitor once that is left.
    pub pid: i32,
    /// Whether that is the janitor.
    pub is_left: bool,
    /// What it says of itself, once its program starts.
    pub about: Option<About>,
}

/// The instances of this user that run, in the order of the pids of their boot programs.
pub fn living(parent: &Path) -> Vec<Living> {
    let Ok(instances) = Directory::trusted(parent, Last::Own, Make::No) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for name in instances.names().unwrap_or_default() {
        let name = name.to_string_lossy().into_owned();
        let mut numbers = name.splitn(2, '-').map(str::parse::<u32>);
        let (Some(Ok(pid)), number) = (numbers.next(), numbers.next().unwrap_or(Ok(0))) else {
            continue;
        };
        let Ok(instance) = instances.enter(&name) else { continue };
        if let Some(owner) = owner_of(&instance).filter(|_| !instance.has(SERVES)) {
            let living = Living {
                name,
                pid: owner,
                is_left: u32::try_from(owner) != Ok(pid),
                about: About::read(&instance),
            };
            found.push((pid, number.unwrap_or(u32::MAX), living));
        }
    }
    found.sort_by_key(|(pid, number, _)| (*pid, *number));
    found.into_iter().map(|(_, _, living)| living).collect()
}

/// The signal that ends the program of an instance, where its image names one.
pub fn stop_signal(parent: &Path, name: &str) -> Option<i32> {
    let instances = Directory::trusted(parent, Last::Own, Make::No).ok()?;
    let bytes = instances.enter(name).ok()?.read(STOP, STOP_LIMIT).ok()?;
    let signal: i32 = str::from_utf8(&bytes).ok()?.parse().ok()?;
    (1..=64).contains(&signal).then_some(signal)
}

/// The pid of the process that an instance says it belongs to, if that lives.
fn owner_of(instance: &Directory) -> Option<i32> {
    let said = said_by(instance);
    let pid = said.split(' ').next()?.parse::<u32>().ok()?;
    (start_time(pid as i32).is_some() && said == owner(pid)).then_some(pid as i32)
}

/// What an instance says of itself; nothing where the file is not the caller's.
fn said_by(instance: &Directory) -> String {
    let bytes = instance.read(OWNER, OWNER_LIMIT).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn owner(pid: u32) -> String {
    format!("{pid} {} {}", start_time(pid as i32).unwrap_or(0), pid_namespace())
}

fn pid_namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid")
        .map(|link| link.to_string_lossy().into_owned())
        .unwrap_or_default()
}
