//! Which blocks a start has read, so that the next one finds them decompressed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Layer;
use super::reads::Reads;
use crate::hot::{FileRange, PAGE};
use crate::tree::{Entry, Kind};

/// What is read later than this after the layer was opened is not the start's any more.
const START: Duration = Duration::from_secs(3);
/// Blocks of a layer that are remembered: with those of 512 KiB, which `mkdwarfs` makes, 1 GiB.
const MOST_BLOCKS: usize = 2048;
/// How far a block is read is remembered in steps of this many bytes, so that two starts of one program say the same.
const STEP: u32 = 128 << 10;

/// What nearly every start of a program reads, as `mkdwarfs` stores it first: loader, C library and shells, in its first 4 MiB.
const EVERY_START: u32 = 4 << 20;
/// Of the cache, what is decompressed in advance fills this part at most, in quarters: blocks that are in use must stay.
const EXPECTED_QUARTERS: u64 = 3;

/// A block by its number, and how many of its first bytes are wanted.
pub type Wanted = (u32, u32);

/// The blocks that were read since the layer was opened.
#[derive(Debug)]
pub(super) struct Touched {
    opened: Instant,
    notes_all: bool,
    is_over: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// In the order of their first reads.
    blocks: Vec<Wanted>,
    /// Where in that list each block is.
    places: HashMap<u32, usize>,
    /// Those that were made in the cache, and how often one was that had been there before.
    made: HashSet<u32>,
    again: u32,
    /// Parts of files.
    reads: Reads,
}

impl Touched {
    pub(super) fn new(notes_all: bool) -> Self {
        Self {
            opened: Instant::now(),
            notes_all,
            is_over: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to note in, as long as the start is not over. What is only for noting goes when it is.
    fn noted(&self) -> Option<MutexGuard<'_, Seen>> {
        if self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        let mut seen = self.lock();
        if self.notes_all || self.opened.elapsed() <= START {
            return Some(seen);
        }
        self.is_over.store(true, Ordering::Relaxed);
        (seen.places, seen.made) = Default::default();
        seen.blocks.shrink_to_fit();
        None
    }

    /// Remembers that a block is read up to byte `end`.
    pub(super) fn record(&self, block: u32, end: usize) {
        let Some(mut seen) = self.noted() else { return };
        let Seen { blocks, places, .. } = &mut *seen;
        let end = u32::try_from(end).unwrap_or(u32::MAX).next_multiple_of(STEP);
        if let Some(&place) = places.get(&block) {
            if let Some((_, furthest)) = blocks.get_mut(place) {
                *furthest = end.max(*furthest);
            }
        } else if blocks.len() < MOST_BLOCKS {
            places.insert(block, blocks.len());
            blocks.push((block, end));
        }
    }

    /// Remembers that a part of a file is read, and whether the hot file held it.
    pub(super) fn read(&self, inode: u32, offset: u64, length: usize, is_hot: bool) {
        if let Some(mut seen) = self.noted() {
            seen.reads.add(inode, offset, length, is_hot);
        }
    }

    /// Remembers that a block is not in the cache and will be decompressed.
    pub(super) fn make(&self, block: u32) {
        if let Some(mut seen) = self.noted()
            && !seen.made.insert(block)
        {
            seen.again += 1;
        }
    }
}

impl Layer {
    /// The blocks that were read in the first three seconds since the layer was opened, at most 2048 of them.
    pub fn touched(&self) -> Vec<Wanted> {
        self.touched.lock().blocks.clone()
    }

    /// What was read of files in that time, those first that were read first.
    pub fn start_reads(&self) -> Vec<FileRange> {
        self.touched.lock().reads.ranges()
    }

    /// The same, with a path below the root of the layer for each file: offset and length in bytes, and the path. Of a file with several
    /// names it is the first one.
    pub fn named_reads(&self) -> Vec<(u64, u64, Vec<u8>)> {
        let reads = self.start_reads();
        let mut names: HashMap<u32, Option<Vec<u8>>> = reads.iter().map(|range| (range.inode, None)).collect();
        let mut directories = vec![(0, Vec::new())];
        while let Some((directory, path)) = directories.pop() {
            for Entry { name, inode } in self.entries(directory).into_iter().flatten() {
                let mut path = path.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name);
                if let Some(known) = names.get_mut(&inode) {
                    known.get_or_insert(path);
                } else if self.tree.kind(inode) == Some(Kind::Directory) {
                    directories.push((inode, path));
                }
            }
        }
        let named = |range: FileRange| {
            let path = names.get(&range.inode)?.clone()?;
            Some((u64::from(range.page) * PAGE, u64::from(range.pages) * PAGE, path))
        };
        reads.into_iter().filter_map(named).collect()
    }

    /// Bytes that were read in that time, and those of them that the hot file did not hold.
    pub fn start_bytes(&self) -> (u64, u64) {
        self.touched.lock().reads.bytes()
    }

    /// How often in that time a block was decompressed that had been decompressed before: because the cache is smaller than what
    /// is read in turn.
    pub fn decompressed_again(&self) -> u32 {
        self.touched.lock().again
    }

    /// Has what nearly every start of a program reads decompressed in the background. For the layer with the system.
    pub fn expect_start(&self) {
        let size = self.tree.files.block_size();
        let blocks: Vec<Wanted> = (0..EVERY_START.div_ceil(size))
            .map(|block| (block, size.min(EVERY_START)))
            .collect();
        self.expect(&blocks);
    }

    /// Has blocks decompressed in the background, one after the other. What the layer does not have is left out, and what
    /// would fill more than three quarters of the cache.
    pub fn expect(&self, wanted: &[Wanted]) {
        if self.options.read_ahead_bytes == 0 {
            return;
        }
        let size = self.tree.files.block_size();
        let mut room = self.cache.limit() / 4 * EXPECTED_QUARTERS;
        for &(number, end) in wanted.iter().take(MOST_BLOCKS) {
            let end = end.min(size);
            let Some(rest) = room.checked_sub(end.into()) else {
                return;
            };
            // Of what the hot file has of a block, the rest is hardly ever read.
            let is_hot = self.hot.as_ref().is_some_and(|hot| hot.has_block(number));
            if (number as usize) < self.blocks.len() && !is_hot {
                room = rest;
                let block = self.block(number, end as usize);
                self.cache
                    .readahead()
                    .wish(block, Arc::clone(&self.window), end as usize);
            }
        }
    }
}
