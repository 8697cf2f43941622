//! What a layer has decompressed before anybody waits for it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Layer;
use crate::block::{Block, SMALL};
use crate::files::Extent;

/// A read is taken as going on from the one before if it starts this near to its end.
const NEARBY: u64 = 512 << 10;
/// Bytes read in a row from which on reads are taken as sequential.
const STREAK: u64 = 1 << 20;

impl Layer {
    /// Has all of a block decompressed in the background, once.
    fn wish(&self, block: &Arc<Block>, number: u32) {
        if !block.wished.swap(true, Ordering::Relaxed) {
            let size = self.tree.files.block_size() as usize;
            self.cache.book(self.key(number), size as u64);
            self.cache
                .readahead()
                .wish(Arc::clone(block), Arc::clone(&self.window), size);
        }
    }

    /// Has what probably is read next decompressed in the background, while somebody waits for the beginning: the rest of the block,
    /// and what `next` is of the file. A library is read here and there, and a core has nothing to do in the meantime. In large
    /// blocks most of it would be for nothing.
    pub(super) fn look_on(&self, block: &Arc<Block>, number: u32, next: Option<Extent>) {
        if self.options.read_ahead_bytes == 0 || self.tree.files.block_size() as usize > SMALL {
            return;
        }
        self.wish(block, number);
        let Some(Extent {
            block: Some(following),
            offset,
            size,
        }) = next
        else {
            return;
        };
        // Less than the size of a block.
        let end = offset as usize + size as usize;
        let ahead = self.block(following, end);
        if !ahead.is_ready(end) {
            self.cache.readahead().wish(ahead, Arc::clone(&self.window), end);
        }
    }

    /// Has more decompressed in the background if this read went on from the last one, the more the longer that has
    /// been going on. A program that starts reads here and there, and the cores are better left to it.
    pub(super) fn look_ahead(&self, block: &Arc<Block>, number: u32, range: Range<usize>, was_ready: bool) {
        let size = u64::from(self.tree.files.block_size());
        let base = u64::from(number) * size;
        let (start, end) = (base + range.start as u64, range.end as u64);
        let position = base + end;
        let last = self.last_end.swap(position, Ordering::Relaxed);
        // A block may be shorter than the others: then the next one begins behind a gap.
        let is_next = range.start as u64 <= NEARBY && base > last && base - last < size;
        if start.abs_diff(last) > NEARBY && !is_next {
            self.streak.store(0, Ordering::Relaxed);
            return;
        }
        let length = if is_next { end } else { position.saturating_sub(last) };
        let streak = self.streak.fetch_add(length, Ordering::Relaxed) + length;
        if streak < STREAK {
            return;
        }
        if !was_ready {
            self.wish(block, number);
        }
        if end * 2 < size || block.followed.swap(true, Ordering::Relaxed) {
            return;
        }
        // Never more than half of the cache: the blocks in use must stay.
        let ahead = self.options.read_ahead_bytes.min(self.cache.limit() / 2).min(streak) / size;
        let next = (number + 1..).take_while(|&number| (number as usize) < self.blocks.len());
        for number in next.take(ahead.max(1) as usize) {
            self.wish(&self.block(number, size as usize), number);
        }
    }
}
