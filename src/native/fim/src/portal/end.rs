//! What a pump moves bytes from and to.

use crate::sys;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// One end of a pump.
pub enum End {
    /// A FIFO or terminal of our own that does not block.
    Own(OwnedFd),
    /// A standard stream that others may share: it is never made not to block.
    Standard(RawFd),
}

impl End {
    pub fn raw(&self) -> RawFd {
        match self {
            End::Own(descriptor) => descriptor.as_raw_fd(),
            End::Standard(number) => *number,
        }
    }

    pub fn borrow(&self) -> BorrowedFd<'_> {
        // SAFETY: an own descriptor lives as long as this object, and a standard stream as long as the process.
        unsafe { BorrowedFd::borrow_raw(self.raw()) }
    }

    /// Whether this event is there now.
    pub fn is_ready(&self, event: i16) -> bool {
        sys::poll([(self.raw(), event)], 0).is_ok_and(|[ready]| ready)
    }
}

impl Drop for End {
    /// A standard stream is given up, so that who is at its other end sees that; its number stays in use. Standard error
    /// stays: it may be needed to say what went wrong.
    fn drop(&mut self) {
        if let End::Standard(number @ 0..=1) = self
            && let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null")
        {
            let _ = sys::place_descriptor(null.as_raw_fd(), *number);
        }
    }
}
