//! Terminals.

use super::check;
use std::io::Result;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A new terminal: its master and its slave, which is nobody's controlling terminal yet.
pub fn make_terminal(rows: u16, columns: u16) -> Result<(OwnedFd, OwnedFd)> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: opens a constant path; the ioctls take plain numbers, and each descriptor is owned as soon as it is made.
    unsafe {
        let master = check(libc::open(c"/dev/ptmx".as_ptr(), flags | libc::O_NONBLOCK).into())?;
        let master = OwnedFd::from_raw_fd(master as RawFd);
        let unlocked: libc::c_int = 0;
        check(libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked).into())?;
        let slave = check(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags).into())?;
        let slave = OwnedFd::from_raw_fd(slave as RawFd);
        let mut modes = modes_of(slave.as_raw_fd())?;
        modes.c_iflag |= libc::IUTF8;
        set_modes(slave.as_raw_fd(), &modes)?;
        resize_terminal(slave.as_raw_fd(), rows, columns);
        Ok((master, slave))
    }
}

/// Rows and columns.
pub fn size_of_terminal(terminal: RawFd) -> Option<(u16, u16)> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: the kernel fills the structure, which is valid when all zero.
    let size = unsafe {
        if libc::ioctl(terminal, libc::TIOCGWINSZ, size.as_mut_ptr()) != 0 {
            return None;
        }
        size.assume_init()
    };
    Some((size.ws_row, size.ws_col))
}

/// The kernel tells the foreground group if the size is another one.
pub fn resize_terminal(terminal: RawFd, rows: u16, columns: u16) {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the kernel reads one valid structure.
    unsafe { libc::ioctl(terminal, libc::TIOCSWINSZ, &raw const size) };
}

pub fn modes_of(terminal: RawFd) -> Result<libc::termios> {
    let mut modes = MaybeUninit::<libc::termios>::uninit();
    // SAFETY: the structure is filled, or the call fails and it is not read.
    unsafe {
        check(libc::tcgetattr(terminal, modes.as_mut_ptr()).into())?;
        Ok(modes.assume_init())
    }
}

pub fn set_modes(terminal: RawFd, modes: &libc::termios) -> Result<()> {
    // SAFETY: reads one valid structure.
    check(unsafe { libc::tcsetattr(terminal, libc::TCSADRAIN, modes) }.into()).map(drop)
}

/// The same modes, but every byte passes as it is.
pub fn raw_modes(modes: &libc::termios) -> libc::termios {
    let mut raw = *modes;
    // SAFETY: changes a valid structure of ours.
    unsafe { libc::cfmakeraw(&raw mut raw) };
    raw
}

/// Whether we may read from a terminal: it is not ours to lose, or we are in its foreground.
pub fn is_foreground(terminal: RawFd) -> bool {
    // SAFETY: takes and returns plain numbers.
    let (group, own) = unsafe { (libc::tcgetpgrp(terminal), libc::getpgrp()) };
    group < 0 || group == own
}

/// Makes a terminal the controlling one of this process, which must lead a session without one.
pub fn control_terminal(terminal: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }.into()).map(drop)
}
