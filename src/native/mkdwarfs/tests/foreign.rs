//! Images as other writers make them: every compression that their blocks may have, sections that are not ours, and tables
//! that are laid out in another way. They are made here of an image of our own; `upstream.rs` has some of the real ones.

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;

use common::compare::assert_same;
use common::image::{HEADER, assemble, join, packed_section, section, sections};
use common::{Scratch, content, noise, open, pack, plain_tree, walk};
use dwarfs::section::{CompressAlgo, SectionType};
use dwarfs_fuse::{Cache, Layer, Source};

/// A way to compress a section.
struct Way {
    algorithm: CompressAlgo,
    compress: fn(&[u8]) -> Vec<u8>,
}

const WAYS: [Way; 6] = [
    Way {
        algorithm: CompressAlgo::NONE,
        compress: |content| content.to_vec(),
    },
    Way {
        algorithm: CompressAlgo::ZSTD,
        compress: |content| zstd::bulk::compress(content, 5).unwrap(),
    },
    Way {
        algorithm: CompressAlgo::ZSTD,
        compress: zstd_stream,
    },
    Way {
        algorithm: CompressAlgo::LZMA,
        compress: lzma,
    },
    Way {
        algorithm: CompressAlgo::LZ4,
        compress: |content| lz4::block::compress(content, None, true).unwrap(),
    },
    Way {
        algorithm: CompressAlgo::LZ4HC,
        compress: |content| {
            let mode = lz4::block::CompressionMode::HIGHCOMPRESSION(9);
            lz4::block::compress(content, Some(mode), true).unwrap()
        },
    },
];

/// A frame that does not say how large its content is.
fn zstd_stream(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_contentsize(false).unwrap();
    // In parts, so that the encoder cannot know the size from its only input.
    content.chunks(10_000).for_each(|part| encoder.write_all(part).unwrap());
    encoder.finish().unwrap()
}

fn lzma(content: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

impl Way {
    fn section(&self, number: u32, kind: SectionType, content: &[u8]) -> Vec<u8> {
        packed_section(number, kind, self.algorithm, &(self.compress)(content))
    }
}

/// A tree with blocks that compress well and others that hardly do, and its image taken apart.
fn tree_of_blocks(scratch: &Scratch) -> (std::path::PathBuf, Vec<(SectionType, Vec<u8>)>) {
    let tree = scratch.folder("tree");
    plain_tree(&tree);
    fs::write(
        tree.join("long text"),
        "words and words, again and again\n".repeat(20_000),
    )
    .unwrap();
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "0", "--block-size-bits", "17"]);
    let sections = sections(&fs::read(&image).unwrap());
    assert!(sections.len() > 8, "too few blocks to mix");
    (tree, sections)
}

fn assert_reads(image: &Path, bytes: &[u8], tree: &Path) {
    fs::write(image, bytes).unwrap();
    assert_same(&open(image), tree);
}

#[test]
fn every_compression() {
    let scratch = Scratch::new("compressions");
    let (tree, sections) = tree_of_blocks(&scratch);
    let image = scratch.join("foreign");
    let assert_all = |way: &dyn Fn(usize) -> &'static Way| {
        let built: Vec<_> = (0..)
            .zip(&sections)
            .map(|(number, (kind, content))| way(number).section(number as u32, *kind, content))
            .collect();
        let bytes = join(&sections, &built);
        assert_eq!(bytes[HEADER - 10..HEADER - 8], way(0).algorithm.0.get().to_le_bytes());
        assert_reads(&image, &bytes, &tree);
        // Some bytes from the middle of a block, first of all.
        let layer = open(&image);
        let inode = walk(&layer, "usr/lib/noise").unwrap();
        let read = layer.read(inode, 200_000, 5000, |bytes| bytes.to_vec()).unwrap();
        assert!(read == noise(300_000, 1)[200_000..205_000], "{:?}", way(0).algorithm);
    };
    // All sections alike, metadata too; and at last each section in another way.
    for way in &WAYS {
        assert_all(&|_| way);
    }
    assert_all(&|number| &WAYS[number % WAYS.len()]);
}

#[test]
fn a_damaged_block_of_any_compression_fails_alone() {
    let scratch = Scratch::new("damaged");
    let tree = scratch.folder("tree");
    for (name, seed) in [("one", 1), ("two", 2)] {
        fs::write(tree.join(name), noise(1 << 16, seed)).unwrap();
    }
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "0", "--block-size-bits", "16"]);
    let sections = sections(&fs::read(&image).unwrap());
    for way in &WAYS {
        // Sound by its checksum, so that it is the decoder that meets the damage, and cut off; and one of another kind.
        let mut cut = (way.compress)(&sections[0].1);
        cut.truncate(cut.len() / 2);
        let wrong = [b"no compressed data at all", &noise(5000, 7)[..]].concat();
        for damaged in [cut, wrong] {
            let built: Vec<_> = (0..)
                .zip(&sections)
                .map(|(number, (kind, content))| match number {
                    0 => packed_section(0, *kind, way.algorithm, &damaged),
                    _ => way.section(number, *kind, content),
                })
                .collect();
            fs::write(&image, join(&sections, &built)).unwrap();
            let layer = open(&image);
            let error = content(&layer, walk(&layer, "one").unwrap(), 4096).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EIO), "{:?}", way.algorithm);
            let sound = content(&layer, walk(&layer, "two").unwrap(), 4096).unwrap();
            assert!(sound == noise(1 << 16, 2), "{:?}", way.algorithm);
        }
    }
}

#[test]
fn compressions_that_are_not_known() {
    let scratch = Scratch::new("unknown");
    let (_, sections) = tree_of_blocks(&scratch);
    let image = scratch.join("foreign");
    for algorithm in [CompressAlgo::BROTLI, CompressAlgo::FLAC, CompressAlgo::RICEPP] {
        let metadata = sections
            .iter()
            .position(|section| section.0 == SectionType::METADATA_V2);
        for chosen in [0, metadata.unwrap()] {
            let built: Vec<_> = (0..)
                .zip(&sections)
                .map(|(number, (kind, content))| match number == chosen {
                    true => packed_section(number as u32, *kind, algorithm, content),
                    false => section(number as u32, *kind, content),
                })
                .collect();
            fs::write(&image, join(&sections, &built)).unwrap();
            let source = Source {
                path: image.clone(),
                offset: 0,
                size: None,
            };
            let opened = Layer::open(&source, &common::options(), Cache::new(1 << 20));
            if chosen == 0 {
                let layer = opened.unwrap();
                // A program is by itself in the first block.
                for (name, is_readable) in [("program", false), ("usr/lib/noise", true), ("long text", true)] {
                    let read = content(&layer, walk(&layer, name).unwrap(), 4096);
                    assert_eq!(read.is_ok(), is_readable, "{name}");
                }
            } else {
                let message = opened.unwrap_err().to_string();
                assert!(
                    message.contains(&format!("it is compressed with {algorithm:?}")),
                    "{message}"
                );
            }
        }
    }
}

#[test]
fn sections_that_are_not_ours() {
    let scratch = Scratch::new("sections");
    let (tree, mut sections) = tree_of_blocks(&scratch);
    let image = scratch.join("foreign");
    // A history as upstream writes it, and a section that nobody knows yet, between the others.
    sections.insert(1, (SectionType(77.into()), noise(333, 1)));
    sections.push((SectionType::HISTORY, b"\x19\x1c\x1c\x25\x00".to_vec()));
    let whole = assemble(&sections);
    assert_reads(&image, &whole, &tree);
    // Without an index, as older versions wrote; these minor versions differ in what they may have, not in what is there.
    let index = HEADER + 8 * (sections.len() + 1);
    let mut bare = whole[..whole.len() - index].to_vec();
    for minor in 3..=6 {
        let mut offset = 0;
        while offset < bare.len() {
            bare[offset + 7] = minor;
            let length = u64::from_le_bytes(bare[offset + HEADER - 8..offset + HEADER].try_into().unwrap());
            offset += HEADER + length as usize;
        }
        assert_reads(&image, &bare, &tree);
    }
    for (major, minor) in [(2, 2), (2, 7), (3, 0)] {
        let mut other = whole.clone();
        (other[6], other[7]) = (major, minor);
        fs::write(&image, &other).unwrap();
        let source = Source {
            path: image.clone(),
            offset: 0,
            size: None,
        };
        let error = Layer::open(&source, &common::options(), Cache::new(1 << 20)).unwrap_err();
        let expected = format!("it has version {major}.{minor} of the format, and those from 2.3 to 2.6 are known");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    // Behind something else, as upstream allows a program in front.
    let front = b"#!/bin/sh\necho an image follows\n";
    fs::write(&image, [front, &whole[..]].concat()).unwrap();
    let source = Source {
        path: image.clone(),
        offset: front.len() as u64,
        size: None,
    };
    assert_same(
        &Layer::open(&source, &common::options(), Cache::new(1 << 20)).unwrap(),
        &tree,
    );
}

#[test]
fn the_cache_counts_what_blocks_come_to() {
    let scratch = Scratch::new("cache");
    let tree = scratch.folder("tree");
    fs::write(tree.join("large"), "words and words, again and again\n".repeat(500_000)).unwrap();
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "0", "--block-size-bits", "20"]);
    let sections = sections(&fs::read(&image).unwrap());
    let source = Source {
        path: image.clone(),
        offset: 0,
        size: None,
    };
    // Of blocks that are decompressed step by step a cache of 4 MiB holds the beginnings of many, of others four.
    for (algorithm, expected) in [(CompressAlgo::ZSTD, 8..=15), (CompressAlgo::LZMA, 4..=4)] {
        let way = WAYS.iter().find(|way| way.algorithm == algorithm).unwrap();
        let built: Vec<_> = (0..)
            .zip(&sections)
            .map(|(number, (kind, content))| way.section(number, *kind, content))
            .collect();
        fs::write(&image, join(&sections, &built)).unwrap();
        let cache = Cache::new(4 << 20);
        let options = dwarfs_fuse::Options {
            read_ahead_bytes: 0,
            ..common::options()
        };
        let layer = Layer::open(&source, &options, cache.clone()).unwrap();
        let large = walk(&layer, "large").unwrap();
        for block in 0..15 {
            layer
                .read(large, block << 20, 4096, |bytes| assert_eq!(bytes.len(), 4096))
                .unwrap();
        }
        let shown = format!("{cache:?}");
        let blocks = shown.split("blocks: ").nth(1).unwrap();
        let blocks: u32 = blocks.trim_end_matches(" }").parse().unwrap();
        assert!(expected.contains(&blocks), "{shown} after {algorithm:?}");
    }
}
