//! What takes the place of newer system calls, for kernels from 4.18 on and for filters that do not know the calls.

use super::{Components, c_string, check};
use std::ffi::{OsStr, OsString};
use std::io::{Error, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A directory or a file, as a place.
const NODE: i32 = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;

/// `openat2` with `RESOLVE_IN_ROOT`: opens a path as a process would whose root directory is `root`. Each component is opened by
/// itself, in the directory that was found before it, and no link is followed by the kernel: nobody who renames or replaces
/// something meanwhile can lead it elsewhere. A link of `/proc` that is more than its text is no more than its text here.
pub fn open_in_root(root: BorrowedFd<'_>, path: &Path, flags: i32) -> Result<OwnedFd> {
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
                let node = open(here, &name, NODE)?;
                let kind = kind_of(&node)?;
                if kind == libc::S_IFLNK && !(is_last && flags & libc::O_NOFOLLOW != 0) {
                    components.follow(&target_of(&node)?)?;
                } else if is_last && flags & libc::O_PATH != 0 {
                    return Ok(node);
                } else if is_last {
                    match open(here, &name, flags | libc::O_NOFOLLOW | libc::O_CLOEXEC) {
                        // Replaced by a link since we looked: it is looked at in its turn.
                        Err(error) if error.raw_os_error() == Some(libc::ELOOP) && kind != libc::S_IFLNK => {
                            components.follow(Path::new(&name))?;
                        }
                        other => return other,
                    }
                } else if kind == libc::S_IFDIR {
                    above.push(node);
                } else {
                    return Err(Error::from_raw_os_error(libc::ENOTDIR));
                }
            }
        }
    }
    let here = above.last().map_or(root, |directory| directory.as_fd());
    open(here, OsStr::new("."), flags | libc::O_CLOEXEC)
}

fn open(directory: BorrowedFd<'_>, name: &OsStr, flags: i32) -> Result<OwnedFd> {
    let name = c_string(name)?;
    // SAFETY: the name is a terminated string that outlives the call.
    let descriptor = check(unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags) }.into())?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) })
}

fn kind_of(node: &OwnedFd) -> Result<u32> {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills the structure, or the call fails and it is not read.
    unsafe {
        check(libc::fstat(node.as_raw_fd(), found.as_mut_ptr()).into())?;
        Ok(found.assume_init().st_mode & libc::S_IFMT)
    }
}

/// What a link says that is open as a place.
pub fn target_of(link: &OwnedFd) -> Result<PathBuf> {
    let mut target = vec![0; libc::PATH_MAX as usize];
    // SAFETY: the kernel reads an empty string and writes at most as many bytes as the buffer has.
    let length = unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    target.truncate(check(length as libc::c_long)? as usize);
    Ok(OsString::from_vec(target).into())
}

/// `close_range` in this process: every open descriptor from `first` to `last` is closed, or marked to be closed on exec.
pub fn close_range(first: u32, last: u32, only_mark: bool) {
    for number in open_descriptors() {
        if (first..=last).contains(&(number as u32)) {
            // SAFETY: takes plain numbers. For what is closed see the callers of `sys::close_range`.
            unsafe {
                if only_mark {
                    let flags = libc::fcntl(number, libc::F_GETFD);
                    libc::fcntl(number, libc::F_SETFD, flags | libc::FD_CLOEXEC);
                } else {
                    libc::close(number);
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
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: the kernel fills the structure, which is valid when all zero.
    let most = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr());
        limit.assume_init().rlim_cur
    };
    (0..RawFd::try_from(most).unwrap_or(RawFd::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
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

    const READ: i32 = libc::O_RDONLY | libc::O_NONBLOCK;

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
        let open = |path| open_in_root(root.as_fd(), Path::new(path), libc::O_PATH | libc::O_NOFOLLOW);
        let link = open("directory/../etc/deep/escape").unwrap();
        assert_eq!(target_of(&link).unwrap(), Path::new("../../../outside/secret"));
        assert_eq!(target_of(&open("circle").unwrap()).unwrap(), Path::new("circle"));
        assert!(target_of(&open("etc/file").unwrap()).is_err());
        let read = open_in_root(root.as_fd(), Path::new("circle"), READ | libc::O_NOFOLLOW);
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
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    super::super::exchange(&root.join("real"), &root.join("false")).unwrap();
                    super::super::exchange(&root.join("etc/file"), &root.join("etc/false")).unwrap();
                }
            });
            let directory = tree.root();
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
        let numbers: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
        for number in &numbers {
            // SAFETY: takes plain numbers; the descriptors are ours.
            unsafe { libc::fcntl(*number, libc::F_SETFD, 0) };
        }
        // SAFETY: takes a plain number.
        let flags = |number: RawFd| unsafe { libc::fcntl(number, libc::F_GETFD) };
        let middle = numbers[1] as u32;
        close_range(middle, middle, true);
        assert_eq!(
            numbers.iter().map(|number| flags(*number)).collect::<Vec<_>>(),
            [0, libc::FD_CLOEXEC, 0]
        );
        // A copy far above what other tests may open meanwhile.
        // SAFETY: takes plain numbers; the descriptor is ours.
        let far = unsafe { libc::fcntl(numbers[0], libc::F_DUPFD_CLOEXEC, 900) };
        assert!(open_descriptors().contains(&far));
        close_range(far as u32, u32::MAX, false);
        assert_eq!([flags(far), flags(numbers[0])], [-1, 0]);
    }
}
