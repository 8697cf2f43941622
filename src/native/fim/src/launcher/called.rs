//! By which name the image was called. `flatimage install --command NAME` makes a link `NAME` that leads through a record of the same
//! name to the image; then that program of the guest runs. Any other name, and any other link, is only another name of the image.

use crate::sys;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the path of a record ends with, before its name; as `src/cli/flatimage/Install.ts` makes it.
const RECORDS: &str = "flatimage/commands";
/// Links that lead to the record, at most.
const LINKS: usize = 8;

/// The program of the guest for which the image was called, if it was called by such a link.
pub fn program(image: &Path) -> Option<OsString> {
    let called = std::env::args_os().next()?;
    // Nearly every start ends here.
    if Path::new(&called).file_name() == image.file_name() {
        return None;
    }
    let start = Path::new(OsStr::from_bytes(rustix::param::linux_execfn().to_bytes()));
    let record = record(start)?;
    let leads_here = std::fs::metadata(&record).ok()?;
    let here = std::fs::metadata("/proc/self/exe").ok()?;
    sys::same_file(&leads_here, &here).then(|| record.file_name().map(OsStr::to_os_string))?
}

/// The record behind a link, if there is one.
fn record(start: &Path) -> Option<PathBuf> {
    let mut path = start.to_path_buf();
    for _ in 0..LINKS {
        let name = path.file_name()?.to_os_string();
        let target = std::fs::read_link(&path).ok()?;
        path = path.parent()?.join(target);
        if is_record(&path) && path.file_name() == Some(&name) && path.is_symlink() {
            return Some(path);
        }
    }
    None
}

fn is_record(path: &Path) -> bool {
    let is_name = |name: &OsStr| !name.as_bytes().starts_with(b"-");
    path.is_absolute()
        && path.file_name().is_some_and(is_name)
        && path.parent().is_some_and(|parent| parent.ends_with(RECORDS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_links_through_a_record_of_their_own_name_count() {
        let directory = std::env::temp_dir().join(format!("fim-called-{}", std::process::id()));
        let records = directory.join(RECORDS);
        std::fs::create_dir_all(&records).unwrap();
        std::fs::write(directory.join("app.flatimage"), "").unwrap();
        symlink(directory.join("app.flatimage"), records.join("tool")).unwrap();
        symlink(records.join("tool"), directory.join("tool")).unwrap();
        symlink(records.join("tool"), directory.join("other")).unwrap();
        symlink("tool", directory.join("again")).unwrap();
        symlink("app.flatimage", directory.join("plain")).unwrap();
        symlink("loop", directory.join("loop")).unwrap();
        std::fs::write(records.join("file"), "").unwrap();
        symlink(records.join("file"), directory.join("file")).unwrap();
        let found = |name: &str| record(&directory.join(name));
        assert_eq!(found("tool"), Some(records.join("tool")));
        assert_eq!(found("again"), Some(records.join("tool")));
        for name in ["other", "plain", "loop", "file", "app.flatimage", "missing"] {
            assert_eq!(found(name), None, "{name}");
        }
        crate::trust::remove(&directory);
    }
}
