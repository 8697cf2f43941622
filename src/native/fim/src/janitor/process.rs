//! Processes of other instances, as a record names them: whether they are what they should be.

use crate::sys::{self, ProcessDirectory};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

/// Where a pid counts: the boot of a machine, and a process namespace of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Here {
    boot: String,
    pids: String,
    /// What the machine, or the container, is called. It may be called otherwise later.
    machine: String,
}

impl PartialEq for Here {
    fn eq(&self, other: &Here) -> bool {
        (&self.boot, &self.pids) == (&other.boot, &other.pids)
    }
}

impl Here {
    /// Where this process is.
    pub fn current() -> Here {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let pids = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        Here {
            boot: boot.trim().to_string(),
            pids: pids.to_string_lossy().into_owned(),
            machine: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        }
    }

    /// What to call the other place, if it is another one.
    pub fn calls_elsewhere(&self, other: &Here) -> Option<String> {
        let name = &other.machine;
        if other.boot.is_empty() || other == self {
            None
        } else if other.boot != self.boot {
            Some(format!("the machine '{}'", name.escape_default()))
        } else {
            Some(format!(
                "another container of this machine ('{}')",
                name.escape_default()
            ))
        }
    }
}

/// A process, as a record names it.
pub struct Process(ProcessDirectory);

impl Process {
    pub fn open(pid: i32) -> Option<Process> {
        ProcessDirectory::open(pid).ok().map(Process)
    }

    pub fn this() -> Option<Process> {
        ProcessDirectory::this().ok().map(Process)
    }

    /// As [`ProcessDirectory::start_time`].
    pub fn start_time(&self) -> Option<u64> {
        self.0.start_time()
    }

    /// Whether all user ids of it are the caller's.
    pub fn is_own(&self) -> bool {
        let status = self.0.read("status").unwrap_or_default();
        let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        let own = geteuid().as_raw().to_string();
        uids.is_some_and(|uids| uids.split_ascii_whitespace().count() == 4)
            && uids.is_some_and(|uids| uids.split_ascii_whitespace().all(|uid| uid == own))
    }

    /// Its user namespace, unless it is ours, and its mount namespace: if the caller has made them. The caller gets all rights
    /// in there, and so does who has made it: root must not enter what somebody else has made.
    pub fn namespaces(&self) -> Option<(Option<OwnedFd>, OwnedFd)> {
        let user = OwnedFd::from(self.0.open_file("ns/user")?);
        let mount = OwnedFd::from(self.0.open_file("ns/mnt")?);
        let owner = sys::owning_namespace(mount.as_fd()).ok()?;
        if !is_same(&owner, &user)? {
            return None;
        }
        judge(owner, mount)
    }
}

/// As [`Process::namespaces`] for a descriptor that should be of a mount namespace.
pub fn namespaces_of(mount: OwnedFd) -> Option<(Option<OwnedFd>, OwnedFd)> {
    let owner = sys::owning_namespace(mount.as_fd()).ok()?;
    judge(owner, mount)
}

fn judge(user: OwnedFd, mount: OwnedFd) -> Option<(Option<OwnedFd>, OwnedFd)> {
    let ours = Process::this()?.0.open_file("ns/user")?;
    if is_same(&user, &ours)? {
        return Some((None, mount));
    }
    let made_by = sys::namespace_owner(user.as_fd()).ok()?;
    (made_by == geteuid().as_raw()).then_some((Some(user), mount))
}

fn is_same(one: impl AsFd, other: impl AsFd) -> Option<bool> {
    let (one, other) = (rustix::fs::fstat(one).ok()?, rustix::fs::fstat(other).ok()?);
    Some((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_the_callers_and_the_first_one_is_judged_by_its_user() {
        let this = Process::this().unwrap();
        assert!(this.is_own());
        assert!(this.start_time().is_some());
        assert!(matches!(this.namespaces(), Some((None, _))));
        let first = Process::open(1).unwrap();
        assert_eq!(first.is_own(), geteuid().as_raw() == 0);
        assert!(Process::open(0).is_none());
        assert!(Process::open(-1).is_none());
    }

    #[test]
    fn other_machines_and_containers_are_named() {
        let place = |boot: &str, pids: &str| Here {
            boot: boot.to_string(),
            pids: pids.to_string(),
            machine: "ship\u{1b}".to_string(),
        };
        let here = place("a", "pid:[1]");
        assert_eq!(here.calls_elsewhere(&here), None);
        assert_eq!(here.calls_elsewhere(&Here::default()), None);
        assert_eq!(
            here.calls_elsewhere(&place("b", "pid:[1]")).as_deref(),
            Some("the machine 'ship\\u{1b}'")
        );
        assert!(
            here.calls_elsewhere(&place("a", "pid:[2]"))
                .unwrap()
                .contains("container")
        );
    }
}
