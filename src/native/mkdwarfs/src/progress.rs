//! How far the work is, on standard error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two reports.
const PERIOD: Duration = Duration::from_millis(100);
const BAR: u64 = 30;

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
    Bar,
    Lines,
    Silent,
}

/// Counts bytes and reports them now and then.
#[derive(Debug)]
pub struct Progress {
    style: Style,
    done: u64,
    total: u64,
    start: Instant,
    reported: Option<Instant>,
}

impl Progress {
    pub fn new(mode: Mode, total: u64) -> Self {
        let style = match mode {
            Mode::Never => Style::Silent,
            _ if std::io::stderr().is_terminal() => Style::Bar,
            Mode::Always => Style::Lines,
            Mode::Auto => Style::Silent,
        };
        Self {
            style,
            done: 0,
            total,
            start: Instant::now(),
            reported: None,
        }
    }

    /// That many more bytes have been read.
    pub fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.style != Style::Silent && self.reported.is_none_or(|last| last.elapsed() >= PERIOD) {
            self.report();
        }
    }

    /// Reports the end, and leaves the line of the bar.
    pub fn finish(&mut self) {
        if self.style != Style::Silent {
            self.report();
        }
        if self.style == Style::Bar {
            self.print("\n");
        }
    }

    fn report(&mut self) {
        self.reported = Some(Instant::now());
        match self.style {
            Style::Lines => self.print(&format!("progress {} {}\n", self.done, self.total)),
            Style::Bar => self.print(&self.bar()),
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
            "\r\x1b[K[{}{}] {:3} %  {}/{} MiB  {:.1} MiB/s  {} s left",
            "#".repeat(filled),
            " ".repeat(BAR as usize - filled),
            share(100),
            self.done >> 20,
            self.total >> 20,
            speed / f64::from(1 << 20),
            rest.ceil() as u64,
        )
    }

    fn print(&self, text: &str) {
        // A closed terminal is no reason to stop packing.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}
