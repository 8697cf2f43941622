//! Memory of the engine. Where there is no more, the process ends with one line: JavaScript that is thrown out of the middle of its
//! work would go on half done, or wait for what nobody will do.

use rquickjs::allocator::Allocator;

/// The allocator of the C library.
pub struct Memory;

/// Returns what was allocated, or ends the process. An allocation of no bytes need not give anything.
fn present(pointer: *mut libc::c_void, size: usize) -> *mut u8 {
    if pointer.is_null() && size > 0 {
        // Without an allocation of its own.
        let _ = rustix::io::write(rustix::stdio::stderr(), b"C::the boot program has run out of memory\n");
        std::process::exit(crate::EXIT_CODE);
    }
    pointer.cast()
}

// SAFETY: all of these are the C library's, whose memory is aligned for every type and which says itself how much there is.
unsafe impl Allocator for Memory {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        // SAFETY: takes a number.
        present(unsafe { libc::malloc(size) }, size)
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        // SAFETY: takes numbers, whose product is checked there.
        present(unsafe { libc::calloc(count, size) }, count.saturating_mul(size))
    }

    unsafe fn dealloc(&mut self, pointer: *mut u8) {
        // SAFETY: the caller gives what was allocated here.
        unsafe { libc::free(pointer.cast()) }
    }

    unsafe fn realloc(&mut self, pointer: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: as above.
        present(unsafe { libc::realloc(pointer.cast(), size) }, size)
    }

    unsafe fn usable_size(pointer: *mut u8) -> usize {
        // SAFETY: as above.
        unsafe { libc::malloc_usable_size(pointer.cast()) }
    }
}
