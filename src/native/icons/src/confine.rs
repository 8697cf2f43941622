//! What a decoder does not need it does not have, should a picture ever make it ask.

use std::io::{Error, Result};

/// The largest picture takes 64 MiB, and as much again while it is resized.
const MEMORY: libc::rlim_t = 512 << 20;
/// Seconds; the largest picture takes one.
const TIME: libc::rlim_t = 20;

/// Limits memory and time of this process, and takes from it the right to open a file, to write one and to start another
/// process. What is open stays.
pub fn confine() -> Result<()> {
    let limits = [
        (libc::RLIMIT_AS, MEMORY),
        (libc::RLIMIT_CPU, TIME),
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_NOFILE, 0),
    ];
    for (resource, value) in limits {
        let limit = libc::rlimit {
            rlim_cur: value,
            rlim_max: value,
        };
        // SAFETY: the kernel only reads the structure, which lives until the call returns.
        if unsafe { libc::setrlimit(resource, &raw const limit) } != 0 {
            return Err(Error::last_os_error());
        }
    }
    Ok(())
}
