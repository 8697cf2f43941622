//! Says on a terminal how far something slow is that happens once.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// What is done sooner is not worth a word.
const QUIET: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(200);

pub struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    start: Instant,
    shown: Option<Instant>,
}

impl Progress {
    /// `what` is shown in front of the percentage of `total` bytes.
    pub fn new(what: &'static str, total: u64) -> Progress {
        Progress {
            what,
            total,
            done: 0,
            start: Instant::now(),
            shown: None,
        }
    }

    pub fn add(&mut self, bytes: u64) {
        self.done += bytes;
        let now = Instant::now();
        let due = match self.shown {
            None => now.duration_since(self.start) > QUIET && std::io::stderr().is_terminal(),
            Some(last) => now.duration_since(last) > INTERVAL,
        };
        if due {
            let share = self.done.min(self.total) * 100 / self.total.max(1);
            console::error(&format!("\r{}: {share} %", self.what));
            self.shown = Some(now);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            console::error("\r\x1b[K");
        }
    }
}
