//! Parts of files that are stored before all else.

mod common;

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::{Scratch, mkdwarfs, noise, open, pack, walk};
use dwarfs_fuse::Layer;

const BLOCK: usize = 64 << 10;
/// A name that is not UTF-8.
const ODD: &[u8] = b"d/n\xff m";

/// A tree of libraries of 16 blocks, some of them equal, linked, sparse or small.
fn tree(scratch: &Scratch) -> PathBuf {
    let tree = scratch.folder("tree");
    fs::create_dir(tree.join("d")).unwrap();
    for (name, seed) in [("a.so", 1), ("b.so", 2), ("twin.so", 1)] {
        fs::write(tree.join(name), noise(16 * BLOCK, seed)).unwrap();
    }
    fs::write(tree.join(std::ffi::OsStr::from_bytes(ODD)), noise(BLOCK / 2, 4)).unwrap();
    fs::hard_link(tree.join("b.so"), tree.join("d/link.so")).unwrap();
    let sparse = File::create(tree.join("sparse")).unwrap();
    for block in [0, 64] {
        sparse
            .write_all_at(&noise(BLOCK, 5 + block as u32), (block * BLOCK) as u64)
            .unwrap();
    }
    tree
}

fn list(scratch: &Scratch, entries: &[(u64, u64, &[u8])]) -> PathBuf {
    let mut text = Vec::new();
    for (offset, length, path) in entries {
        text.extend_from_slice(format!("{offset} {length} ").as_bytes());
        text.extend_from_slice(path);
        text.push(0);
    }
    let path = scratch.join("list");
    fs::write(&path, text).unwrap();
    path
}

fn packed(scratch: &Scratch, tree: &Path, list: &Path) -> Layer {
    let image = scratch.join("image");
    let list = list.to_str().unwrap();
    pack(tree, &image, &["-l", "1", "--block-size-bits", "16", "--first", list]);
    open(&image)
}

/// Which blocks hold a part of a file, in its order.
fn blocks(layer: &Layer, path: &[u8], offset: u64, length: u64) -> Vec<Option<u32>> {
    let inode = path
        .split(|byte| *byte == b'/')
        .try_fold(0, |inode, name| layer.find(inode, name))
        .unwrap();
    let mut rest = length;
    let mut blocks = Vec::new();
    for extent in layer.extents(inode, offset).unwrap() {
        blocks.push(extent.block);
        rest = rest.saturating_sub(extent.size);
        if rest == 0 {
            break;
        }
    }
    blocks
}

/// Fails unless every file of the tree is what the layer has.
fn compare(layer: &Layer, tree: &Path) {
    for name in ["a.so", "b.so", "twin.so", "d/link.so", "sparse"] {
        let expected = fs::read(tree.join(name)).unwrap();
        let inode = walk(layer, name).unwrap();
        let mut content = Vec::new();
        while content.len() < expected.len() {
            layer
                .read(inode, content.len() as u64, 1 << 20, |bytes| {
                    content.extend_from_slice(bytes)
                })
                .unwrap();
        }
        assert!(content == expected, "{name}");
    }
}

#[test]
fn what_the_list_names_comes_first_and_nothing_is_lost() {
    let scratch = Scratch::new("first");
    let tree = tree(&scratch);
    let at = |block: u64| block * BLOCK as u64;
    let wanted: [(u64, u64, &[u8]); 8] = [
        (at(9), 4096, b"d/link.so"),
        (at(3), 10, b"twin.so"),
        (0, 1, ODD),
        (at(3) + 20, at(1), b"a.so"),
        (0, 100, b"sparse"),
        (at(64), 100, b"sparse"),
        (0, 5, b"was/here/before"),
        (at(500), 5, b"a.so"),
    ];
    let layer = packed(&scratch, &tree, &list(&scratch, &wanted));
    compare(&layer, &tree);
    let bytes = 4096 + (at(1) + 4096) + at(1) / 2 + 4096 + 4096;
    let last = u32::try_from(bytes / at(1)).unwrap();
    let first = |path, offset, length| {
        let blocks = blocks(&layer, path, offset, length);
        assert!(
            blocks.iter().all(|block| block.is_some_and(|block| block <= last)),
            "{blocks:?}"
        );
    };
    first(b"b.so", at(9), 4096);
    first(b"a.so", at(3), at(1));
    first(ODD, 0, at(1) / 2);
    first(b"sparse", 0, 4096);
    first(b"sparse", at(64), 4096);
    for (path, block) in [(b"a.so", 2), (b"a.so", 5), (b"b.so", 8), (b"b.so", 10)] {
        let blocks = blocks(&layer, path, at(block), 4096);
        assert!(
            blocks.iter().all(|block| block.is_some_and(|block| block > last)),
            "{blocks:?}"
        );
    }
}

#[test]
fn an_empty_list_changes_nothing() {
    let scratch = Scratch::new("first-none");
    let tree = tree(&scratch);
    let list = list(&scratch, &[]);
    packed(&scratch, &tree, &list);
    let plain = scratch.join("plain");
    pack(&tree, &plain, &["-l", "1", "--block-size-bits", "16"]);
    assert!(fs::read(&plain).unwrap() == fs::read(scratch.join("image")).unwrap());
}

#[test]
fn a_list_that_is_none_is_refused_and_leaves_no_image() {
    let scratch = Scratch::new("first-bad");
    let tree = tree(&scratch);
    let image = scratch.join("image");
    let list = scratch.join("list");
    let refused = |text: &[u8], what: &str| {
        fs::write(&list, text).unwrap();
        let output = mkdwarfs([
            "-i".as_ref(),
            tree.as_os_str(),
            "-o".as_ref(),
            image.as_os_str(),
            "--first".as_ref(),
            list.as_os_str(),
        ]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(what), "{message}");
        assert!(!image.exists());
    };
    refused(b"0 1 a.so\0x", "entry 2 is not OFFSET LENGTH PATH");
    refused(b"99999999999999999999 1 a.so\0", "entry 1 is not");
    refused(&vec![b' '; (16 << 20) + 1], "is longer than 16 MiB");
}
