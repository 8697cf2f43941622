//! The caller's standard streams: what they may be.

use crate::fail;
use crate::failure::Result;
use crate::sys;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};

/// What each is called, and how a shell leads it elsewhere.
const NAMES: [(&str, &str); 3] = [
    ("input", "< /dev/null"),
    ("output", "> /dev/null"),
    ("error", "2> /dev/null"),
];

/// Fails if one of them is a directory, or a descriptor that was opened with `O_PATH`. A program in the sandbox that holds
/// such a descriptor can open through it what the sandbox does not show.
pub fn check() -> Result<()> {
    for (stream, (name, remedy)) in sys::standard().into_iter().zip(NAMES) {
        let what = if fstat(stream).is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_dir()) {
            "a directory"
        } else if fcntl_getfl(stream).is_ok_and(|flags| flags.contains(OFlags::PATH)) {
            "open as a path only (O_PATH)"
        } else {
            continue;
        };
        fail!(
            "standard {name} is {what}, through which a program could open files that it must not see: \
             use a file, a pipe or '{remedy}'"
        )
    }
    Ok(())
}
