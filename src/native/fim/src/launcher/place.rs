//! Where runtime and instances live: the global directory and the application directory below it.
//!
//! Programs are executed from there, so nobody but the caller and root may be able to change it, nor anything that leads to it.
//! `/tmp/fim` can be made by any user of the host; it is used only when it is ours, and otherwise a directory that carries our
//! user id takes its place, or the caller's own cache where programs in `/tmp` may not run.

use super::image::Image;
use super::variable;
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::sys;
use crate::trust::{Directory, Last, Make, Refusal, shown};
use rustix::process::geteuid;
use std::path::{Path, PathBuf};

const DEFAULT: &str = "/tmp/fim";
/// Mode of the directories in an application directory. They are bound into guests, in which there may be other users.
const SHOWN: u32 = 0o755;

/// The global directory, made if it is not there.
pub fn choose() -> Result<PathBuf> {
    if let Some(chosen) = variable("FIM_DIR_GLOBAL") {
        let path = PathBuf::from(chosen);
        if !path.is_absolute() {
            fail!("FIM_DIR_GLOBAL is '{}' but must be an absolute path", shown(&path))
        }
        // As `/tmp`, it may be anybody's who is trusted: what is made in it has to be ours.
        return match Directory::trusted(&path, Last::Passage, Make::Private) {
            Ok(_) => Ok(path),
            Err(refusal) => fail!("FIM_DIR_GLOBAL is '{}', which cannot be used: {refusal}", shown(&path)),
        };
    }
    let own = PathBuf::from(format!("{DEFAULT}-{}", geteuid().as_raw()));
    let mut refusals = Vec::new();
    // The cache is looked at, and made, only where it is needed.
    let in_tmp = [PathBuf::from(DEFAULT), own].into_iter().map(Some);
    for candidate in in_tmp.chain(std::iter::once_with(cache)).flatten() {
        match claim(&candidate) {
            Ok(_) if sys::is_mounted_noexec(&candidate) => {
                refusals.push(format!("'{}' (programs on it may not run)", shown(&candidate)));
            }
            Ok(_) => return Ok(candidate),
            Err(refusal) => refusals.push(format!("'{}' ({refusal})", shown(&candidate))),
        }
    }
    fail!(
        "no directory for runtime and tools can be used: neither {}; set FIM_DIR_GLOBAL to a directory of yours",
        refusals.join(" nor ")
    )
}

/// `flatimage` in the caller's cache. After `su` the home may be that of another user, and is judged like everything else.
fn cache() -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("flatimage"))
}

/// Makes a directory, or finds that it is the caller's alone.
fn claim(path: &Path) -> std::result::Result<Directory, Refusal> {
    Directory::trusted(path, Last::Own, Make::Private)
}

/// The application directory of an image, made if it is not there: `app/{commit}_{timestamp}`, or with the first digits
/// of the tool table's digest behind it where another build has taken that name.
pub fn application(global: &Path, image: &Image) -> Result<Directory> {
    let parent = make(&global.join("app"))?;
    let plain = format!("{}_{}", image.table.commit, image.table.timestamp);
    let limit = image.table_bytes.len() as u64 + 1;
    let taken = parent.enter(&plain).and_then(|directory| {
        let failed = || "cannot read the mark".to_string();
        directory.read(MARK, limit).context(failed)
    });
    let name = match taken {
        Ok(table) if table != image.table_bytes => {
            let digest = image.digest();
            format!("{plain}.{}", digest.get(..12).unwrap_or_default())
        }
        _ => plain,
    };
    let application = room(&parent, &name)?;
    for name in ["bin", "lib", "sbin", "instance"] {
        room(&application, name)?;
    }
    Ok(application)
}

/// A copy of the tool table that an application directory was unpacked for, written when all is there.
pub const MARK: &str = "tools.json";

const REMEDY: &str = "set FIM_DIR_GLOBAL to a directory of yours";

fn make(path: &Path) -> Result<Directory> {
    claim(path).map_err(|refusal| Failure(format!("cannot use '{}': {refusal}; {REMEDY}", shown(path))))
}

/// A directory inside the application directory, made if it is not there.
fn room(parent: &Directory, name: &str) -> Result<Directory> {
    let path = parent.path().join(name);
    match parent.make(name, SHOWN) {
        Ok(made) => Ok(made),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let found = parent.enter(name);
            found.map_err(|failure| Failure(format!("cannot use '{}': {failure}; {REMEDY}", shown(&path))))
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
            fail!("cannot make '{}': its file system is full; {REMEDY}", shown(&path))
        }
        Err(error) => fail!("cannot make '{}': {error}; {REMEDY}", shown(&path)),
    }
}
