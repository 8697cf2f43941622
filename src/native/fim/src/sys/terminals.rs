//! Terminals.

use nix::unistd::{getpgrp, tcgetpgrp};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{InputModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use std::io::Result;
use std::os::fd::{BorrowedFd, OwnedFd};

/// A new terminal: its master, which does not block, and its slave, which is nobody's controlling terminal yet.
pub fn make_terminal(rows: u16, columns: u16) -> Result<(OwnedFd, OwnedFd)> {
    // Not by `openpt`, which takes no O_NONBLOCK.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let master = rustix::fs::open("/dev/ptmx", flags, Mode::empty())?;
    unlockpt(&master)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    let mut modes = tcgetattr(&slave)?;
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&slave, OptionalActions::Drain, &modes)?;
    resize_terminal(&slave, rows, columns);
    Ok((master, slave))
}

/// The kernel tells the foreground group if the size is another one.
pub fn resize_terminal(terminal: &OwnedFd, rows: u16, columns: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let _ = tcsetwinsize(terminal, size);
}

/// Whether we may read from a terminal: it is not ours to lose, or we are in its foreground.
pub fn is_foreground(terminal: BorrowedFd<'_>) -> bool {
    // By nix, because groups of other process namespaces have the number 0, which a `Pid` of rustix must not be.
    tcgetpgrp(terminal).map_or(true, |group| group == getpgrp())
}
