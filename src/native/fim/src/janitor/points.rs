//! Where the sandbox mounts. The guest owns its tree: what it has put in the place of a mount point must not keep the image from
//! starting. And what a start makes there to mount on is no change of the guest's: it is noted for `fim commit`.

use super::locate::locate_one;
use super::protocol::{Point, Replaced, Target};
use crate::failure::{Context, Result};
use crate::sys;
use rustix::fs::{FileType, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// The list of what starts have made, in the data directory.
pub const NAME: &str = "mountpoints";
/// Bytes of it that are read.
const LIMIT: u64 = 1 << 20;
/// Names that are tried for something that is in the way.
const TRIES: u32 = 1000;

/// What starts have made in the upper directory to mount on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Made {
    /// Paths from the root, as bytes; each character is one.
    directories: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Made {
    pub fn read(data: &Path) -> Made {
        let mut text = Vec::new();
        let read = sys::open_plain(&data.join(NAME)).and_then(|file| file.take(LIMIT).read_to_end(&mut text));
        read.ok()
            .and_then(|_| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    fn write(&self, data: &Path) -> Result<()> {
        let failed = || format!("cannot write '{}'", data.join(NAME).display());
        let text = serde_json::to_vec(self).context(failed)?;
        sys::replace_file(&data.join(NAME), 0o644, |file| file.write_all(&text)).context(failed)
    }

    /// Whether a start has made this directory, a path from the root without a slash at its start.
    pub fn has_directory(&self, path: &Path) -> bool {
        self.directories.contains(&key(path))
    }

    pub fn has_file(&self, path: &Path) -> bool {
        self.files.contains(&key(path))
    }

    /// Whether a start has made something below this directory, and so changed the time of it.
    pub fn is_parent(&self, path: &Path) -> bool {
        let start = format!("{}/", key(path));
        let below = |set: &BTreeSet<String>| {
            let first = set.range(start.clone()..).next();
            first.is_some_and(|found| found.starts_with(&start))
        };
        below(&self.directories) || below(&self.files)
    }
}

fn key(path: &Path) -> String {
    super::from_bytes(path.as_os_str().as_bytes())
}

/// What became of the places.
pub struct Prepared {
    pub replaced: Vec<Replaced>,
    /// In the order of the targets.
    pub points: Vec<Point>,
}

/// Finds where to mount in the merged root. `own` are directories of the root in which the sandbox has its own file systems: what
/// else is there is renamed. `covered` is where nothing of the guest is seen. What will be made is noted in `data`.
pub fn prepare(
    root: &OwnedFd,
    data: &Path,
    own: &[String],
    covered: &[String],
    targets: &[Target],
) -> Result<Prepared> {
    let known = Made::read(data);
    let mut made = known.clone();
    let mut replaced = Vec::new();
    for path in own {
        let name = OsStr::new(path.trim_start_matches('/'));
        match sys::kind_at(root.as_fd(), name) {
            Ok(FileType::Directory) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                made.directories.insert(key(Path::new(name)));
            }
            Err(_) => {}
            Ok(_) => {
                let to = set_aside(root.as_fd(), name)
                    .context(|| format!("'{path}' of the guest is not a directory, and cannot be renamed"))?;
                made.directories.insert(key(Path::new(name)));
                replaced.push(Replaced {
                    from: path.clone(),
                    to: format!("/{}", to.to_string_lossy()),
                });
            }
        }
    }
    let mut covers: Vec<PathBuf> = covered.iter().map(PathBuf::from).collect();
    let mut points = Vec::with_capacity(targets.len());
    for target in targets {
        let point = match place(root.as_fd(), target, covered, &covers, &mut made) {
            Ok(place) => {
                if target.hides {
                    covers.push(PathBuf::from(&place));
                }
                Point::Place(place)
            }
            Err(reason) => Point::Refused(reason),
        };
        points.push(point);
    }
    if made != known {
        made.write(data)?;
    }
    Ok(Prepared { replaced, points })
}

/// Gives something another name beside its own; the answer is that name.
fn set_aside(root: BorrowedFd<'_>, name: &OsStr) -> std::io::Result<OsString> {
    for number in 1..=TRIES {
        let mut to = name.to_os_string();
        to.push(if number == 1 {
            ".replaced".to_string()
        } else {
            format!(".replaced-{number}")
        });
        match rustix::fs::renameat_with(root, name, root, &to, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            result => return Ok(result.map(|()| to)?),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Where a target is, if it can be mounted on; the error is a reason.
fn place(
    root: BorrowedFd<'_>,
    target: &Target,
    covered: &[String],
    covers: &[PathBuf],
    made: &mut Made,
) -> std::result::Result<String, String> {
    let place = locate_one(root, Path::new(&target.path), covered).ok_or("its links lead in a circle")?;
    let text = place.to_str().ok_or("its links lead to what is no text")?.to_string();
    let mut directory = root.try_clone_to_owned().map_err(|error| error.to_string())?;
    let mut so_far = PathBuf::from("/");
    let names: Vec<&OsStr> = place
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    for (index, name) in names.iter().enumerate() {
        if covers.iter().any(|cover| so_far.starts_with(cover)) {
            return Ok(text);
        }
        so_far.push(name);
        if covers.iter().any(|cover| so_far.starts_with(cover)) && index + 1 < names.len() {
            return Ok(text);
        }
        let is_last = index + 1 == names.len();
        match sys::kind_at(directory.as_fd(), name) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut missing = so_far.strip_prefix("/").unwrap_or(&so_far).to_path_buf();
                for rest in names.iter().skip(index + 1) {
                    made.directories.insert(key(&missing));
                    missing.push(rest);
                }
                let set = if target.is_directory {
                    &mut made.directories
                } else {
                    &mut made.files
                };
                set.insert(key(&missing));
                return Ok(text);
            }
            Err(error) => return Err(format!("'{}' cannot be looked at: {error}", so_far.display())),
            Ok(FileType::Directory) if !is_last => {
                directory = sys::place_at(directory.as_fd(), name)
                    .map_err(|error| format!("'{}' cannot be entered: {error}", so_far.display()))?;
            }
            Ok(_) if !is_last => return Err(format!("'{}' is not a directory", so_far.display())),
            Ok(kind) => match (kind.is_dir(), target.is_directory) {
                (true, false) => return Err(format!("'{}' is a directory", so_far.display())),
                (false, true) => return Err(format!("'{}' is not a directory", so_far.display())),
                _ => return Ok(text),
            },
        }
    }
    if target.is_directory {
        Ok(text)
    } else {
        Err("it leads to the root of the guest".to_string())
    }
}
