//! What is remembered of the blocks that a start reads, and what comes of it.

mod common;

use std::fs;

use common::{Scratch, noise, options, pack, walk};
use dwarfs_fuse::{Cache, Layer, Options, Source};

const BLOCK: usize = 128 << 10;

/// A layer of a file with 16 blocks that cannot be made smaller, and a cache for one half of them.
fn layer(scratch: &Scratch, cache_blocks: u64, options: &Options) -> (Layer, std::sync::Arc<Cache>) {
    let tree = scratch.folder("tree");
    fs::write(tree.join("file"), noise(16 * BLOCK, 3)).unwrap();
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "1", "--block-size-bits", "17"]);
    let cache = Cache::new(cache_blocks * BLOCK as u64);
    let source = Source {
        path: image,
        offset: 0,
        size: None,
    };
    (Layer::open(&source, options, cache.clone()).unwrap(), cache)
}

fn read(layer: &Layer, offset: usize, size: usize) {
    let file = walk(layer, "file").unwrap();
    let mut count = 0;
    layer
        .read(file, offset as u64, size, |bytes| count = bytes.len())
        .unwrap();
    assert_eq!(count, size);
}

#[test]
fn blocks_are_remembered_in_the_order_of_their_first_reads() {
    let scratch = Scratch::new("start");
    let (layer, _) = layer(&scratch, 16, &options());
    assert!(layer.touched().is_empty());
    for block in [5, 2, 5, 11] {
        read(&layer, block * BLOCK + 10, 100);
    }
    let whole = BLOCK as u32;
    assert_eq!(layer.touched(), [(5, whole), (2, whole), (11, whole)]);
}

#[test]
fn what_is_expected_is_decompressed_before_somebody_reads_it() {
    let scratch = Scratch::new("expected");
    let (layer, cache) = layer(&scratch, 16, &options());
    layer.expect(&[(3, BLOCK as u32), (9, 10), (16, 1), (u32::MAX, u32::MAX)]);
    // The last two do not exist.
    assert!(format!("{cache:?}").contains("blocks: 2"), "{cache:?}");
    assert!(layer.touched().is_empty(), "nobody has read anything");
    for block in [3, 9] {
        read(&layer, block * BLOCK, BLOCK);
    }
}

#[test]
fn at_most_three_quarters_of_the_cache_are_filled_in_advance() {
    let scratch = Scratch::new("quarters");
    let (layer, cache) = layer(&scratch, 8, &options());
    layer.expect(&(0..16).map(|block| (block, u32::MAX)).collect::<Vec<_>>());
    assert!(format!("{cache:?}").contains("blocks: 6"), "{cache:?}");
}

#[test]
fn blocks_that_are_decompressed_again_are_counted() {
    let scratch = Scratch::new("again");
    for (cache_blocks, again) in [(16, 0), (4, 16)] {
        let options = Options {
            read_ahead_bytes: 0,
            ..options()
        };
        let (layer, _) = layer(&scratch, cache_blocks, &options);
        for _ in 0..2 {
            for block in 0..16 {
                read(&layer, block * BLOCK, 4096);
            }
        }
        assert_eq!(layer.decompressed_again(), again, "a cache of {cache_blocks} blocks");
    }
}

#[test]
fn a_file_goes_on_being_decompressed_while_its_beginning_is_read() {
    let scratch = Scratch::new("goes-on");
    let (layer, cache) = layer(&scratch, 16, &options());
    read(&layer, 5 * BLOCK, 4096);
    // The block that is read, and the next one.
    assert!(format!("{cache:?}").contains("blocks: 2"), "{cache:?}");
    assert_eq!(layer.touched(), [(5, BLOCK as u32)], "nobody has read the next one");
}

#[test]
fn nothing_is_expected_without_reading_ahead() {
    let scratch = Scratch::new("never");
    let options = Options {
        read_ahead_bytes: 0,
        ..options()
    };
    let (layer, cache) = layer(&scratch, 16, &options);
    layer.expect(&[(0, 1)]);
    layer.expect_start();
    assert!(format!("{cache:?}").contains("blocks: 0"), "{cache:?}");
}
