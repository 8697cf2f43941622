//! Processes of other instances, as a record names them: whether they are what they should be.

use crate::sys;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;

/// Of a file in `/proc`.
const LIMIT: u64 = 1 << 16;

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

/// A process by its directory in `/proc`. What is read through it is of this very process, also when the pid has come back.
pub struct Process(OwnedFd);

impl Process {
    pub fn open(pid: i32) -> Option<Process> {
        (pid > 0).then(|| Process::at(&pid.to_string()))?
    }

    pub fn this() -> Option<Process> {
        Process::at("self")
    }

    fn at(name: &str) -> Option<Process> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(format!("/proc/{name}"), flags, Mode::empty())
            .ok()
            .map(Process)
    }

    fn open_file(&self, name: &str) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, name, flags, Mode::empty())
            .ok()
            .map(File::from)
    }

    fn read(&self, name: &str) -> Option<String> {
        let mut bytes = Vec::new();
        self.open_file(name)?.take(LIMIT).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// When it was started, in clock ticks since the boot of the host. `None` when it has ended.
    pub fn start_time(&self) -> Option<u64> {
        let stat = self.read("stat")?;
        // The name, in parentheses, may hold spaces and parentheses; field 22 is counted from behind it, where field 3 begins.
        let fields = stat.get(stat.rfind(')')? + 1..)?;
        let mut fields = fields.split_ascii_whitespace();
        if matches!(fields.clone().next(), Some("Z" | "X")) {
            return None;
        }
        fields.nth(19)?.parse().ok()
    }

    /// Whether all user ids of it are the caller's.
    pub fn is_own(&self) -> bool {
        let status = self.read("status").unwrap_or_default();
        let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        let own = sys::effective_uid().to_string();
        uids.is_some_and(|uids| uids.split_ascii_whitespace().count() == 4)
            && uids.is_some_and(|uids| uids.split_ascii_whitespace().all(|uid| uid == own))
    }

    /// Its user namespace, unless it is ours, and its mount namespace: if the caller has made them. The caller gets all rights
    /// in there, and so does who has made it: root must not enter what somebody else has made.
    pub fn namespaces(&self) -> Option<(Option<OwnedFd>, OwnedFd)> {
        let user = OwnedFd::from(self.open_file("ns/user")?);
        let mount = OwnedFd::from(self.open_file("ns/mnt")?);
        let owner = sys::owning_namespace(mount.as_fd()).ok()?;
        if !is_same(&owner, &user)? {
            return None;
        }
        let ours = Process::this()?.open_file("ns/user")?;
        if is_same(&user, &ours)? {
            return Some((None, mount));
        }
        let made_by = sys::namespace_owner(user.as_fd()).ok()?;
        (made_by == sys::effective_uid()).then_some((Some(user), mount))
    }
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
        assert_eq!(first.is_own(), sys::effective_uid() == 0);
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
