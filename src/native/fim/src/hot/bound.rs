//! Which files of the hot cache go: what was used least recently, until the others may stay.

use crate::trust::{Directory, is_unplaced};
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::SystemTime;

/// The parts of the bound that one layer may take, and of the free disk that all may take, as divisors.
const LAYER: u64 = 4;
const DISK: u64 = 10;
/// Names of layers that are kept, whether or not the layers are.
const MOST_STAMPS: usize = 256;

pub const LOCK: &str = "lock";

/// A file of a layer.
struct Kept {
    name: OsString,
    bytes: u64,
    used: SystemTime,
}

/// How much may be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound {
    pub all: u64,
    pub layer: u64,
}

/// Of `bytes`, what the disk leaves: a tenth of what would be free without the cache.
pub fn bound(directory: &Directory, bytes: u64) -> io::Result<Bound> {
    let disk = rustix::fs::fstatvfs(directory)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let all = bytes.min(free.saturating_add(total(directory)) / DISK);
    Ok(Bound {
        all,
        layer: all / LAYER,
    })
}

fn is_stamp(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"at-")
}

/// Whether a name in the directory is that of a layer's file.
pub fn is_layer(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.len() == 32 && name.iter().all(u8::is_ascii_hexdigit)
}

/// Removes what belongs to layers that are not there any more. Nothing where the cache is being filled.
pub fn forget(directory: &Directory) {
    if let Ok(lock) = directory.open(LOCK)
        && lock.try_lock().is_ok()
    {
        sweep(directory);
    }
}

fn layers(directory: &Directory) -> Vec<Kept> {
    let names = directory.names().unwrap_or_default();
    let kept = names.into_iter().filter_map(|name| {
        if !is_layer(&name) {
            return None;
        }
        let found = directory.open(&name).and_then(|file| file.metadata()).ok()?;
        Some(Kept {
            bytes: found.len(),
            used: found.modified().ok()?,
            name,
        })
    });
    kept.collect()
}

fn total(directory: &Directory) -> u64 {
    layers(directory)
        .iter()
        .map(|kept| kept.bytes)
        .fold(0, u64::saturating_add)
}

/// Removes files until all have at most `bytes`; `spared` goes last of all.
pub fn shrink(directory: &Directory, bytes: u64, spared: &str) {
    let mut kept = layers(directory);
    kept.sort_by_key(|kept| (kept.name != spared, std::cmp::Reverse(kept.used)));
    let mut sum: u64 = 0;
    for layer in kept {
        sum = sum.saturating_add(layer.bytes);
        if sum > bytes {
            let _ = directory.remove_file(&layer.name);
        }
    }
}

/// Removes what killed writers have left, and names of layers that are not kept any more. For who holds the lock.
pub fn sweep(directory: &Directory) {
    let mut stamps = Vec::new();
    for name in directory.names().unwrap_or_default() {
        if is_unplaced(&name) {
            let _ = directory.remove_file(&name);
        } else if is_stamp(&name) {
            let key = directory.read(&name, 16).unwrap_or_default();
            let layer: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            let made = directory.open(&name).and_then(|file| file.metadata()?.modified());
            match made {
                Ok(made) if directory.has(&layer) => stamps.push((made, name)),
                _ => {
                    let _ = directory.remove_file(&name);
                }
            }
        }
    }
    stamps.sort();
    let surplus = stamps.len().saturating_sub(MOST_STAMPS);
    for (_, name) in stamps.into_iter().take(surplus) {
        let _ = directory.remove_file(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::DirBuilderExt;
    use std::path::PathBuf;
    use std::time::Duration;

    /// A directory that goes with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("fim-hot-{name}-{}", std::process::id()));
            std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
            Scratch(path)
        }

        fn open(&self) -> Directory {
            Directory::given(&self.0).unwrap()
        }

        /// A file of a layer that was used so many minutes ago.
        fn put(&self, name: &str, bytes: u64, minutes: u64) -> String {
            let name = format!("{name:0>32}");
            let file = File::create(self.0.join(&name)).unwrap();
            file.set_len(bytes).unwrap();
            let used = SystemTime::now() - Duration::from_secs(minutes * 60);
            file.set_modified(used).unwrap();
            name
        }

        fn left(&self) -> Vec<String> {
            let names = self.open().names().unwrap();
            let mut names: Vec<_> = names.into_iter().map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            crate::trust::remove(&self.0);
        }
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let scratch = Scratch::new("oldest");
        let [old, new, spared] = [("1", 5), ("2", 1), ("3", 9)].map(|(name, minutes)| scratch.put(name, 100, minutes));
        std::fs::write(scratch.0.join(LOCK), "").unwrap();
        shrink(&scratch.open(), 300, &spared);
        assert_eq!(scratch.left().len(), 4);
        shrink(&scratch.open(), 299, &spared);
        assert_eq!(scratch.left(), [new.clone(), spared.clone(), LOCK.to_string()]);
        assert!(!scratch.left().contains(&old));
        shrink(&scratch.open(), 100, &spared);
        assert_eq!(scratch.left(), [spared.clone(), LOCK.to_string()]);
        shrink(&scratch.open(), 99, &spared);
        assert_eq!(scratch.left(), [LOCK.to_string()]);
    }

    #[test]
    fn a_tenth_of_the_free_disk_is_the_most() {
        let scratch = Scratch::new("disk");
        let disk = rustix::fs::statvfs(&scratch.0).unwrap();
        let found = bound(&scratch.open(), u64::MAX).unwrap();
        let tenth = disk.f_bavail * disk.f_frsize / 10;
        // Others write to the disk meanwhile.
        assert!(found.all.abs_diff(tenth) < tenth / 4, "{found:?} {tenth}");
        assert_eq!(found.layer, found.all / 4);
        assert_eq!(bound(&scratch.open(), 4000).unwrap(), Bound { all: 4000, layer: 1000 });
    }

    #[test]
    fn what_belongs_to_nothing_is_swept() {
        let scratch = Scratch::new("sweep");
        let layer = scratch.put("ab", 10, 1);
        let key: Vec<u8> = (0..15).map(|_| 0).chain([0xab]).chain([9; 48]).collect();
        std::fs::write(scratch.0.join("at-known"), &key).unwrap();
        std::fs::write(scratch.0.join("at-lost"), [7; 64]).unwrap();
        std::fs::write(scratch.0.join(".x.0123456789abcdef"), "").unwrap();
        std::fs::write(scratch.0.join("foreign"), "").unwrap();
        sweep(&scratch.open());
        assert_eq!(scratch.left(), [layer, "at-known".to_string(), "foreign".to_string()]);
    }
}
