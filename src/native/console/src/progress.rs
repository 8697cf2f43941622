//! How far slow work is, on standard error: a bar on a terminal, elsewhere nothing or lines for a program.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Between two reports.
const PERIOD: Duration = Duration::from_millis(100);
/// What happens once and is done sooner is not worth a word.
const QUIET: Duration = Duration::from_secs(1);
const BAR: u64 = 30;

/// When progress is reported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// A bar if standard error is a terminal, else nothing.
    Auto,
    /// A bar if standard error is a terminal, else lines for a program.
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Style {
    /// A bar, and whether the line remains at the end.
    Bar(bool),
    Lines,
    Silent,
}

/// Counts bytes and reports them now and then.
#[derive(Debug)]
pub struct Progress {
    /// In front of the bar.
    label: &'static str,
    style: Style,
    done: u64,
    total: u64,
    start: Instant,
    reported: Option<Instant>,
    quiet: Duration,
}

impl Progress {
    /// Of work that somebody has asked for. The last report remains.
    pub fn new(mode: Mode, total: u64) -> Progress {
        let style = match mode {
            Mode::Never => Style::Silent,
            _ if stderr().is_terminal() => Style::Bar(true),
            Mode::Always => Style::Lines,
            Mode::Auto => Style::Silent,
        };
        Progress::of("", style, total, Duration::ZERO)
    }

    /// Of work that is in the way of something else: a bar on a terminal if it takes longer, and gone at the end.
    pub fn in_passing(label: &'static str, total: u64) -> Progress {
        let style = if stderr().is_terminal() {
            Style::Bar(false)
        } else {
            Style::Silent
        };
        Progress::of(label, style, total, QUIET)
    }

    fn of(label: &'static str, style: Style, total: u64, quiet: Duration) -> Progress {
        Progress {
            label,
            style,
            done: 0,
            total,
            start: Instant::now(),
            reported: None,
            quiet,
        }
    }

    /// That many more bytes are done.
    pub fn add(&mut self, bytes: u64) {
        self.done += bytes;
        let is_due = match self.reported {
            None => self.start.elapsed() >= self.quiet,
            Some(last) => last.elapsed() >= PERIOD,
        };
        if is_due {
            self.report();
        }
    }

    fn report(&mut self) {
        self.reported = Some(Instant::now());
        match self.style {
            Style::Lines => crate::error(&format!("progress {} {}\n", self.done, self.total)),
            Style::Bar(_) => crate::error(&self.bar()),
            Style::Silent => {}
        }
    }

    fn bar(&self) -> String {
        let share =
            |of: u64| (u128::from(self.done) * u128::from(of) / u128::from(self.total.max(1))).min(of.into()) as u64;
        let filled = share(BAR) as usize;
        let seconds = self.start.elapsed().as_secs_f64().max(0.001);
        let speed = self.done as f64 / seconds;
        let rest = (self.total.saturating_sub(self.done)) as f64 / speed.max(1.0);
        format!(
            "\r\x1b[K{}[{}{}] {:3} %  {}/{} MiB  {:.1} MiB/s  {} s left",
            self.label,
            "#".repeat(filled),
            " ".repeat(BAR as usize - filled),
            share(100),
            self.done >> 20,
            self.total >> 20,
            speed / f64::from(1 << 20),
            rest.ceil() as u64,
        )
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        match self.style {
            Style::Bar(true) => {
                self.report();
                crate::error("\n");
            }
            Style::Bar(false) if self.reported.is_some() => crate::error("\r\x1b[K"),
            Style::Lines => self.report(),
            Style::Bar(false) | Style::Silent => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_and_never_more_than_that() {
        let bar = |done, total| {
            let mut progress = Progress::of("Unpacking ", Style::Silent, total, Duration::ZERO);
            progress.add(done);
            progress.bar()
        };
        assert!(bar(0, 4 << 20).starts_with("\r\x1b[KUnpacking [                              ]   0 %  0/4 MiB"));
        assert!(bar(2 << 20, 4 << 20).contains("[###############               ]  50 %  2/4 MiB"));
        assert!(bar(9, 4).contains("[##############################] 100 %"));
        assert!(bar(u64::MAX, 0).contains("100 %"));
    }
}
