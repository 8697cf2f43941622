//! What a process may do beyond its user, and what it may ever get.

use super::check;
use std::io::{Error, Result};

/// `_LINUX_CAPABILITY_VERSION_3`: sets of 64 bits, in two halves.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Leaves nothing in the bounding set, or nothing but what this process holds, so that no program it starts can get more.
/// Takes CAP_SETPCAP.
pub fn bound_capabilities(keeps_held: bool) -> Result<()> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut halves = [Half::default(); 2];
    // SAFETY: the kernel reads a header and writes the two halves that this version has.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) })?;
    for capability in 0..64 {
        if keeps_held && halves[capability / 32].permitted & (1 << (capability % 32)) != 0 {
            continue;
        }
        // SAFETY: takes plain numbers.
        if let Err(error) = check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability) }.into()) {
            // The kernel has no more of them.
            return match error.raw_os_error() {
                Some(libc::EINVAL) => Ok(()),
                _ => Err(error),
            };
        }
    }
    Ok(())
}

/// Gives up every capability, and those that programs would inherit.
pub fn drop_capabilities() -> Result<()> {
    let header = Header {
        version: VERSION,
        pid: 0,
    };
    let none = [Half::default(); 2];
    // SAFETY: takes plain numbers; the kernel reads a header and the two halves that this version has.
    unsafe {
        if libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 {
            return Err(Error::last_os_error());
        }
        check(libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr())).map(drop)
    }
}
