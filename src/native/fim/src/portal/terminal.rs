//! The caller's terminal, if it has one.

use super::request::{Size, Stream};
use crate::sys;
use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::IsTerminal;
use std::os::fd::{BorrowedFd, OwnedFd};

pub struct Terminal {
    /// A standard stream that leads to it.
    stream: BorrowedFd<'static>,
    /// Its modes as they were, while it is raw.
    saved: Option<Termios>,
}

impl Terminal {
    /// Where the standard streams lead, and the terminal that is among them. A detached command has none.
    pub fn find(is_detached: bool) -> ([Stream; 3], Option<Terminal>) {
        if is_detached {
            return ([Stream::Null; 3], None);
        }
        let standard = sys::standard();
        let mut streams = standard.map(|stream| match stream.is_terminal() {
            true => Stream::Terminal,
            false if sys::is_null(stream) => Stream::Null,
            false => Stream::Pipe,
        });
        // One FIFO for both keeps what they say in order.
        if streams[1] == Stream::Pipe && streams[2] == Stream::Pipe && sys::is_same(standard[1], standard[2]) {
            streams[2] = Stream::Output;
        }
        let terminal = standard.into_iter().find(BorrowedFd::is_terminal);
        let terminal = terminal.map(|stream| Terminal { stream, saved: None });
        (streams, terminal)
    }

    pub fn size(&self) -> Size {
        let size = tcgetwinsize(self.stream);
        let (rows, columns) = size.map_or((24, 80), |size| (size.ws_row, size.ws_col));
        Size { rows, columns }
    }

    pub fn is_foreground(&self) -> bool {
        sys::is_foreground(self.stream)
    }

    /// Every key goes to the command. Not from the background: the terminal is another's then.
    pub fn make_raw(&mut self) {
        if self.saved.is_none()
            && self.is_foreground()
            && let Ok(modes) = tcgetattr(self.stream)
            && self.set(&raw(&modes)).is_ok()
        {
            self.saved = Some(modes);
        }
    }

    pub fn restore(&mut self) {
        if let Some(modes) = self.saved.take() {
            let _ = self.set(&modes);
        }
    }

    fn set(&self, modes: &Termios) -> rustix::io::Result<()> {
        tcsetattr(self.stream, OptionalActions::Drain, modes)
    }

    /// A copy of the descriptor, if it was opened for reading. The standard stream stays, for the modes.
    pub fn reader(&self) -> Option<OwnedFd> {
        let copy = self.stream.try_clone_to_owned().ok()?;
        let flags = rustix::fs::fcntl_getfl(&copy).ok()?;
        (flags & OFlags::ACCMODE != OFlags::WRONLY).then_some(copy)
    }

    /// Standard output or error if one of them is the terminal: standard input may have been opened for reading only.
    pub fn writer(&self) -> Option<OwnedFd> {
        let [_, output, error] = sys::standard();
        let found = [output, error]
            .into_iter()
            .find(|stream| sys::is_same(stream, self.stream));
        found.unwrap_or(self.stream).try_clone_to_owned().ok()
    }
}

/// The same modes, but every byte passes as it is.
fn raw(modes: &Termios) -> Termios {
    let mut raw = modes.clone();
    raw.make_raw();
    raw
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}
