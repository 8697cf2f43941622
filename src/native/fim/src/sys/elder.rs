//! What takes the place of newer system calls, for kernels from 4.18 on and for filters that do not know the calls.

use super::Components;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::{Errno, FdFlags};
use rustix::process::{Resource, getrlimit};
use std::ffi::{OsStr, OsString};
use std::io::{Error, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A directory or a file, as a place.
const NODE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// `openat2` with `RESOLVE_IN_ROOT`: opens a path as a process would whose root directory is `root`. Each component is opened by
/// itself, in the directory that was found before it, and no link is followed by the kernel: nobody who renames or replaces
/// something meanwhile can lead it elsewhere. A link of `/proc` that is more than its text is no more than its text here.
pub fn open_in_root(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let mut components = Components::of(path)?;
    // From the root down to where we are, so that `..` is the directory that we came from.
    let mut above: Vec<OwnedFd> = Vec::new();
    while let Some(name) = components.next() {
        let here = above.last().map_or(root, |directory| directory.as_fd());
        match name.as_encoded_bytes() {
            b"/" => above.clear(),
            // The parent of the root is the root.
            b".." => drop(above.pop()),
            _ => {
                let is_last = components.is_empty();
                let node = openat(here, &name, NODE, Mode::empty())?;
                let kind = FileType::from_raw_mode(fstat(&node)?.st_mode);
                if kind.is_symlink() && !(is_last && flags.contains(OFlags::NOFOLLOW)) {
                    components.follow(&target_of(&node)?)?;
                } else if is_last && flags.contains(OFlags::PATH) {
                    return Ok(node);
                } else if is_last {
                    match openat(here, &name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
                        // Replaced by a link since we looked: it is looked at in its turn.
                        Err(Errno::LOOP) if !kind.is_symlink() => components.follow(Path::new(&name))?,
                        other => return Ok(other?),
                    }
                } else if kind.is_dir() {
                    above.push(node);
                } else {
                    return Err(Error::from_raw_os_error(libc::ENOTDIR));
                }
            }
        }
    }
    let here = above.last().map_or(root, |directory| directory.as_fd());
    Ok(openat(here, OsStr::new("."), flags | OFlags::CLOEXEC, Mode::empty())?)
}

/// What a link says that is open as a place.
pub fn target_of(link: &OwnedFd) -> Result<PathBuf> {
    Ok(OsString::from_vec(readlinkat(link, "", Vec::new())?.into_bytes()).into())
}

/// `close_range` in this process: every open descriptor from `first` to `last` is closed, or marked to be closed on exec.
pub fn close_range(first: u32, last: u32, only_mark: bool) {
    for number in open_descriptors() {
        if (first..=last).contains(&(number as u32)) {
            // SAFETY: it is open, or the call fails. For what is closed see the callers of `sys::close_range`.
            unsafe {
                if only_mark {
                    let _ = rustix::io::fcntl_setfd(BorrowedFd::borrow_raw(number), FdFlags::CLOEXEC);
                } else {
                    rustix::io::close(number);
                }
            }
        }
    }
}

/// All descriptors of this process; without `/proc` all that it may have.
fn open_descriptors() -> Vec<RawFd> {
    let number = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        return entries.filter_map(number).collect();
    }
    let most = getrlimit(Resource::Nofile)
        .current
        .and_then(|most| most.try_into().ok());
    (0..most.unwrap_or(RawFd::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{RenameFlags, renameat_with};
    use rustix::io::{fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};
    use std::fs::{self, File};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{MetadataExt, symlink};

    struct Tree(PathBuf);

    impl Tree {
        /// A root with links of every kind, and beside it what none of them may reach.
        fn new(name: &str) -> Tree {
            let directory = std::env::temp_dir().join(format!("fim-elder-{name}-{}", std::process::id()));
            fs::create_dir_all(directory.join("root/etc/deep")).unwrap();
            fs::create_dir_all(directory.join("outside")).unwrap();
            fs::write(directory.join("outside/secret"), "secret").unwrap();
            fs::write(directory.join("root/etc/file"), "inside").unwrap();
            for (link, target) in [
                ("absolute", "/etc/file"),
                ("relative", "etc/deep/../file"),
                ("up", "../../../../etc/file"),
                ("escape", "../outside/secret"),
                ("etc/deep/escape", "../../../outside/secret"),
                ("directory", "/../etc"),
                ("circle", "circle"),
                ("dangling", "missing"),
                ("root", "/"),
                ("host", "/proc/self/root/etc/passwd"),
            ] {
                symlink(target, directory.join("root").join(link)).unwrap();
            }
            symlink(directory.join("outside/secret"), directory.join("root/named")).unwrap();
            Tree(directory)
        }

        fn root(&self) -> File {
            File::open(self.0.join("root")).unwrap()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);

    #[test]
    fn a_path_leads_to_what_openat2_opens_and_never_out_of_the_root() {
        let tree = Tree::new("paths");
        let root = tree.root();
        let paths = [
            ("etc/file", Ok("etc/file")),
            ("/etc/./file", Ok("etc/file")),
            ("../../etc/file", Ok("etc/file")),
            ("etc/deep/../../../etc/file", Ok("etc/file")),
            ("absolute", Ok("etc/file")),
            ("relative", Ok("etc/file")),
            ("up", Ok("etc/file")),
            ("directory/deep/../file", Ok("etc/file")),
            ("root/root/absolute", Ok("etc/file")),
            ("", Ok("")),
            ("/", Ok("")),
            ("..", Ok("")),
            ("etc/deep/..", Ok("etc")),
            ("escape", Err(libc::ENOENT)),
            ("etc/deep/escape", Err(libc::ENOENT)),
            ("named", Err(libc::ENOENT)),
            ("host", Err(libc::ENOENT)),
            ("dangling", Err(libc::ENOENT)),
            ("missing/..", Err(libc::ENOENT)),
            ("etc/file/..", Err(libc::ENOTDIR)),
            ("absolute/more", Err(libc::ENOTDIR)),
            ("circle", Err(libc::ELOOP)),
        ];
        for (path, expected) in paths {
            let found = open_in_root(root.as_fd(), Path::new(path), READ);
            let found = found.map(File::from).map_err(|error| error.raw_os_error());
            let newer = super::super::files::open_by_openat2(root.as_fd(), Path::new(path), READ);
            match expected {
                Ok(inside) => {
                    let wanted = fs::metadata(tree.0.join("root").join(inside)).unwrap();
                    let found = found.unwrap_or_else(|error| panic!("{path}: {error:?}"));
                    assert_eq!(found.metadata().unwrap().ino(), wanted.ino(), "{path}");
                }
                Err(error) => assert_eq!(found.err(), Some(Some(error)), "{path}"),
            }
            // The kernel itself, where it has the call. It takes no empty path.
            if !path.is_empty()
                && let Err(error) = newer
                && !super::super::is_refusal(&error)
            {
                assert_eq!(expected.err(), error.raw_os_error(), "{path}, as the kernel has it");
            }
        }
    }

    #[test]
    fn a_link_itself_is_opened_where_that_is_asked_for() {
        let tree = Tree::new("link");
        let root = tree.root();
        let open = |path| open_in_root(root.as_fd(), Path::new(path), OFlags::PATH | OFlags::NOFOLLOW);
        let link = open("directory/../etc/deep/escape").unwrap();
        assert_eq!(target_of(&link).unwrap(), Path::new("../../../outside/secret"));
        assert_eq!(target_of(&open("circle").unwrap()).unwrap(), Path::new("circle"));
        assert!(target_of(&open("etc/file").unwrap()).is_err());
        let read = open_in_root(root.as_fd(), Path::new("circle"), READ | OFlags::NOFOLLOW);
        assert_eq!(read.unwrap_err().raw_os_error(), Some(libc::ELOOP));
    }

    #[test]
    fn who_swaps_entries_meanwhile_leads_nowhere_else() {
        let tree = Tree::new("swap");
        let root = tree.0.join("root");
        fs::create_dir(root.join("real")).unwrap();
        fs::write(root.join("real/secret"), "inside").unwrap();
        symlink("../outside", root.join("false")).unwrap();
        symlink("../outside/secret", root.join("etc/false")).unwrap();
        let directory = tree.root();
        let exchange = |one: &str, other: &str| {
            renameat_with(&directory, one, &directory, other, RenameFlags::EXCHANGE).unwrap();
        };
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    exchange("real", "false");
                    exchange("etc/file", "etc/false");
                }
            });
            let mut opened = 0;
            for _ in 0..20_000 {
                for path in ["real/secret", "etc/file"] {
                    if let Ok(file) = open_in_root(directory.as_fd(), Path::new(path), READ) {
                        opened += 1;
                        let mut text = String::new();
                        std::io::Read::read_to_string(&mut File::from(file), &mut text).unwrap();
                        assert_eq!(text, "inside", "{path}");
                    }
                }
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(opened > 0);
        });
    }

    #[test]
    fn descriptors_are_marked_or_closed_within_their_bounds() {
        let files: Vec<File> = (0..3).map(|_| File::open("/").unwrap()).collect();
        for file in &files {
            fcntl_setfd(file, FdFlags::empty()).unwrap();
        }
        let flags = |file: &File| fcntl_getfd(file).map_err(|error| error.raw_os_error());
        let middle = files[1].as_raw_fd() as u32;
        close_range(middle, middle, true);
        assert_eq!(
            files.iter().map(flags).collect::<Vec<_>>(),
            [Ok(FdFlags::empty()), Ok(FdFlags::CLOEXEC), Ok(FdFlags::empty())]
        );
        // A copy far above what other tests may open meanwhile.
        let far = File::from(fcntl_dupfd_cloexec(&files[0], 900).unwrap());
        assert!(open_descriptors().contains(&far.as_raw_fd()));
        close_range(far.as_raw_fd() as u32, u32::MAX, false);
        assert_eq!(
            [flags(&far), flags(&files[0])],
            [Err(libc::EBADF), Ok(FdFlags::empty())]
        );
        // It is closed.
        std::mem::forget(far);
    }
}
