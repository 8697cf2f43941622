//! Extended attributes of open files.

use super::check;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::AsRawFd;

/// Names and values of all that the caller may see; none where the file system has no such thing.
pub fn attributes(file: &File) -> Result<Vec<(CString, Vec<u8>)>> {
    let descriptor = file.as_raw_fd();
    // SAFETY: the kernel writes no further than the buffer is long; with none it says how long one has to be.
    let list = read(|buffer, size| unsafe { libc::flistxattr(descriptor, buffer.cast(), size) })?;
    let names = list.split_inclusive(|byte| *byte == 0);
    names
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(|name| {
            // SAFETY: as above, and the name is a terminated string that outlives the call.
            let value = read(|buffer, size| unsafe { libc::fgetxattr(descriptor, name.as_ptr(), buffer.cast(), size) });
            Ok((name.to_owned(), value?))
        })
        .collect()
}

/// Asks for the size first, and again where it has grown since.
fn read(call: impl Fn(*mut u8, usize) -> isize) -> Result<Vec<u8>> {
    loop {
        let size = match check(call(std::ptr::null_mut(), 0) as libc::c_long) {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
            size => size?,
        };
        let mut buffer = vec![0; size as usize];
        match check(call(buffer.as_mut_ptr(), buffer.len()) as libc::c_long) {
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) => {}
            length => {
                buffer.truncate(length? as usize);
                return Ok(buffer);
            }
        }
    }
}

pub fn set_attribute(file: &File, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads a terminated string, and a value of the length given.
    let result = unsafe { libc::fsetxattr(file.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    check(result.into()).map(drop).map_err(|error| named(name, &error))
}

pub fn remove_attribute(file: &File, name: &CStr) -> Result<()> {
    // SAFETY: the kernel reads a terminated string.
    let result = unsafe { libc::fremovexattr(file.as_raw_fd(), name.as_ptr()) };
    check(result.into()).map(drop).map_err(|error| named(name, &error))
}

fn named(name: &CStr, error: &Error) -> Error {
    Error::new(
        error.kind(),
        format!("its attribute {} cannot be kept: {error}", name.to_string_lossy()),
    )
}
