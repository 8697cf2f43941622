//! What is packed comes out again: every kind of file, every attribute, at every level.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use common::compare::assert_same;
use common::{Scratch, make_node, mkdwarfs, noise, open, pack, plain_tree, walk};
use dwarfs_fuse::Layer;

#[test]
fn every_level() {
    let scratch = Scratch::new("levels");
    let tree = scratch.folder("tree");
    plain_tree(&tree);
    let mut sizes = Vec::new();
    for level in 0..=9 {
        let image = scratch.join(format!("{level}.dwarfs"));
        pack(&tree, &image, &["-l", &level.to_string()]);
        assert_same(&open(&image), &tree);
        sizes.push(fs::metadata(&image).unwrap().len());
    }
    assert!(
        sizes[0] > sizes[1] && sizes[1] >= sizes[9],
        "levels do not differ: {sizes:?}"
    );
}

#[test]
fn names_and_targets_of_any_bytes() {
    let scratch = Scratch::new("bytes");
    let tree = scratch.folder("tree");
    // Beside those that are text: the same bytes as characters, the first and the last byte, and half a character.
    let names: [&[u8]; 7] = [
        b"plain",
        "käse €".as_bytes(),
        "\u{e4}".as_bytes(),
        b"\xe4",
        b"\x01",
        b"\xff",
        b"cut\xe2\x82",
    ];
    for (number, name) in names.iter().enumerate() {
        let name = OsStr::from_bytes(name);
        fs::write(tree.join(name), format!("{number}\n")).unwrap();
        let below = scratch.folder("tree/below").join(name);
        fs::create_dir(&below).unwrap();
        symlink(name, below.join(name)).unwrap();
    }
    let image = scratch.join("image");
    pack(&tree, &image, &[]);
    assert_same(&open(&image), &tree);
}

#[test]
fn small_blocks_split_files() {
    let scratch = Scratch::new("split");
    let tree = scratch.folder("tree");
    plain_tree(&tree);
    // 16 MiB in blocks of 64 KiB: more pieces than one mark covers.
    fs::write(tree.join("large"), noise(16 << 20, 3)).unwrap();
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "1", "--block-size-bits", "16"]);
    let layer = open(&image);
    assert_same(&layer, &tree);
    let large = walk(&layer, "large").unwrap();
    assert!(layer.extents(large, 0).unwrap().count() > 128);
    let original = noise(16 << 20, 3);
    for offset in [0u64, 1, 65_535, 65_536, 4_194_304, 4_194_305, 9_999_999, (16 << 20) - 1] {
        let read = layer.read(large, offset, 100_000, |bytes| bytes.to_vec()).unwrap();
        let end = original.len().min(offset as usize + 100_000);
        assert!(read == original[offset as usize..end], "at {offset}");
    }
    assert!(layer.read(large, 16 << 20, 10, |bytes| bytes.is_empty()).unwrap());
    assert!(layer.read(large, u64::MAX, 10, |bytes| bytes.is_empty()).unwrap());
}

#[test]
fn devices_and_whiteouts() {
    let scratch = Scratch::new("devices");
    let tree = scratch.folder("tree");
    let devices = [
        ("null", libc::S_IFCHR | 0o666, libc::makedev(1, 3)),
        ("white", libc::S_IFCHR, 0),
        ("disk", libc::S_IFBLK | 0o660, libc::makedev(259, 70_000)),
    ];
    for (name, mode, device) in devices {
        if !make_node(&tree.join(name), mode, device) {
            assert!(
                std::env::var_os("MUST_WORK").is_none(),
                "device nodes are not permitted here"
            );
            console::complain!("skipped: device nodes are not permitted here");
            return;
        }
    }
    let image = scratch.join("image");
    pack(&tree, &image, &[]);
    let layer = open(&image);
    assert_same(&layer, &tree);
    assert_eq!(layer.attributes(walk(&layer, "white").unwrap()).unwrap().device, 0);
}

#[test]
fn nothing_but_the_root() {
    let scratch = Scratch::new("root");
    let tree = scratch.folder("tree");
    let image = scratch.join("image");
    pack(&tree, &image, &[]);
    assert_same(&open(&image), &tree);
    fs::write(tree.join("empty"), "").unwrap();
    pack(&tree, &image, &[]);
    assert_same(&open(&image), &tree);
}

#[test]
fn many_names() {
    let scratch = Scratch::new("names");
    let tree = scratch.folder("tree");
    fs::write(tree.join("first"), "shared").unwrap();
    for number in 0..3000 {
        fs::hard_link(tree.join("first"), tree.join(format!("link {number}"))).unwrap();
        fs::create_dir(tree.join(format!("folder {number}"))).unwrap();
    }
    fs::write(tree.join("n".repeat(255)), "longest name").unwrap();
    let image = scratch.join("image");
    pack(&tree, &image, &[]);
    let layer = open(&image);
    assert_same(&layer, &tree);
    assert_eq!(layer.attributes(walk(&layer, "first").unwrap()).unwrap().links, 3001);
}

#[test]
fn sparse_file_above_4_gib() {
    let scratch = Scratch::new("sparse");
    let tree = scratch.folder("tree");
    let size = (4u64 << 30) + 12_345;
    let file = fs::File::create(tree.join("sparse")).unwrap();
    file.set_len(size).unwrap();
    file.write_all_at(b"near the end", size - 100).unwrap();
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "1", "--block-size-bits", "24"]);
    let layer = open(&image);
    let sparse = walk(&layer, "sparse").unwrap();
    assert_eq!(layer.attributes(sparse).unwrap().size, size);
    let tail = layer.read(sparse, size - 100, 4096, |bytes| bytes.to_vec()).unwrap();
    assert_eq!(&tail[..12], b"near the end");
    assert_eq!(tail.len(), 100);
    assert!(
        layer
            .read(sparse, 3 << 30, 4096, |bytes| bytes.iter().all(|&byte| byte == 0))
            .unwrap()
    );
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let scratch = Scratch::new("same");
    let (one, two) = (scratch.folder("one"), scratch.folder("two"));
    plain_tree(&one);
    plain_tree(&two);
    let image = |tree: &Path, threads: &str| {
        let image = scratch.join(format!("image{threads}"));
        pack(
            tree,
            &image,
            &["--mtime-all", "5", "--uid", "0", "--gid", "0", "--threads", threads],
        );
        fs::read(image).unwrap()
    };
    assert!(image(&one, "1") == image(&two, "3"), "the images differ");
}

#[test]
fn attributes_for_all() {
    let scratch = Scratch::new("all");
    let tree = scratch.folder("tree");
    plain_tree(&tree);
    let old = SystemTime::UNIX_EPOCH - Duration::from_secs(1000);
    fs::File::options()
        .write(true)
        .open(tree.join("program"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    let image = scratch.join("image");
    pack(&tree, &image, &["--uid", "12", "--gid", "4000000000"]);
    let layer = open(&image);
    let program = layer.attributes(walk(&layer, "program").unwrap()).unwrap();
    assert_eq!(
        (program.uid, program.gid, program.mode, program.modified),
        (12, 4_000_000_000, 0o6755, 0)
    );
    pack(&tree, &image, &["--mtime-all", "4000000000"]);
    let layer = open(&image);
    for inode in 0..layer.inode_count() {
        assert_eq!(layer.attributes(inode).unwrap().modified, 4_000_000_000);
    }
}

#[test]
fn excluded_names() {
    let scratch = Scratch::new("exclude");
    let tree = scratch.folder("tree");
    plain_tree(&tree);
    let image = scratch.join("image");
    pack(
        &tree,
        &image,
        &["--exclude", "/usr/lib/deep", "--exclude", "nois?-*", "--exclude=.hid*"],
    );
    let layer = open(&image);
    assert_eq!(walk(&layer, "usr/lib/deep"), None);
    assert_eq!(walk(&layer, "usr/lib/noise-again"), None);
    assert_eq!(walk(&layer, ".hidden"), None);
    assert!(walk(&layer, "usr/lib/noise").is_some());
}

#[test]
fn figures_and_progress() {
    let scratch = Scratch::new("figures");
    let tree = scratch.folder("tree");
    plain_tree(&tree);
    let image = scratch.join("image");
    let output = mkdwarfs([
        "-i",
        tree.to_str().unwrap(),
        "-o",
        image.to_str().unwrap(),
        "--json",
        "--progress",
        "always",
    ]);
    let figures = String::from_utf8(output.stdout).unwrap();
    let size = fs::metadata(&image).unwrap().len();
    // 300000 twice, the text, a name, a dot, and the program; names that are no directories: 14.
    let bytes = 600_000 + 50_000 + 9 + 3 + 10;
    assert_eq!(
        figures,
        format!("{{\"files\":14,\"directories\":6,\"bytesIn\":{bytes},\"bytesOut\":{size},\"duplicates\":1}}\n")
    );
    let progress = String::from_utf8(output.stderr).unwrap();
    let last = progress.lines().last().unwrap();
    assert_eq!(last, format!("progress {0} {0}", bytes - 300_000));
    assert!(progress.lines().all(|line| line.starts_with("progress ")), "{progress}");
}

#[test]
fn layer_at_an_offset() {
    let scratch = Scratch::new("offset");
    let tree = scratch.folder("tree");
    plain_tree(&tree);
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "1"]);
    let bytes = fs::read(&image).unwrap();
    let mut inside = noise(12_345, 9);
    inside.extend_from_slice(&bytes);
    let end = inside.len() as u64;
    inside.extend_from_slice(&noise(777, 10));
    fs::write(&image, inside).unwrap();
    let file = fs::File::open(&image).unwrap();
    let cache = dwarfs_fuse::Cache::new(1 << 20);
    let layer = Layer::open_file(file, 12_345, Some(end - 12_345), &common::options(), cache).unwrap();
    assert_same(&layer, &tree);
}

#[test]
fn what_every_start_reads_lies_first() {
    let scratch = Scratch::new("first");
    let tree = scratch.folder("tree");
    fs::create_dir_all(tree.join("usr/lib")).unwrap();
    for (name, seed) in [("ld-linux-x86-64.so.2", 1), ("libc.so.6", 2), ("liba.so", 3)] {
        fs::write(tree.join("usr/lib").join(name), noise(10_000, seed)).unwrap();
    }
    fs::write(tree.join("a"), noise(1000, 4)).unwrap();
    let image = scratch.join("image");
    pack(&tree, &image, &[]);
    let cache = dwarfs_fuse::Cache::new(64 << 20);
    let file = fs::File::open(&image).unwrap();
    let layer = Layer::open_file(file, 0, None, &common::options(), cache.clone()).unwrap();
    let names = [
        "usr/lib/ld-linux-x86-64.so.2",
        "usr/lib/libc.so.6",
        "usr/lib/liba.so",
        "a",
    ];
    let places = names.map(|name| {
        let mut extents = layer.extents(walk(&layer, name).unwrap(), 0).unwrap();
        let first = extents.next().unwrap();
        (first.block, first.offset)
    });
    assert_eq!(
        places,
        [(Some(0), 0), (Some(0), 10_000), (Some(0), 20_000), (Some(1), 0)]
    );
    assert!(format!("{cache:?}").contains("blocks: 0"), "{cache:?}");
    layer.expect_start();
    assert!(format!("{cache:?}").contains("blocks: 2"), "{cache:?}");
    assert_same(&layer, &tree);
}

#[test]
fn short_blocks_between_others_are_read_as_they_were() {
    let scratch = Scratch::new("short");
    let tree = scratch.folder("tree");
    // Programs end in the middle of a block, and what follows fills smaller ones.
    for (name, size, seed) in [("a.so", 11 << 20, 1), ("b", 9 << 20, 2), ("c", 100, 3), ("d", 0, 4)] {
        fs::write(tree.join(name), noise(size, seed)).unwrap();
    }
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "7"]);
    let layer = common::open(&image);
    assert_same(&layer, &tree);
    let blocks = ["a.so", "b", "c"].map(|name| {
        let extents = layer.extents(walk(&layer, name).unwrap(), 0).unwrap();
        extents
            .map(|extent| (extent.block.unwrap(), extent.size))
            .collect::<Vec<_>>()
    });
    let mebibytes = |count: u64| count << 20;
    assert_eq!(
        blocks,
        [
            vec![(0, mebibytes(6)), (1, mebibytes(5))],
            vec![(2, mebibytes(4)), (3, mebibytes(4)), (4, mebibytes(1))],
            vec![(4, 100)],
        ]
    );
}
