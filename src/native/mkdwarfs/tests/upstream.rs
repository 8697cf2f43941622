//! Images that upstream's writer made, in `upstream`: `make.sh` there says how. It was mkdwarfs 0.15.3.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::{content, open, walk};
use dwarfs_fuse::{Attributes, Kind, Layer, Source};

const IMAGES: [&str; 7] = ["zstd", "lzma", "lz4", "plain", "categories", "unpacked", "packed"];
const TIME: u64 = 1_234_567_890;

fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/upstream/{name}.dwarfs"))
}

/// What `seq` prints.
fn numbers(range: std::ops::RangeInclusive<u32>) -> Vec<u8> {
    range
        .map(|number| format!("{number}\n"))
        .collect::<String>()
        .into_bytes()
}

fn sparse() -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    bytes[700_000..700_003].copy_from_slice(b"end");
    bytes
}

fn attributes(layer: &Layer, path: &str) -> Attributes {
    layer.attributes(walk(layer, path).unwrap()).unwrap()
}

/// The name of each file, what is in it, its mode, owner and number of names.
fn files() -> [(&'static str, Vec<u8>, u32, (u32, u32), u32); 6] {
    [
        ("numbers", numbers(1..=4000), 0o644, (0, 0), 2),
        ("deep/linked", numbers(1..=4000), 0o644, (0, 0), 2),
        ("deep/same", numbers(1..=4000), 0o644, (1234, 4321), 1),
        ("deep/deeper/overlapping", numbers(2000..=6000), 0o644, (0, 0), 1),
        ("sparse", sparse(), 0o644, (0, 0), 1),
        ("empty", Vec::new(), 0o4711, (0, 0), 1),
    ]
}

#[test]
fn everything_reads_back_as_it_was() {
    for name in IMAGES {
        let layer = open(&image(name));
        for (path, bytes, mode, owner, links) in files() {
            let inode = walk(&layer, path).unwrap_or_else(|| panic!("{name} lacks {path}"));
            let seen = layer.attributes(inode).unwrap();
            assert_eq!((seen.kind, seen.mode), (Kind::File, mode), "{name}: {path}");
            assert_eq!(((seen.uid, seen.gid), seen.links), (owner, links), "{name}: {path}");
            assert_eq!((seen.size, seen.modified), (bytes.len() as u64, TIME), "{name}: {path}");
            for step in [1 << 20, 4096, 777] {
                assert!(content(&layer, inode, step).unwrap() == bytes, "{name}: {path}");
            }
        }
        assert_eq!(walk(&layer, "numbers"), walk(&layer, "deep/linked"), "{name}");
        let link = walk(&layer, "deep/link").unwrap();
        assert_eq!(layer.target(link), Some(&b"../numbers"[..]), "{name}");
        assert_eq!(attributes(&layer, "pipe").kind, Kind::Pipe, "{name}");
        let null = attributes(&layer, "null");
        assert_eq!(
            (null.kind, null.device),
            (Kind::CharacterDevice, libc::makedev(1, 3)),
            "{name}"
        );
        let names: BTreeSet<&[u8]> = layer.entries(0).unwrap().map(|entry| entry.name).collect();
        let wanted: [&[u8]; 6] = [b"deep", b"empty", b"null", b"numbers", b"pipe", b"sparse"];
        assert_eq!(names, BTreeSet::from(wanted), "{name}");
    }
}

#[test]
fn digests_are_true() {
    for name in IMAGES {
        let source = Source {
            path: image(name),
            offset: 0,
            size: None,
        };
        assert!(source.verify().is_ok(), "{name}: {:?}", source.verify().err());
    }
}
