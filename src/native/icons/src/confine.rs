//! What a decoder does not need it does not have, should a picture ever make it ask.

use rustix::process::{Resource, Rlimit, setrlimit};

/// The largest picture takes 64 MiB, and as much again while it is resized.
const MEMORY: u64 = 512 << 20;
/// Seconds; the largest picture takes one.
const TIME: u64 = 20;

/// Limits memory and time of this process, and takes from it the right to open a file, to write one and to start another
/// process. What is open stays.
pub fn confine() -> std::io::Result<()> {
    let limits = [
        (Resource::As, MEMORY),
        (Resource::Cpu, TIME),
        (Resource::Core, 0),
        (Resource::Nofile, 0),
    ];
    for (resource, value) in limits {
        let limit = Rlimit {
            current: Some(value),
            maximum: Some(value),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}
