//! The end of a commit: an empty upper directory.

use crate::failure::{Context, Result};
use crate::sys;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Names that are tried for the old directory.
const TRIES: u32 = 1000;

/// Puts an empty directory in the place of the upper directory, in one step: a half that is left over would hide parts of
/// the new layer. Then removes the old one. The answer names what could not be removed.
pub fn erase(upper: &Path, scratch: &Path) -> Result<Vec<String>> {
    let failed = || format!("cannot empty '{}'", upper.display());
    let metadata = fs::metadata(upper).context(failed)?;
    // What another user owns may be left of earlier commits.
    let made = (0..TRIES).find_map(|number| {
        let old = scratch.join(format!("old-{number}"));
        match fs::create_dir(&old) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => None,
            made => Some(made.map(|()| old)),
        }
    });
    let old = made
        .unwrap_or_else(|| Err(ErrorKind::AlreadyExists.into()))
        .context(failed)?;
    match std::os::unix::fs::chown(&old, Some(metadata.uid()), Some(metadata.gid())) {
        // Only root can give it away, and a directory of the caller's own is what the next start needs.
        Err(_) if sys::effective_uid() != 0 => {}
        owned => owned.context(failed)?,
    }
    fs::set_permissions(&old, fs::Permissions::from_mode(metadata.mode() & 0o7777)).context(failed)?;
    sys::exchange(upper, &old).context(failed)?;
    // Hard links of what goes, and names of the same devices.
    let tree = sys::remove_tree(&scratch.join("tree"));
    let upper = sys::remove_tree(&old);
    let mut left: Vec<String> = [&tree, &upper]
        .iter()
        .flat_map(|left| &left.told)
        .map(|(path, error)| format!("Could not remove '{}': {error}", path.display()))
        .collect();
    let untold = tree.count + upper.count - left.len();
    if untold > 0 {
        left.push(format!("Could not remove {untold} more"));
    }
    Ok(left)
}
