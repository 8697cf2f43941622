//! Removes trees, whatever somebody has made of them.
//!
//! By descriptors, so that no path is longer than the kernel takes and no link is followed; without recursion, so that no depth ends
//! the stack; with two descriptors, so that no depth ends those either. The way back up is `..`, which is compared with where we came from.

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, StatxFlags, fstat, openat, statx, unlinkat};
use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// So many failures are told apart; of more than these there is only the number.
const TOLD: usize = 100;
/// How often a removal begins that others disturb.
const TURNS: u32 = 10;

/// What could not be removed.
#[derive(Debug, Default)]
pub struct Left {
    /// The first of them, with paths below the tree's own.
    pub told: Vec<(PathBuf, Error)>,
    /// All of them.
    pub count: usize,
    /// Somebody else has moved or removed a directory that was being emptied.
    is_disturbed: bool,
}

impl Left {
    fn add(&mut self, path: impl FnOnce() -> PathBuf, error: Error) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push((path(), error));
        }
    }
}

/// Removes a file, a link or a directory with all that is in it. Nothing of what is mounted below is touched. What is not there counts
/// as removed. Directories without permissions, as overlays leave them, get those of their owner first.
pub fn remove_tree(path: &Path) -> Left {
    let mut left = Left::default();
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        left.add(|| path.to_path_buf(), Error::from(ErrorKind::InvalidInput));
        return left;
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    match open(CWD, parent.as_os_str(), OFlags::empty()) {
        Ok(parent) => remove_in_turns(&parent, name, path),
        Err(error) if error.kind() == ErrorKind::NotFound => left,
        Err(error) => {
            left.add(|| path.to_path_buf(), error.into());
            left
        }
    }
}

/// The same for an entry of an open directory.
pub fn remove_tree_in(parent: &OwnedFd, name: &OsStr) -> Left {
    remove_in_turns(parent, name, Path::new(name))
}

/// Begins again where another process removes the same tree: one of them comes to its end.
fn remove_in_turns(parent: &OwnedFd, name: &OsStr, shown: &Path) -> Left {
    let mut left = Left::default();
    for _ in 0..TURNS {
        left = remove_tree_at(parent, name, shown, Left::default());
        if !left.is_disturbed {
            break;
        }
    }
    left
}

/// Of an open directory, the entry `name` with all that is in it. `shown` is its path in what is told.
fn remove_tree_at(parent: &OwnedFd, name: &OsStr, shown: &Path, mut left: Left) -> Left {
    match unlink(parent, name, AtFlags::empty()) {
        Ok(()) => return left,
        Err(error) if error.kind() == ErrorKind::NotFound => return left,
        Err(error) if !may_be_directory(&error) => {
            left.add(|| shown.to_path_buf(), error);
            return left;
        }
        Err(_) => {}
    }
    let mut walk = match Walk::enter(parent, name) {
        Ok(walk) => walk,
        Err(error) => {
            left.add(|| shown.to_path_buf(), error);
            return left;
        }
    };
    walk.list(shown, &mut left);
    while let Some(level) = walk.levels.last_mut() {
        if let Some(name) = level.directories.pop() {
            // Most are empty once their files are gone, or were from the start.
            if unlink(&walk.current, &name, AtFlags::REMOVEDIR).is_ok() {
                continue;
            }
            match walk.descend(&name) {
                Ok(()) => walk.list(shown, &mut left),
                // Somebody else removes it too.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => left.add(|| walk.path(shown, &name), error),
            }
            continue;
        }
        if walk.levels.len() == 1 {
            break;
        }
        match walk.ascend() {
            Ok(name) => {
                if let Err(error) = unlink(&walk.current, &name, AtFlags::REMOVEDIR)
                    && error.kind() != ErrorKind::NotFound
                {
                    left.add(|| walk.path(shown, &name), error);
                }
            }
            Err(error) => {
                // Somebody moves directories while we remove them: it is safer to touch nothing any more.
                left.is_disturbed = true;
                left.add(|| shown.to_path_buf(), error);
                return left;
            }
        }
    }
    // Two processes that remove the same tree meet entries that the other has removed. Both may try the root.
    match unlink(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) => return Left::default(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Left::default(),
        Err(error) if left.count == 0 => left.add(|| shown.to_path_buf(), error),
        Err(_) => {}
    }
    left
}

/// A directory on the way from the tree's root to where we are.
struct Level {
    /// What its parent calls it; of the root nothing.
    name: OsString,
    identity: (u64, u64),
    /// What is still to be removed.
    directories: Vec<OsString>,
}

struct Walk {
    current: OwnedFd,
    mount: Mount,
    levels: Vec<Level>,
}

impl Walk {
    fn enter(parent: &OwnedFd, name: &OsStr) -> Result<Walk> {
        let current = open_directory(parent.as_fd(), name)?;
        let (device, inode) = identify(&current)?;
        let walk = Walk {
            mount: Mount::of(&current, device),
            current,
            levels: vec![Level {
                name: OsString::new(),
                identity: (device, inode),
                directories: Vec::new(),
            }],
        };
        // Where the tree itself is a mount point, its content belongs to somebody else.
        let (parent_device, _) = identify(parent)?;
        if !Mount::of(parent, parent_device).holds(&walk.current, device) {
            return Err(Error::from(ErrorKind::ResourceBusy));
        }
        Ok(walk)
    }

    fn path(&self, shown: &Path, name: &OsStr) -> PathBuf {
        let mut path = shown.to_path_buf();
        path.extend(self.levels.iter().skip(1).map(|level| &level.name));
        path.push(name);
        path
    }

    /// Removes all files of the directory where we are, and notes its directories.
    fn list(&mut self, shown: &Path, left: &mut Left) {
        let listed = names(&self.current);
        let (names, failure) = match listed {
            Ok(names) => (names, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut directories = Vec::new();
        for (name, is_directory) in names {
            if is_directory {
                directories.push(name);
                continue;
            }
            match unlink(&self.current, &name, AtFlags::empty()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.raw_os_error() == Some(libc::EISDIR) => directories.push(name),
                Err(error) => left.add(|| self.path(shown, &name), error),
            }
        }
        if let Some(error) = failure {
            left.add(|| self.path(shown, OsStr::new("")), error);
        }
        if let Some(level) = self.levels.last_mut() {
            level.directories = directories;
        }
    }

    fn descend(&mut self, name: &OsStr) -> Result<()> {
        let below = open_directory(self.current.as_fd(), name)?;
        let identity = identify(&below)?;
        if !self.mount.holds(&below, identity.0) {
            return Err(Error::from(ErrorKind::ResourceBusy));
        }
        self.current = below;
        self.levels.push(Level {
            name: name.to_os_string(),
            identity,
            directories: Vec::new(),
        });
        Ok(())
    }

    /// Goes to the parent; the answer is the name of where we were.
    fn ascend(&mut self) -> Result<OsString> {
        let above = open(self.current.as_fd(), OsStr::new(".."), OFlags::empty())?;
        let Some(left) = self.levels.pop() else {
            return Err(Error::from(ErrorKind::NotFound));
        };
        if self.levels.last().map(|level| level.identity) != Some(identify(&above)?) {
            return Err(Error::other("it was moved while it was removed"));
        }
        self.current = above;
        Ok(left.name)
    }
}

/// The mount that a tree lies on. A device number alone does not tell a bind mount from the file system that it shows.
struct Mount {
    device: u64,
    number: Option<u64>,
}

impl Mount {
    fn of(directory: &OwnedFd, device: u64) -> Mount {
        Mount {
            device,
            number: mount_number(directory),
        }
    }

    fn holds(&self, directory: &OwnedFd, device: u64) -> bool {
        device == self.device && (self.number.is_none() || mount_number(directory) == self.number)
    }
}

/// The number of a mount: from `statx` since Linux 5.8, and before that as `/proc` says it.
fn mount_number(directory: &OwnedFd) -> Option<u64> {
    if let Ok(found) = statx(directory, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
        && found.stx_mask & StatxFlags::MNT_ID.bits() != 0
    {
        return Some(found.stx_mnt_id);
    }
    let said = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", directory.as_raw_fd())).ok()?;
    let line = said.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    line.trim().parse().ok()
}

fn may_be_directory(error: &Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EISDIR | libc::EPERM | libc::EACCES | libc::EBUSY)
    )
}

fn open(directory: BorrowedFd<'_>, name: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    openat(directory, name, flags, Mode::empty())
}

/// A directory and no link to one, with the permissions that its owner needs to empty it.
fn open_directory(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd> {
    let opened = open(parent, name, OFlags::NOFOLLOW);
    if let Ok(directory) = &opened
        && Mode::from_raw_mode(fstat(directory)?.st_mode).contains(Mode::RWXU)
    {
        return Ok(opened?);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = openat(parent, name, flags, Mode::empty())?;
    // A descriptor of a place takes no fchmod; its name in /proc leads to the very same directory.
    let changed = rustix::fs::chmod(format!("/proc/self/fd/{}", place.as_raw_fd()), Mode::RWXU);
    match (opened, changed) {
        // Somebody else's, which may be readable all the same.
        (Ok(directory), _) => Ok(directory),
        (Err(_), Ok(())) => Ok(open(parent, name, OFlags::NOFOLLOW)?),
        (Err(error), Err(_)) => Err(error.into()),
    }
}

fn identify(descriptor: &OwnedFd) -> Result<(u64, u64)> {
    let found = fstat(descriptor)?;
    Ok((found.st_dev, found.st_ino))
}

fn unlink(directory: &OwnedFd, name: &OsStr, flags: AtFlags) -> Result<()> {
    Ok(unlinkat(directory, name, flags)?)
}

/// All names in a directory but its own and its parent's, and which of them are directories for sure.
fn names(directory: &OwnedFd) -> Result<Vec<(OsString, bool)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push((
                OsString::from_vec(name.to_vec()),
                entry.file_type() == FileType::Directory,
            ));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn place(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("fim-remove-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        path
    }

    /// Directories one in the other, and a file at each hundredth.
    fn nest(path: &Path, depth: usize) {
        let mut at = open(CWD, path.as_os_str(), OFlags::empty()).unwrap();
        for step in 0..depth {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            if step % 100 == 0 {
                let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
                openat(&at, "file", flags, Mode::RUSR).unwrap();
            }
            at = open(at.as_fd(), OsStr::new("d"), OFlags::empty()).unwrap();
        }
    }

    #[test]
    fn a_tree_of_any_depth_goes() {
        let path = place("deep");
        nest(&path, 30_000);
        // As in a guest's first process: 64 descriptors are plenty.
        let left = std::thread::Builder::new()
            .stack_size(128 << 10)
            .spawn({
                let path = path.clone();
                move || remove_tree(&path)
            })
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(left.count, 0, "{:?}", left.told.first());
        assert!(!path.exists());
    }

    #[test]
    fn links_lead_nowhere_and_closed_directories_open() {
        let path = place("closed");
        let kept = place("kept");
        fs::write(kept.join("file"), "kept").unwrap();
        std::os::unix::fs::symlink(&kept, path.join("link")).unwrap();
        for name in ["closed", "closed/inner"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        fs::write(path.join("closed/inner/file"), "").unwrap();
        for name in ["closed/inner", "closed"] {
            fs::set_permissions(path.join(name), PermissionsExt::from_mode(0o0)).unwrap();
        }
        let other = path.with_extension("link");
        std::os::unix::fs::symlink(&kept, &other).unwrap();
        for tree in [&path, &other] {
            assert_eq!(remove_tree(tree).count, 0);
            assert!(fs::symlink_metadata(tree).is_err());
        }
        assert_eq!(fs::read_to_string(kept.join("file")).unwrap(), "kept");
        assert_eq!(remove_tree(&kept).count, 0);
        assert_eq!(remove_tree(&kept).count, 0);
        assert_eq!(remove_tree(&kept.join("missing/more")).count, 0);
    }
}
