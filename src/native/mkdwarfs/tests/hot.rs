//! Hot files: what is written is what is read, and what is damaged in any way is not.

mod common;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Scratch, noise, options, pack, walk};
use dwarfs_fuse::{Cache, FileRange, Filled, Hot, Layer, Source};

const BLOCK: usize = 128 << 10;
/// What is read at once.
const STEP: usize = 16 << 10;
/// Where the table begins, and the hints that are not hashed.
const TABLE: usize = 4096;
const HINTS: std::ops::Range<usize> = 128..256;

struct Packed {
    scratch: Scratch,
    image: PathBuf,
    content: Vec<u8>,
    cache: Arc<Cache>,
    layer: Layer,
}

fn open(image: &Path, cache: &Arc<Cache>) -> Layer {
    let source = Source {
        path: image.to_owned(),
        offset: 0,
        size: None,
    };
    Layer::open(&source, &options(), Arc::clone(cache)).unwrap()
}

/// A layer with a file of four blocks and a bit.
fn packed(name: &str) -> Packed {
    let scratch = Scratch::new(name);
    let content = noise(4 * BLOCK + 100, 7);
    fs::write(scratch.folder("tree").join("file"), &content).unwrap();
    let image = scratch.join("image");
    pack(&scratch.join("tree"), &image, &["-l", "1", "--block-size-bits", "17"]);
    let cache = Cache::new(64 << 20);
    let layer = open(&image, &cache);
    Packed {
        scratch,
        image,
        content,
        cache,
        layer,
    }
}

impl Packed {
    fn range(&self, page: u32, pages: u32) -> FileRange {
        let inode = walk(&self.layer, "file").unwrap();
        FileRange { inode, page, pages }
    }

    /// Writes a file with these ranges beside the image.
    fn fill(&self, name: &str, old: Option<&Hot>, ranges: &[FileRange], limit: u64, now: u64) -> (PathBuf, Filled) {
        let path = self.scratch.join(name);
        let file = File::create(&path).unwrap();
        let headers = self.layer.headers().unwrap();
        let filled = self.layer.write_hot(&headers, &file, old, ranges, limit, now).unwrap();
        assert_eq!(filled.bytes, file.metadata().unwrap().len());
        (path, filled)
    }

    fn hot(&self, path: &Path) -> (Option<Hot>, Arc<AtomicBool>) {
        let discarded = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&discarded);
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let key = self.layer.headers().unwrap().key();
        (
            Hot::open(file, key, move || flag.store(true, Ordering::Relaxed)),
            discarded,
        )
    }

    /// The whole file through a layer with this hot file, and bytes that it did not hold.
    fn read(&self, hot: Option<Hot>) -> (Vec<u8>, u64) {
        let mut layer = open(&self.image, &self.cache);
        layer.use_hot(hot);
        let file = walk(&layer, "file").unwrap();
        let mut all = Vec::new();
        for offset in (0..self.content.len()).step_by(STEP) {
            layer
                .read(file, offset as u64, STEP, |bytes| all.extend_from_slice(bytes))
                .unwrap();
        }
        (all, layer.start_bytes().1)
    }
}

#[test]
fn what_was_read_is_there_and_no_block_is_decompressed() {
    let packed = packed("hot-there");
    let (path, filled) = packed.fill("hot", None, &[packed.range(0, 200)], 1 << 30, 1);
    assert_eq!(filled.new, 4 * 8 + 1);
    let (all, missed) = packed.read(packed.hot(&path).0);
    assert!(all == packed.content);
    assert_eq!(missed, 0);
    assert!(
        format!("{:?}", packed.cache).contains("blocks: 0"),
        "{:?}",
        packed.cache
    );
}

#[test]
fn what_is_not_there_is_read_from_the_layer_and_added_later() {
    let packed = packed("hot-added");
    let (path, _) = packed.fill("hot", None, &[packed.range(40, 10)], 1 << 30, 1);
    let (all, missed) = packed.read(packed.hot(&path).0);
    assert!(all == packed.content && missed > 0);
    let old = packed.hot(&path).0;
    let (path, filled) = packed.fill("new", old.as_ref(), &[packed.range(0, 200)], 1 << 30, 2);
    assert_eq!(filled.new, 4 * 8 + 1 - 3, "three pieces are taken over");
    let (all, missed) = packed.read(packed.hot(&path).0);
    assert!(all == packed.content && missed == 0);
}

#[test]
fn no_flipped_bit_is_ever_read() {
    let packed = packed("hot-flipped");
    let (path, _) = packed.fill("hot", None, &[packed.range(0, 12)], 1 << 30, 1);
    let sound = fs::read(&path).unwrap();
    let data = sound.len() - 3 * (16 << 10);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let places = (0..TABLE + 300).chain((data..sound.len()).step_by(61));
    let mut refused = 0;
    for place in places {
        let flipped = sound[place] ^ (1 << (place % 8));
        file.write_all_at(&[flipped], place as u64).unwrap();
        let (hot, discarded) = packed.hot(&path);
        let (all, _) = packed.read(hot);
        assert!(all == packed.content, "byte {place}");
        if place < 88 || (TABLE..TABLE + 3 * 48 + 12).contains(&place) || place >= data {
            assert!(discarded.load(Ordering::Relaxed), "byte {place} was not noticed");
            refused += 1;
        } else if HINTS.contains(&place) {
            assert!(!discarded.load(Ordering::Relaxed), "a hint is only a hint");
        }
        file.write_all_at(&[sound[place]], place as u64).unwrap();
    }
    assert!(refused > 900, "{refused}");
}

#[test]
fn a_piece_in_the_place_of_another_is_not_read() {
    let packed = packed("hot-moved");
    let (path, _) = packed.fill("hot", None, &[packed.range(0, 8)], 1 << 30, 1);
    let mut bytes = fs::read(&path).unwrap();
    let piece = 16 << 10;
    let data = bytes.len() - 2 * piece;
    let (first, second) = bytes[data..].split_at_mut(piece);
    first.swap_with_slice(second);
    fs::write(&path, &bytes).unwrap();
    let (hot, discarded) = packed.hot(&path);
    assert!(packed.read(hot).0 == packed.content);
    assert!(discarded.load(Ordering::Relaxed));
}

#[test]
fn a_file_that_was_cut_off_or_goes_on_is_not_used() {
    let packed = packed("hot-cut");
    let (path, _) = packed.fill("hot", None, &[packed.range(0, 8)], 1 << 30, 1);
    let sound = fs::read(&path).unwrap();
    for length in (0..sound.len()).step_by(997).chain([sound.len() - 1, sound.len() + 1]) {
        let mut bytes = sound.clone();
        bytes.resize(length, 0);
        fs::write(&path, &bytes).unwrap();
        let (hot, discarded) = packed.hot(&path);
        assert!(hot.is_none() && discarded.load(Ordering::Relaxed), "{length} bytes");
    }
    // Cut off while it is open: what is missing is read from the layer.
    fs::write(&path, &sound).unwrap();
    let (hot, discarded) = packed.hot(&path);
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(5000)
        .unwrap();
    assert!(packed.read(hot).0 == packed.content);
    assert!(discarded.load(Ordering::Relaxed));
}

#[test]
fn the_file_of_another_layer_is_not_used() {
    let packed = packed("hot-foreign");
    let other = packed.scratch.join("other");
    fs::write(packed.scratch.join("tree/file"), noise(4 * BLOCK + 100, 8)).unwrap();
    pack(
        &packed.scratch.join("tree"),
        &other,
        &["-l", "1", "--block-size-bits", "17"],
    );
    let layer = open(&other, &packed.cache);
    let headers = layer.headers().unwrap();
    assert_ne!(headers.key(), packed.layer.headers().unwrap().key());
    let path = packed.scratch.join("hot");
    let file = File::create(&path).unwrap();
    layer
        .write_hot(&headers, &file, None, &[packed.range(0, 100)], 1 << 30, 1)
        .unwrap();
    let (hot, discarded) = packed.hot(&path);
    assert!(hot.is_none() && discarded.load(Ordering::Relaxed));
    let stamp = layer.stamp().unwrap();
    let sealed = stamp.seal(&headers.key());
    assert_eq!(stamp.open(&sealed), Some(headers.key()));
    assert_eq!(packed.layer.stamp().unwrap().open(&sealed), None, "of another file");
    for place in 0..sealed.len() {
        let mut bytes = sealed.clone();
        bytes[place] ^= 1;
        assert_eq!(stamp.open(&bytes), None, "byte {place}");
    }
    assert_eq!(stamp.open(&sealed[..63]), None);
}

#[test]
fn nothing_is_kept_of_a_block_that_is_not_what_its_digest_says() {
    let packed = packed("hot-digest");
    // The digest in the header of the first block: what reads check is another sum.
    let image = OpenOptions::new().write(true).open(&packed.image).unwrap();
    image.write_all_at(&[1, 2, 3], 10).unwrap();
    assert!(packed.read(None).0 == packed.content);
    let headers = packed.layer.headers().unwrap();
    let file = File::create(packed.scratch.join("hot")).unwrap();
    let written = packed
        .layer
        .write_hot(&headers, &file, None, &[packed.range(0, 200)], 1 << 30, 1);
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn what_was_used_least_recently_goes_first() {
    let packed = packed("hot-bound");
    let limit = |pieces: u64| (16 << 10) + pieces * ((16 << 10) + 48);
    let (first, _) = packed.fill("first", None, &[packed.range(0, 32)], limit(64), 1);
    let old = packed.hot(&first).0;
    let (second, _) = packed.fill("second", old.as_ref(), &[packed.range(32, 32)], limit(64), 10_000);
    let hot = packed.hot(&second).0.unwrap();
    assert!(packed.layer.is_hot(&hot, &[packed.range(0, 64)]));
    // The first is used again.
    let mut layer = open(&packed.image, &packed.cache);
    layer.use_hot(Some(hot));
    let file = walk(&layer, "file").unwrap();
    layer.read(file, 0, 4096, |_| ()).unwrap();
    layer.hot().unwrap().mark_used(20_000);
    let old = packed.hot(&second).0;
    let (third, filled) = packed.fill("third", old.as_ref(), &[packed.range(64, 16)], limit(12), 30_000);
    assert!(filled.bytes <= limit(12), "{filled:?}");
    let hot = packed.hot(&third).0.unwrap();
    for (page, pages, is_there) in [(64, 16, true), (0, 32, true), (32, 32, false)] {
        assert_eq!(
            packed.layer.is_hot(&hot, &[packed.range(page, pages)]),
            is_there,
            "page {page}"
        );
    }
}

#[test]
fn a_full_disk_is_an_error_of_writing() {
    let packed = packed("hot-full");
    let headers = packed.layer.headers().unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let written = packed
        .layer
        .write_hot(&headers, &full, None, &[packed.range(0, 200)], 1 << 30, 1);
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
}
