//! Where a path leads in the merged root. Bubblewrap mounts on no symbolic link, so it has to be told what is behind one;
//! that need not be there: what bubblewrap mounts itself is still missing.

use crate::sys;
use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows in one path.
const LINK_LIMIT: usize = 40;

/// A path with its links followed, inside of `root`. Below a covered place there are no links.
pub fn locate_one(root: BorrowedFd<'_>, path: &Path, covered: &[String]) -> Option<PathBuf> {
    let mut found = PathBuf::from("/");
    let mut rest = parts(path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == OsStr::new("..") {
            found.pop();
            continue;
        }
        found.push(&part);
        if covered.iter().any(|place| found.starts_with(place)) {
            continue;
        }
        let Ok(target) = sys::link_in_root(root, found.strip_prefix("/").unwrap_or(&found)) else {
            continue;
        };
        links += 1;
        if links > LINK_LIMIT {
            return None;
        }
        found.pop();
        if target.is_absolute() {
            found = PathBuf::from("/");
        }
        rest.extend(parts(&target));
    }
    Some(found)
}

/// The parts of a path that mean something, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_os_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_inside_of_the_root_and_to_what_is_not_there() {
        let directory = std::env::temp_dir().join(format!("fim-locate-{}", std::process::id()));
        fs::create_dir_all(directory.join("etc")).unwrap();
        fs::create_dir_all(directory.join("run/systemd")).unwrap();
        let links = [
            ("etc/resolv.conf", "../run/systemd/resolve/stub"),
            ("etc/absolute", "/var/run/file"),
            ("var", "usr/./var//"),
            ("usr", "system"),
            ("etc/outside", "../../../../etc/../host"),
            ("etc/circle", "other"),
            ("etc/other", "circle"),
            ("run/systemd/resolve", "/elsewhere"),
        ];
        for (link, target) in links {
            symlink(target, directory.join(link)).unwrap();
        }
        let root = File::open(&directory).unwrap();
        let cases = [
            ("/etc/resolv.conf", Some("/run/systemd/resolve/stub")),
            ("/etc/absolute", Some("/system/var/run/file")),
            ("/etc/outside", Some("/host")),
            ("/etc/circle", None),
            ("/etc/circle/below", None),
            ("/etc/missing/file", Some("/etc/missing/file")),
            ("/../etc/./missing", Some("/etc/missing")),
            ("/", Some("/")),
        ];
        for (path, place) in cases {
            let found = locate_one(root.as_fd(), Path::new(path), &["/run".to_string()]);
            assert_eq!(found, place.map(PathBuf::from), "{path}");
        }
        // What is mounted on it later hides the link in the directory.
        let uncovered = locate_one(root.as_fd(), Path::new(cases[0].0), &[]);
        assert_eq!(uncovered, Some(PathBuf::from("/elsewhere/stub")));
        fs::remove_dir_all(&directory).unwrap();
    }
}
