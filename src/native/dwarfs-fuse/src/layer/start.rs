//! Which blocks a start has read, so that the next one finds them decompressed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Layer;

/// What is read later than this after the layer was opened is not the start's any more.
const START: Duration = Duration::from_secs(3);
/// Blocks of a layer that are remembered.
const MOST_BLOCKS: usize = 32;
/// How far a block is read is remembered in steps of this many bytes, so that two starts of one program say the same.
const STEP: u32 = 128 << 10;

/// What nearly every start of a program reads, as `mkdwarfs` stores it first: loader, C library and shells.
const EVERY_START: [Wanted; 1] = [(0, 4 << 20)];

/// A block by its number, and how many of its first bytes are wanted.
pub type Wanted = (u32, u32);

/// The blocks that were read since the layer was opened, in the order of their first reads.
#[derive(Debug)]
pub(super) struct Touched {
    opened: Instant,
    is_over: AtomicBool,
    blocks: Mutex<Vec<Wanted>>,
}

impl Touched {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            is_over: AtomicBool::new(false),
            blocks: Mutex::default(),
        }
    }

    /// Remembers that a block is read up to byte `end`.
    pub(super) fn record(&self, block: u32, end: usize) {
        if self.is_over.load(Ordering::Relaxed) {
            return;
        }
        if self.opened.elapsed() > START {
            self.is_over.store(true, Ordering::Relaxed);
            return;
        }
        let end = u32::try_from(end).unwrap_or(u32::MAX).next_multiple_of(STEP);
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, furthest)) = blocks.iter_mut().find(|(known, _)| *known == block) {
            *furthest = end.max(*furthest);
        } else if blocks.len() < MOST_BLOCKS {
            blocks.push((block, end));
        }
    }
}

impl Layer {
    /// The blocks that were read in the first three seconds since the layer was opened, at most 32 of them.
    pub fn touched(&self) -> Vec<Wanted> {
        let blocks = self.touched.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.clone()
    }

    /// Has what nearly every start of a program reads decompressed in the background. For the layer with the system.
    pub fn expect_start(&self) {
        self.expect(&EVERY_START);
    }

    /// Has blocks decompressed in the background, one after the other. What the layer does not have is left out, and what
    /// would fill more than half of the cache.
    pub fn expect(&self, wanted: &[Wanted]) {
        if self.options.read_ahead_bytes == 0 {
            return;
        }
        let size = self.tree.files.block_size();
        let mut room = self.cache.limit() / 2;
        for &(number, end) in wanted.iter().take(MOST_BLOCKS) {
            let end = end.min(size);
            let Some(rest) = room.checked_sub(end.into()) else {
                return;
            };
            if (number as usize) < self.blocks.len() {
                room = rest;
                let block = self.block(number, end as usize);
                self.cache
                    .readahead()
                    .expect(block, Arc::clone(&self.window), end as usize);
            }
        }
    }
}
