//! The end of a commit: an empty upper directory.

use crate::failure::{Context, Result};
use crate::sys;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Puts an empty directory in the place of the upper directory, in one step: a half that is left over would hide parts of
/// the new layer. Then removes the old one. The answer names what could not be removed.
pub fn erase(upper: &Path, scratch: &Path) -> Result<Vec<String>> {
    let old = scratch.join("old");
    let failed = || format!("cannot empty '{}'", upper.display());
    let metadata = fs::metadata(upper).context(failed)?;
    fs::create_dir(&old).context(failed)?;
    std::os::unix::fs::chown(&old, Some(metadata.uid()), Some(metadata.gid())).context(failed)?;
    fs::set_permissions(&old, fs::Permissions::from_mode(metadata.mode() & 0o7777)).context(failed)?;
    sys::exchange(upper, &old).context(failed)?;
    let mut left = Vec::new();
    // Hard links of what goes, and names of the same devices.
    remove(&scratch.join("tree"), &mut left);
    remove(&old, &mut left);
    Ok(left)
}

fn remove(path: &Path, left: &mut Vec<String>) {
    let mut note = |what: &str, error: std::io::Error| {
        left.push(format!("Could not remove {what} '{}': {error}", path.display()));
    };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            if metadata.mode() & 0o700 != 0o700 {
                let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
            }
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                remove(&entry.path(), left);
            }
            if let Err(error) = fs::remove_dir(path) {
                left.push(format!("Could not remove directory '{}': {error}", path.display()));
            }
        }
        Ok(_) => {
            if let Err(error) = fs::remove_file(path) {
                note("file", error);
            }
        }
        Err(error) => note("file", error),
    }
}
