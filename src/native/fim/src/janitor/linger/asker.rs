//! The side of those who ask a driver: an instance that wants its layers, commands that want them gone, and the list.
//!
//! Nothing that is answered is believed before it was looked at: who listens, which user namespace the mount belongs to, which
//! files are served, and in which control groups that is done.

use super::super::process::namespaces_of;
use super::super::protocol::Place;
use super::super::start::{self, Starts};
use super::{Answer, FileState, Going, PATIENCE, Question, Rest, Terms, directory, groups, name};
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::packets;
use crate::sys::{self, End};
use crate::trust::Directory;
use messages::{Done, Reply};
use rustix::process::geteuid;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A connection to a driver. As long as it is open after `join` or `stay` the layers are in use.
pub struct Line {
    socket: OwnedFd,
    /// As this process namespace counts; 0 where it does not have it.
    pub driver: i32,
}

/// Layers that a driver has mounted.
pub struct Lent {
    pub user: OwnedFd,
    /// Where nothing is mounted but the layers.
    pub mount: OwnedFd,
    pub line: Line,
}

/// The driver that keeps the layers of this stack, if there is one.
pub fn find(application: &Path, stack: &str) -> Option<Line> {
    connect(&directory(application)?, name(&start::hash(stack)).as_ref())
}

/// The same for the stack of the last start, as it was written down, before anybody has said which it is.
pub fn likely(application: &Path, start: &Path) -> Option<Line> {
    let directory = directory(application)?;
    // Nearly always there is nothing to join, and then the file need not be read.
    if directory.names().ok()?.is_empty() {
        return None;
    }
    connect(&directory, name(Starts::read_any(start)?.stack()).as_ref())
}

/// All of an application directory.
pub fn all(application: &Path) -> Vec<Line> {
    let Some(directory) = directory(application) else {
        return Vec::new();
    };
    let mut names = directory.names().unwrap_or_default();
    names.sort();
    names.iter().filter_map(|name| connect(&directory, name)).collect()
}

/// Has layers go that lie in a file which is about to be changed.
pub fn release(file: &Metadata) {
    let application = super::super::application();
    for line in application.iter().flat_map(|application| all(application)) {
        let _ = line.end(Some((file.dev(), file.ino())), PATIENCE);
    }
}

fn connect(directory: &Directory, entry: &OsStr) -> Option<Line> {
    let socket = match sys::connect_at(directory.as_fd(), entry) {
        Ok(socket) => socket,
        Err(error) => {
            // What a driver has left that was killed.
            if error.raw_os_error() == Some(libc::ECONNREFUSED) {
                let _ = directory.remove_file(entry);
            }
            return None;
        }
    };
    let (driver, user) = sys::peer(socket.as_fd()).ok()?;
    (user == geteuid().as_raw()).then_some(Line { socket, driver })
}

impl Line {
    /// Asks for the layers: the answer counts if all that can be compared is equal, and both namespaces are the caller's.
    pub fn join(self, layers: &[Place], log: PathBuf) -> Result<Lent> {
        if self.driver <= 0 {
            fail!("the driver is in another process namespace")
        }
        let layers = layers.to_vec();
        let known: Option<Vec<FileState>> = layers.iter().map(|place| FileState::at(&place.path)).collect();
        let (answer, namespace): (Answer, _) = self.exchange(&Question::Join { layers, log }, None)?;
        if known.as_ref() != Some(&answer.files) {
            fail!("the file of a layer was changed")
        }
        if groups() != answer.groups {
            fail!("they are kept in another control group")
        }
        let Some(namespace) = namespace else {
            fail!("the driver gives no namespace")
        };
        let Some((Some(user), mount)) = namespaces_of(namespace) else {
            fail!("the namespaces are not the caller's")
        };
        Ok(Lent {
            user,
            mount,
            line: self,
        })
    }

    pub fn try_clone(&self) -> std::io::Result<Line> {
        Ok(Line {
            socket: self.socket.try_clone()?,
            driver: self.driver,
        })
    }

    /// Says that an instance uses the layers, and for how long they are to stay after it.
    pub fn stay(&self, terms: Terms) -> Result<()> {
        self.exchange::<Done>(&Question::Stay(terms), None).map(drop)
    }

    /// Gives a mount namespace in which nothing is mounted but the layers.
    pub fn hold(&self, namespace: BorrowedFd<'_>) -> Result<()> {
        self.exchange::<Done>(&Question::Hold {}, Some(namespace)).map(drop)
    }

    /// Has layers go that are in a file, or any, and waits until they have: until the driver has ended, unless an instance uses them.
    pub fn end(&self, file: Option<(u64, u64)>, patience: Duration) -> Result<()> {
        let is_used = self.left().is_none();
        let end = End::of(self.driver);
        let (Going { goes }, _) = self.exchange(&Question::End { file }, None)?;
        if let Ok(end) = end
            && goes
            && !is_used
        {
            let _ = end.poll::<0>([], patience.as_millis() as i32);
        }
        Ok(())
    }

    /// Seconds for which layers stay that no instance uses.
    pub fn left(&self) -> Option<u64> {
        let (rest, _): (Rest, _) = self.exchange(&Question::Describe {}, None).ok()?;
        Some(rest.left)
    }

    fn exchange<A: DeserializeOwned>(
        &self,
        question: &Question,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(A, Option<OwnedFd>)> {
        let failed = || "cannot ask the driver".to_string();
        packets::send(self.socket.as_fd(), question, descriptor).context(failed)?;
        if !sys::poll([sys::readable(&self.socket)], PATIENCE.as_millis() as i32).is_ok_and(|[answers]| answers) {
            fail!("the driver does not answer")
        }
        let Some((reply, descriptor)) = packets::receive(self.socket.as_fd(), packets::LIMIT).context(failed)? else {
            fail!("the driver has ended")
        };
        let reply: Reply<A> = reply.parse().context(|| "cannot understand the driver".to_string())?;
        Ok((reply.result().map_err(Failure)?, descriptor))
    }
}
