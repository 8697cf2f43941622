//! Stages, read from standard input. All sizes are bounded before memory is taken.

use crate::names;
use messages::{Limits, Reader};
use serde::Deserialize;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::PathBuf;

const MAX_COUNT: usize = 65_536;
/// Paths have at most 65 536 bytes, and each may take six in JSON; a write is named by two numbers.
pub const LIMITS: Limits = Limits {
    head: 4 << 20,
    body: 16 << 20,
};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Stage {
    /// Writes the bytes behind the stage, cut into these lengths, at these offsets. With `sync` they are on the disk before the reply.
    Write { sync: bool, writes: Vec<(u64, usize)> },
    /// Cuts the file off there.
    Truncate { length: u64 },
    /// Appends the file `source` behind eight zero bytes, if the image ends at `offset`. It grows at once; the new eight bytes stay zero, where a
    /// scan of the layers stops, and the copy follows in pieces, the image being closed and left alone in between. It is on the disk
    /// when the reply comes; if anything fails the image is cut off where it ended.
    Copy {
        offset: u64,
        #[serde(with = "names::path")]
        source: PathBuf,
    },
    /// Writes the size over those zeros, if the image ends where it says. A writer that dies in between leaves zeros and what follows
    /// them, which the next one cuts off.
    Publish { offset: u64, size: u64 },
    /// Copies that part of the image, which lies behind the range, into a new file.
    Export {
        offset: u64,
        size: u64,
        #[serde(with = "names::path")]
        path: PathBuf,
    },
    /// Makes a new file at `path` of the image up to `end` and, unless it is empty, the layer in the file `layer`.
    Rebuild {
        end: u64,
        #[serde(with = "names::path")]
        path: PathBuf,
        #[serde(with = "names::path")]
        layer: PathBuf,
    },
    /// Gives that file the name of the image.
    Replace {
        #[serde(with = "names::path")]
        path: PathBuf,
    },
}

/// A stage, and the bytes behind it. `None` at the end of the input. A stage that is cut off is an error, and nothing of it is written.
pub fn read_stage(input: &mut Reader<impl Read>) -> Result<Option<(Stage, Vec<u8>)>> {
    let Some(message) = input.read()? else { return Ok(None) };
    let stage: Stage = message.parse()?;
    let wanted = match &stage {
        Stage::Write { writes, .. } if writes.len() > MAX_COUNT => {
            return Err(invalid("too many writes in one stage"));
        }
        Stage::Write { writes, .. } => writes
            .iter()
            .try_fold(0_usize, |sum, (_, length)| sum.checked_add(*length)),
        _ => Some(0),
    };
    if wanted != Some(message.body.len()) {
        return Err(invalid("a stage with other bytes than it says"));
    }
    Ok(Some((stage, message.body)))
}

pub fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, text)
}
