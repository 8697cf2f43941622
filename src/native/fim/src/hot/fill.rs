//! Writes to the hot cache what a start has read and not found there: a process of its own, at the lowest priority, for which nobody
//! waits. It reads each block anew and compares it with its digest, so nothing of what the driver has in memory counts.

use super::bound::{self, LOCK, bound};
use super::{Place, now, open};
use crate::failure::{Context, EXIT_CODE, Failure, Result};
use crate::janitor;
use crate::sys::{self, Forked};
use crate::trust::{Directory, Last, Make, TRUST_GROUP};
use dwarfs_fuse::{Cache, FileRange, Layer, Options};
use messages::{Limits, Reader};
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest request: of 16 layers with as many ranges as a layer can have, and more than any start reads.
const LIMITS: Limits = Limits::heads(8 << 20);
/// The next start may follow at once, and has the machine to itself.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes that a start has to miss of a layer before its file is written anew.
const WORTHWHILE: u64 = 256 << 10;

/// What was read of a layer.
#[derive(Deserialize, Serialize)]
pub struct Wanted {
    place: janitor::Place,
    /// Inode, first page and number of pages.
    ranges: Vec<(u32, u32, u32)>,
}

#[derive(Deserialize, Serialize)]
struct Request {
    place: Place,
    layers: Vec<Wanted>,
}

impl Wanted {
    /// What is missing of a layer, if that is worth the writing.
    pub fn of(place: &janitor::Place, layer: &Layer) -> Option<Wanted> {
        let (_, missed) = layer.start_bytes();
        let ranges = layer.start_reads();
        (missed >= WORTHWHILE).then(|| Wanted {
            place: place.clone(),
            ranges: ranges
                .iter()
                .map(|range| (range.inode, range.page, range.pages))
                .collect(),
        })
    }
}

/// Starts the process that writes, and does not wait for it.
pub fn start(place: &Place, layers: Vec<Wanted>) -> Result<()> {
    let failed = || "cannot start what fills the hot cache".to_string();
    let request = Request {
        place: place.clone(),
        layers,
    };
    let text = messages::encode(&request, &[]).context(failed)?;
    let mut input = File::from(memfd_create(c"hot", MemfdFlags::CLOEXEC).context(failed)?);
    input.write_all(&text).context(failed)?;
    input.rewind().context(failed)?;
    let mut command = Command::new(std::env::current_exe().context(failed)?);
    command.arg("hot").env_clear().current_dir("/");
    if let Some(group) = std::env::var_os(TRUST_GROUP) {
        command.env(TRUST_GROUP, group);
    }
    command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    // It ends at once: the work is done by a child of its own.
    command.status().context(failed).map(drop)
}

/// `fim hot`, with the request on standard input.
pub fn command(_: &[OsString]) -> i32 {
    sys::close_all_but(&[0, 1, 2]);
    let message = Reader::new(std::io::stdin().lock(), LIMITS).read();
    let Ok(request) = message
        .map(Option::unwrap_or_default)
        .and_then(|message| Ok(message.parse::<Request>()?))
    else {
        console::complain!("E::fim hot is started by the DwarFS driver alone");
        return EXIT_CODE;
    };
    match sys::clone(0) {
        Ok(Forked::Parent(_)) => 0,
        Ok(Forked::Child) => {
            let _ = rustix::process::setsid();
            let _ = rustix::thread::set_name(c"fim-hot");
            sys::yield_to_all();
            std::thread::sleep(PAUSE);
            i32::from(fill(&request).is_err())
        }
        Err(_) => EXIT_CODE,
    }
}

fn fill(request: &Request) -> Result<()> {
    let directory = Directory::trusted(&request.place.directory, Last::Own, Make::Private)?;
    let failed = || "cannot fill the hot cache".to_string();
    let lock = directory.open_or_make(LOCK, 0o600).context(failed)?;
    // Another process fills it. What this start has read is missing in the next one again.
    if lock.try_lock().is_err() {
        return Ok(());
    }
    bound::sweep(&directory);
    for wanted in &request.layers {
        // A layer that cannot be read any more keeps no other from being written.
        let _ = fill_layer(&directory, request.place.bytes, wanted);
    }
    Ok(())
}

fn fill_layer(directory: &Directory, bytes: u64, wanted: &Wanted) -> Result<()> {
    let place = &wanted.place;
    let failed = || format!("cannot read '{}'", place.path.display());
    let file = janitor::open_regular(&place.path).ok_or_else(|| Failure(failed()))?;
    let options = Options {
        read_ahead_bytes: 0,
        ..Options::default()
    };
    let layer = Layer::open_file(file, place.offset, Some(place.size), &options, Cache::new(0))
        .map_err(|error| Failure(error.to_string()))?;
    let stamp = layer.stamp().context(failed)?;
    let headers = layer.headers().context(failed)?;
    let key = headers.key();
    let ranges: Vec<FileRange> = wanted
        .ranges
        .iter()
        .map(|&(inode, page, pages)| FileRange { inode, page, pages })
        .collect();
    let written = || "cannot write to the hot cache".to_string();
    let old = open(directory, &key).context(written)?;
    if !old.as_ref().is_some_and(|old| layer.is_hot(old, &ranges)) {
        let bound = bound(directory, bytes).context(written)?;
        let size = layer.hot_bytes(old.as_ref(), &ranges, bound.layer);
        // While it is written the file before is still there.
        bound::shrink(directory, bound.all.saturating_sub(size), &key.name());
        let new = directory.begin(key.name()).context(written)?;
        let filled = layer.write_hot(&headers, &new.file, old.as_ref(), &ranges, bound.layer, now());
        filled.context(written)?;
        if layer.stamp().context(failed)? != stamp {
            crate::fail!("'{}' has changed meanwhile", place.path.display())
        }
        new.place(0o600).context(written)?;
        bound::shrink(directory, bound.all, &key.name());
    }
    directory.put(stamp.name(), 0o600, &stamp.seal(&key))
}
