//! What a process may do beyond its user, and what it may ever get.

use rustix::io::Errno;
use rustix::thread::{self, CapabilitySet, CapabilitySets};
use std::io::Result;

/// Leaves nothing in the bounding set, or nothing but what this process holds, so that no program it starts can get more.
/// Takes CAP_SETPCAP.
pub fn bound_capabilities(keeps_held: bool) -> Result<()> {
    let held = thread::capabilities(None)?.permitted;
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if keeps_held && held.contains(capability) {
            continue;
        }
        match thread::remove_capability_from_bounding_set(capability) {
            // The kernel has no more of them.
            Err(Errno::INVAL) => return Ok(()),
            removed => removed?,
        }
    }
    Ok(())
}

/// Gives up every capability, and those that programs would inherit.
pub fn drop_capabilities() -> Result<()> {
    thread::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    Ok(thread::set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?)
}
