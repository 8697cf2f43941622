//! The layers of an instance, as its holder knows them: who serves them, if anybody has to, and the way to tell that
//! process, which is `driver`.

use super::driver::{self, Message, Performed};
use super::linger::{self, Line, Terms};
use super::protocol::Place;
use super::start;
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::hot;
use crate::packets;
use crate::sys::{self, End, Forked, Watched};
use messages::Reply;
use rustix::process::WaitOptions;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Messages that wait for their answers at once. Many more would fill the socket, where each side would wait for the other.
const MOST_UNANSWERED: usize = 64;

pub struct Layers {
    /// As processes outside see it. Absent where the layers are plain files, which nobody has to serve.
    pub driver: Option<i32>,
    /// Readable when the driver has ended.
    end: Option<End>,
    /// Absent when the driver is another instance's, which has mounted everything already.
    socket: Option<OwnedFd>,
    /// To a driver that others have started, and that lets its layers stay.
    line: Option<Line>,
    /// Whether it holds the mount by itself, so that it need not be given one.
    is_lent: bool,
}

/// How layers are read.
pub struct Reading<'a> {
    /// Bound of the cache that they share.
    pub cache_bytes: u64,
    /// Where what starts read of them is kept decompressed, if it is.
    pub hot: Option<hot::Place>,
    /// Gets a list of what is read of them, if there is to be one.
    pub reads: Option<PathBuf>,
    /// The user and group that every file is shown as owned by, where it is not the layer that says so: the only one there
    /// is, as whoever mounts knows it.
    pub owner: Option<(u32, u32)>,
    /// What identifies the layers, and where it is kept what a start reads of them.
    pub stack: &'a str,
    pub start: PathBuf,
    /// What the driver complains of goes there.
    pub log: PathBuf,
}

impl Layers {
    /// Those of a running instance. To be called outside of the namespaces, in which the pid means nothing.
    pub fn shared(driver: i32) -> Result<Layers> {
        let end = End::of(driver).context(|| "the DwarFS driver has ended".to_string())?;
        Ok(Layers {
            driver: Some(driver),
            end: Some(end),
            socket: None,
            line: None,
            is_lent: false,
        })
    }

    /// Those that a driver has kept mounted. To be called outside of the namespaces.
    pub fn lent(line: Line) -> Result<Layers> {
        let shared = Layers::shared(line.driver)?;
        Ok(Layers {
            line: Some(line),
            is_lent: true,
            ..shared
        })
    }

    /// Layers that are plain files.
    pub fn unserved() -> Layers {
        Layers {
            driver: None,
            end: None,
            socket: None,
            line: None,
            is_lent: false,
        }
    }

    /// Forks a driver for the start of a program. Only for a process with a single thread.
    pub fn serve(program: &str) -> Result<Layers> {
        let (ours, theirs) = sys::socket_pair().context(|| "cannot make a socket".to_string())?;
        match sys::clone(0).context(|| "cannot start the DwarFS driver".to_string())? {
            Forked::Parent(driver) => Ok(Layers {
                socket: Some(ours),
                ..Layers::shared(driver)?
            }),
            Forked::Child => {
                drop(ours);
                std::process::exit(driver::run(&theirs, program))
            }
        }
    }

    /// Forks a driver that opens the layers which a start has written down, before anybody asks for them.
    pub fn guess(start: PathBuf, program: &str) -> Result<Layers> {
        let layers = Layers::serve(program)?;
        layers.tell(&Message::Guess { start }, None)?;
        Ok(layers)
    }

    /// Waits for the end of a driver that is not needed, so that what it writes to may be removed.
    pub fn dismiss(self) {
        let ours = self.socket.is_some();
        drop(self.socket);
        if let Some(driver) = self.driver.filter(|_| ours) {
            sys::wait(driver, WaitOptions::empty());
        }
    }

    /// Opens and checks layers, lowest first, and has decompressed what the last start has read of them. Out: whether all were
    /// open already.
    pub fn open(&self, layers: &[Place], how: Reading<'_>) -> Result<bool> {
        self.tell(
            &Message::Configure {
                owner: how.owner,
                cache_bytes: how.cache_bytes,
                hot: how.hot,
                reads: how.reads,
                stack: start::hash(how.stack),
                start: how.start,
                log: how.log,
            },
            None,
        )?;
        self.hear()?;
        let mut were_open = true;
        for (index, layer) in layers.iter().enumerate() {
            if index >= MOST_UNANSWERED {
                were_open &= self.hear()?;
            }
            self.tell(&Message::Open(layer.clone()), None)?;
        }
        for _ in 0..layers.len().min(MOST_UNANSWERED) {
            were_open &= self.hear()?;
        }
        Ok(were_open)
    }

    /// Has the layers served, merged, on a descriptor of `/dev/fuse` that is mounted.
    pub fn attach(&self, fuse: BorrowedFd<'_>) -> Result<()> {
        self.tell(&Message::Serve {}, Some(fuse))?;
        self.hear().map(drop)
    }

    /// Has it kept for the next start what has been read so far. Only a guess is lost if that fails.
    pub fn remember(&self) {
        if self.socket.is_some() && self.tell(&Message::Remember {}, None).is_ok() {
            let _ = self.hear();
        }
    }

    /// Has the layers stay for a while after the last instance. Whether this instance has to give the mount when it leaves.
    pub fn linger(&mut self, stack: &str, terms: Terms) -> Result<bool> {
        if self.socket.is_some() {
            self.tell(&Message::Linger(terms), None)?;
            self.hear()?;
            return Ok(true);
        }
        if self.line.is_none() {
            self.line = super::application().and_then(|application| linger::find(&application, stack));
        }
        let Some(line) = &self.line else {
            fail!("the driver of the layers does not let them stay")
        };
        line.stay(terms)?;
        Ok(!self.is_lent)
    }

    /// Gives the driver a mount namespace in which nothing is mounted but the layers.
    pub fn hold(&self, namespace: BorrowedFd<'_>) -> Result<()> {
        if let Some(line) = &self.line {
            return line.hold(namespace);
        }
        self.tell(&Message::Hold {}, Some(namespace))?;
        self.hear().map(drop)
    }

    /// Whether the driver is a child of the janitor.
    pub fn is_own(&self) -> bool {
        self.socket.is_some()
    }

    /// `poll`, which also ends with the driver, where there is one. Says of each descriptor whether it has one of its events, and
    /// whether the driver has ended.
    pub fn poll<const N: usize>(
        &self,
        watched: [Watched<'_>; N],
        milliseconds: i32,
    ) -> std::io::Result<([bool; N], bool)> {
        match &self.end {
            Some(end) => end.poll(watched, milliseconds),
            None => sys::poll(watched, milliseconds).map(|ready| (ready, false)),
        }
    }

    /// For `poll`: has an event when a layer was overwritten. All else the driver says when it is asked.
    pub fn alarm(&self) -> Watched<'_> {
        self.socket.as_ref().and_then(sys::readable)
    }

    /// Ends the driver, after an alarm.
    pub fn end(&self) {
        let _ = self.tell(&Message::End {}, None);
    }

    fn socket(&self) -> Result<BorrowedFd<'_>> {
        let Some(socket) = &self.socket else {
            fail!("the layers of another instance cannot be changed")
        };
        Ok(socket.as_fd())
    }

    fn tell(&self, message: &Message, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
        packets::send(self.socket()?, message, descriptor).context(|| "the DwarFS driver has ended".to_string())
    }

    /// Waits for an answer. Out: whether it was done before it was asked for.
    fn hear(&self) -> Result<bool> {
        let received =
            packets::receive(self.socket()?, packets::LIMIT).context(|| "cannot hear the DwarFS driver".to_string())?;
        let Some((reply, _)) = received else {
            fail!("the DwarFS driver has ended; its log is in the instance directory")
        };
        let reply: Reply<Performed> = reply
            .parse()
            .context(|| "cannot understand the DwarFS driver".to_string())?;
        Ok(reply.result().map_err(Failure)?.before)
    }
}
