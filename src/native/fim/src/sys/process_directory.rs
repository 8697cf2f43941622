//! A process by its directory in `/proc`.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Result};
use std::str::SplitAsciiWhitespace;

/// Of a file in `/proc`.
const LIMIT: u64 = 1 << 16;

/// What is read through it is of this very process, also when the pid has come back.
pub struct ProcessDirectory(OwnedFd);

impl ProcessDirectory {
    /// Of the process with this pid, as the mounted `/proc` counts. Fails with `ENOENT` if there is none.
    pub fn open(pid: i32) -> Result<ProcessDirectory> {
        if pid <= 0 {
            return Err(std::io::Error::from_raw_os_error(libc::ENOENT));
        }
        ProcessDirectory::at(&pid.to_string())
    }

    pub fn this() -> Result<ProcessDirectory> {
        ProcessDirectory::at("self")
    }

    fn at(name: &str) -> Result<ProcessDirectory> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(format!("/proc/{name}"), flags, Mode::empty())?;
        Ok(ProcessDirectory(directory))
    }

    pub fn open_file(&self, name: &str) -> Option<File> {
        self.try_open(name).ok()
    }

    pub fn read(&self, name: &str) -> Option<String> {
        self.try_read(name).ok()
    }

    fn try_open(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::empty())?.into())
    }

    fn try_read(&self, name: &str) -> Result<String> {
        let mut bytes = Vec::new();
        self.try_open(name)?.take(LIMIT).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// When it was started, in clock ticks since the boot of the host. `None` when it has ended, waited for or not.
    pub fn start_time(&self) -> Option<u64> {
        let stat = self.read("stat")?;
        let mut fields = fields(&stat)?;
        if is_over(fields.next()?) {
            return None;
        }
        fields.nth(18)?.parse().ok()
    }

    /// Whether it was stopped, as by ^Z.
    pub fn is_stopped(&self) -> bool {
        let stat = self.read("stat").unwrap_or_default();
        fields(&stat).and_then(|mut fields| fields.next()) == Some("T")
    }

    /// Whether it has ended, waited for or not. An error that says nothing about the process does not count.
    pub fn has_ended(&self) -> bool {
        match self.try_read("stat") {
            Ok(stat) => fields(&stat).and_then(|mut fields| fields.next()).is_some_and(is_over),
            Err(error) => matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT)),
        }
    }
}

/// The fields of `stat` from the third on, the state. The name before them, in parentheses, may hold spaces and parentheses.
fn fields(stat: &str) -> Option<SplitAsciiWhitespace<'_>> {
    Some(stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace())
}

fn is_over(state: &str) -> bool {
    matches!(state, "Z" | "X")
}
