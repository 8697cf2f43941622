//! Sparse files as upstream stores them since version 0.14. The dwarfs crate does not know the tables for them, so they are
//! put behind the metadata here, with a schema that says where.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use common::image::{assemble, sections};
use common::{Scratch, content, noise, open, pack, walk};
use dwarfs::metadata::{DenseMap, Metadata, Schema, SchemaField, SchemaLayout};
use dwarfs::section::SectionType;
use dwarfs_fuse::{Cache, Error, Layer, Source};

/// Numbers of the fields of the metadata.
const FEATURES: usize = 27;
const HOLE_BLOCK: usize = 34;
const LARGE_HOLES: usize = 35;
/// The image has one block, and this is no block of it.
const HOLE: u32 = 1;
const BLOCK: u32 = 1 << 16;
const SMALL: u64 = 300_000;
const LARGE: u64 = 5 << 30;

fn put<T>(map: &mut DenseMap<T>, index: usize, value: T) {
    if map.0.len() <= index {
        map.0.resize_with(index + 1, || None);
    }
    map.0[index] = Some(value);
}

/// Adds a layout of `bits`, with fields of such numbers, layouts and offsets in bytes. The answer is its number.
fn layout(schema: &mut Schema, bits: i16, fields: &[(usize, i16, i16)]) -> i16 {
    let mut layout = SchemaLayout::default();
    (layout.bits, layout.size) = (bits, (i32::from(bits) + 7) / 8);
    for &(number, layout_id, offset) in fields {
        let mut field = SchemaField::default();
        (field.layout_id, field.offset) = (layout_id, offset);
        put(&mut layout.fields, number, field);
    }
    let number = schema.layouts.0.len();
    put(&mut schema.layouts, number, layout);
    number as i16
}

/// Puts the three tables behind the metadata.
fn add_tables(schema: &mut Schema, bytes: &mut Vec<u8>, feature: &str, large: &[u64]) {
    let base = bytes.len() as i16;
    let [flag, byte, number, long] = [1, 8, 32, 64].map(|bits| layout(schema, bits, &[]));
    // A distance, a count, and what is there.
    let mut list = |item| layout(schema, 64, &[(1, number, 0), (2, number, 4), (3, item, 0)]);
    let longs = list(long);
    let text = list(byte);
    let texts = list(text);
    let mut set = |value| layout(schema, 72, &[(1, flag, 0), (2, value, 1)]);
    let fields = [
        (HOLE_BLOCK, set(number), base),
        (LARGE_HOLES, set(longs), base + 5),
        (FEATURES, set(texts), base + 14),
    ];
    let root = schema.layouts.0[schema.root_layout as usize].as_mut().unwrap();
    for (id, layout_id, offset) in fields {
        let mut field = SchemaField::default();
        (field.layout_id, field.offset) = (layout_id, offset);
        put(&mut root.fields, id, field);
    }
    let end = base as u32 + 23;
    let sizes = 8 * large.len() as u32;
    for (count, distance) in [(None, HOLE), (Some(large.len() as u32), end), (Some(1), end + sizes)] {
        bytes.push(1);
        bytes.extend(distance.to_le_bytes());
        bytes.extend(count.map(u32::to_le_bytes).into_iter().flatten());
    }
    bytes.extend(large.iter().flat_map(|size| size.to_le_bytes()));
    // The distance of a text counts from the list that it is in.
    bytes.extend(8u32.to_le_bytes());
    bytes.extend((feature.len() as u32).to_le_bytes());
    bytes.extend(feature.as_bytes());
}

/// An image with a file of data and holes, and one behind it.
fn write_image(scratch: &Scratch, image: &Path, feature: &str, large: &[u64]) {
    let tree = scratch.folder("tree");
    fs::write(tree.join("a"), noise(10_000, 1)).unwrap();
    fs::write(tree.join("b"), noise(5000, 2)).unwrap();
    pack(&tree, image, &["--block-size-bits", "16"]);
    let mut sections = sections(&fs::read(image).unwrap());
    let at = |kind| sections.iter().position(|section| section.0 == kind).unwrap();
    let (schema_at, data_at) = (at(SectionType::METADATA_V2_SCHEMA), at(SectionType::METADATA_V2));
    let schema = Schema::parse(&sections[schema_at].1).unwrap();
    let mut metadata = Metadata::parse(&schema, &sections[data_at].1).unwrap();
    let [first, second] = &metadata.chunks[..] else {
        panic!("two files of one piece each")
    };
    let piece = |block, offset, size| {
        let mut piece = first.clone();
        (piece.block, piece.offset, piece.size) = (block, offset, size);
        piece
    };
    metadata.chunks = vec![
        piece(0, 0, 4000),
        piece(
            HOLE,
            (SMALL % u64::from(BLOCK)) as u32,
            (SMALL / u64::from(BLOCK)) as u32,
        ),
        piece(0, 4000, 6000),
        piece(HOLE, u32::MAX, 0),
        second.clone(),
    ];
    // Differences, as the options say.
    metadata.chunk_table = vec![0, 4, 1];
    let (mut schema, mut bytes) = metadata.to_schema_and_bytes().unwrap();
    add_tables(&mut schema, &mut bytes, feature, large);
    sections[schema_at].1 = schema.to_bytes().unwrap();
    sections[data_at].1 = bytes;
    fs::write(image, assemble(&sections)).unwrap();
}

#[test]
fn holes_read_as_zeros() {
    let scratch = Scratch::new("holes");
    let image = scratch.join("image");
    write_image(&scratch, &image, "sparsefiles", &[LARGE]);
    let layer = open(&image);
    let file = walk(&layer, "a").unwrap();
    assert_eq!(layer.attributes(file).unwrap().size, 10_000 + SMALL + LARGE);
    let mut expected = noise(10_000, 1);
    expected.splice(4000..4000, std::iter::repeat_n(0, SMALL as usize));
    for step in [1 << 20, 4097] {
        let mut read = Vec::new();
        while read.len() < expected.len() {
            let length = step.min(expected.len() - read.len());
            layer
                .read(file, read.len() as u64, length, |bytes| read.extend_from_slice(bytes))
                .unwrap();
        }
        assert!(read == expected, "in steps of {step}");
    }
    let size = 10_000 + SMALL + LARGE;
    // Over the border of the large hole, in its middle, at its end and behind it.
    let border = expected.len() as u64 - 10;
    let over = layer.read(file, border, 1000, |bytes| bytes.to_vec()).unwrap();
    assert_eq!(over, [&expected[expected.len() - 10..], &[0; 990]].concat());
    for (offset, length) in [(LARGE / 2, 5000), (size - 7, 7), (size, 0), (u64::MAX, 0)] {
        let read = layer.read(file, offset, 5000, |bytes| bytes.to_vec()).unwrap();
        assert_eq!(read, vec![0; length], "at {offset}");
    }
    let extents: Vec<_> = layer
        .extents(file, 5000)
        .unwrap()
        .map(|extent| (extent.block, extent.size))
        .collect();
    assert_eq!(extents, [(None, SMALL - 1000), (Some(0), 6000), (None, LARGE)]);
    assert!(content(&layer, walk(&layer, "b").unwrap(), 4096).unwrap() == noise(5000, 2));
}

#[test]
fn holes_that_make_no_sense() {
    let scratch = Scratch::new("no-holes");
    let image = scratch.join("image");
    for (feature, large, expected) in [
        ("sparsefiles", &[][..], "a file lies outside of the data blocks"),
        ("sparsefiles", &[u64::MAX][..], "a file is larger than any file can be"),
        ("sparsefilez", &[LARGE][..], "it needs the feature \"sparsefilez\""),
        ("", &[LARGE][..], "it needs the feature \"\""),
    ] {
        write_image(&scratch, &image, feature, large);
        let source = Source {
            path: image.clone(),
            offset: 0,
            size: None,
        };
        let error = Layer::open(&source, &common::options(), Cache::new(1 << 20)).unwrap_err();
        let is_damage = matches!(error, Error::Damaged { .. });
        assert_eq!(is_damage, expected.starts_with('a'), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// Sizes of holes that a file may have, with data before, between and behind, or nowhere.
const TERABYTES: u64 = 4 << 40;

fn sparse(path: &Path, size: u64, data: &[(u64, &[u8])]) {
    let file = fs::File::create_new(path).unwrap();
    file.set_len(size).unwrap();
    for (offset, bytes) in data {
        file.write_all_at(bytes, *offset).unwrap();
    }
}

#[test]
fn holes_are_neither_read_nor_stored() {
    let scratch = Scratch::new("sparse");
    let tree = scratch.folder("tree");
    let (begin, middle, end) = (noise(5000, 1), noise(3 << 20, 2), noise(100, 3));
    let all = [
        (0, &begin[..]),
        (TERABYTES / 2, &middle[..]),
        (TERABYTES - 100, &end[..]),
    ];
    sparse(&tree.join("all"), TERABYTES, &all);
    sparse(&tree.join("same"), TERABYTES, &all);
    sparse(&tree.join("empty"), TERABYTES + 1, &[]);
    sparse(&tree.join("first"), 10 << 20, &all[..1]);
    sparse(&tree.join("small"), 100_000, &all[..1]);
    // So that the metadata is larger than what an offset in its root reaches.
    for number in 0..20_000 {
        fs::write(tree.join(format!("file-{number}")), format!("content {number}")).unwrap();
    }
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "1"]);
    assert!(fs::metadata(&image).unwrap().len() < 8 << 20);
    let layer = open(&image);
    let size = |name| layer.attributes(walk(&layer, name).unwrap()).unwrap().size;
    assert_eq!(
        ["all", "empty", "first", "small"].map(size),
        [TERABYTES, TERABYTES + 1, 10 << 20, 100_000]
    );
    for name in ["all", "same"] {
        let inode = walk(&layer, name).unwrap();
        for (offset, bytes) in all {
            let mut read = Vec::new();
            while read.len() < bytes.len() {
                let at = offset + read.len() as u64;
                let part = layer.read(inode, at, bytes.len() - read.len(), |part| read.extend_from_slice(part));
                part.unwrap();
            }
            assert!(read == bytes, "{name} at {offset}");
        }
        let between = layer.read(inode, TERABYTES / 4, 4096, |bytes| bytes.to_vec()).unwrap();
        assert_eq!(between, vec![0; 4096]);
        assert_eq!(layer.hole(inode, TERABYTES / 4), TERABYTES / 4);
        assert_eq!(layer.data(inode, TERABYTES / 2), 3 << 20);
    }
    assert_eq!(layer.hole(walk(&layer, "empty").unwrap(), 0), TERABYTES + 1);
    for number in [0, 9999, 19_999] {
        let inode = walk(&layer, &format!("file-{number}")).unwrap();
        assert_eq!(
            content(&layer, inode, 4096).unwrap(),
            format!("content {number}").as_bytes()
        );
    }
    let source = Source {
        path: image,
        offset: 0,
        size: None,
    };
    assert!(source.verify().is_ok());
}
