//! The process that serves the layers of an instance.
//!
//! It lives outside the namespaces it serves: the kernel closes a FUSE connection when the last reference to its mount is
//! gone, and a server inside would be such a reference itself. So it needs no one to end it, and it can go on for other
//! instances that share the overlay after the one that started it has ended.

use super::protocol::Layer as Place;
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::sys::{self, Forked};
use dwarfs_fuse::{Cache, Layer, Options, Source};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// What the driver complains of, in the directory of the instance that started it.
pub const DRIVER_LOG: &str = "logs/fuse/dwarfs.log";

/// Longest message; a path is at most 4096 bytes, and each may take six in JSON.
const MESSAGE_LIMIT: usize = 1 << 16;

#[derive(Deserialize, Serialize)]
enum Message {
    Configure {
        uid: Option<u32>,
        gid: Option<u32>,
        cache_bytes: u64,
    },
    Open {
        path: std::path::PathBuf,
        offset: u64,
        size: u64,
    },
    /// Serve all that were opened, merged; the message carries a FUSE descriptor.
    Serve,
}

/// The layers of an instance, as the holder knows them: the process that serves them, and the way to tell it.
pub struct Layers {
    /// As processes outside see it. Absent where the layers are plain files, which nobody has to serve.
    pub driver: Option<i32>,
    /// Readable when the driver has ended.
    end: Option<OwnedFd>,
    /// Absent when the driver is another instance's, which has mounted everything already.
    socket: Option<OwnedFd>,
}

impl Layers {
    /// Those of a running instance. To be called outside of the namespaces, in which the pid means nothing.
    pub fn shared(driver: i32) -> Result<Layers> {
        let end = sys::process_descriptor(driver).context(|| "the DwarFS driver has ended".to_string())?;
        Ok(Layers {
            driver: Some(driver),
            end: Some(end),
            socket: None,
        })
    }

    /// Layers that are plain files.
    pub fn unserved() -> Layers {
        Layers {
            driver: None,
            end: None,
            socket: None,
        }
    }

    /// Forks a driver. Only for a process with a single thread.
    pub fn serve(log: &Path) -> Result<Layers> {
        let (ours, theirs) = sys::socket_pair().context(|| "cannot make a socket".to_string())?;
        match sys::clone(0).context(|| "cannot start the DwarFS driver".to_string())? {
            Forked::Parent(driver) => Ok(Layers {
                socket: Some(ours),
                ..Layers::shared(driver)?
            }),
            Forked::Child => {
                drop(ours);
                let code = match detach(log, &theirs).and_then(|socket| answer_requests(socket.as_fd())) {
                    Ok(()) => 0,
                    Err(failure) => {
                        // There may be nobody to serve any more, and then no directory for the log either.
                        let is_abandoned = sys::poll([(theirs.as_raw_fd(), 0)], 0).is_ok_and(|[closed]| closed);
                        if !is_abandoned {
                            eprintln!("E::{failure}");
                        }
                        crate::failure::EXIT_CODE
                    }
                };
                std::process::exit(code)
            }
        }
    }

    /// Waits for the end of a driver that is not needed, so that what it writes to may be removed.
    pub fn dismiss(self) {
        let ours = self.socket.is_some();
        drop(self.socket);
        if let Some(driver) = self.driver.filter(|_| ours) {
            sys::wait(driver, 0);
        }
    }

    /// Opens and checks layers, lowest first. Only once. `owner` is the user and group that every file is shown as owned by, where it is
    /// not the layer that says so: the only one there is, as whoever mounts knows it.
    pub fn open(&self, layers: &[Place], cache_bytes: u64, owner: Option<(u32, u32)>) -> Result<()> {
        self.tell(
            &Message::Configure {
                uid: owner.map(|(uid, _)| uid),
                gid: owner.map(|(_, gid)| gid),
                cache_bytes,
            },
            None,
        )?;
        for layer in layers {
            self.tell(
                &Message::Open {
                    path: layer.path.clone(),
                    offset: layer.offset,
                    size: layer.size,
                },
                None,
            )?;
        }
        self.hear()?;
        layers.iter().try_for_each(|_| self.hear())
    }

    /// Has the layers served, merged, on a descriptor of `/dev/fuse` that is mounted.
    pub fn attach(&self, fuse: BorrowedFd<'_>) -> Result<()> {
        self.tell(&Message::Serve, Some(fuse))?;
        self.hear()
    }

    /// For `poll`. Negative where there is no driver.
    pub fn end_descriptor(&self) -> i32 {
        self.end.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    fn socket(&self) -> Result<BorrowedFd<'_>> {
        let Some(socket) = &self.socket else {
            fail!("the layers of another instance cannot be changed")
        };
        Ok(socket.as_fd())
    }

    fn tell(&self, message: &Message, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
        let text = serde_json::to_vec(message).context(|| "cannot encode a message".to_string())?;
        sys::send(self.socket()?, &text, descriptor).context(|| "the DwarFS driver has ended".to_string())
    }

    fn hear(&self) -> Result<()> {
        let (reply, _) =
            sys::receive(self.socket()?, MESSAGE_LIMIT).context(|| "the DwarFS driver has ended".to_string())?;
        match reply.split_first() {
            Some((b'+', _)) => Ok(()),
            Some((_, text)) => Err(Failure(String::from_utf8_lossy(text).into_owned())),
            None => fail!("the DwarFS driver has ended; its log is in the instance directory"),
        }
    }
}

/// Leaves the terminal and everything else of the caller, so that neither ^C nor ^Z reaches it and no pipe of the caller
/// stays open because of it.
fn detach(log: &Path, socket: &OwnedFd) -> Result<OwnedFd> {
    let failed = || "cannot detach the DwarFS driver".to_string();
    sys::set_name(c"fim-dwarfs");
    dwarfs_fuse::tune_allocator();
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .context(failed)?;
    let log = OpenOptions::new().append(true).create(true).open(log).context(failed)?;
    let [socket] = sys::become_session([null.as_fd(), null.as_fd(), log.as_fd()], [socket.as_fd()]).context(failed)?;
    Ok(socket)
}

fn answer_requests(socket: BorrowedFd<'_>) -> Result<()> {
    let mut options = Options::default();
    let mut cache: Option<Arc<Cache>> = None;
    let mut layers: Vec<Layer> = Vec::new();
    let mut serving = None;
    loop {
        let (text, descriptor) =
            sys::receive(socket, MESSAGE_LIMIT).context(|| "cannot hear the holder".to_string())?;
        if text.is_empty() {
            break;
        }
        let message: Message = serde_json::from_slice(&text).context(|| "cannot understand the holder".to_string())?;
        let result = match (message, descriptor) {
            (Message::Configure { uid, gid, cache_bytes }, _) => {
                options = Options {
                    uid,
                    gid,
                    cache_bytes,
                    ..options
                };
                cache = Some(Cache::new(cache_bytes));
                Ok(())
            }
            (Message::Open { path, offset, size }, _) => {
                let source = Source {
                    path,
                    offset,
                    size: Some(size),
                };
                let shared = cache.get_or_insert_with(|| Cache::new(options.cache_bytes)).clone();
                Layer::open(&source, &options, shared)
                    .map(|layer| {
                        // The lowest layer is the system. While the rest of the start is prepared there is time for it.
                        if layers.is_empty() {
                            layer.expect_start();
                        }
                        layers.push(layer);
                    })
                    .map_err(|error| Failure(error.to_string()))
            }
            (Message::Serve, Some(fuse)) => dwarfs_fuse::serve_merged(std::mem::take(&mut layers), fuse)
                .map(|served| serving = Some(served))
                .context(|| "cannot serve the layers".to_string()),
            (Message::Serve, None) => Err(Failure("no descriptor to serve".to_string())),
        };
        let reply = match result {
            Ok(()) => b"+".to_vec(),
            Err(failure) => format!("-{failure}").into_bytes(),
        };
        sys::send(socket, &reply, None).context(|| "cannot answer the holder".to_string())?;
    }
    match serving {
        Some(serving) => serving.join().context(|| "the layers ended early".to_string()),
        None => Ok(()),
    }
}
