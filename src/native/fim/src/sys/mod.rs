//! System calls that the standard library does not have, each with the errors it gives.

mod attributes;
mod capabilities;
mod components;
mod descriptors;
mod elder;
mod ends;
mod fifos;
mod files;
mod locks;
mod process;
mod process_directory;
mod refusals;
mod removal;
mod signals;
mod sockets;
mod spawn;
mod terminals;

pub use attributes::*;
pub use capabilities::*;
pub use components::*;
pub use descriptors::*;
pub use ends::*;
pub use fifos::*;
pub use files::*;
pub use locks::*;
pub use process::*;
pub use process_directory::*;
pub use refusals::*;
pub use removal::*;
pub use signals::*;
pub use sockets::*;
pub use spawn::*;
pub use terminals::*;

use std::ffi::{CString, OsStr};
use std::io::{Error, Result};
use std::os::unix::ffi::OsStrExt;

fn check(result: libc::c_long) -> Result<libc::c_long> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// A path or name as the kernel takes it. A zero byte inside gives `EINVAL`.
fn c_string(text: impl AsRef<OsStr>) -> Result<CString> {
    CString::new(text.as_ref().as_bytes()).map_err(|_| Error::from_raw_os_error(libc::EINVAL))
}
