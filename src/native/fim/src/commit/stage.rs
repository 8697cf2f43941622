//! An upper directory in the form that a layer has.
//!
//! A layer keeps no extended attributes, and no overlay but its own knows what unionfs-fuse or fuse-overlayfs note down. So
//! each deletion becomes a character device 0:0, which all but unionfs-fuse understand: those of unionfs-fuse and of
//! fuse-overlayfs by name, and for an opaque directory, which hides what the layers below have there, each name that it hides.
//! Files are hard links, so that nothing is copied and an interrupted commit has changed nothing.

use super::copy::{Copies, refused};
use super::stack::{Place, Stack};
use crate::fail;
use crate::failure::{Context, Result};
use crate::janitor::Made;
use crate::sys;
use dwarfs_fuse::Attributes;
use reach::{Reach, reach};
use rustix::process::{getegid, geteuid};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
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

/// Bytes of a path in the tree. Longer ones are of nobody's making but an attacker's, and are walked by recursion.
const LONGEST: usize = 64 << 10;
/// Bytes of such a path that a message shows.
const SHOWN: usize = 120;
/// What bubblewrap gives the directories that it makes.
const MADE_MODES: [u32; 3] = [0o755, 0o700, 0o1777];

/// What has to be known besides the upper directory.
pub struct Wanted<'a> {
    /// The layers of a run. The new one goes on the first `below` of them; what the others have must not hide it.
    pub layers: &'a [Place],
    pub below: usize,
    /// Whether the notes of fuse-overlayfs are read.
    pub aufs: bool,
    /// What starts have made to mount on, and nobody has used since.
    pub made: &'a Made,
    /// Directories, relative to the root, whose regular files are left out.
    pub without: &'a [PathBuf],
}

/// What became of the upper directory.
#[derive(Default)]
pub struct Staged {
    /// How many names the tree has.
    pub entries: u64,
    /// The files that were left out, by their paths relative to the root.
    pub left_out: Vec<PathBuf>,
    /// How many they are and their bytes, for each directory of `without` that has any.
    pub sums: BTreeMap<PathBuf, (u64, u64)>,
}

/// Makes `tree` out of the upper directory.
pub fn stage(upper: &Path, tree: &Path, wanted: &Wanted<'_>) -> Result<Staged> {
    let Wanted {
        layers,
        below,
        aufs,
        made,
        without,
    } = *wanted;
    let (below, above) = layers.split_at(below.min(layers.len()));
    let mut staging = Staging {
        upper,
        tree,
        below: Stack::new(below),
        above: Stack::new(above),
        aufs,
        made,
        without,
        copies: Copies::default(),
        entries: 0,
        left_out: Vec::new(),
        sums: BTreeMap::new(),
    };
    staging.directory(Path::new(""), false)?;
    Ok(Staged {
        entries: staging.entries,
        left_out: staging.left_out,
        sums: staging.sums,
    })
}

/// The file of which a name stands for a whiteout in `tree`, where no device can be made. The packer is told of it.
pub fn marker(tree: &Path) -> PathBuf {
    tree.with_file_name("whiteout")
}

/// Gives the marker, made if need be, one more name.
fn mark(marker: &Path, name: &Path) -> std::io::Result<()> {
    let made = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o000)
        .open(marker);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::hard_link(marker, name),
    }
}

/// Whether whiteouts can be made here, or others have noted deletions in another way because they cannot.
pub fn are_whiteouts_possible(tree: &Path) -> bool {
    let trial = tree.with_file_name("trial");
    let made = sys::make_whiteout(&trial);
    let _ = fs::remove_file(&trial);
    made.is_ok()
}

struct Staging<'a> {
    upper: &'a Path,
    tree: &'a Path,
    below: Stack<'a>,
    above: Stack<'a>,
    aufs: bool,
    made: &'a Made,
    without: &'a [PathBuf],
    copies: Copies,
    entries: u64,
    left_out: Vec<PathBuf>,
    sums: BTreeMap<PathBuf, (u64, u64)>,
}

impl Staging<'_> {
    /// `path` is relative to the root. `opaque` when nothing of the layers below is seen in it.
    fn directory(&mut self, path: &Path, opaque: bool) -> Result<()> {
        let source = reached(&self.upper.join(path))?;
        let target = reached(&self.tree.join(path))?;
        let metadata = fs::symlink_metadata(&source).context(|| format!("cannot look at '{}'", source.display()))?;
        fs::create_dir(&target).context(|| format!("cannot make '{}'", target.display()))?;
        let mut opaque = opaque || is_opaque(&source)?;
        let mut hidden = self.unionfs_hidden(path)?;
        let mut names = BTreeSet::new();
        let listed = match list(&source) {
            Ok(names) => names,
            Err(error) => return refused(&source, &metadata, &error),
        };
        // Not while the directories in it are walked, which may be thousands deep.
        drop((source, target));
        for name in listed {
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
        let target = reached(&self.tree.join(path))?;
        dress(&target, &metadata).context(|| format!("cannot set the attributes of '{}'", target.display()))
    }

    fn entry(&mut self, path: &Path, opaque: bool) -> Result<()> {
        if path.as_os_str().len() > LONGEST {
            return too_deep(path);
        }
        let source = reached(&self.upper.join(path))?;
        let metadata = fs::symlink_metadata(&source).context(|| format!("cannot look at '{}'", source.display()))?;
        if metadata.file_type().is_char_device() && metadata.rdev() == 0 {
            return self.whiteout(path);
        }
        refuse_unknown(&source, &metadata)?;
        if metadata.is_dir() {
            if self.above.covers_directory(path)? {
                return hides(path);
            }
            drop(source);
            let before = self.entries;
            self.entries += 1;
            self.directory(path, opaque)?;
            if self.entries == before + 1 && self.is_of_a_start(path, &metadata)? {
                let target = reached(&self.tree.join(path))?;
                fs::remove_dir(&target).context(|| format!("cannot remove '{}'", target.display()))?;
                self.entries = before;
            }
            return Ok(());
        }
        if metadata.is_file() && metadata.len() == 0 && metadata.nlink() == 1 && self.made.has_file(path) {
            return Ok(());
        }
        if metadata.is_file()
            && let Some(directory) = self.without.iter().find(|directory| path.starts_with(directory))
        {
            let (files, bytes) = self.sums.entry(directory.clone()).or_default();
            *files += 1;
            *bytes += metadata.len();
            self.left_out.push(path.to_path_buf());
            return Ok(());
        }
        if self.above.covers(path)? {
            return hides(path);
        }
        self.entries += 1;
        let target = reached(&self.tree.join(path))?;
        match fs::hard_link(&source, &target) {
            // Of another user, or with as many names as the file system takes.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::EMLINK)) => self
                .copies
                .make(&self.upper.join(path), &self.tree.join(path), &metadata),
            linked => linked.context(|| format!("cannot link '{}'", source.display())),
        }
    }

    /// Whether an empty directory is there only because a start needed it to mount on: it has made it, or what lies in it, which
    /// brings a directory of the layers into the upper one as it is.
    fn is_of_a_start(&mut self, path: &Path, metadata: &Metadata) -> Result<bool> {
        let is_made = self.made.has_directory(path);
        if !is_made && !self.made.is_parent(path) {
            return Ok(false);
        }
        let Some(like) = self.below.directory(path)? else {
            return Ok(is_made && MADE_MODES.contains(&(metadata.mode() & 0o7777)));
        };
        let own = (geteuid().as_raw(), getegid().as_raw());
        let owners = (metadata.uid(), metadata.gid());
        Ok(like.mode == metadata.mode() & 0o7777 && (owners == (like.uid, like.gid) || owners == own && own.0 != 0))
    }

    fn whiteout(&mut self, path: &Path) -> Result<()> {
        if self.above.covers(path)? {
            return hides(path);
        }
        self.entries += 1;
        let target = reached(&self.tree.join(path))?;
        let made = match sys::make_whiteout(&target) {
            // Linux before 5.8 lets only root make any device.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => mark(&marker(self.tree), &target),
            made => made,
        };
        made.context(|| format!("cannot note the deletion '{}'", target.display()))
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
            let target = reached(&self.tree.join(&path))?;
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
        if notes.is_dir() {
            list(&notes).context(|| format!("cannot list '{}'", notes.display()))
        } else {
            Ok(Vec::new())
        }
    }
}

fn hides(path: &Path) -> Result<()> {
    fail!(
        "'/{}' would be hidden by a layer outside of the image, which lies above those inside; commit to a layer instead",
        path.display()
    )
}

fn too_deep(path: &Path) -> Result<()> {
    // The whole path fills screens. `rm` of many guests meets the same limit as we do.
    let mut start = PathBuf::new();
    for name in path {
        if !start.as_os_str().is_empty() && start.as_os_str().len() + name.len() > SHOWN {
            break;
        }
        start.push(name);
    }
    let start = start.display();
    fail!(
        "a path of {} bytes below '/{start}' is too long to be committed; move it up, or remove it: fim-exec sh -c '\"$FIM_DIR_APP_BIN/fim\" remove \"/{start}\"'",
        path.as_os_str().len()
    )
}

fn reached(path: &Path) -> Result<Reach> {
    reach(path).context(|| "cannot open the directories of a long path".to_string())
}

fn list(directory: &Path) -> std::io::Result<Vec<OsString>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// Owner, permissions and times of a directory.
pub fn dress(target: &Path, metadata: &Metadata) -> std::io::Result<()> {
    // Only root can give it away, and what others pack is all root's.
    match std::os::unix::fs::lchown(target, Some(metadata.uid()), Some(metadata.gid())) {
        Err(_) if geteuid().as_raw() != 0 => {}
        owned => owned?,
    }
    fs::set_permissions(target, fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
    // A directory that only its owner may not open is opened by nobody here: by its path, which needs no permission on it.
    sys::set_times(target, metadata)
}

/// Gives a directory what a layer says of one. Only root can give it an owner, and what others pack is all root's.
fn imitate(target: &Path, like: &Attributes) -> std::io::Result<()> {
    if geteuid().as_raw() == 0 {
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
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let metadata = fs::symlink_metadata(path).context(|| format!("cannot look at '{}'", path.display()))?;
            refused(path, &metadata, &error)
        }
        result => result.context(|| format!("cannot read {name} of '{}'", path.display())),
    }
}
