//! `fim icon png|jpeg [SIZE...]`: a picture on standard input as square PNG icons on standard output.
//!
//! Each icon is `u32 size`, `u32 length`, PNG of that length, little endian, in the order of the sizes. Without sizes the
//! picture is only decoded, which says whether it is one. The picture may be anybody's: it is decoded here, by code that
//! cannot break out of its memory, in a process that has given up what it does not need.

#![deny(clippy::indexing_slicing)]

mod confine;
mod decode;
mod shrink;

use std::ffi::OsString;
use std::fmt;
use std::io::{Read, Write};

const USAGE: &str = "usage: fim icon png|jpeg [SIZE...]";
/// Of a picture, in bytes: what an image has room for, which is 1 048 564.
const LARGEST_FILE: u64 = 1 << 20;
/// Of an icon, in pixels a side.
const LARGEST_ICON: usize = 1024;

/// What is wrong with a picture, as one sentence.
#[derive(Debug)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Failure {
    fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

type Result<T> = std::result::Result<T, Failure>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Png,
    Jpeg,
}

/// Runs the applet; the result is its exit code.
pub fn command(args: &[OsString]) -> i32 {
    let Some((format, sizes)) = parse(args) else {
        console::complain!("{USAGE}");
        return 125;
    };
    match serve(format, &sizes) {
        Ok(()) => 0,
        Err(failure) => {
            console::complain!("{failure}");
            1
        }
    }
}

fn parse(args: &[OsString]) -> Option<(Format, Vec<usize>)> {
    let (first, rest) = args.split_first()?;
    let format = match first.to_str()? {
        "png" => Format::Png,
        "jpeg" => Format::Jpeg,
        _ => return None,
    };
    let sizes = rest.iter().map(|word| {
        let size: usize = word.to_str()?.parse().ok()?;
        (1..=LARGEST_ICON).contains(&size).then_some(size)
    });
    Some((format, sizes.collect::<Option<_>>()?))
}

fn serve(format: Format, sizes: &[usize]) -> Result<()> {
    confine::confine().map_err(Failure::of)?;
    let mut file = Vec::new();
    std::io::stdin()
        .lock()
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut file)
        .map_err(Failure::of)?;
    if file.len() as u64 > LARGEST_FILE {
        return Err(Failure(format!("it has more than {LARGEST_FILE} bytes")));
    }
    let picture = decode::decode(format, &file)?;
    let mut output = std::io::stdout().lock();
    for &size in sizes {
        let icon = shrink::encode(&shrink::shrink(&picture, size)?, size)?;
        let mut head = [0; 8];
        let (first, second) = head.split_at_mut(4);
        first.copy_from_slice(&(size as u32).to_le_bytes());
        second.copy_from_slice(&(icon.len() as u32).to_le_bytes());
        output.write_all(&head).map_err(Failure::of)?;
        output.write_all(&icon).map_err(Failure::of)?;
    }
    output.flush().map_err(Failure::of)
}
