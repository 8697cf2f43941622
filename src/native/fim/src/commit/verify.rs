//! Compares a layer with the tree that it was made of, name by name and byte by byte.

use super::stack;
use crate::fail;
use crate::failure::{Context, Result};
use crate::sys;
use dwarfs_fuse::{Cache, Kind, Layer};
use reach::reach;
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

const CACHE: u64 = 64 << 20;
const PIECE: usize = 1 << 20;

/// Fails with the first difference. `owned_by_root` when the layer says that all is root's, whatever the tree says.
pub fn verify(layer: &Path, tree: &Path, owned_by_root: bool) -> Result<()> {
    let layer = stack::open(layer, 0, None, Cache::new(CACHE))?;
    let marker = fs::symlink_metadata(super::stage::marker(tree)).ok();
    let mut comparison = Comparison {
        layer: &layer,
        marker: marker.map(|metadata| (metadata.dev(), metadata.ino())),
        owned_by_root,
        there: HashMap::new(),
        back: HashMap::new(),
        buffer: vec![0; PIECE],
    };
    comparison.entry(tree, 0)
}

struct Comparison<'a> {
    layer: &'a Layer,
    /// Device and inode of what stands for whiteouts in the tree.
    marker: Option<(u64, u64)>,
    owned_by_root: bool,
    /// Which inode of the layer each of the tree is, and back: names of one file are names of one file there.
    there: HashMap<u64, u32>,
    back: HashMap<u32, u64>,
    buffer: Vec<u8>,
}

impl Comparison<'_> {
    fn entry(&mut self, path: &Path, inode: u32) -> Result<()> {
        let look = || fs::symlink_metadata(reach(path)?);
        let metadata = look().context(|| format!("cannot look at '{}'", path.display()))?;
        let Some(found) = self.layer.attributes(inode) else {
            return differs(path, "its inode");
        };
        let owner = if self.owned_by_root {
            (0, 0)
        } else {
            (metadata.uid(), metadata.gid())
        };
        let is_device = matches!(found.kind, Kind::CharacterDevice | Kind::BlockDevice);
        let kind = if self.marker == Some((metadata.dev(), metadata.ino())) {
            Some(Kind::CharacterDevice)
        } else {
            kind_of(&metadata)
        };
        let wrong = if kind != Some(found.kind) {
            "its type"
        } else if found.mode != metadata.mode() & 0o7777 {
            "its permissions"
        } else if (found.uid, found.gid) != owner {
            "its owner"
        } else if found.modified != metadata.mtime().clamp(0, u32::MAX.into()) as u64 {
            "its time"
        } else if is_device && found.device != metadata.rdev() {
            "its device number"
        } else {
            ""
        };
        if !wrong.is_empty() {
            return differs(path, wrong);
        }
        let there = *self.there.entry(metadata.ino()).or_insert(inode);
        let back = *self.back.entry(inode).or_insert(metadata.ino());
        if (there, back) != (inode, metadata.ino()) {
            return differs(path, "which file it is a link to");
        }
        match found.kind {
            Kind::Directory => self.directory(path, inode),
            Kind::File => self.content(path, inode, metadata.len()),
            Kind::Symlink => {
                let target = reach(path)
                    .and_then(fs::read_link)
                    .context(|| format!("cannot read the link '{}'", path.display()))?;
                if self.layer.target(inode) != Some(target.as_os_str().as_bytes()) {
                    return differs(path, "its target");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn directory(&mut self, path: &Path, inode: u32) -> Result<()> {
        let failed = || format!("cannot list '{}'", path.display());
        let mut names = BTreeSet::new();
        for entry in reach(path).and_then(fs::read_dir).context(failed)? {
            names.insert(entry.context(failed)?.file_name().as_bytes().to_vec());
        }
        let entries = self.layer.entries(inode).into_iter().flatten();
        let found: Vec<(Vec<u8>, u32)> = entries.map(|entry| (entry.name.to_vec(), entry.inode)).collect();
        if !names.iter().eq(found.iter().map(|(name, _)| name)) {
            return differs(path, "the names in it");
        }
        for (name, inode) in found {
            let below: PathBuf = path.join(std::ffi::OsStr::from_bytes(&name));
            self.entry(&below, inode)?;
        }
        Ok(())
    }

    /// Holes that both have are the same; everything else is read, and a hole reads as zeros.
    fn content(&mut self, path: &Path, inode: u32, size: u64) -> Result<()> {
        let failed = || format!("cannot read '{}'", path.display());
        let file = reach(path).and_then(File::open).context(failed)?;
        if self.layer.attributes(inode).map(|attributes| attributes.size) != Some(size) {
            return differs(path, "its size");
        }
        let mut offset = 0;
        while offset < size {
            let data = sys::next_data(&file, offset).context(failed)?.unwrap_or(size).min(size);
            let both = self.layer.hole(inode, offset).min(data - offset);
            if both > 0 {
                offset += both;
                continue;
            }
            let wanted = usize::try_from(size - offset).unwrap_or(PIECE).min(PIECE);
            let buffer = self.buffer.get_mut(..wanted).unwrap_or_default();
            let read = file.read_at(buffer, offset).context(failed)?;
            if read == 0 {
                return differs(path, "its size");
            }
            let expected = self.buffer.get(..read).unwrap_or_default();
            let layer = self.layer;
            let same = layer
                .read(inode, offset, read, |bytes| bytes == expected)
                .context(|| format!("cannot read '{}' of the new layer", path.display()))?;
            if !same {
                return differs(path, "its content");
            }
            offset += read as u64;
        }
        if file.metadata().context(failed)?.len() == size {
            Ok(())
        } else {
            differs(path, "its size")
        }
    }
}

fn kind_of(metadata: &Metadata) -> Option<Kind> {
    let kind = metadata.file_type();
    Some(match () {
        () if kind.is_dir() => Kind::Directory,
        () if kind.is_symlink() => Kind::Symlink,
        () if kind.is_file() => Kind::File,
        () if kind.is_block_device() => Kind::BlockDevice,
        () if kind.is_char_device() => Kind::CharacterDevice,
        () if kind.is_fifo() => Kind::Pipe,
        () if kind.is_socket() => Kind::Socket,
        () => return None,
    })
}

fn differs(path: &Path, what: &str) -> Result<()> {
    fail!(
        "the new layer is not what it was made of: {what} differs at '{}'",
        path.display()
    )
}
