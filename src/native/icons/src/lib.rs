//! `fim icon`: a picture as square PNG icons.
//!
//! Replies to one request on standard input. Behind it comes the picture; behind the reply come the icons, in the order of the sizes, whose
//! lengths it names. Without sizes the picture is only decoded, which says whether it is one. The picture may be anybody's: it is decoded here, by code that
//! cannot break out of its memory, in a process that has given up what it does not need.

#![deny(clippy::indexing_slicing)]

mod confine;
mod decode;
mod shrink;

use messages::{Limits, Reader, Reply};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fmt;

const USAGE: &str = "usage: fim icon";
/// Of a picture, in bytes: what an image has room for, which is 1 048 564.
const LARGEST_FILE: usize = 1 << 20;
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

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Format {
    Png,
    Jpeg,
}

#[derive(Deserialize)]
struct Request {
    format: Format,
    /// In pixels a side.
    sizes: Vec<usize>,
}

#[derive(Serialize)]
struct Icons {
    lengths: Vec<usize>,
}

/// Runs the applet; the result is its exit code.
pub fn command(args: &[OsString]) -> i32 {
    if !args.is_empty() {
        console::complain!("{USAGE}");
        return 125;
    }
    let (sent, code) = match serve() {
        Ok((lengths, icons)) => (messages::print(&Reply::ok(Icons { lengths }), &icons), 0),
        Err(failure) => (messages::print(&Reply::error(failure), &[]), 1),
    };
    if sent.is_ok() { code } else { 1 }
}

fn serve() -> Result<(Vec<usize>, Vec<u8>)> {
    confine::confine().map_err(Failure::of)?;
    let limits = Limits {
        head: 1 << 12,
        body: LARGEST_FILE,
    };
    let message = Reader::new(std::io::stdin().lock(), limits)
        .read()
        .map_err(Failure::of)?;
    let message = message.unwrap_or_default();
    let Request { format, sizes } = message.parse().map_err(Failure::of)?;
    if let Some(size) = sizes.iter().find(|size| !(1..=LARGEST_ICON).contains(*size)) {
        return Err(Failure(format!("an icon cannot have {size} pixels a side")));
    }
    let picture = decode::decode(format, &message.body)?;
    let (mut lengths, mut icons) = (Vec::new(), Vec::new());
    for &size in &sizes {
        let icon = shrink::encode(&shrink::shrink(&picture, size)?, size)?;
        lengths.push(icon.len());
        icons.extend(icon);
    }
    Ok((lengths, icons))
}
