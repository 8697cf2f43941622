//! Layers as plain trees in a cache directory, which starts share; for a host without FUSE.
//!
//! `KEY` is a finished tree, `KEY.part` one that is being made, and `KEY.lock` orders both: whoever makes or removes holds it
//! exclusively, whoever uses the tree holds it shared. The key is made of the digests in the layer, which are compared with
//! its bytes before a tree is made, so the same layer in another image finds the same tree, and no other layer does.

use super::extract::{extract, is_whole};
use super::protocol::Place;
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::progress::Progress;
use crate::sys;
use dwarfs_fuse::{Cache, Layer, Options, Source};
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Memory for decompressed blocks.
const CACHE_BYTES: u64 = 64 << 20;
const STEP: Duration = Duration::from_millis(50);
/// How often a tree may be found in use and not whole.
const BROKEN_LIMIT: u32 = 40;
/// A tree that no start has used for so long is removed when another one is made.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A tree in use: it stays as long as its lock is held.
pub struct Unpacked {
    pub tree: PathBuf,
    /// Devices of the layer that only root could have made.
    pub missing_devices: u64,
    pub lock: File,
}

/// Where trees may be kept.
pub struct TreeCache {
    directory: PathBuf,
    owners: bool,
}

impl TreeCache {
    /// Takes the first of `candidates` that can be used. With `owners` files get the owners that the layers say.
    pub fn open(candidates: &[PathBuf], owners: bool) -> Result<TreeCache> {
        let mut problems = Vec::new();
        for directory in candidates {
            match claim(directory) {
                Ok(()) => {
                    let directory = directory.clone();
                    return Ok(TreeCache { directory, owners });
                }
                Err(reason) => problems.push(format!("'{}': {reason}", directory.display())),
            }
        }
        fail!(
            "there is no directory to unpack the layers to ({}); set XDG_CACHE_HOME to a directory of yours",
            problems.join("; ")
        )
    }

    /// For messages.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The tree of each layer, unpacked if it is not there yet.
    pub fn trees(&self, places: &[Place]) -> Result<Vec<Unpacked>> {
        let blocks = Cache::new(CACHE_BYTES);
        let options = Options {
            cache_bytes: CACHE_BYTES,
            ..Options::default()
        };
        let mut layers = Vec::with_capacity(places.len());
        for place in places {
            let source = Source {
                path: place.path.clone(),
                offset: place.offset,
                size: Some(place.size),
            };
            let layer = Layer::open(&source, &options, blocks.clone()).map_err(|error| Failure(error.to_string()))?;
            layers.push((source, layer));
        }
        let total = layers.iter().map(|(_, layer)| layer.content_bytes()).sum();
        let mut progress = Progress::new("Unpacking the layers, once", total);
        let mut trees = Vec::with_capacity(layers.len());
        let mut is_new = false;
        for (source, layer) in &layers {
            let (tree, made) = self.tree(source, layer, &mut progress)?;
            is_new |= made;
            trees.push(tree);
        }
        if is_new {
            self.sweep();
        }
        Ok(trees)
    }

    fn tree(&self, source: &Source, layer: &Layer, progress: &mut Progress) -> Result<(Unpacked, bool)> {
        let key = self.key(&source.headers().map_err(|error| Failure(error.to_string()))?);
        let tree = self.directory.join(&key);
        let lock = self.lock_file(&key)?;
        let unpacked = |lock: File, missing_devices| {
            let _ = lock.set_modified(SystemTime::now());
            let tree = tree.clone();
            Unpacked {
                tree,
                missing_devices,
                lock,
            }
        };
        let mut broken = 0;
        loop {
            if lock.try_lock_shared().is_ok() {
                if is_whole(layer, &tree) {
                    progress.add(layer.content_bytes());
                    return Ok((unpacked(lock, 0), false));
                }
                let _ = lock.unlock();
                broken += 1;
            }
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => fail!("cannot lock '{}': {error}", self.directory.display()),
                // Somebody unpacks it; or, if it was not locked against us over and over, uses a tree that is not whole.
                Err(TryLockError::WouldBlock) if broken > BROKEN_LIMIT => fail!(
                    "files of '{}' are gone, and another instance uses it; end that one",
                    tree.display()
                ),
                Err(TryLockError::WouldBlock) => {}
            }
            if sys::is_pending(&[libc::SIGINT, libc::SIGQUIT]) {
                fail!("interrupted while another instance unpacked the layers")
            }
            std::thread::sleep(STEP);
        }
        if is_whole(layer, &tree) {
            lock.lock_shared().context(|| "cannot lock the cache".to_string())?;
            return Ok((unpacked(lock, 0), false));
        }
        super::remove(&tree);
        let verified = source.verify().map_err(|error| Failure(error.to_string()))?;
        if self.key(&verified) != key {
            fail!("'{}' has changed meanwhile; start again", source.path.display())
        }
        let part = self.directory.join(format!("{key}.part"));
        super::remove(&part);
        let made = extract(layer, &part, self.owners, |bytes| progress.add(bytes)).and_then(|missing_devices| {
            // A tree under its final name is whole, also after a power cut.
            sys::sync_file_system(&lock).context(|| "cannot write to the disk".to_string())?;
            std::fs::rename(&part, &tree).context(|| format!("cannot put '{}' in place", tree.display()))?;
            Ok(missing_devices)
        });
        let missing_devices = made.map_err(|failure| {
            super::remove(&part);
            let needed = layer.content_bytes() / 1_000_000 + 1;
            Failure(format!(
                "cannot unpack a layer of {needed} MB to '{}': {failure}; free some room, or set XDG_CACHE_HOME to a directory with room",
                self.directory.display()
            ))
        })?;
        lock.lock_shared().context(|| "cannot lock the cache".to_string())?;
        Ok((unpacked(lock, missing_devices), true))
    }

    fn key(&self, headers: &[u8]) -> String {
        let digest = Sha256::digest(headers);
        let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        if self.owners {
            format!("{digits}-owners")
        } else {
            digits
        }
    }

    fn lock_file(&self, key: &str) -> Result<File> {
        let path = self.directory.join(format!("{key}.lock"));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options
            .open(&path)
            .map_err(|error| Failure(format!("cannot open '{}': {error}", path.display())))
    }

    /// Removes trees that were not used for long, and what killed starts have left.
    fn sweep(&self) {
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(key) = name.to_str().and_then(|name| name.strip_suffix(".lock")) else {
                continue;
            };
            let Ok(lock) = File::open(entry.path()) else { continue };
            if lock.try_lock().is_err() {
                continue;
            }
            super::remove(&self.directory.join(format!("{key}.part")));
            let used = lock.metadata().and_then(|metadata| metadata.modified());
            let age = used.ok().and_then(|used| SystemTime::now().duration_since(used).ok());
            if age.is_some_and(|age| age > UNUSED) {
                super::remove(&self.directory.join(key));
            }
        }
    }
}

/// Takes the locks that the instance with these trees holds, for one that shares its overlay.
pub fn share(trees: &[PathBuf]) -> Result<Vec<File>> {
    trees
        .iter()
        .map(|tree| {
            let mut path = tree.clone().into_os_string();
            path.push(".lock");
            let lock = File::open(&path).context(|| "cannot open the lock of a layer".to_string())?;
            lock.try_lock_shared()
                .context(|| format!("'{}' is being removed", tree.display()))?;
            Ok(lock)
        })
        .collect()
}

/// Makes a directory for the caller alone, or finds it so: a layer may hold set-user-id programs. The answer says why it
/// cannot be used. Its parents are made too, below one that is the caller's: whoever owns that decides what is in it.
fn claim(directory: &Path) -> std::result::Result<(), String> {
    let uid = sys::effective_uid();
    let base = directory.ancestors().find(|ancestor| ancestor.exists());
    let owned =
        |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.uid() == uid && found.mode() & 0o022 == 0);
    if !directory.is_absolute() || !base.is_some_and(owned) {
        return Err("what leads to it is not the caller's alone".to_string());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| error.to_string())?;
    let found = std::fs::symlink_metadata(directory).map_err(|error| error.to_string())?;
    if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
        return Err("it is not the caller's alone".to_string());
    }
    Ok(())
}
