//! Layers as plain trees in a cache directory, which starts share; for a host without FUSE.
//!
//! `KEY` is a finished tree, `KEY.part` one that is being made, and `KEY.lock` orders both: whoever makes or removes holds it
//! exclusively, whoever uses the tree holds it shared. The key is made of the digests in the layer, which are compared with
//! its bytes before a tree is made, so the same layer in another image finds the same tree, and no other layer does.

use super::extract::{extract, is_whole};
use super::protocol::Place;
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::sys;
use crate::trust::{Directory, Last, Make, Refusal, remove, shown};
use console::Progress;
use dwarfs_fuse::{Cache, Layer, Options, Source};
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
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

/// Directories in which trees may be kept, best first: each as far as it is there.
pub struct TreePlaces(Vec<std::result::Result<TreePlace, Refusal>>);

/// A directory that is there, and the names below it that are still to be made.
struct TreePlace {
    above: Directory,
    missing: Vec<OsString>,
}

impl TreePlaces {
    /// Judges each, and makes nothing: in most starts none is needed.
    pub fn judge(candidates: &[PathBuf]) -> TreePlaces {
        let judge = |path: &PathBuf| {
            let mut above = path.as_path();
            let mut missing = Vec::new();
            loop {
                match Directory::trusted(above, Last::Own, Make::No) {
                    Ok(above) => return Ok(TreePlace { above, missing }),
                    Err(refusal) if !refusal.is_missing => return Err(refusal),
                    Err(refusal) => {
                        let (Some(parent), Some(name)) = (above.parent(), above.file_name()) else {
                            return Err(refusal);
                        };
                        missing.insert(0, name.to_os_string());
                        above = parent;
                    }
                }
            }
        };
        TreePlaces(candidates.iter().map(judge).collect())
    }
}

impl TreePlace {
    /// Makes what is missing. A layer may hold set-user-id programs, so nobody else may even look into it.
    fn make(&self) -> std::result::Result<Directory, String> {
        let mut directory = self.above.try_clone().map_err(|error| error.to_string())?;
        for name in &self.missing {
            directory = directory.enter_or_make(name, 0o700).map_err(|failure| failure.0)?;
        }
        let found = std::fs::File::from(
            directory
                .as_fd()
                .try_clone_to_owned()
                .map_err(|error| error.to_string())?,
        );
        let mode = found
            .metadata()
            .map_err(|error| error.to_string())?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            let path = shown(directory.path());
            return Err(format!(
                "other users can look into '{path}'; to use it: chmod 700 '{path}'"
            ));
        }
        Ok(directory)
    }
}

/// Where trees are kept.
pub struct TreeCache {
    directory: Directory,
    owners: bool,
}

impl TreeCache {
    /// Takes the first of the places that can be used. With `owners` files get the owners that the layers say.
    pub fn open(places: &TreePlaces, owners: bool) -> Result<TreeCache> {
        let mut problems = Vec::new();
        for place in &places.0 {
            match place {
                Ok(place) => match place.make() {
                    Ok(directory) => return Ok(TreeCache { directory, owners }),
                    Err(reason) => problems.push(reason),
                },
                Err(refusal) => problems.push(refusal.to_string()),
            }
        }
        fail!(
            "there is no directory to unpack the layers to ({}); set XDG_CACHE_HOME to a directory of yours",
            problems.join("; ")
        )
    }

    /// For messages.
    pub fn path(&self) -> &Path {
        self.directory.path()
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
        let mut progress = Progress::in_passing("Unpacking the layers, once: ", total);
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
        let tree = self.path().join(&key);
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
                Err(TryLockError::Error(error)) => fail!("cannot lock '{}': {error}", shown(self.path())),
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
        remove(&tree);
        let verified = source.verify().map_err(|error| Failure(error.to_string()))?;
        if self.key(&verified) != key {
            fail!("'{}' has changed meanwhile; start again", source.path.display())
        }
        let part = self.path().join(format!("{key}.part"));
        remove(&part);
        let made = extract(layer, &part, self.owners, |bytes| progress.add(bytes)).and_then(|missing_devices| {
            // A tree under its final name is whole, also after a power cut.
            rustix::fs::syncfs(&lock).context(|| "cannot write to the disk".to_string())?;
            std::fs::rename(&part, &tree).context(|| format!("cannot put '{}' in place", tree.display()))?;
            Ok(missing_devices)
        });
        let missing_devices = made.map_err(|failure| {
            remove(&part);
            let needed = layer.content_bytes() / 1_000_000 + 1;
            Failure(format!(
                "cannot unpack a layer of {needed} MB to '{}': {failure}; free some room, or set XDG_CACHE_HOME to a directory with room",
                shown(self.path())
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
        let name = format!("{key}.lock");
        self.directory
            .open_or_make(&name, 0o600)
            .map_err(|error| Failure(format!("cannot open '{}': {error}", shown(self.path().join(name)))))
    }

    /// Removes trees that were not used for long, and what killed starts have left.
    fn sweep(&self) {
        for name in self.directory.names().unwrap_or_default() {
            let Some(key) = name.to_str().and_then(|name| name.strip_suffix(".lock")) else {
                continue;
            };
            let Ok(lock) = self.directory.open(&name) else { continue };
            if lock.try_lock().is_err() {
                continue;
            }
            self.directory.remove(format!("{key}.part"));
            let used = lock.metadata().and_then(|metadata| metadata.modified());
            let age = used.ok().and_then(|used| SystemTime::now().duration_since(used).ok());
            if age.is_some_and(|age| age > UNUSED) {
                self.directory.remove(key);
            }
        }
    }
}

/// Takes the locks that the instance with these trees holds, for one that shares its overlay.
pub fn share(trees: &[PathBuf]) -> Result<Vec<File>> {
    trees
        .iter()
        .map(|tree| {
            let failed = || "cannot open the lock of a layer".to_string();
            let (directory, key) = tree.parent().zip(tree.file_name()).unwrap_or((tree, OsStr::new("")));
            let mut name = key.to_os_string();
            name.push(".lock");
            let lock = Directory::given(directory)?.open(&name).context(failed)?;
            lock.try_lock_shared()
                .context(|| format!("'{}' is being removed", tree.display()))?;
            Ok(lock)
        })
        .collect()
}
