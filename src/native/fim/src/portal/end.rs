//! What a pump moves bytes from and to.

use crate::sys;
use rustix::event::PollFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// One end of a pump.
pub enum End {
    /// A FIFO or terminal of our own that does not block.
    Own(OwnedFd),
    /// Standard input, output or error, by its number, which others may share: it is never made not to block.
    Standard(usize),
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            End::Own(descriptor) => descriptor.as_fd(),
            End::Standard(number) => sys::standard()[*number],
        }
    }
}

impl End {
    /// Whether this event is there now.
    pub fn is_ready(&self, event: PollFlags) -> bool {
        sys::poll([Some((self.as_fd(), event))], 0).is_ok_and(|[ready]| ready)
    }
}

impl Drop for End {
    /// A standard stream is given up, so that who is at its other end sees that; its number stays in use. Standard error
    /// stays: it may be needed to say what went wrong.
    fn drop(&mut self) {
        if let End::Standard(number @ 0..=1) = self
            && let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null")
        {
            let _ = match number {
                0 => rustix::stdio::dup2_stdin(null),
                _ => rustix::stdio::dup2_stdout(null),
            };
        }
    }
}
