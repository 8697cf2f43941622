//! The caller's terminal, if it has one.

use super::request::{Size, Stream};
use crate::sys;
use std::io::IsTerminal;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

pub struct Terminal {
    /// A standard stream that leads to it.
    number: RawFd,
    /// Its modes as they were, while it is raw.
    saved: Option<libc::termios>,
}

impl Terminal {
    /// Where the standard streams lead, and the terminal that is among them. A detached command has none.
    pub fn find(is_detached: bool) -> ([Stream; 3], Option<Terminal>) {
        if is_detached {
            return ([Stream::Null; 3], None);
        }
        let standard: [(RawFd, bool); 3] = [
            (0, std::io::stdin().is_terminal()),
            (1, std::io::stdout().is_terminal()),
            (2, std::io::stderr().is_terminal()),
        ];
        let mut streams = standard.map(|(number, is_terminal)| match is_terminal {
            true => Stream::Terminal,
            false if sys::is_null(number) => Stream::Null,
            false => Stream::Pipe,
        });
        // One FIFO for both keeps what they say in order.
        if streams[1] == Stream::Pipe && streams[2] == Stream::Pipe && sys::is_same(1, 2) {
            streams[2] = Stream::Output;
        }
        let terminal = standard.iter().find(|(_, is_terminal)| *is_terminal);
        let terminal = terminal.map(|(number, _)| Terminal {
            number: *number,
            saved: None,
        });
        (streams, terminal)
    }

    pub fn size(&self) -> Size {
        let (rows, columns) = sys::size_of_terminal(self.number).unwrap_or((24, 80));
        Size { rows, columns }
    }

    pub fn is_foreground(&self) -> bool {
        sys::is_foreground(self.number)
    }

    /// Every key goes to the command. Not from the background: the terminal is another's then.
    pub fn make_raw(&mut self) {
        if self.saved.is_none()
            && self.is_foreground()
            && let Ok(modes) = sys::modes_of(self.number)
            && sys::set_modes(self.number, &sys::raw_modes(&modes)).is_ok()
        {
            self.saved = Some(modes);
        }
    }

    pub fn restore(&mut self) {
        if let Some(modes) = self.saved.take() {
            let _ = sys::set_modes(self.number, &modes);
        }
    }

    /// A copy of the descriptor. The standard stream stays, for the modes.
    fn copy(&self) -> Option<OwnedFd> {
        // SAFETY: a standard stream is open as long as the process runs.
        unsafe { BorrowedFd::borrow_raw(self.number) }.try_clone_to_owned().ok()
    }

    pub fn reader(&self) -> Option<OwnedFd> {
        let copy = self.copy()?;
        sys::may_read(copy.as_fd()).then_some(copy)
    }

    /// Standard output or error if one of them is the terminal: standard input may have been opened for reading only.
    pub fn writer(&self) -> Option<OwnedFd> {
        let outputs = [std::io::stdout().as_raw_fd(), std::io::stderr().as_raw_fd()];
        let number = outputs.into_iter().find(|number| sys::is_same(*number, self.number));
        Terminal {
            number: number.unwrap_or(self.number),
            saved: None,
        }
        .copy()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}
