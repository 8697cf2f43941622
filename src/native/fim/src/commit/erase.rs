//! The end of a commit: an upper directory with nothing but what was left out.

use crate::failure::{Context, Result};
use crate::sys;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::geteuid;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Names that are tried for the old directory.
const TRIES: u32 = 1000;

/// Puts a directory that has only the files `kept` in the place of the upper directory, in one step: a half that is left over would
/// hide parts of the new layer. Then removes the old one. The answer names what could not be kept or removed.
pub fn erase(upper: &Path, scratch: &Path, kept: &[PathBuf]) -> Result<Vec<String>> {
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
        Err(_) if geteuid().as_raw() != 0 => {}
        owned => owned.context(failed)?,
    }
    fs::set_permissions(&old, fs::Permissions::from_mode(metadata.mode() & 0o7777)).context(failed)?;
    let lost = keep(upper, &old, kept);
    // In one step.
    renameat_with(CWD, upper, CWD, &old, RenameFlags::EXCHANGE).context(failed)?;
    // Hard links of what goes, and names of the same devices.
    let tree = sys::remove_tree(&scratch.join("tree"));
    let upper = sys::remove_tree(&old);
    let mut left: Vec<String> = [&tree, &upper]
        .iter()
        .flat_map(|left| &left.told)
        .map(|(path, error)| format!("Could not remove '{}': {error}", path.display()))
        .collect();
    let untold = tree.count + upper.count - left.len();
    left.extend(lost);
    if untold > 0 {
        left.push(format!("Could not remove {untold} more"));
    }
    Ok(left)
}

/// Gives files of the upper directory one more name in `new`, in directories like theirs. The answer says which were lost: these are
/// caches, so they do not keep a commit from its end.
fn keep(upper: &Path, new: &Path, kept: &[PathBuf]) -> Vec<String> {
    let mut lost = Vec::new();
    let mut made = BTreeSet::new();
    for path in kept {
        let parents: Vec<_> = path
            .ancestors()
            .skip(1)
            .filter(|parent| *parent != Path::new(""))
            .collect();
        let linked = parents
            .iter()
            .rev()
            .filter(|parent| made.insert(parent.to_path_buf()))
            .try_for_each(|parent| fs::create_dir(new.join(parent)))
            .and_then(|()| fs::hard_link(upper.join(path), new.join(path)));
        if let Err(error) = linked {
            lost.push(format!("Could not keep '/{}': {error}", path.display()));
        }
    }
    // Times change with what is put into a directory, so these come last, and those deeper in the tree first.
    for directory in made.iter().rev() {
        let dressed = fs::symlink_metadata(upper.join(directory))
            .and_then(|metadata| super::stage::dress(&new.join(directory), &metadata));
        if let Err(error) = dressed {
            lost.push(format!(
                "Could not keep the attributes of '/{}': {error}",
                directory.display()
            ));
        }
    }
    lost
}
