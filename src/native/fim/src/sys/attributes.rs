//! Extended attributes of open files.

use rustix::fs::{self, XattrFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Error, Result};

/// Names and values of all that the caller may see; none where the file system has no such thing.
pub fn attributes(file: &File) -> Result<Vec<(CString, Vec<u8>)>> {
    let list = read(
        || fs::flistxattr_query(file),
        |buffer| fs::flistxattr(file, &mut buffer[..]),
    )?;
    let names = list.split_inclusive(|byte| *byte == 0);
    names
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(|name| {
            let value = read(
                || fs::fgetxattr_query(file, name),
                |buffer| fs::fgetxattr(file, name, &mut buffer[..]),
            );
            Ok((name.to_owned(), value?))
        })
        .collect()
}

/// Asks for the size first, and again where it has grown since.
fn read(
    size: impl Fn() -> rustix::io::Result<usize>,
    fill: impl Fn(&mut Vec<u8>) -> rustix::io::Result<usize>,
) -> Result<Vec<u8>> {
    loop {
        let size = match size() {
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            size => size?,
        };
        let mut buffer = vec![0; size];
        match fill(&mut buffer) {
            Err(Errno::RANGE) => {}
            length => {
                buffer.truncate(length?);
                return Ok(buffer);
            }
        }
    }
}

pub fn set_attribute(file: &File, name: &CStr, value: &[u8]) -> Result<()> {
    fs::fsetxattr(file, name, value, XattrFlags::empty()).map_err(|error| named(name, error))
}

pub fn remove_attribute(file: &File, name: &CStr) -> Result<()> {
    fs::fremovexattr(file, name).map_err(|error| named(name, error))
}

fn named(name: &CStr, error: Errno) -> Error {
    Error::new(
        error.kind(),
        format!("its attribute {} cannot be kept: {error}", name.to_string_lossy()),
    )
}
