//! The process that serves the layers of an instance.
//!
//! It lives outside the namespaces it serves: the kernel closes a FUSE connection when the last reference to its mount is
//! gone, and a server inside would be such a reference itself. So it needs no one to end it, and it can go on for other
//! instances that share the overlay after the one that started it has ended.

use super::server::leave_caller;
use crate::failure::{Context, EXIT_CODE, Failure, Result};
use crate::sys;
use dwarfs_fuse::{Cache, Layer, Options, Source};
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
    },
    Open {
        path: PathBuf,
        offset: u64,
        size: u64,
    },
    /// Serve all that were opened, merged; the message carries a FUSE descriptor.
    Serve,
}

/// The driver itself: serves what it is told through the socket, until none of it is mounted any more. The answer is its
/// exit code. For a new child with a single thread.
pub fn run(log: &Path, socket: &OwnedFd) -> i32 {
    let [socket] = match leave_caller(c"fim-dwarfs", log, [socket.as_fd()]) {
        Ok(kept) => kept,
        Err(error) => {
            eprintln!("E::cannot detach the DwarFS driver: {error}");
            return EXIT_CODE;
        }
    };
    match answer_requests(socket.as_fd()) {
        Ok(()) => 0,
        Err(failure) => {
            // There may be nobody to serve any more, and then no directory for the log either.
            let is_abandoned = sys::poll([(socket.as_raw_fd(), 0)], 0).is_ok_and(|[closed]| closed);
            if !is_abandoned {
                eprintln!("E::{failure}");
            }
            EXIT_CODE
        }
    }
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
