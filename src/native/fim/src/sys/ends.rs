//! Waiting for the end of a process, of whoever's child it is.

use super::{ProcessDirectory, Watched, is_refusal, poll_all, readable};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::{Error, Result};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How often is looked where nothing tells.
const STEP: Duration = Duration::from_millis(20);

/// The end of one process. It stays with the process when the pid comes back.
pub enum End {
    /// Readable when it has come.
    Told(OwnedFd),
    /// Before Linux 5.3, and where `pidfd_open` is refused: it is looked for again and again.
    Looked(ProcessDirectory),
}

impl End {
    /// Of the process with this pid. Fails with `ESRCH` or `ENOENT` if there is none.
    pub fn of(pid: i32) -> Result<End> {
        match process_descriptor(pid) {
            Err(error) if is_refusal(&error) => ProcessDirectory::open(pid).map(End::Looked),
            told => told.map(End::Told),
        }
    }

    /// `poll`, which also ends with the process. Says of each descriptor whether it has one of its events, and whether the process
    /// has ended.
    pub fn poll<const N: usize>(&self, watched: [Watched<'_>; N], milliseconds: i32) -> Result<([bool; N], bool)> {
        let mut watched = Vec::from(watched);
        let directory = match self {
            End::Told(end) => {
                watched.push(readable(end));
                let events = poll_all(&watched, milliseconds)?;
                let has_ended = !events[N].is_empty();
                return Ok((std::array::from_fn(|index| !events[index].is_empty()), has_ended));
            }
            End::Looked(directory) => directory,
        };
        let deadline = u64::try_from(milliseconds).map(|left| Instant::now() + Duration::from_millis(left));
        loop {
            let left = deadline.map_or(STEP, |deadline| deadline.saturating_duration_since(Instant::now()));
            let events = poll_all(&watched, left.min(STEP).as_millis() as i32)?;
            let ready = std::array::from_fn(|index| !events[index].is_empty());
            let has_ended = directory.has_ended();
            if has_ended || left.is_zero() || ready.contains(&true) {
                return Ok((ready, has_ended));
            }
        }
    }

    /// Has an event when it has come, where the kernel tells.
    pub fn watched(&self) -> Watched<'_> {
        match self {
            End::Told(end) => readable(end),
            End::Looked(_) => None,
        }
    }

    /// Waits for it.
    pub fn wait(&self) -> Result<()> {
        self.poll([], -1).map(drop)
    }
}

/// Linux 5.3.
fn process_descriptor(pid: i32) -> Result<OwnedFd> {
    // As the kernel, of a number that no process has.
    let pid = Pid::from_raw(pid.max(0)).ok_or(Error::from_raw_os_error(libc::EINVAL))?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// Both ways to know the end of a child that ends with its input.
    fn ends(pid: i32) -> Vec<End> {
        let told = process_descriptor(pid).map(End::Told);
        let looked = ProcessDirectory::open(pid).map(End::Looked);
        told.into_iter().chain(looked).collect()
    }

    #[test]
    fn an_end_is_seen_before_and_after_it_is_waited_for() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let ends = ends(child.id() as i32);
        let (reader, writer) = super::super::pipe().unwrap();
        for end in &ends {
            assert_eq!(end.poll([], 0).unwrap(), ([], false));
            let began = Instant::now();
            assert_eq!(end.poll([readable(&reader)], 50).unwrap(), ([false], false));
            assert!(began.elapsed() >= Duration::from_millis(50));
        }
        std::io::Write::write_all(&mut std::fs::File::from(writer), b"x").unwrap();
        for end in &ends {
            assert_eq!(end.poll([readable(&reader)], -1).unwrap(), ([true], false));
        }
        drop(child.stdin.take());
        for end in &ends {
            end.wait().unwrap();
        }
        child.wait().unwrap();
        for end in &ends {
            assert_eq!(end.poll([], -1).unwrap(), ([], true));
        }
        assert!(End::of(child.id() as i32).is_err());
    }
}
