//! The process that serves the layers of an instance.
//!
//! It lives outside the namespaces it serves: the kernel closes a FUSE connection when the last reference to its mount is
//! gone, and a server inside would be such a reference itself. So it needs no one to end it, and it can go on for other
//! instances that share the overlay after the one that started it has ended.

use super::server::leave_caller;
use super::start::Start;
use crate::fail;
use crate::failure::{Context, EXIT_CODE, Failure, Result};
use crate::sys;
use dwarfs_fuse::{Cache, Layer, Options, Serving, Source};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the driver complains of, in the directory of the instance that started it.
pub const DRIVER_LOG: &str = "logs/fuse/dwarfs.log";

/// Longest message; a path is at most 4096 bytes, and each may take six in JSON.
pub const MESSAGE_LIMIT: usize = 1 << 16;

/// What a holder tells it. Each is answered by `+`, or by `-` and why not.
#[derive(Deserialize, Serialize)]
pub enum Message {
    Configure {
        uid: Option<u32>,
        gid: Option<u32>,
        cache_bytes: u64,
        /// The hash of what identifies the layers, and where it is kept what a start reads of them.
        stack: String,
        start: PathBuf,
    },
    Open {
        path: PathBuf,
        offset: u64,
        size: u64,
    },
    /// Serve all that were opened, merged; the message carries a FUSE descriptor.
    Serve,
    /// Keep what has been read so far for the next start.
    Remember,
}

/// The driver itself: serves what it is told through the socket, until none of it is mounted any more. The answer is its
/// exit code. For a new child with a single thread.
pub fn run(log: &Path, socket: &OwnedFd) -> i32 {
    let [socket] = match leave_caller(c"fim-dwarfs", log, [socket.as_fd()]) {
        Ok(kept) => kept,
        Err(error) => {
            console::complain!("E::cannot detach the DwarFS driver: {error}");
            return EXIT_CODE;
        }
    };
    match answer_requests(socket.as_fd()) {
        Ok(()) => 0,
        Err(failure) => {
            // There may be nobody to serve any more, and then no directory for the log either.
            let is_abandoned = sys::poll([(socket.as_raw_fd(), 0)], 0).is_ok_and(|[closed]| closed);
            if !is_abandoned {
                console::complain!("E::{failure}");
            }
            EXIT_CODE
        }
    }
}

fn answer_requests(socket: BorrowedFd<'_>) -> Result<()> {
    let mut driver = Driver::default();
    loop {
        let (text, descriptor) =
            sys::receive(socket, MESSAGE_LIMIT).context(|| "cannot hear the holder".to_string())?;
        if text.is_empty() {
            break;
        }
        let message: Message = serde_json::from_slice(&text).context(|| "cannot understand the holder".to_string())?;
        let reply = match driver.perform(message, descriptor) {
            Ok(()) => b"+".to_vec(),
            Err(failure) => format!("-{failure}").into_bytes(),
        };
        sys::send(socket, &reply, None).context(|| "cannot answer the holder".to_string())?;
    }
    match driver.serving {
        Some(serving) => serving.join().context(|| "the layers ended early".to_string()),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Driver {
    options: Options,
    cache: Option<Arc<Cache>>,
    stack: String,
    start: PathBuf,
    /// What the start before has read.
    last: Option<Start>,
    /// Those that are not served yet, lowest first.
    layers: Vec<Layer>,
    serving: Option<Serving>,
}

impl Driver {
    fn perform(&mut self, message: Message, descriptor: Option<OwnedFd>) -> Result<()> {
        match message {
            Message::Configure {
                uid,
                gid,
                cache_bytes,
                stack,
                start,
            } => {
                self.options = Options {
                    uid,
                    gid,
                    cache_bytes,
                    ..Options::default()
                };
                self.last = Start::read(&start, &stack);
                (self.stack, self.start) = (stack, start);
                Ok(())
            }
            Message::Open { path, offset, size } => {
                let source = Source {
                    path,
                    offset,
                    size: Some(size),
                };
                let cache = self.cache.get_or_insert_with(|| Cache::new(self.options.cache_bytes));
                let layer = Layer::open(&source, &self.options, Arc::clone(cache))
                    .map_err(|error| Failure(error.to_string()))?;
                // While the rest of the start is prepared there is time for it. The lowest layer is the system.
                match &self.last {
                    Some(last) => layer.expect(last.blocks(self.layers.len())),
                    None if self.layers.is_empty() => layer.expect_start(),
                    None => {}
                }
                self.layers.push(layer);
                Ok(())
            }
            Message::Serve => {
                let Some(fuse) = descriptor else {
                    fail!("no descriptor to serve")
                };
                let layers = std::mem::take(&mut self.layers);
                let serving = dwarfs_fuse::serve_merged(layers, fuse);
                self.serving = Some(serving.context(|| "cannot serve the layers".to_string())?);
                Ok(())
            }
            Message::Remember => {
                let layers = self.serving.as_ref().map_or(&[][..], Serving::layers);
                let now = Start::of(layers, &self.stack);
                if self.last.as_ref() == Some(&now) {
                    return Ok(());
                }
                now.write(&self.start)
            }
        }
    }
}
