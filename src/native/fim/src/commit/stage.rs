//! An upper directory in the form that a layer has.
//!
//! A layer keeps no extended attributes, and no overlay but its own knows what unionfs-fuse or fuse-overlayfs note down. So
//! each deletion becomes a character device 0:0, which all but unionfs-fuse understand: those of unionfs-fuse and of
//! fuse-overlayfs by name, and for an opaque directory, which hides what the layers below have there, each name that it hides.
//! Files are hard links, so that nothing is copied and an interrupted commit has changed nothing.

use super::stack::{Place, Stack};
use crate::fail;
use crate::failure::{Context, Result};
use crate::sys;
use dwarfs_fuse::Attributes;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where unionfs-fuse notes deletions, in the root of the upper directory.
const UNIONFS: &str = ".unionfs-fuse";
const UNIONFS_HIDDEN: &[u8] = b"_HIDDEN~";
/// fuse-overlayfs, where it may make no devices.
const AUFS_HIDDEN: &[u8] = b".wh.";
const AUFS_OPAQUE: &[u8] = b".wh..wh..opq";
/// What the kernel's overlay and fuse-overlayfs call theirs.
const PREFIXES: [&str; 3] = ["trusted.overlay.", "user.overlay.", "user.fuseoverlayfs."];
/// Attributes without which an entry is something else. All are off unless somebody switches them on.
const REFUSED: [&str; 3] = ["redirect", "metacopy", "whiteout"];

/// Makes `tree` out of the upper directory. The layer goes on the first `below` of `layers`; what the others have must not
/// hide it. With `aufs` the notes of fuse-overlayfs are read. The answer is how many names there are.
pub fn stage(upper: &Path, tree: &Path, layers: &[Place], below: usize, aufs: bool) -> Result<u64> {
    let (below, above) = layers.split_at(below.min(layers.len()));
    let mut staging = Staging {
        upper,
        tree,
        below: Stack::new(below),
        above: Stack::new(above),
        aufs,
        entries: 0,
    };
    staging.directory(Path::new(""), false)?;
    Ok(staging.entries)
}

struct Staging<'a> {
    upper: &'a Path,
    tree: &'a Path,
    below: Stack<'a>,
    above: Stack<'a>,
    aufs: bool,
    entries: u64,
}

impl Staging<'_> {
    /// `path` is relative to the root. `opaque` when nothing of the layers below is seen in it.
    fn directory(&mut self, path: &Path, opaque: bool) -> Result<()> {
        let source = self.upper.join(path);
        let target = self.tree.join(path);
        let metadata = fs::symlink_metadata(&source).context(|| format!("cannot look at '{}'", source.display()))?;
        fs::create_dir(&target).context(|| format!("cannot make '{}'", target.display()))?;
        let mut opaque = opaque || is_opaque(&source)?;
        let mut hidden = self.unionfs_hidden(path)?;
        let mut names = BTreeSet::new();
        for name in list(&source)? {
            let is_metadata = path.as_os_str().is_empty() && name == UNIONFS;
            match name.as_bytes().strip_prefix(AUFS_HIDDEN) {
                _ if is_metadata => {}
                Some(_) if self.aufs && name.as_bytes() == AUFS_OPAQUE => opaque = true,
                Some(deleted) if self.aufs => {
                    hidden.insert(OsString::from_vec(deleted.to_vec()));
                }
                _ => {
                    names.insert(name);
                }
            }
        }
        for name in &names {
            self.entry(&path.join(name), opaque || hidden.contains(name))?;
        }
        if opaque {
            hidden.extend(self.below.names(path)?);
        } else {
            self.notes(path, &names.union(&hidden).cloned().collect())?;
        }
        for name in hidden.difference(&names) {
            self.whiteout(&path.join(name))?;
        }
        dress(&target, &metadata).context(|| format!("cannot set the attributes of '{}'", target.display()))
    }

    fn entry(&mut self, path: &Path, opaque: bool) -> Result<()> {
        let source = self.upper.join(path);
        let metadata = fs::symlink_metadata(&source).context(|| format!("cannot look at '{}'", source.display()))?;
        if metadata.file_type().is_char_device() && metadata.rdev() == 0 {
            return self.whiteout(path);
        }
        refuse_unknown(&source, &metadata)?;
        if metadata.is_dir() {
            if self.above.covers_directory(path)? {
                return hides(path);
            }
            self.entries += 1;
            return self.directory(path, opaque);
        }
        if self.above.covers(path)? {
            return hides(path);
        }
        self.entries += 1;
        fs::hard_link(&source, self.tree.join(path)).context(|| format!("cannot link '{}'", source.display()))
    }

    fn whiteout(&mut self, path: &Path) -> Result<()> {
        if self.above.covers(path)? {
            return hides(path);
        }
        self.entries += 1;
        let target = self.tree.join(path);
        sys::make_whiteout(&target).context(|| format!("cannot note the deletion '{}'", target.display()))
    }

    /// What unionfs-fuse has deleted below `path` in directories that are not among the `known` ones: it notes a deletion
    /// without making the directory.
    fn notes(&mut self, path: &Path, known: &BTreeSet<OsString>) -> Result<()> {
        for name in self.unionfs_notes(path)? {
            let path = path.join(&name);
            if name.as_bytes().ends_with(UNIONFS_HIDDEN) || known.contains(&name) {
                continue;
            }
            let hidden = self.unionfs_hidden(&path)?;
            let Some(like) = self.below.directory(&path)? else {
                // Nothing is there to be deleted, or a layer has it that this one would lie below.
                if !hidden.is_empty() && self.above.covers(&path)? {
                    return hides(&path);
                }
                continue;
            };
            let target = self.tree.join(&path);
            fs::create_dir(&target).context(|| format!("cannot make '{}'", target.display()))?;
            for name in &hidden {
                self.whiteout(&path.join(name))?;
            }
            self.notes(&path, &hidden)?;
            // Where all came back there is nothing to say.
            if fs::remove_dir(&target).is_err() {
                imitate(&target, &like).context(|| format!("cannot set the attributes of '{}'", target.display()))?;
                self.entries += 1;
            }
        }
        Ok(())
    }

    /// Names in a directory that unionfs-fuse has deleted.
    fn unionfs_hidden(&self, path: &Path) -> Result<BTreeSet<OsString>> {
        let hidden = |name: OsString| {
            name.as_bytes()
                .strip_suffix(UNIONFS_HIDDEN)
                .map(|name| OsStr::from_bytes(name).to_os_string())
        };
        Ok(self.unionfs_notes(path)?.into_iter().filter_map(hidden).collect())
    }

    /// What unionfs-fuse has noted about a directory: names that are deleted, and directories with such names.
    fn unionfs_notes(&self, path: &Path) -> Result<Vec<OsString>> {
        let notes: PathBuf = self.upper.join(UNIONFS).join(path);
        if notes.is_dir() { list(&notes) } else { Ok(Vec::new()) }
    }
}

fn hides(path: &Path) -> Result<()> {
    fail!(
        "'/{}' would be hidden by a layer outside of the image, which lies above those inside; commit to a layer instead",
        path.display()
    )
}

fn list(directory: &Path) -> Result<Vec<OsString>> {
    let failed = || format!("cannot list '{}'", directory.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).context(failed)? {
        names.push(entry.context(failed)?.file_name());
    }
    Ok(names)
}

/// Owner, permissions and times of a directory.
fn dress(target: &Path, metadata: &Metadata) -> std::io::Result<()> {
    std::os::unix::fs::lchown(target, Some(metadata.uid()), Some(metadata.gid()))?;
    fs::set_permissions(target, fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
    // A directory that only its owner may not open is opened by nobody here: by its path, which needs no permission on it.
    sys::set_times(target, metadata)
}

/// Gives a directory what a layer says of one. Only root can give it an owner, and what others pack is all root's.
fn imitate(target: &Path, like: &Attributes) -> std::io::Result<()> {
    if sys::effective_uid() == 0 {
        std::os::unix::fs::lchown(target, Some(like.uid), Some(like.gid))?;
    }
    fs::set_permissions(target, fs::Permissions::from_mode(like.mode))?;
    let time = |seconds| (i64::try_from(seconds).unwrap_or(i64::MAX), 0);
    sys::set_times_to(target, [time(like.accessed), time(like.modified)])
}

fn is_opaque(directory: &Path) -> Result<bool> {
    for prefix in PREFIXES {
        let name = format!("{prefix}opaque");
        let value = attribute(directory, &name)?;
        if value.as_deref() == Some(b"y") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn refuse_unknown(path: &Path, metadata: &Metadata) -> Result<()> {
    if !metadata.is_dir() && !metadata.is_file() {
        return Ok(());
    }
    for prefix in PREFIXES {
        for kind in REFUSED {
            let name = format!("{prefix}{kind}");
            let value = attribute(path, &name)?;
            if value.is_some() {
                fail!(
                    "'{}' has the attribute {name}, which a layer cannot keep; copy it in the guest and remove the original",
                    path.display()
                )
            }
        }
    }
    Ok(())
}

fn attribute(path: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    match sys::attribute(path, name) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => fail!(
            "'{}' cannot be read, not even by its owner; allow that in the guest (chmod u+r), then commit",
            path.display()
        ),
        result => result.context(|| format!("cannot read {name} of '{}'", path.display())),
    }
}
