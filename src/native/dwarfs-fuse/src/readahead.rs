//! Threads that decompress blocks before somebody waits for them. They serve all layers of a cache and sleep when idle.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::block::Block;
use crate::source::Window;

/// Threads at most; with more of them the readers would have no core left.
const MAX_THREADS: usize = 4;
/// Blocks waiting at most. Wishes beyond are dropped: their readers will decompress themselves.
const MAX_WAITING: usize = 2048;
const NICENESS: libc::c_int = 5;

pub(crate) struct Readahead {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    added: Condvar,
}

#[derive(Default)]
struct Queue {
    wishes: VecDeque<Wish>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

struct Wish {
    block: Arc<Block>,
    window: Arc<Window>,
    end: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        yield_to_readers();
        let mut queue = self.lock();
        while !queue.is_closed {
            match queue.wishes.pop_front() {
                Some(wish) => {
                    drop(queue);
                    // An error is for the reader who asks for these bytes; it meets the same one.
                    let _ = wish.block.prepare_up_to(&wish.window, wish.end);
                    drop(wish);
                    queue = self.lock();
                }
                None => {
                    queue.idle += 1;
                    queue = self.added.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    queue.idle -= 1;
                }
            }
        }
    }
}

impl Readahead {
    pub(crate) fn new() -> Self {
        Self { shared: Arc::default() }
    }

    /// Has the first `end` bytes of a block decompressed in the background, if there is time for it. A core is left to those who
    /// read now, and decompress themselves what they wait for.
    pub(crate) fn wish(&self, block: Arc<Block>, window: Arc<Window>, end: usize) {
        let mut queue = self.shared.lock();
        if queue.wishes.len() >= MAX_WAITING {
            return;
        }
        queue.wishes.push_back(Wish { block, window, end });
        if queue.idle < queue.wishes.len() && queue.threads < threads() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new()
                .name("dwarfs-ahead".into())
                .stack_size(128 << 10);
            if thread.spawn(move || shared.work()).is_ok() {
                queue.threads += 1;
            }
        }
        drop(queue);
        self.shared.added.notify_one();
    }
}

/// Lets threads that somebody waits for go first.
fn yield_to_readers() {
    // Added to what the calling thread has; more than 19 counts as 19.
    let _ = rustix::process::nice(NICENESS);
}

fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(1).clamp(1, MAX_THREADS)
}

impl Drop for Readahead {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.is_closed = true;
        queue.wishes.clear();
        drop(queue);
        self.shared.added.notify_all();
    }
}
