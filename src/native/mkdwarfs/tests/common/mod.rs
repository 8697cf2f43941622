//! What the tests share: scratch folders, trees to pack, the program, and opened images.
#![allow(dead_code, reason = "each test program uses a part of this")]

pub mod compare;
pub mod image;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use dwarfs_fuse::{Cache, Layer, Options, Source};

/// A folder that goes away with the value.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mkdwarfs-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join(path)
    }

    /// A new folder in this one.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn mkdwarfs(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mkdwarfs"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Packs a tree; the run must succeed.
pub fn pack(tree: &Path, image: &Path, more: &[&str]) {
    let base = ["-i".as_ref(), tree.as_os_str(), "-o".as_ref(), image.as_os_str()];
    let output = mkdwarfs(base.into_iter().chain(more.iter().map(OsStr::new)));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub fn options() -> Options {
    Options {
        workers: 2,
        ..Options::default()
    }
}

pub fn open(image: &Path) -> Layer {
    let source = Source {
        path: image.to_owned(),
        offset: 0,
        size: None,
    };
    Layer::open(&source, &options(), Cache::new(64 << 20)).unwrap()
}

/// The inode of a path such as `a/b`.
pub fn walk(layer: &Layer, path: &str) -> Option<u32> {
    path.split('/')
        .filter(|name| !name.is_empty())
        .try_fold(0, |inode, name| layer.find(inode, name.as_bytes()))
}

/// The whole content of a file, read in pieces of `step` bytes.
pub fn content(layer: &Layer, inode: u32, step: usize) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let before = content.len();
        layer.read(inode, before as u64, step, |bytes| content.extend_from_slice(bytes))?;
        if content.len() == before {
            return Ok(content);
        }
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Bytes that compress somewhat and never repeat.
pub fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let step = move |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8 & 0x3f
    };
    (0..length).map(step).collect()
}

/// Makes a special file; false if that is not permitted here.
pub fn make_node(path: &Path, mode: u32, device: u64) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the pointer is to a string that ends with a zero byte and outlives the call.
    unsafe { libc::mknod(path.as_ptr(), mode, device) == 0 }
}

/// A small tree with a bit of everything that needs no privilege.
pub fn plain_tree(root: &Path) {
    fs::create_dir_all(root.join("usr/lib/deep/deeper")).unwrap();
    fs::create_dir_all(root.join("empty")).unwrap();
    fs::write(root.join("usr/lib/noise"), noise(300_000, 1)).unwrap();
    fs::write(root.join("usr/lib/noise-again"), noise(300_000, 1)).unwrap();
    fs::write(root.join("usr/lib/deep/text"), "some text\n".repeat(5000)).unwrap();
    fs::write(root.join("usr/lib/deep/deeper/nothing"), "").unwrap();
    fs::write(root.join("größe ☃ name"), "not ascii").unwrap();
    fs::write(root.join("a-hidden").with_file_name(".hidden"), "dot").unwrap();
    fs::write(root.join("program"), "#!/bin/sh\n").unwrap();
    set_mode(&root.join("program"), 0o6755);
    set_mode(&root.join("empty"), 0o1777);
    set_mode(&root.join("usr/lib/deep/text"), 0o400);
    fs::hard_link(root.join("usr/lib/noise"), root.join("linked")).unwrap();
    fs::hard_link(root.join("usr/lib/noise"), root.join("usr/linked too")).unwrap();
    symlink("usr/lib/deep", root.join("link")).unwrap();
    symlink("/nowhere/at all ☃", root.join("usr/dangling")).unwrap();
    fs::hard_link(root.join("link"), root.join("link-linked")).unwrap();
    assert!(make_node(&root.join("pipe"), libc::S_IFIFO | 0o640, 0));
    assert!(make_node(&root.join("socket"), libc::S_IFSOCK | 0o755, 0));
}
