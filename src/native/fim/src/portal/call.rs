//! One call: a directory of FIFOs that the caller makes, the executor opens and whoever is left removes.
//!
//! The portal directory is the guest's to write. So nothing in it is opened by a path that a link could bend, and nothing
//! is read or written that is not a FIFO of our own user.

use super::message::{Form, Reply};
use super::request::Stream;
use crate::sys;
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, unlinkat};
use rustix::rand::{GetRandomFlags, getrandom};
use std::io::Result;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Who has started a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Guest,
    Host,
}

impl Caller {
    /// Where its calls are, in `dispatcher`.
    fn room(self) -> &'static str {
        match self {
            Caller::Guest => "guest",
            Caller::Host => "host",
        }
    }

    /// The FIFO of the daemon that serves it.
    pub fn knocker(self) -> &'static str {
        match self {
            Caller::Guest => "host.fifo",
            Caller::Host => "guest.fifo",
        }
    }
}

pub const CONTROL: &str = "control";
pub const REPLY: &str = "reply";
/// Standard streams that are pipes.
pub const STREAMS: [&str; 3] = ["stdin", "stdout", "stderr"];
/// What is typed, and what is shown, where the caller has a terminal.
pub const KEYS: &str = "keys";
pub const SCREEN: &str = "screen";
const ALL: [&str; 7] = [CONTROL, REPLY, STREAMS[0], STREAMS[1], STREAMS[2], KEYS, SCREEN];

/// A directory below the portal's. Links on the way there are refused.
fn open_below(portal: &Path, names: [&str; 2]) -> Result<OwnedFd> {
    let root = sys::open_directory(portal)?;
    let middle = sys::open_directory_at(root.as_fd(), names[0])?;
    sys::open_directory_at(middle.as_fd(), names[1])
}

/// The directory in which a caller's calls are.
pub fn open_room(portal: &Path, caller: Caller) -> Result<OwnedFd> {
    open_below(portal, ["dispatcher", caller.room()])
}

/// The FIFO of a daemon.
pub fn open_knocker(portal: &Path, caller: Caller, flags: OFlags) -> Result<OwnedFd> {
    let daemon = sys::open_directory_at(sys::open_directory(portal)?.as_fd(), "daemon")?;
    sys::open_fifo_at(daemon.as_fd(), caller.knocker(), flags)
}

/// The executor's ends of a call.
pub struct Call {
    room: OwnedFd,
    directory: OwnedFd,
    pub name: String,
    pub control: OwnedFd,
    reply: OwnedFd,
}

impl Call {
    /// Opens the two FIFOs that every call has. Fails when they are something else, or when the caller is gone.
    pub fn open(room: BorrowedFd<'_>, name: &str) -> Result<Call> {
        let directory = sys::open_directory_at(room, name)?;
        let control = sys::open_fifo_at(directory.as_fd(), CONTROL, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let reply = sys::open_fifo_at(directory.as_fd(), REPLY, OFlags::WRONLY | OFlags::NONBLOCK)?;
        Ok(Call {
            room: room.try_clone_to_owned()?,
            directory,
            name: name.to_string(),
            control,
            reply,
        })
    }

    /// One of the other FIFOs.
    pub fn stream(&self, name: &str, flags: OFlags) -> Result<OwnedFd> {
        sys::open_fifo_at(self.directory.as_fd(), name, flags | OFlags::NONBLOCK)
    }

    /// Of this object, for a process that closes all others.
    pub fn descriptors(&self) -> Vec<i32> {
        [&self.room, &self.directory, &self.control, &self.reply]
            .map(|own| own.as_raw_fd())
            .to_vec()
    }

    /// Removes the directory: everything that is needed of it is open.
    pub fn unlink(&self) {
        remove(self.room.as_fd(), self.directory.as_fd(), &self.name);
    }

    /// Tells the caller. One who does not read its few replies has chosen not to know.
    pub fn tell(&self, reply: &Reply) {
        if let Ok(message) = messages::encode_apart(&Form::from(reply)) {
            let _ = rustix::io::write(&self.reply, &message);
        }
    }

    pub fn refuse(&self, code: i32, line: &str) {
        self.unlink();
        self.tell(&Reply::Refused {
            code,
            lines: line.lines().map(str::to_string).collect(),
        });
    }
}

/// The caller's ends of a call.
pub struct Made {
    room: OwnedFd,
    directory: OwnedFd,
    pub name: String,
    pub control: OwnedFd,
    pub reply: OwnedFd,
    /// To standard input, if that is a pipe.
    pub input: Option<OwnedFd>,
    /// From standard output and standard error.
    pub outputs: [Option<OwnedFd>; 2],
    pub keys: Option<OwnedFd>,
    pub screen: Option<OwnedFd>,
    /// The other ends of what we write, so that it can be opened before the executor is there.
    held: Vec<OwnedFd>,
    /// Whether the executor has every end, and removes the directory.
    is_taken: bool,
}

impl Made {
    /// Makes the directory and the FIFOs that these streams need.
    pub fn make(portal: &Path, caller: Caller, streams: [Stream; 3]) -> Result<Made> {
        let room = open_room(portal, caller)?;
        let mut bytes = [0; 8];
        // So few come in one piece.
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        let name = format!("{}-{:016x}", std::process::id(), u64::from_le_bytes(bytes));
        mkdirat(&room, &name, Mode::RWXU)?;
        let directory = sys::open_directory_at(room.as_fd(), &name)?;
        let made = Made::fill(&room, &directory, &name, streams);
        if made.is_err() {
            remove(room.as_fd(), directory.as_fd(), &name);
        }
        made
    }

    fn fill(room: &OwnedFd, directory: &OwnedFd, name: &str, streams: [Stream; 3]) -> Result<Made> {
        let mut held = Vec::new();
        let reader = |fifo: &str| -> Result<OwnedFd> {
            sys::make_fifo_at(directory.as_fd(), fifo)?;
            sys::open_fifo_at(directory.as_fd(), fifo, OFlags::RDONLY | OFlags::NONBLOCK)
        };
        let mut writer = |fifo: &str| -> Result<OwnedFd> {
            held.push(reader(fifo)?);
            sys::open_fifo_at(directory.as_fd(), fifo, OFlags::WRONLY | OFlags::NONBLOCK)
        };
        let control = writer(CONTROL)?;
        let reply = reader(REPLY)?;
        let is = |index: usize, kind: Stream| streams[index] == kind;
        let input = if is(0, Stream::Pipe) {
            Some(writer(STREAMS[0])?)
        } else {
            None
        };
        let has_terminal = streams.contains(&Stream::Terminal);
        let keys = if has_terminal { Some(writer(KEYS)?) } else { None };
        let output = if is(1, Stream::Pipe) {
            Some(reader(STREAMS[1])?)
        } else {
            None
        };
        let error = if is(2, Stream::Pipe) {
            Some(reader(STREAMS[2])?)
        } else {
            None
        };
        let screen = if has_terminal { Some(reader(SCREEN)?) } else { None };
        Ok(Made {
            room: room.try_clone()?,
            directory: directory.try_clone()?,
            name: name.to_string(),
            control,
            reply,
            input,
            outputs: [output, error],
            keys,
            screen,
            held,
            is_taken: false,
        })
    }

    /// The executor has its ends: from now on its end is seen.
    pub fn let_go(&mut self) {
        self.held.clear();
        self.is_taken = true;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.is_taken {
            return;
        }
        remove(self.room.as_fd(), self.directory.as_fd(), &self.name);
    }
}

/// Removes a call's directory with all that may be in it.
pub fn remove(room: BorrowedFd<'_>, directory: BorrowedFd<'_>, name: &str) {
    for fifo in ALL {
        let _ = unlinkat(directory, fifo, AtFlags::empty());
    }
    let _ = unlinkat(room, name, AtFlags::REMOVEDIR);
}
