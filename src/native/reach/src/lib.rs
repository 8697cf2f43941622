//! Trees that a guest has made can hold what the host's user cannot read in the usual way: files with mode 000, as `useradd` of Fedora
//! leaves `/etc/shadow`, and paths longer than the kernel takes.

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, OFlags, openat};
use rustix::process::{getegid, geteuid};
use std::ffi::OsStr;
use std::fs::{read_dir, symlink_metadata, write};
use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes of a path that are given to the kernel at once; it takes 4095.
const PIECE: usize = 3000;

/// A path that the kernel takes. It is valid as long as this lives.
#[derive(Debug)]
pub struct Reach {
    path: PathBuf,
    _parent: Option<OwnedFd>,
}

impl Deref for Reach {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl AsRef<Path> for Reach {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// A path of any length in the form that the kernel takes. The parents of a long one are opened piece by piece, without following
/// links.
///
/// # Errors
///
/// That of opening a parent of a path that is too long.
pub fn reach(path: &Path) -> io::Result<Reach> {
    let mut rest = path.as_os_str().as_bytes();
    let mut parent: Option<OwnedFd> = None;
    while rest.len() > PIECE {
        let Some(slash) = rest[..PIECE]
            .iter()
            .rposition(|byte| *byte == b'/')
            .filter(|at| *at > 0)
        else {
            break;
        };
        let piece = Path::new(OsStr::from_bytes(&rest[..slash]));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        parent = Some(match &parent {
            None => rustix::fs::open(piece, flags, Mode::empty())?,
            Some(parent) => openat(parent, piece, flags, Mode::empty())?,
        });
        rest = &rest[slash + 1..];
    }
    let end = Path::new(OsStr::from_bytes(rest));
    let path = match &parent {
        None => end.to_path_buf(),
        Some(parent) => Path::new(&format!("/proc/self/fd/{}", parent.as_raw_fd())).join(end),
    };
    Ok(Reach { path, _parent: parent })
}

/// Lets this process read all that its user owns below a directory, if the modes of something there do not allow it: in a user
/// namespace of its own, in which the user keeps its number and permissions do not count. Nothing is changed on the disk. Without such
/// files nothing happens. For processes with a single thread.
///
/// # Errors
///
/// If the host does not allow user namespaces. What can be read without one still can.
pub fn read_all_of_own(root: &Path) -> io::Result<()> {
    if geteuid().is_root() || !has_closed(root) {
        return Ok(());
    }
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", format!("{uid} {uid} 1\n"))?;
    write("/proc/self/gid_map", format!("{gid} {gid} 1\n"))
}

/// Whether there is a file or a directory of the caller's that the caller may not read.
fn has_closed(root: &Path) -> bool {
    let own = geteuid().as_raw();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        let Ok(listed) = reach(&directory).and_then(|reached| Ok((read_dir(&reached)?, reached))) else {
            continue;
        };
        for entry in listed.0.flatten() {
            let path = directory.join(entry.file_name());
            let Ok(found) = reach(&path).and_then(|path| symlink_metadata(&path)) else {
                continue;
            };
            let needed = match () {
                () if found.is_dir() => 0o500,
                () if found.is_file() => 0o400,
                () => 0,
            };
            if found.uid() == own && found.mode() & needed != needed {
                return true;
            }
            if found.is_dir() {
                open.push(path);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_any_length_is_reached() {
        let root = std::env::temp_dir().join(format!("reach-{}", std::process::id()));
        std::fs::create_dir(&root).unwrap();
        let name = "x".repeat(100);
        let mut path = root.clone();
        for _ in 0..90 {
            path.push(&name);
            std::fs::create_dir(&*reach(&path).unwrap()).unwrap();
        }
        let file = path.join("f");
        assert!(file.as_os_str().len() > 8192);
        write(&*reach(&file).unwrap(), "deep").unwrap();
        assert_eq!(std::fs::read_to_string(&*reach(&file).unwrap()).unwrap(), "deep");
        assert!(symlink_metadata(&file).is_err(), "the kernel takes it as it is");
        assert!(reach(&path.join("missing/f")).is_ok_and(|path| symlink_metadata(&path).is_err()));
        std::fs::remove_file(&*reach(&file).unwrap()).unwrap();
        while path != root {
            std::fs::remove_dir(&*reach(&path).unwrap()).unwrap();
            path.pop();
        }
        std::fs::remove_dir(&root).unwrap();
    }
}
