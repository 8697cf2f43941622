//! A layer as plain files, for a host on which it cannot be mounted.

use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::sys;
use dwarfs_fuse::{Attributes, Kind, Layer};
use reach::{Reach, reach};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PIECE: usize = 1 << 20;
/// Pieces of nothing but zeros become holes. The size is that of a block of most file systems.
const HOLE: usize = 4096;
/// The last second of what the oldest file systems can note, in 2038.
const LAST_TIME: u64 = i32::MAX as u64;
/// What ends the extraction when it comes from a terminal; the holder has them blocked.
const ENDING: [i32; 2] = [libc::SIGINT, libc::SIGQUIT];

/// A directory of a layer and where it goes.
struct Directory {
    inode: u32,
    path: PathBuf,
}

/// All directories of a layer, each behind the one it lies in. The first is the root, at `target`.
fn directories(layer: &Layer, target: &Path) -> Vec<Directory> {
    let root = Directory {
        inode: 0,
        path: target.to_path_buf(),
    };
    let mut all = vec![root];
    let mut next = 0;
    while let Some(Directory { inode, path }) = all.get(next) {
        let below: Vec<Directory> = layer
            .entries(*inode)
            .into_iter()
            .flatten()
            .filter(|entry| kind(layer, entry.inode) == Some(Kind::Directory))
            .map(|entry| Directory {
                inode: entry.inode,
                path: path.join(OsStr::from_bytes(entry.name)),
            })
            .collect();
        all.extend(below);
        next += 1;
    }
    all
}

fn kind(layer: &Layer, inode: u32) -> Option<Kind> {
    layer.attributes(inode).map(|attributes| attributes.kind)
}

/// Whether an extracted tree still has all of its names: to add or remove one changes the time of its directory. Times of
/// layers are whole seconds, so a change in the same second is told by its fraction.
pub fn is_whole(layer: &Layer, target: &Path) -> bool {
    directories(layer, target).iter().all(|directory| {
        let said = layer
            .attributes(directory.inode)
            .map_or(0, |attributes| attributes.modified);
        let found = reach(&directory.path).and_then(std::fs::symlink_metadata).ok();
        found.is_some_and(|found| {
            // Not every file system can keep a later time.
            let is_far = said > LAST_TIME;
            found.is_dir() && (is_far || u64::try_from(found.mtime()) == Ok(said) && found.mtime_nsec() == 0)
        })
    })
}

/// Writes the tree of `layer` to the new directory `target`. With `owners` each file gets the owner that the layer says, else
/// all belong to the caller. `progress` is told of bytes. The answer is how many devices could not be made.
pub fn extract(layer: &Layer, target: &Path, owners: bool, mut progress: impl FnMut(u64)) -> Result<u64> {
    let mut extraction = Extraction {
        layer,
        owners,
        files: Vec::new(),
        first_names: HashMap::new(),
        missing_devices: 0,
    };
    let directories = directories(layer, target);
    for directory in &directories {
        extraction.directory(directory)?;
    }
    // In the order of the blocks, so that each is decompressed once.
    extraction.files.sort_by_key(|(place, ..)| *place);
    let files = std::mem::take(&mut extraction.files);
    let mut buffer = Vec::with_capacity(PIECE);
    for (_, inode, path) in &files {
        extraction.content(*inode, path, &mut buffer, &mut progress)?;
    }
    // Last, because whatever is made in a directory changes its time, and outermost last, because a mode may close it.
    for directory in directories.iter().rev() {
        extraction.dress(directory.inode, &directory.path)?;
    }
    Ok(extraction.missing_devices)
}

struct Extraction<'a> {
    layer: &'a Layer,
    owners: bool,
    /// Regular files: the place of their first byte, which inode, and their path.
    files: Vec<((Option<u32>, u32), u32, PathBuf)>,
    /// Of files with several names, the first.
    first_names: HashMap<u32, PathBuf>,
    missing_devices: u64,
}

impl Extraction<'_> {
    /// Makes a directory, and in it everything but directories and the content of files.
    fn directory(&mut self, directory: &Directory) -> Result<()> {
        let path = &directory.path;
        DirBuilder::new()
            .mode(0o700)
            .create(at(path)?)
            .map_err(|error| cannot(path, &error))?;
        let layer = self.layer;
        for entry in layer.entries(directory.inode).into_iter().flatten() {
            let path = directory.path.join(OsStr::from_bytes(entry.name));
            let attributes = self.attributes(entry.inode)?;
            if attributes.kind == Kind::Directory {
                continue;
            }
            if attributes.links > 1 {
                if let Some(first) = self.first_names.get(&entry.inode) {
                    std::fs::hard_link(at(first)?, at(&path)?).map_err(|error| cannot(&path, &error))?;
                    continue;
                }
                self.first_names.insert(entry.inode, path.clone());
            }
            self.entry(&attributes, path)?;
        }
        Ok(())
    }

    fn entry(&mut self, attributes: &Attributes, path: PathBuf) -> Result<()> {
        let reached = at(&path)?;
        let made = match attributes.kind {
            Kind::Directory => return Ok(()),
            Kind::File => {
                File::create_new(&reached).map_err(|error| cannot(&path, &error))?;
                let first = self.layer.extents(attributes.inode, 0).and_then(|mut all| all.next());
                let place = first.map_or((None, 0), |extent| (extent.block, extent.offset));
                self.files.push((place, attributes.inode, path));
                return Ok(());
            }
            Kind::Symlink => {
                let target = self.layer.target(attributes.inode).unwrap_or_default();
                std::os::unix::fs::symlink(OsStr::from_bytes(target), &reached)
            }
            Kind::Pipe => sys::make_node(&reached, libc::S_IFIFO, 0),
            Kind::Socket => sys::make_node(&reached, libc::S_IFSOCK, 0),
            Kind::CharacterDevice => sys::make_node(&reached, libc::S_IFCHR, attributes.device),
            Kind::BlockDevice => sys::make_node(&reached, libc::S_IFBLK, attributes.device),
        };
        match made {
            // Only root may make a device. One that stands for a deletion anybody may make, since Linux 5.8.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) && attributes.device != 0 => {
                self.missing_devices += 1;
                Ok(())
            }
            Err(error) if error.raw_os_error() == Some(libc::EPERM) && attributes.kind == Kind::CharacterDevice => {
                fail!(
                    "a deletion in a layer cannot be noted at '{}': {error}; Linux before 5.8 allows that to root only",
                    path.display()
                )
            }
            Err(error) => Err(cannot(&path, &error)),
            Ok(()) => self.dress(attributes.inode, &path),
        }
    }

    fn content(&self, inode: u32, path: &Path, buffer: &mut Vec<u8>, progress: &mut impl FnMut(u64)) -> Result<()> {
        let failed = |error: std::io::Error| cannot(path, &error);
        let file = File::options().write(true).open(at(path)?).map_err(failed)?;
        let size = self.attributes(inode)?.size;
        let mut offset = 0;
        while offset < size {
            if sys::is_pending(&ENDING) {
                fail!("interrupted while the layers were unpacked")
            }
            // A hole may be of any size, and nothing has to be written for it.
            let next = self.layer.extents(inode, offset).and_then(|mut rest| rest.next());
            if let Some(hole) = next.filter(|extent| extent.block.is_none()) {
                offset += hole.size;
                progress(hole.size);
                continue;
            }
            buffer.clear();
            self.layer
                .read(inode, offset, PIECE, |bytes| buffer.extend_from_slice(bytes))
                .context(|| "a layer is damaged, some of its files cannot be read".to_string())?;
            if buffer.is_empty() {
                fail!("a layer is damaged: '{}' ends too early", path.display())
            }
            write_sparsely(&file, buffer, offset).map_err(failed)?;
            offset += buffer.len() as u64;
            progress(buffer.len() as u64);
        }
        file.set_len(size).map_err(failed)?;
        self.dress(inode, path)
    }

    /// Owner, permissions and time, in this order: each undoes the one behind it.
    fn dress(&self, inode: u32, path: &Path) -> Result<()> {
        let attributes = self.attributes(inode)?;
        let failed = |error: std::io::Error| cannot(path, &error);
        let reached = at(path)?;
        let path: &Path = &reached;
        if self.owners {
            std::os::unix::fs::lchown(path, Some(attributes.uid), Some(attributes.gid)).map_err(failed)?;
        }
        if attributes.kind != Kind::Symlink {
            std::fs::set_permissions(path, Permissions::from_mode(attributes.mode)).map_err(failed)?;
        }
        let time = |seconds: u64| (i64::try_from(seconds).unwrap_or(i64::MAX), 0);
        sys::set_times_to(path, [time(attributes.accessed), time(attributes.modified)]).map_err(failed)
    }

    fn attributes(&self, inode: u32) -> Result<Attributes> {
        let Some(attributes) = self.layer.attributes(inode) else {
            fail!("a layer is damaged: it has no inode {inode}")
        };
        Ok(attributes)
    }
}

/// A path of any length.
fn at(path: &Path) -> Result<Reach> {
    reach(path).map_err(|error| cannot(path, &error))
}

/// Writes `bytes` at `offset` of a file that has nothing there yet, and leaves out what is only zeros.
fn write_sparsely(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    let is_zero = |piece: &[u8]| piece.iter().all(|byte| *byte == 0);
    let mut start = 0;
    while start < bytes.len() {
        let run = |from: usize, zeros: bool| {
            let alike = bytes[from..].chunks(HOLE).take_while(|piece| is_zero(piece) == zeros);
            alike.map(<[u8]>::len).sum::<usize>()
        };
        start += run(start, true);
        let data = run(start, false);
        file.write_all_at(&bytes[start..start + data], offset + start as u64)?;
        start += data;
    }
    Ok(())
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => Failure("no space left".to_string()),
        _ => Failure(format!("cannot make '{}': {error}", path.display())),
    }
}
