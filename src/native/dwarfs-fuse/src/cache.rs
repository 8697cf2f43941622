//! The decompressed blocks of all layers, with a bound on their memory.
//!
//! The lock is held for a look-up only; work on a block happens under the block's own. When nobody read for a while all
//! blocks are dropped: what was read lies in the kernel's page cache, and the memory is the user's again. A cache that goes by
//! the memory at hand looks again and again how much that is, as long as it has blocks, and drops what has become too much.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::allocator;
use crate::block::{Block, release};
use crate::memory;
use crate::readahead::Readahead;

/// Looks at an idle cache, in a row, after which the blocks go, and the time from one to the next.
const LOOKS: u32 = 5;
const INTERVAL: Duration = Duration::from_secs(1);
/// The part of the memory at hand that blocks may take, as a divisor.
const SHARE: u64 = 4;

/// Blocks of any number of layers, shared between threads.
pub struct Cache {
    shared: Arc<Shared>,
    readahead: Readahead,
    next_layer: AtomicU64,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Key {
    pub(crate) layer: u64,
    pub(crate) block: u32,
}

struct Shared {
    /// The bound, whatever memory is at hand.
    most: u64,
    goes_by_memory: bool,
    /// The bound as it is now.
    limit: AtomicU64,
    state: Mutex<State>,
    /// Wakes the thread that empties an idle cache: at the first block, and at the end.
    filled: Condvar,
}

#[derive(Default)]
struct State {
    blocks: HashMap<Key, Slot>,
    cost: u64,
    /// Counts uses; the age of a block is told from it.
    clock: u64,
    has_keeper: bool,
    is_closed: bool,
}

struct Slot {
    block: Arc<Block>,
    cost: u64,
    used: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Looks how much memory is at hand. What the cache has by now counts as such.
    fn measure(&self, cost: u64) {
        if self.goes_by_memory {
            let share = memory::at_hand().saturating_add(cost) / SHARE;
            self.limit.store(self.most.min(share), Ordering::Relaxed);
        }
    }

    /// Drops the blocks that were not used for the longest time until the others may stay; `key` stays in any case.
    fn make_room(&self, state: &mut State, key: Option<Key>) -> Vec<Slot> {
        let mut dropped = Vec::new();
        while state.cost > self.limit() {
            let others = state.blocks.iter().filter(|(other, _)| Some(**other) != key);
            let oldest = others.min_by_key(|(_, slot)| slot.used).map(|(&key, _)| key);
            let Some(slot) = oldest.and_then(|key| state.blocks.remove(&key)) else {
                break;
            };
            state.cost -= slot.cost;
            dropped.push(slot);
        }
        dropped
    }

    /// Sleeps while the cache is empty, then watches the clock and the memory; ends with the cache.
    fn keep(&self) {
        let mut state = self.lock();
        let (mut seen, mut looks) = (state.clock, 0);
        while !state.is_closed {
            if state.blocks.is_empty() {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            (state, _) = self
                .filled
                .wait_timeout(state, INTERVAL)
                .unwrap_or_else(PoisonError::into_inner);
            looks = if state.clock == seen { looks + 1 } else { 0 };
            seen = state.clock;
            if looks >= LOOKS {
                looks = 0;
                let idle = std::mem::take(&mut state.blocks);
                state.cost = 0;
                drop(state);
                drop(idle);
                release();
                allocator::trim();
                state = self.lock();
            } else if self.goes_by_memory {
                let cost = state.cost;
                drop(state);
                self.measure(cost);
                state = self.lock();
                let dropped = self.make_room(&mut state, None);
                drop(state);
                drop(dropped);
                state = self.lock();
            }
        }
    }
}

impl Cache {
    /// A cache of at most `bytes` of decompressed blocks; one block is kept even if it alone is larger.
    pub fn new(bytes: u64) -> Arc<Self> {
        Self::bounded(bytes, false)
    }

    /// The same, but never more than a quarter of the memory at hand: of the machine, and of the process's control groups.
    pub fn within_memory(bytes: u64) -> Arc<Self> {
        Self::bounded(bytes, true)
    }

    fn bounded(most: u64, goes_by_memory: bool) -> Arc<Self> {
        let shared = Shared {
            most,
            goes_by_memory,
            limit: AtomicU64::new(most),
            state: Mutex::default(),
            filled: Condvar::new(),
        };
        shared.measure(0);
        Arc::new(Self {
            shared: Arc::new(shared),
            readahead: Readahead::new(),
            next_layer: AtomicU64::new(0),
        })
    }

    /// A number that no other layer of this cache has.
    pub(crate) fn new_layer(&self) -> u64 {
        self.next_layer.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.shared.limit()
    }

    pub(crate) fn readahead(&self) -> &Readahead {
        &self.readahead
    }

    /// The block of this key, made by `make` if it is not there. What it is used for must not cost more than `cost` bytes,
    /// or [`Cache::book`] has to be told.
    pub(crate) fn block(&self, key: Key, cost: u64, make: impl FnOnce() -> Block) -> Arc<Block> {
        let mut state = self.shared.lock();
        state.clock += 1;
        let now = state.clock;
        let was_empty = state.blocks.is_empty();
        let slot = state.blocks.entry(key).or_insert_with(|| Slot {
            block: Arc::new(make()),
            cost: 0,
            used: now,
        });
        slot.used = now;
        let block = Arc::clone(&slot.block);
        let dropped = self.raise(&mut state, key, cost);
        if was_empty {
            self.wake_keeper(&mut state);
        }
        // The memory is given back after the lock.
        drop(state);
        drop(dropped);
        block
    }

    /// Books what a block has turned out to cost.
    pub(crate) fn book(&self, key: Key, cost: u64) {
        let mut state = self.shared.lock();
        let dropped = self.raise(&mut state, key, cost);
        drop(state);
        drop(dropped);
    }

    /// Books a cost of a block if it is higher than before, and makes room for it. The answer is what had to go.
    fn raise(&self, state: &mut State, key: Key, cost: u64) -> Vec<Slot> {
        let Some(slot) = state.blocks.get_mut(&key).filter(|slot| slot.cost < cost) else {
            return Vec::new();
        };
        slot.block.booked.store(cost, Ordering::Relaxed);
        state.cost += cost - std::mem::replace(&mut slot.cost, cost);
        self.shared.make_room(state, Some(key))
    }

    fn wake_keeper(&self, state: &mut State) {
        if state.has_keeper {
            self.shared.filled.notify_one();
            return;
        }
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name("dwarfs-idle".into())
            .stack_size(64 << 10);
        // Without this thread the cache still works, and is only not emptied.
        state.has_keeper = thread.spawn(move || shared.keep()).is_ok();
    }

    /// Forgets a block, so that the next use reads it anew.
    pub(crate) fn forget(&self, key: Key) {
        let mut state = self.shared.lock();
        if let Some(slot) = state.blocks.remove(&key) {
            state.cost -= slot.cost;
            drop(state);
            drop(slot);
        }
    }

    /// Forgets all blocks of a layer that is gone.
    pub(crate) fn forget_layer(&self, layer: u64) {
        let mut state = self.shared.lock();
        let gone: Vec<_> = state.blocks.extract_if(|key, _| key.layer == layer).collect();
        state.cost -= gone.iter().map(|(_, slot)| slot.cost).sum::<u64>();
        drop(state);
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.filled.notify_one();
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        out.debug_struct("Cache")
            .field("limit", &self.shared.limit())
            .field("blocks", &state.blocks.len())
            .finish()
    }
}
