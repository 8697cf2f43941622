//! Damaged and forged images: errors are fine, and nothing else. Every case is opened, walked and read in full.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::FromRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::image::{HEADER, assemble, join, section, sections};
use common::{Scratch, content, noise, open, options, pack, plain_tree, walk};
use dwarfs::section::{SectionIndexEntry, SectionType};
use dwarfs::zerocopy::FromBytes;
use dwarfs_fuse::{Cache, Kind, Layer};

/// Time for all cases of one kind: some seconds, or as many as the variable `FUZZ_SECONDS` says.
fn budget() -> Duration {
    let seconds = std::env::var("FUZZ_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(4))
}

/// Cases at most, if the time is not set.
fn limit(cases: usize) -> usize {
    if std::env::var_os("FUZZ_SECONDS").is_some() {
        usize::MAX
    } else {
        cases
    }
}

/// A file in memory with these bytes.
fn memory_file(bytes: &[u8]) -> File {
    // SAFETY: the name is a literal that ends with a zero byte; the descriptor is new and ours alone.
    let mut file = unsafe {
        let number = libc::memfd_create(c"image".as_ptr(), libc::MFD_CLOEXEC);
        assert!(number >= 0);
        File::from_raw_fd(number)
    };
    file.write_all(bytes).unwrap();
    file
}

/// Uses everything in an image; returns how many reads failed, or `None` if it could not be opened.
fn exercise(bytes: &[u8], cache: &Arc<Cache>) -> Option<u32> {
    let layer = Layer::open_file(memory_file(bytes), 0, None, &options(), Arc::clone(cache)).ok()?;
    let mut failures = 0;
    let mut visited = 0u32;
    let mut open = vec![0];
    while let Some(directory) = open.pop() {
        for entry in layer.entries(directory).unwrap() {
            visited += 1;
            assert!(visited < 100_000, "a ring of directories");
            let attributes = layer.attributes(entry.inode).unwrap();
            assert_eq!(layer.find(directory, entry.name), Some(entry.inode));
            match attributes.kind {
                Kind::Directory => open.push(entry.inode),
                Kind::Symlink => assert!(layer.target(entry.inode).unwrap().len() < 4096),
                // Forged sizes may be huge; the first bytes and the last ones will do then.
                Kind::File if attributes.size > 4 << 20 => {
                    for offset in [0, attributes.size - 1000] {
                        failures += u32::from(layer.read(entry.inode, offset, 4096, |_| ()).is_err());
                    }
                }
                Kind::File => failures += u32::from(content(&layer, entry.inode, 1 << 16).is_err()),
                _ => {}
            }
        }
    }
    Some(failures)
}

fn small_image(scratch: &Scratch) -> Vec<u8> {
    let tree = scratch.folder("tree");
    plain_tree(&tree);
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "3", "--block-size-bits", "17"]);
    fs::read(image).unwrap()
}

/// Numbers that are not predictable from one to the next, and the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}

fn assert_memory_bound() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 1 << 20, "used {peak} KiB at its peak");
}

#[test]
fn flipped_bits() {
    let scratch = Scratch::new("flips");
    let image = small_image(&scratch);
    let cache = Cache::new(8 << 20);
    assert_eq!(exercise(&image, &cache), Some(0));
    let (start, mut numbers, mut cases, mut opened, mut failed) = (Instant::now(), Numbers(1), 0, 0, 0);
    let mut damaged = image.clone();
    while start.elapsed() < budget() && cases < limit(5000) {
        // Headers and metadata are a small part of the image, so most flips go there.
        let position = match cases % 3 {
            0 => numbers.below(image.len()),
            1 => image.len() - 1 - numbers.below(4000),
            _ => numbers.below(HEADER + 8),
        };
        damaged[position] ^= 1 << numbers.below(8);
        if let Some(failures) = exercise(&damaged, &cache) {
            opened += 1;
            failed += u32::from(failures > 0);
        }
        damaged[position] = image[position];
        cases += 1;
    }
    assert!(
        cases > 300 && opened > 0 && failed > 0,
        "{cases} cases, {opened} opened, {failed} with failed reads"
    );
    assert_memory_bound();
}

#[test]
fn truncated() {
    let scratch = Scratch::new("cut");
    let image = small_image(&scratch);
    let cache = Cache::new(8 << 20);
    let (start, mut numbers) = (Instant::now(), Numbers(2));
    // Without just its last section, the index, an image is whole: readers look for the sections themselves then.
    let index = SectionIndexEntry::read_from_bytes(&image[image.len() - 8..])
        .unwrap()
        .offset() as usize;
    assert_eq!(exercise(&image[..index], &cache), Some(0));
    for length in (0..200)
        .chain((0..).map(|_| numbers.below(image.len())))
        .take(limit(3000))
    {
        if length == index {
            continue;
        }
        assert_eq!(
            exercise(&image[..length], &cache),
            None,
            "{length} of {} bytes",
            image.len()
        );
        if start.elapsed() > budget() {
            break;
        }
    }
    assert_eq!(exercise(&[], &cache), None);
    assert_eq!(exercise(&noise(100_000, 1), &cache), None);
}

#[test]
fn forged_metadata() {
    let scratch = Scratch::new("forged");
    let original = sections(&small_image(&scratch));
    let cache = Cache::new(8 << 20);
    assert_eq!(exercise(&assemble(&original), &cache), Some(0));
    let targets: Vec<_> = (0..original.len())
        .filter(|&number| original[number].0 != SectionType::BLOCK)
        .collect();
    assert_eq!(targets.len(), 2);
    let (start, mut numbers, mut cases, mut opened) = (Instant::now(), Numbers(3), 0, 0);
    let mut forged = original.clone();
    let sound: Vec<_> = original
        .iter()
        .zip(0..)
        .map(|((kind, content), number)| section(number, *kind, content))
        .collect();
    while start.elapsed() < budget() && cases < limit(20_000) {
        let number = targets[cases % 2];
        for _ in 0..=numbers.below(3) {
            let length = forged[number].1.len();
            let position = numbers.below(length);
            match numbers.below(4) {
                0 => forged[number].1[position] = 0xff,
                1 => forged[number].1[position] = 0,
                2 => forged[number].1.truncate(position + 1),
                _ => forged[number].1[position] ^= 1 << numbers.below(8),
            }
        }
        let mut built = sound.clone();
        built[number] = section(number as u32, forged[number].0, &forged[number].1);
        opened += u32::from(exercise(&join(&forged, &built), &cache).is_some());
        forged[number] = original[number].clone();
        cases += 1;
    }
    assert!(cases > 300 && opened > 10, "{cases} cases, {opened} opened");
    assert_memory_bound();
}

#[test]
fn a_damaged_block_fails_alone() {
    let scratch = Scratch::new("block");
    let tree = scratch.folder("tree");
    fs::write(tree.join("one"), noise(200_000, 1)).unwrap();
    fs::write(tree.join("two"), noise(200_000, 2)).unwrap();
    let path = scratch.join("image");
    pack(&tree, &path, &["-l", "3", "--block-size-bits", "16"]);
    let mut image = fs::read(&path).unwrap();
    image[HEADER + 1000] ^= 4;
    fs::write(&path, &image).unwrap();
    let layer = open(&path);
    let (one, two) = (walk(&layer, "one").unwrap(), walk(&layer, "two").unwrap());
    for _ in 0..2 {
        let error = layer.read(one, 0, 4096, |_| ()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO));
    }
    let rest = layer.read(one, 65_536, 100_000, |bytes| bytes.to_vec()).unwrap();
    assert!(rest == noise(200_000, 1)[65_536..165_536]);
    assert!(content(&layer, two, 4096).unwrap() == noise(200_000, 2));
    // Repaired below, the block can be read again without opening anew.
    image[HEADER + 1000] ^= 4;
    fs::write(&path, &image).unwrap();
    assert!(content(&layer, one, 70_000).unwrap() == noise(200_000, 1));
}

#[test]
fn packed_and_shared_tables() {
    // The packed table of shared files, which mkdwarfs here does not write, against the plain one.
    let scratch = Scratch::new("shared");
    let tree = scratch.folder("tree");
    for (name, seed) in [("a", 1), ("b", 2), ("c", 2), ("d", 1), ("e", 2), ("f", 3)] {
        fs::write(tree.join(name), noise(10_000, seed)).unwrap();
    }
    let path = scratch.join("image");
    pack(&tree, &path, &[]);
    let sections = sections(&fs::read(&path).unwrap());
    let at = |kind| sections.iter().position(|section| section.0 == kind).unwrap();
    let (schema, data) = (at(SectionType::METADATA_V2_SCHEMA), at(SectionType::METADATA_V2));
    let parsed = dwarfs::metadata::Schema::parse(&sections[schema].1).unwrap();
    let metadata = dwarfs::metadata::Metadata::parse(&parsed, &sections[data].1).unwrap();
    for packed in [false, true] {
        let mut metadata = metadata.clone();
        let options = metadata.options.as_mut().unwrap();
        options.packed_shared_files_table = packed;
        // Inodes: the root, f with content of its own, then a and d, and b, c and e, which share theirs.
        metadata.shared_files_table = Some(if packed { vec![0, 1] } else { vec![0, 0, 1, 1, 1] });
        let own = metadata.chunks[metadata.chunks.len() - 1].clone();
        let (first, second) = (metadata.chunks[0].clone(), metadata.chunks[1].clone());
        metadata.chunks = vec![own, first, second];
        metadata.chunk_table = vec![0, 1, 1, 1];
        let inodes = [2, 4, 5, 3, 6, 1];
        for (entry, inode) in metadata.dir_entries.as_mut().unwrap()[1..].iter_mut().zip(inodes) {
            entry.inode_num = inode;
        }
        let (schema_section, metadata_section) = metadata.to_schema_and_bytes().unwrap();
        let mut sections = sections.clone();
        sections[schema].1 = schema_section.to_bytes().unwrap();
        sections[data].1 = metadata_section;
        fs::write(&path, assemble(&sections)).unwrap();
        let layer = open(&path);
        for (name, seed) in [("a", 1), ("b", 2), ("c", 2), ("d", 1), ("e", 2), ("f", 3)] {
            let inode = walk(&layer, name).unwrap();
            assert!(
                content(&layer, inode, 999).unwrap() == noise(10_000, seed),
                "{name}, packed: {packed}"
            );
        }
    }
}
