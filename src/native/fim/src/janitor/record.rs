//! What a running instance writes down in `work/NAME.holder`, for others to join it: its process, and what it has mounted.
//!
//! A record counts only if it could not be about anything else than an instance of the caller's: `process` has what is asked of
//! the process, and each path has to be one that we would have chosen. A pid says little by itself, since pids come back and
//! other machines have them too; so it goes with the start time, the boot and the process namespace in which it counts.

use super::process::{Here, Process};
use super::session::Role;
use crate::fail;
use crate::failure::{Context, Result};
use crate::names;
use crate::trust::{Directory, Last, Make, shown};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const EXTENSION: &str = ".holder";
/// A record with many trees of layers has some kilobytes.
const LIMIT: u64 = 1 << 20;
/// Where the merged root is, in the directory of the instance.
pub const MERGED: &str = "mount";
/// Behind the name of an instance: where the merged root is mounted a second time, in `work`. Programs that clean `/tmp` do not come
/// here: the kernel takes down what is mounted on a directory that somebody removes.
pub const JOINABLE: &str = ".root";
/// The parent directory of instances, in an application directory.
const INSTANCES: &str = "instance";

#[derive(Deserialize, Serialize)]
pub struct Record {
    holder: i32,
    start: u64,
    /// Where the pids count. Absent in the records of older programs.
    #[serde(default)]
    here: Here,
    /// The process that serves the layers, as the janitors see it, if they have to be served.
    driver: Option<i32>,
    /// The trees of unpacked layers.
    #[serde(default, with = "names::paths")]
    trees: Vec<PathBuf>,
    stack: String,
    /// Where the merged root is mounted, in the holder's mount namespace.
    #[serde(with = "names::path")]
    merged: PathBuf,
    /// Whether others can use it, as long as they like.
    lasts: bool,
    /// The holder whose programs serve it, until nobody uses it any more: pid and start. Absent where the kernel does.
    #[serde(default)]
    served_by: Option<(i32, u64)>,
    /// Processes that serve the overlay and do not end with the holder's namespaces: pid and start.
    #[serde(default)]
    servers: Vec<(i32, u64)>,
}

/// What an instance has mounted, for those that may join it.
pub struct Overlay<'a> {
    pub merged: &'a Path,
    pub lasts: bool,
    /// Another holder whose programs serve it, or `Some(None)` for this one.
    pub served_by: Option<Option<(i32, u64)>>,
    /// The process that serves the layers, as the janitors see it, if there is one.
    pub driver: Option<i32>,
    /// The trees of unpacked layers.
    pub trees: &'a [PathBuf],
    /// The processes that serve it, where the holder has no namespaces that they end with.
    pub servers: &'a [i32],
}

/// The name of an instance's record.
pub fn file_name(instance: &str) -> String {
    format!("{instance}{EXTENSION}")
}

/// Writes the record of this process, which is the holder: `pid` is how others see it, in the place `here`.
pub fn write(
    work: &Directory,
    instance: &str,
    (pid, here): (i32, &Here),
    stack: &str,
    overlay: &Overlay<'_>,
) -> Result<()> {
    let Some(start) = Process::this().and_then(|this| this.start_time()) else {
        fail!("cannot read when the holder was started")
    };
    let record = Record {
        holder: pid,
        start,
        here: here.clone(),
        driver: overlay.driver,
        trees: overlay.trees.to_vec(),
        stack: stack.to_string(),
        merged: overlay.merged.to_path_buf(),
        lasts: overlay.lasts,
        served_by: overlay.served_by.map(|other| other.unwrap_or((pid, start))),
        servers: overlay
            .servers
            .iter()
            .filter_map(|server| Some((*server, start_time(*server)?)))
            .collect(),
    };
    let text = serde_json::to_vec(&record).context(|| "cannot encode the holder's record".to_string())?;
    work.put(file_name(instance), 0o600, &text)
}

/// Whether an instance has written one down, be it still there or not.
pub fn is_any_in(work: &Directory) -> bool {
    records(work).next().is_some()
}

/// Records, each with the name of its instance. What is not a file of the caller's is none.
fn records(work: &Directory) -> impl Iterator<Item = (String, Record)> {
    let names = work.names().unwrap_or_default().into_iter();
    names.filter_map(|name| {
        let instance = name.to_str()?.strip_suffix(EXTENSION)?.to_string();
        let record = serde_json::from_slice(&work.read(&name, LIMIT).ok()?).ok()?;
        Some((instance, record))
    })
}

/// Whether anything of an instance in `work` is left that could change files. A holder is there until the kernel has done
/// away with all that was in its namespaces.
pub fn is_any_left(work: &Directory) -> bool {
    let mut here = None;
    records(work).any(|(_, record)| {
        record.here == *here.get_or_insert_with(Here::current)
            && (record.process().is_some() || record.servers.iter().any(|(pid, start)| lives(*pid, *start)))
    })
}

/// The name of the machine, or of the container, of a record whose process cannot be seen from here.
pub fn elsewhere(work: &Directory, here: &Here) -> Option<String> {
    records(work).find_map(|(_, record)| here.calls_elsewhere(&record.here))
}

impl Record {
    /// The holder, if it is the one that wrote this down, and the caller's.
    fn process(&self) -> Option<Process> {
        let process = Process::open(self.holder)?;
        (process.start_time() == Some(self.start) && process.is_own()).then_some(process)
    }

    /// Whether its paths are those that we would have chosen.
    fn is_in_place(&self, work: &Directory, instance: &str, instances: &Path, trees: &[PathBuf]) -> bool {
        let is_tree = |tree: &PathBuf| {
            let key = tree.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let digits = key.strip_suffix("-owners").unwrap_or(key);
            let is_key = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_key
                && tree
                    .parent()
                    .is_some_and(|parent| trees.iter().any(|candidate| candidate == parent))
        };
        let is_merged = is_joinable(&self.merged, instance, work) || is_instance(&self.merged, instance, instances);
        self.trees.iter().all(is_tree) && is_merged
    }
}

/// Whether a path is that of a merged root in `work`, by whatever name the data directory has there.
fn is_joinable(merged: &Path, instance: &str, work: &Directory) -> bool {
    let expected = format!("{instance}{JOINABLE}");
    let has_name = merged.file_name().is_some_and(|name| *name == *expected);
    let same = |path: &Path| {
        let (found, ours) = (rustix::fs::stat(path), rustix::fs::fstat(work));
        matches!((found, ours), (Ok(found), Ok(ours)) if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino))
    };
    has_name && merged.is_absolute() && merged.parent().is_some_and(same)
}

/// Whether a path is that of the merged root of an instance: in our own directory of instances, or in another one that is the
/// caller's alone.
fn is_instance(merged: &Path, instance: &str, instances: &Path) -> bool {
    if merged == instances.join(instance).join(MERGED) {
        return true;
    }
    let mut parents = merged.ancestors().skip(1);
    let (Some(directory), Some(above)) = (parents.next(), parents.next()) else {
        return false;
    };
    let has_names = merged.file_name().is_some_and(|name| name == MERGED)
        && directory.file_name().is_some_and(|name| name == instance)
        && above.file_name().is_some_and(|name| name == INSTANCES);
    has_names && Directory::trusted(directory, Last::Own, Make::No).is_ok()
}

fn lives(pid: i32, start: u64) -> bool {
    Process::open(pid).is_some_and(|process| process.start_time() == Some(start) && process.is_own())
}

/// What a start looks for in the records of others.
pub struct Wanted<'a> {
    pub stack: &'a str,
    /// For messages.
    pub data: &'a Path,
    /// Our own directory of instances, and those in which we would keep trees of layers.
    pub instances: &'a Path,
    pub trees: &'a [PathBuf],
    pub here: &'a Here,
}

/// The namespaces of an instance that lives and can be joined. `None` if there is none that can be entered. Fails if one lives
/// that has something else mounted than the layers of `stack`, or cannot share it.
pub fn join(work: &Directory, wanted: &Wanted<'_>) -> Result<Option<Role>> {
    let mut other = None;
    for (instance, record) in records(work) {
        if record.here != *wanted.here || !record.is_in_place(work, &instance, wanted.instances, wanted.trees) {
            continue;
        }
        let Some(process) = record.process() else { continue };
        if record.stack != wanted.stack || !record.lasts {
            other = Some((record.holder, record.stack == wanted.stack));
            continue;
        }
        let Some((user, mount)) = process.namespaces() else {
            continue;
        };
        // What serves the layers only has to end when it does: but its end would be ours.
        let is_own = |driver: &i32| Process::open(*driver).is_some_and(|process| process.is_own());
        if record.driver.is_some_and(|driver| !is_own(&driver)) {
            continue;
        }
        if record.served_by.is_some_and(|(pid, start)| !lives(pid, start)) {
            continue;
        }
        return Ok(Some(Role::Joined {
            served_by: record.served_by,
            user,
            mount,
            merged: record.merged,
            driver: record.driver,
            trees: record.trees,
        }));
    }
    if let Some((holder, same_layers)) = other {
        let why = if same_layers {
            "an overlay that cannot be shared"
        } else {
            "other layers or another overlay"
        };
        fail!(
            "the data directory '{}' is in use by an instance with {why} (process {holder}); end it, or set FIM_DIR_DATA to another directory",
            shown(wanted.data)
        )
    }
    Ok(None)
}

/// When a process was started, in clock ticks since the boot of the host; tells a process from a later one with its pid.
pub fn start_time(pid: i32) -> Option<u64> {
    Process::open(pid)?.start_time()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn only_paths_that_we_would_have_chosen_count() {
        let place = std::env::temp_dir().join(format!("fim-record-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        std::fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let work = Directory::given(&place).unwrap();
        let instances = Path::new("/g/app/x/instance");
        let candidates = ["/c/layers", "/g/layers"].map(PathBuf::from);
        let key = "0123456789abcdef0123456789abcdef";
        let says = |merged: &str, tree: Option<&str>| {
            let trees: Vec<&str> = tree.into_iter().collect();
            let text = serde_json::json!({
                "holder": 1, "start": 1, "driver": null, "stack": "", "merged": merged, "lasts": true, "trees": trees
            });
            record(&text.to_string()).is_in_place(&work, "7", instances, &candidates)
        };
        let merged = "/g/app/x/instance/7/mount";
        assert!(says(merged, None));
        let joinable = |name: &str| place.join(name).to_str().unwrap().to_string();
        assert!(says(&joinable("7.root"), None));
        assert!(!says(&joinable("8.root"), None));
        assert!(!says("/tmp/7.root", None));
        assert!(says(merged, Some(&format!("/c/layers/{key}"))));
        assert!(says(merged, Some(&format!("/g/layers/{key}-owners"))));
        for merged in [
            "/tmp",
            "/",
            "",
            "/g/app/x/instance/8/mount",
            "/g/app/x/instance/7/data",
            "/tmp/instance/7/mount",
        ] {
            assert!(!says(merged, None), "{merged}");
        }
        for tree in [
            "/etc",
            "/c/layers/etc",
            "/c/layers",
            "/other/0123456789abcdef0123456789abcdef",
            "",
        ] {
            assert!(!says(merged, Some(tree)), "{tree}");
        }
        std::fs::remove_dir(&place).unwrap();
    }
}
