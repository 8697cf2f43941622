//! Stages, read from standard input as the applet's own page describes them. All sizes are bounded before memory is taken.

use std::ffi::OsString;
use std::io::{self, Error, ErrorKind, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

const MAX_COUNT: u32 = 65_536;
const MAX_BYTES: usize = 16 << 20;
const MAX_PATH: u32 = 65_536;

pub enum Stage {
    Write { sync: bool, writes: Vec<(u64, Vec<u8>)> },
    Truncate { length: u64 },
    Copy { offset: u64, source: PathBuf },
    Publish { offset: u64, size: u64 },
    Export { offset: u64, size: u64, path: PathBuf },
    Rebuild { end: u64, path: PathBuf, layer: PathBuf },
    Replace { path: PathBuf },
}

/// `None` at the end of the input. A stage that is cut off is an error, and nothing of it is written.
pub fn read_stage(input: &mut impl Read) -> io::Result<Option<Stage>> {
    let mut kind = [0; 4];
    match input.read(&mut kind)? {
        0 => return Ok(None),
        read => input.read_exact(&mut kind[read..])?,
    }
    let kind = u32::from_le_bytes(kind);
    match kind {
        1 | 2 => {
            let count = read_u32(input)?;
            if count > MAX_COUNT {
                return Err(invalid("too many writes in one stage"));
            }
            let mut total = 0_usize;
            let mut writes = Vec::new();
            for _ in 0..count {
                let offset = read_u64(input)?;
                let length = read_u32(input)? as usize;
                total += length;
                if total > MAX_BYTES {
                    return Err(invalid("too many bytes in one stage"));
                }
                let mut bytes = vec![0; length];
                input.read_exact(&mut bytes)?;
                writes.push((offset, bytes));
            }
            Ok(Some(Stage::Write {
                sync: kind == 1,
                writes,
            }))
        }
        3 => Ok(Some(Stage::Truncate {
            length: read_u64(input)?,
        })),
        4 => Ok(Some(Stage::Copy {
            offset: read_u64(input)?,
            source: read_path(input)?,
        })),
        5 => Ok(Some(Stage::Publish {
            offset: read_u64(input)?,
            size: read_u64(input)?,
        })),
        6 => Ok(Some(Stage::Export {
            offset: read_u64(input)?,
            size: read_u64(input)?,
            path: read_path(input)?,
        })),
        7 => Ok(Some(Stage::Rebuild {
            end: read_u64(input)?,
            path: read_path(input)?,
            layer: read_path(input)?,
        })),
        8 => Ok(Some(Stage::Replace {
            path: read_path(input)?,
        })),
        _ => Err(invalid("unknown kind of stage")),
    }
}

fn read_path(input: &mut impl Read) -> io::Result<PathBuf> {
    let length = read_u32(input)?;
    if length > MAX_PATH {
        return Err(invalid("a path that is too long"));
    }
    let mut path = vec![0; length as usize];
    input.read_exact(&mut path)?;
    Ok(OsString::from_vec(path).into())
}

fn read_u32(input: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn read_u64(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

pub fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, text)
}
