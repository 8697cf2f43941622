//! Where runtime and instances live: the global directory and the application directory below it.
//!
//! Programs are executed from there, so nobody but the caller and root may be able to change it. `/tmp/fim` can be made by
//! any user of the host; it is used only when it is ours or root's and no one else can write to it, and otherwise a
//! directory that carries our user id takes its place, or the caller's own cache where programs in `/tmp` may not run.

use super::image::Image;
use super::variable;
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::sys;
use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

const DEFAULT: &str = "/tmp/fim";
const STICKY: u32 = 0o1000;
const OTHERS_WRITE: u32 = 0o022;

/// The global directory, made if it is not there.
pub fn choose() -> Result<PathBuf> {
    if let Some(chosen) = variable("FIM_DIR_GLOBAL") {
        let path = PathBuf::from(chosen);
        if !path.is_absolute() {
            fail!("FIM_DIR_GLOBAL is '{}' but must be an absolute path", path.display())
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&path)
            .context(|| {
                format!(
                    "cannot make '{}', the directory that FIM_DIR_GLOBAL names",
                    path.display()
                )
            })?;
        return match refusal(&path, Trust::OursOrRoots) {
            None => Ok(path),
            Some(reason) => fail!("FIM_DIR_GLOBAL is '{}', which cannot be used: {reason}", path.display()),
        };
    }
    let own = PathBuf::from(format!("{DEFAULT}-{}", sys::effective_uid()));
    let mut refusals = Vec::new();
    // The cache is looked at, and made, only where it is needed.
    let in_tmp = [PathBuf::from(DEFAULT), own].into_iter().map(Some);
    for candidate in in_tmp.chain(std::iter::once_with(cache)).flatten() {
        match claim(&candidate) {
            Ok(()) if sys::is_mounted_noexec(&candidate) => {
                refusals.push(format!("'{}' (programs on it may not run)", candidate.display()));
            }
            Ok(()) => return Ok(candidate),
            Err(reason) => refusals.push(format!("'{}' ({reason})", candidate.display())),
        }
    }
    fail!(
        "no directory for runtime and tools can be used: neither {}; set FIM_DIR_GLOBAL to a directory of yours",
        refusals.join(" nor ")
    )
}

/// `flatimage` in the caller's cache, whose directory is made, if nobody else can put something in the place of it: after `su`
/// the home may be that of another user.
fn cache() -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    DirBuilder::new().recursive(true).mode(0o700).create(&cache).ok()?;
    let cache = cache.canonicalize().ok()?;
    cache.ancestors().all(is_safe).then(|| cache.join("flatimage"))
}

/// Whether what lies in a directory is the caller's alone to replace, but for root.
fn is_safe(directory: &Path) -> bool {
    std::fs::symlink_metadata(directory).is_ok_and(|metadata| {
        let is_trusted = metadata.uid() == 0 || metadata.uid() == sys::effective_uid();
        is_trusted && (metadata.mode() & OTHERS_WRITE == 0 || metadata.mode() & STICKY != 0)
    })
}

/// The application directory of an image, made if it is not there: `app/{commit}_{timestamp}`, or with the first digits
/// of the tool table's digest behind it where another build has taken that name.
pub fn application(global: &Path, image: &Image) -> Result<PathBuf> {
    let parent = global.join("app");
    make(&parent)?;
    let plain = parent.join(format!("{}_{}", image.table.commit, image.table.timestamp));
    let name = match std::fs::read(plain.join(MARK)) {
        Ok(table) if table != image.table_bytes => {
            let digest = image.digest();
            let digits = digest.get(..12).unwrap_or_default();
            parent.join(format!("{}_{}.{digits}", image.table.commit, image.table.timestamp))
        }
        _ => plain,
    };
    for directory in [
        &name,
        &name.join("bin"),
        &name.join("lib"),
        &name.join("sbin"),
        &name.join("instance"),
    ] {
        make(directory)?;
    }
    Ok(name)
}

/// A copy of the tool table that an application directory was unpacked for, written when all is there.
pub const MARK: &str = "tools.json";

fn make(path: &Path) -> Result<()> {
    match refusal(path, Trust::Ours) {
        None => Ok(()),
        Some(_) => claim(path).map_err(|reason| {
            Failure(format!(
                "cannot use '{}': {reason}; set FIM_DIR_GLOBAL to a directory of yours",
                path.display()
            ))
        }),
    }
}

/// Makes a directory, or finds it fit for use. The answer says why it is not.
fn claim(path: &Path) -> std::result::Result<(), String> {
    match DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => match refusal(path, Trust::Ours) {
            None => Ok(()),
            Some(reason) => Err(reason),
        },
        Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => Err("its file system is full".to_string()),
        Err(error) => Err(format!("it cannot be made: {error}")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Ours,
    /// A directory that the user chose may belong to root if it is sticky, as `/tmp` itself.
    OursOrRoots,
}

/// Why a directory cannot be used, if it cannot.
fn refusal(path: &Path, trust: Trust) -> Option<String> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Some(error.to_string()),
    };
    refusal_of(&metadata, trust, sys::effective_uid())
}

fn refusal_of(metadata: &Metadata, trust: Trust, uid: u32) -> Option<String> {
    let sticky = metadata.mode() & STICKY != 0;
    let others_write = metadata.mode() & OTHERS_WRITE != 0;
    if metadata.file_type().is_symlink() {
        return Some("it is a symbolic link".to_string());
    }
    if !metadata.is_dir() {
        return Some("it is not a directory".to_string());
    }
    let roots = trust == Trust::OursOrRoots && metadata.uid() == 0 && sticky;
    if metadata.uid() != uid && !roots {
        return Some(format!("it belongs to the user {}", metadata.uid()));
    }
    if others_write && !sticky {
        return Some("other users can write to it".to_string());
    }
    None
}
