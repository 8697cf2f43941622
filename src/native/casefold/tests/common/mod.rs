//! What the tests share: namespaces of their own, and a mounted file system in them.
#![allow(dead_code, reason = "each test program uses a part of this")]

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use casefold::{Options, Serving, serve};
use dwarfs_fuse::MountOptions;

const AS_ROOT: &[&str] = &["-m", "-p", "-f", "--mount-proc"];
const AS_USER: &[&str] = &["-U", "-r", "-m", "-p", "-f", "--mount-proc"];

/// Runs one of the ignored tests of this program in new namespaces, as root and as root of a user namespace. What cannot
/// be made here is skipped.
pub fn inside(test: &str) {
    for options in [AS_ROOT, AS_USER] {
        namespaces::inside(test, options);
    }
}

/// A directory below, and above it the file system.
pub struct Mounted {
    pub below: PathBuf,
    pub top: PathBuf,
    pub serving: Option<Serving>,
}

impl Mounted {
    /// To be called in namespaces of our own.
    pub fn new() -> Self {
        Self::with(|_| (), None)
    }

    /// With something in the directory below before it is mounted, and a bound of directories that are kept open.
    pub fn with(prepare: impl FnOnce(&Path), directories: Option<usize>) -> Self {
        let base = PathBuf::from("/tmp");
        mount("tmpfs", &base);
        let (below, top) = (base.join("below"), base.join("top"));
        fs::create_dir(&below).unwrap();
        fs::create_dir(&top).unwrap();
        prepare(&below);
        let options = MountOptions {
            source: "casefold".into(),
            read_only: false,
            ..MountOptions::default()
        };
        let fuse = dwarfs_fuse::mount(&top, &options).unwrap();
        let serving = serve(
            fuse,
            Options {
                root: directory(&below),
                space: directory(&below),
                threads: 4,
                directories,
            },
        )
        .unwrap();
        Self {
            below,
            top,
            serving: Some(serving),
        }
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.top.join(path)
    }

    pub fn below(&self, path: &str) -> PathBuf {
        self.below.join(path)
    }

    pub fn listings(&self) -> u64 {
        let counters = self.serving.as_ref().unwrap().counters();
        counters.listings.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub fn lookups(&self) -> u64 {
        let counters = self.serving.as_ref().unwrap().counters();
        counters.lookups.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let top = c_path(&self.top);
        // SAFETY: the pointer is to a string that ends with a zero byte and outlives the call.
        unsafe { libc::umount2(top.as_ptr(), libc::MNT_DETACH) };
        if !std::thread::panicking()
            && let Some(serving) = self.serving.take()
        {
            serving.join().unwrap();
        }
    }
}

fn mount(kind: &str, target: &Path) {
    let (kind, target) = (CString::new(kind).unwrap(), c_path(target));
    // SAFETY: all pointers are to strings that end with a zero byte and outlive the call, or null where that is allowed.
    let result = unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

fn directory(path: &Path) -> OwnedFd {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(path)
        .map(File::into)
        .unwrap()
}

pub fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

/// The names in a directory, sorted.
pub fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Fails if two names of a directory, or of one below it, differ only in case.
pub fn assert_no_pairs(path: &Path) {
    let mut seen = HashMap::new();
    for name in names(path) {
        if let Some(other) = seen.insert(name.to_lowercase(), name.clone()) {
            panic!("{other} and {name} are both in {}", path.display());
        }
        if fs::symlink_metadata(path.join(&name)).unwrap().is_dir() {
            assert_no_pairs(&path.join(name));
        }
    }
}

/// The error number of something that must fail.
pub fn code<T>(result: std::io::Result<T>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(cause) => cause.raw_os_error().unwrap(),
    }
}

/// `renameat2`.
pub fn rename_with(from: &Path, to: &Path, flags: u32) -> std::io::Result<()> {
    let (from, to) = (c_path(from), c_path(to));
    // SAFETY: both pointers are to strings that end with a zero byte and outlive the call.
    let result = unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags) };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// Numbers that look random and are the same each time.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
