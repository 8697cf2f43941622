//! From a path to a descriptor: one component at a time, each judged before the next is looked up in it.

use super::Refusal;
use super::rule::{Facts, System, Writers, server};
use super::shown;
use crate::sys::Components;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

const NODE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What the directory at the end has to be.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Last {
    /// The caller's, and nobody else can change the names in it.
    Own,
    /// Entries of the caller's are safe in it: `/tmp` will do.
    Passage,
}

/// Whether what is missing is made.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Make {
    No,
    /// Directories for the caller alone, whatever the umask and inherited access lists say.
    Private,
}

/// A directory on the way.
struct Step {
    directory: OwnedFd,
    path: PathBuf,
    writers: Writers,
    device: u64,
    facts: Facts,
}

/// The directory at `path`, which must be absolute, if it and what leads to it are the caller's or root's, and nobody else can
/// rename or make anything in them.
pub fn walk(path: &Path, last: Last, make: Make) -> Result<OwnedFd, Refusal> {
    Walk::new().follow(path, last, make)
}

struct Walk {
    system: System,
    steps: Vec<Step>,
}

fn facts(found: &Stat) -> Facts {
    Facts {
        uid: found.st_uid,
        gid: found.st_gid,
        mode: found.st_mode,
    }
}

fn failed(path: &Path, what: &str, error: Errno) -> Refusal {
    Refusal {
        is_missing: error == Errno::NOENT,
        ..Refusal::new(format!("'{}' {what}: {}", shown(path), std::io::Error::from(error)))
    }
}

impl Walk {
    fn new() -> Walk {
        Walk {
            system: System::current(),
            steps: Vec::new(),
        }
    }

    fn follow(mut self, path: &Path, last: Last, make: Make) -> Result<OwnedFd, Refusal> {
        if !path.is_absolute() {
            return Err(Refusal::new(format!("'{}' is not an absolute path", shown(path))));
        }
        let mut left = Components::of(path).map_err(|error| endless(path, &error))?;
        while let Some(name) = left.next() {
            match name.as_encoded_bytes() {
                b"/" => self.start()?,
                b".." => {
                    // The parent of the root is the root.
                    if self.steps.len() > 1 {
                        self.steps.pop();
                    }
                }
                _ => {
                    if let Some(target) = self.enter(&name, make)? {
                        left.follow(&target).map_err(|error| endless(path, &error))?;
                    }
                }
            }
        }
        let Some(step) = self.steps.pop() else {
            return Err(Refusal::new("an empty path leads nowhere".to_string()));
        };
        if last == Last::Own {
            if let Some(refusal) = self.system.is_foreign(&step.path, step.facts) {
                return Err(refusal);
            }
            if let Writers::Sticky(refusal) = step.writers {
                return Err(refusal);
            }
        }
        Ok(step.directory)
    }

    fn start(&mut self) -> Result<(), Refusal> {
        self.steps.clear();
        let path = Path::new("/");
        let directory = rustix::fs::open(path, NODE | OFlags::DIRECTORY, Mode::empty());
        let directory = directory.map_err(|error| failed(path, "cannot be opened", error))?;
        let found = rustix::fs::fstat(&directory).map_err(|error| failed(path, "cannot be read", error))?;
        self.push(directory, path.to_path_buf(), &found, None)
    }

    /// Goes into a directory. For a link the answer is where it leads.
    fn enter(&mut self, name: &OsStr, make: Make) -> Result<Option<PathBuf>, Refusal> {
        let Some(here) = self.steps.last() else {
            return Err(Refusal::new("the path does not begin at the root".to_string()));
        };
        let path = here.path.join(name);
        let in_shared = here.writers != Writers::Trusted;
        let open = || rustix::fs::openat(&here.directory, name, NODE, Mode::empty());
        let node = match open() {
            Err(Errno::NOENT) if make == Make::Private => {
                make_private(here, name, &path)?;
                open()
            }
            other => other,
        };
        let node = node.map_err(|error| failed(&path, "cannot be opened", error))?;
        let found = rustix::fs::fstat(&node).map_err(|error| failed(&path, "cannot be read", error))?;
        let kind = found.st_mode & libc::S_IFMT;
        let is_link = kind == libc::S_IFLNK;
        if let Some(refusal) = self.system.distrusts_owner(&path, facts(&found), is_link, in_shared) {
            return Err(refusal);
        }
        if is_link {
            let target = rustix::fs::readlinkat(&node, "", Vec::new());
            let target = target.map_err(|error| failed(&path, "cannot be read", error))?;
            return Ok(Some(OsString::from_vec(target.into_bytes()).into()));
        }
        if kind != libc::S_IFDIR {
            return Err(Refusal::new(format!("'{}' is not a directory", shown(&path))));
        }
        let device = here.device;
        self.push(node, path, &found, Some(device)).map(|()| None)
    }

    fn push(&mut self, directory: OwnedFd, path: PathBuf, found: &Stat, above: Option<u64>) -> Result<(), Refusal> {
        let facts = facts(found);
        if above.is_none()
            && let Some(refusal) = self.system.distrusts_owner(&path, facts, false, false)
        {
            return Err(refusal);
        }
        if above != Some(found.st_dev) {
            let server = server(&directory, found.st_dev);
            if let Some(refusal) = self.system.distrusts_mount(&path, server) {
                return Err(refusal);
            }
        }
        let writers = self.system.writers(&path, facts, || access_list(&directory));
        if let Writers::Others(refusal) = writers {
            return Err(refusal);
        }
        self.steps.push(Step {
            directory,
            path,
            writers,
            device: found.st_dev,
            facts,
        });
        Ok(())
    }
}

/// What is wrong with a path that has too many links or components.
fn endless(path: &Path, error: &std::io::Error) -> Refusal {
    let what = if error.raw_os_error() == Some(libc::ELOOP) {
        "leads through too many links"
    } else {
        "has too many components"
    };
    Refusal::new(format!("'{}' {what}", shown(path)))
}

/// Of a directory on the way, open as a mere place: attributes are read through a path that names the descriptor.
fn access_list(directory: impl AsFd) -> std::io::Result<Option<Vec<u8>>> {
    let path = format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd());
    let mut bytes = vec![0; 1 << 16];
    match rustix::fs::getxattr(&path, "system.posix_acl_access", &mut bytes[..]) {
        Ok(length) => {
            bytes.truncate(length);
            Ok(Some(bytes))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes a directory in one that was judged. Somebody who is faster is judged like everything else.
fn make_private(here: &Step, name: &OsStr, path: &Path) -> Result<(), Refusal> {
    match rustix::fs::mkdirat(&here.directory, name, Mode::RWXU) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(Errno::NOSPC) => {
            return Err(Refusal::new(format!(
                "'{}' cannot be made: its file system is full",
                shown(path)
            )));
        }
        Err(error) => {
            return Err(Refusal {
                is_missing: false,
                ..failed(path, "cannot be made", error)
            });
        }
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(&here.directory, name, flags, Mode::empty());
    made.and_then(|made| close_to_others(&made, Mode::RWXU))
        .map_err(|error| failed(path, "cannot be made private", error))
}

/// Gives a directory of ours, open to read, exactly this mode, and nothing of what its parent passes on.
pub fn close_to_others(directory: impl AsFd, mode: Mode) -> Result<(), Errno> {
    for list in ["system.posix_acl_default", "system.posix_acl_access"] {
        match rustix::fs::fremovexattr(&directory, list) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
    }
    let found = rustix::fs::fstat(&directory)?;
    if found.st_mode & 0o777 != mode.bits() {
        // The group that new files get stays as it is.
        rustix::fs::fchmod(
            &directory,
            mode | (Mode::from_bits_truncate(found.st_mode) & Mode::SGID),
        )?;
    }
    Ok(())
}

/// Whether a directory inside one that was judged is the caller's, and nobody else can change the names in it.
pub fn judge(directory: impl AsFd, path: &Path) -> Result<(), Refusal> {
    let system = System::current();
    let found = rustix::fs::fstat(&directory).map_err(|error| failed(path, "cannot be read", error))?;
    if let Some(refusal) = system.is_foreign(path, facts(&found)) {
        return Err(refusal);
    }
    match system.writers(path, facts(&found), || access_list(&directory)) {
        Writers::Trusted => Ok(()),
        Writers::Sticky(refusal) | Writers::Others(refusal) => Err(refusal),
    }
}

/// Whether there is anything at a path, whoever made it.
pub fn is_there(path: &Path) -> bool {
    rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}
