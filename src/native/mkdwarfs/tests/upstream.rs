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

struct Wanted {
    path: &'static str,
    content: Vec<u8>,
    mode: u32,
    owner: (u32, u32),
    links: u32,
}

impl Wanted {
    fn plain(path: &'static str, content: Vec<u8>) -> Wanted {
        Wanted {
            path,
            content,
            mode: 0o644,
            owner: (0, 0),
            links: 1,
        }
    }
}

fn files() -> [Wanted; 6] {
    [
        Wanted {
            links: 2,
            ..Wanted::plain("numbers", numbers(1..=4000))
        },
        Wanted {
            links: 2,
            ..Wanted::plain("deep/linked", numbers(1..=4000))
        },
        Wanted {
            owner: (1234, 4321),
            ..Wanted::plain("deep/same", numbers(1..=4000))
        },
        Wanted::plain("deep/deeper/overlapping", numbers(2000..=6000)),
        Wanted::plain("sparse", sparse()),
        Wanted {
            mode: 0o4711,
            ..Wanted::plain("empty", Vec::new())
        },
    ]
}

#[test]
fn everything_reads_back_as_it_was() {
    for name in IMAGES {
        let layer = open(&image(name));
        for wanted in files() {
            let place = format!("{name}: {}", wanted.path);
            let inode = walk(&layer, wanted.path).unwrap_or_else(|| panic!("{place} is missing"));
            let seen = layer.attributes(inode).unwrap();
            assert_eq!((seen.kind, seen.mode), (Kind::File, wanted.mode), "{place}");
            assert_eq!(
                ((seen.uid, seen.gid), seen.links),
                (wanted.owner, wanted.links),
                "{place}"
            );
            assert_eq!(
                (seen.size, seen.modified),
                (wanted.content.len() as u64, TIME),
                "{place}"
            );
            for step in [1 << 20, 4096, 777] {
                assert!(content(&layer, inode, step).unwrap() == wanted.content, "{place}");
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
