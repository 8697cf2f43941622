//! The hot cache: below the caller's cache directory, one file for each layer with what starts read of it, decompressed.
//!
//! `docs/directories.md` says what is in the directory. A start only reads there; what it found missing a process of its own writes once
//! the program has ended, see `fill`. Nothing in a file is trusted, see `dwarfs_fuse::Hot`: the rules of `trust` for the directory keep
//! other users from writing there at all.

mod bound;
mod fill;

use crate::names;
use crate::trust::{Directory, Last, Make};
pub use bound::{forget, is_layer};
use dwarfs_fuse::{Hot, Key, Layer, SEALED, Stamp};
pub use fill::{Wanted, command, start};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the files are, and how many bytes they may have together.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Place {
    #[serde(with = "names::path")]
    pub directory: PathBuf,
    pub bytes: u64,
}

/// The directory, as far as it is there and nobody else can change it.
pub struct HotCache(Directory);

impl HotCache {
    pub fn open(path: &Path) -> Option<HotCache> {
        Directory::trusted(path, Last::Own, Make::No).ok().map(HotCache)
    }

    /// What starts have read of a layer, if the file that it lies in is known.
    pub fn of(&self, layer: &Layer) -> Option<Hot> {
        let key = self.key(&layer.stamp().ok()?)?;
        open(&self.0, &key).ok().flatten()
    }

    fn key(&self, stamp: &Stamp) -> Option<Key> {
        stamp.open(&self.0.read(stamp.name(), SEALED as u64 + 1).ok()?)
    }
}

/// The file of a layer. What is broken is removed, and as if it were not there.
fn open(directory: &Directory, key: &Key) -> io::Result<Option<Hot>> {
    let name = key.name();
    let file = match directory.open_to_change(&name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !is_private(&file)? {
        return Ok(None);
    }
    let directory = directory.try_clone()?;
    let discard = move || {
        // Where it cannot be removed it is found to be broken again.
        let _ = directory.remove_file(&name);
    };
    Ok(Hot::open(file, *key, discard))
}

fn is_private(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.mode() & 0o022 == 0)
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Notes that a layer's file was used.
pub fn mark_used(layer: &Layer) {
    if let Some(hot) = layer.hot() {
        hot.mark_used(now());
    }
}
