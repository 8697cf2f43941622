//! Anonymous memory straight from the kernel, which goes back to it the moment it is dropped.
//!
//! Blocks are large and come and go; memory of the allocator would stay resident in the process after them. Pages are
//! taken only when first written to, so a block that is decompressed in part costs only that part.

use std::io;
use std::ptr::NonNull;

/// `length` zeroed bytes.
#[derive(Debug)]
pub(crate) struct Buffer {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is owned by this value alone, is valid in every thread, and has no thread-bound state.
unsafe impl Send for Buffer {}
// SAFETY: through a shared reference only a raw pointer is handed out; its users synchronise themselves.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Fails with `ENOMEM` rather than ending the process, and for a length of zero with `EINVAL`.
    pub(crate) fn new(length: usize) -> io::Result<Self> {
        Self::map(length, 0)
    }

    /// The same with its pages taken at once, which is quicker than one by one if all of it will be written to.
    pub(crate) fn taken(length: usize) -> io::Result<Self> {
        Self::map(length, libc::MAP_POPULATE)
    }

    fn map(length: usize, flags: libc::c_int) -> io::Result<Self> {
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no existing memory.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | flags,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        match NonNull::new(start.cast()) {
            Some(start) => Ok(Self { start, length }),
            None => Err(io::ErrorKind::OutOfMemory.into()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is `length` readable, initialised (zeroed) bytes, lives as long as `self`, and callers of
        // this function are the only users of the buffer (blocks that fill up concurrently use `start` instead).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and the exclusive reference rules out any other access.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made by `new`, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
