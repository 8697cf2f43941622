//! Settings of the C library's allocator for a process that holds few large and short-lived buffers.

/// Makes freed memory go back to the kernel, for the whole process and from now on; call it once, early.
///
/// glibc raises its threshold for separate mappings whenever a large buffer is freed. Later large buffers then come
/// from the heap, where they stay resident after use, and where zeroed ones are written to in full: with the read
/// buffers of the FUSE workers that costs 16 MiB each. A fixed threshold switches that off. Few arenas keep the share
/// of each thread small.
pub fn tune_allocator() {
    #[cfg(target_env = "gnu")]
    {
        const LARGE: libc::c_int = 256 << 10;
        // SAFETY: mallopt takes plain numbers, is thread-safe, and only changes how later allocations are placed.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
            libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
            libc::mallopt(libc::M_ARENA_MAX, 2);
        }
    }
}

/// Returns free pages inside the heap to the kernel; for after a large piece of work such as opening a layer.
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes a plain number, is thread-safe, and only releases memory nobody owns.
    unsafe {
        libc::malloc_trim(64 << 10);
    }
}
