//! An opened image against the tree that it was made of.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use dwarfs_fuse::{Kind, Layer};

use super::content;

/// Compares a directory of an image with one of the file system, all the way down.
fn compare(layer: &Layer, inode: u32, path: &Path, links: &mut HashMap<(u64, u64), u32>) {
    let stat = fs::symlink_metadata(path).unwrap();
    let said = layer.attributes(inode).unwrap();
    let kind = stat.file_type();
    let expected = if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Symlink
    } else if kind.is_file() {
        Kind::File
    } else if kind.is_block_device() {
        Kind::BlockDevice
    } else if kind.is_char_device() {
        Kind::CharacterDevice
    } else if kind.is_fifo() {
        Kind::Pipe
    } else {
        Kind::Socket
    };
    assert_eq!(said.kind, expected, "{path:?}");
    assert_eq!(said.mode, stat.mode() & 0o7777, "{path:?}");
    assert_eq!((said.uid, said.gid), (stat.uid(), stat.gid()), "{path:?}");
    assert_eq!(said.modified, stat.mtime() as u64, "{path:?}");
    assert_eq!(u64::from(said.links), stat.nlink(), "{path:?}");
    if !kind.is_dir() {
        assert_eq!(said.size, stat.size(), "{path:?}");
        assert_eq!(said.device, stat.rdev(), "{path:?}");
        let first = *links.entry((stat.dev(), stat.ino())).or_insert(inode);
        assert_eq!(first, inode, "{path:?} must be one inode with its other names");
    }
    match expected {
        Kind::File => {
            let original = fs::read(path).unwrap();
            assert!(content(layer, inode, 1 << 20).unwrap() == original, "{path:?} differs");
            assert!(
                content(layer, inode, 4097).unwrap() == original,
                "{path:?} differs in small steps"
            );
        }
        Kind::Symlink => {
            let target = fs::read_link(path).unwrap();
            assert_eq!(layer.target(inode).unwrap(), target.as_os_str().as_bytes());
        }
        Kind::Directory => {
            let mut names: Vec<_> = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            names.sort();
            let entries: Vec<_> = layer.entries(inode).unwrap().collect();
            let found: Vec<_> = entries.iter().map(|entry| entry.name).collect();
            assert_eq!(
                found,
                names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>(),
                "{path:?}"
            );
            for (entry, name) in entries.iter().zip(names) {
                assert_eq!(layer.find(inode, entry.name), Some(entry.inode));
                compare(layer, entry.inode, &path.join(name), links);
            }
            assert_eq!(layer.find(inode, b"no such name"), None);
        }
        _ => {}
    }
}

pub fn assert_same(layer: &Layer, root: &Path) {
    compare(layer, 0, root, &mut HashMap::new());
}
