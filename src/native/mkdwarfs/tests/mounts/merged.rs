//! Several layers as one file system, compared with what the kernel's overlay makes of the trees they were packed from.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use dwarfs_fuse::{Layer, MountOptions, mount, serve_merged};
use namespaces::{inside, made_with};

use super::common::{Scratch, make_node, open, pack, set_mode};
use super::{AS_ROOT, AS_USER, mount_raw, unmount};

const NAMES: [&str; 7] = ["a", "b", "c", "d", "ä", "long name", "z"];
const ROUNDS: u64 = 8;

#[test]
fn layers_merge_as_the_kernel_merges_them() {
    inside("merged::inside_random_layers", AS_ROOT);
}

#[test]
fn layers_merge_in_a_user_namespace() {
    inside("merged::inside_random_layers", AS_USER);
}

#[test]
fn no_layers_are_refused() {
    let null = fs::File::open("/dev/null").unwrap();
    let error = serve_merged(Vec::new(), null.into()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
}

/// Numbers without end that are the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Something in each of some names: directories down to a depth, files, links, and deletions.
fn grow(directory: &Path, depth: u32, layer: u64, chance: &mut Chance) {
    for name in NAMES {
        let path = directory.join(name);
        match chance.below(10) {
            0..4 if depth > 0 => {
                fs::create_dir(&path).unwrap();
                set_mode(&path, 0o700 + chance.below(64) as u32);
                grow(&path, depth - 1, layer, chance);
            }
            4 => fs::write(
                &path,
                format!("{name} of layer {layer}").repeat(1 + chance.below(300) as usize),
            )
            .unwrap(),
            5 => symlink(format!("to layer {layer}"), &path).unwrap(),
            6 => {
                fs::write(&path, format!("{layer}")).unwrap();
                fs::hard_link(&path, directory.join(format!("{name}-{layer}"))).unwrap();
            }
            7 => assert!(make_node(&path, libc::S_IFCHR, 0)),
            _ => {}
        }
    }
}

/// What can be seen of a path, but for its number and, for a directory, how many names it has.
#[derive(Debug, Eq, PartialEq)]
struct Shown {
    mode: u32,
    owner: (u32, u32),
    modified: i64,
    links: u64,
    content: Vec<u8>,
}

fn show(root: &Path) -> BTreeMap<PathBuf, Shown> {
    let mut all = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(path) = open.pop() {
        // The kernel lists what deletes in a directory that only one layer has, and then says that it is not there.
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            result => result.unwrap(),
        };
        let kind = metadata.file_type();
        let content = if kind.is_file() {
            fs::read(&path).unwrap()
        } else if kind.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().as_bytes().to_vec()
        } else {
            Vec::new()
        };
        if kind.is_dir() {
            let names: Vec<OsString> = fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len(), "{names:?}");
            open.extend(names.iter().map(|name| path.join(name)));
        }
        let shown = Shown {
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            modified: metadata.mtime(),
            links: if kind.is_dir() { 0 } else { metadata.nlink() },
            content,
        };
        all.insert(path.strip_prefix(root).unwrap().to_path_buf(), shown);
    }
    all
}

/// Listings and look-ups tell of the same inodes, each of which has as many names as it says, and no deletion is seen.
fn check_numbers(root: &Path) {
    let mut names: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let metadata = fs::symlink_metadata(entry.path()).unwrap();
            assert_eq!(entry.ino(), metadata.ino(), "{}", entry.path().display());
            assert!(metadata.ino() < 1 << 32);
            if metadata.is_dir() {
                open.push(entry.path());
            }
            let links = if metadata.is_dir() { 1 } else { metadata.nlink() };
            names.entry(metadata.ino()).or_insert((links, 0)).1 += 1;
        }
        for name in NAMES {
            let is_listed = fs::read_dir(&directory)
                .unwrap()
                .any(|entry| entry.unwrap().file_name() == *name);
            assert_eq!(fs::symlink_metadata(directory.join(name)).is_ok(), is_listed);
        }
    }
    for (number, (links, seen)) in names {
        assert!(seen <= links, "inode {number} has {seen} names and says {links}");
    }
}

#[test]
#[ignore = "runs in namespaces of its own, started by the tests above"]
fn inside_random_layers() {
    for seed in 1..=ROUNDS {
        let scratch = Scratch::new("merged");
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let count = 1 + seed % 5;
        let mut layers: Vec<Layer> = Vec::new();
        let mut trees = Vec::new();
        for layer in 0..count {
            let tree = scratch.folder(&format!("tree{layer}"));
            grow(&tree, 3, layer, &mut chance);
            let image = scratch.join(format!("image{layer}"));
            pack(&tree, &image, &["-l", "1"]);
            layers.push(open(&image));
            trees.push(tree);
        }
        let target = scratch.folder("merged");
        let serving = serve_merged(layers, mount(&target, &MountOptions::default()).unwrap()).unwrap();
        // A single layer is no overlay to the kernel: an empty one below it makes it one, and deletes nothing.
        trees.insert(0, scratch.folder("empty"));
        let model = scratch.folder("model");
        overlay(&trees, &model);
        let (merged, wanted) = (show(&target), show(&model));
        let differences: Vec<_> = wanted
            .keys()
            .chain(merged.keys())
            .filter(|path| wanted.get(*path) != merged.get(*path))
            .collect();
        assert!(differences.is_empty(), "seed {seed}: {differences:?}");
        check_numbers(&target);
        unmount(&model);
        unmount(&target);
        serving.join().unwrap();
    }
}

/// The kernel's overlay of trees, lowest first, that cannot be written to.
fn overlay(trees: &[PathBuf], target: &Path) {
    let lower: Vec<_> = trees.iter().rev().map(|tree| tree.display().to_string()).collect();
    let user = if made_with("-U") { ",userxattr" } else { "" };
    mount_raw(
        "overlay",
        target,
        "overlay",
        &format!("lowerdir={}{user}", lower.join(":")),
    );
}
