//! From the blob of a layer to its tar archive: decompressed once, to a file without a name, and verified before anything in it is
//! read.

use crate::fail;
use crate::failure::{Context, Result};
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use rustix::fs::{AtFlags, Mode, OFlags};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// Bytes at a time.
const PIECE: usize = 1 << 20;
/// How often the free space is looked at, and what is left of it for others.
const CHECK_EVERY: u64 = 32 << 20;
const LEFT_FREE: u64 = 128 << 20;
/// What xz may take for its dictionary: `xz -9` takes 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// A tar archive that can be read at any place.
pub struct Plain {
    pub file: File,
    pub size: u64,
}

/// How a blob must be, and what may be made of it.
pub struct Bounds<'a> {
    /// SHA-256 of the archive without compression, in hexadecimal digits.
    pub digest: Option<&'a str>,
    /// Bytes without compression.
    pub limit: u64,
    /// Directory for the decompressed archive.
    pub scratch: &'a Path,
}

/// Opens a blob: plain, gzip, zstd or xz, told apart by their first bytes.
pub fn open(path: &Path, bounds: &Bounds<'_>) -> Result<Plain> {
    let shown = console::shown(path);
    let mut blob = File::open(path).context(|| format!("cannot open '{shown}'"))?;
    let mut start = [0; 6];
    let known = fill(&mut blob, &mut start).context(|| format!("cannot read '{shown}'"))?;
    blob.seek(SeekFrom::Start(0))
        .context(|| format!("cannot read '{shown}'"))?;
    let compressed = |blob: File| BufReader::with_capacity(PIECE, blob);
    let mut reader: Box<dyn Read> = match &start[..known] {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(compressed(blob))),
        // Also where it begins with a frame that is skipped.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            let decoder = zstd::stream::read::Decoder::with_buffer(compressed(blob));
            Box::new(decoder.context(|| "cannot start zstd".to_string())?)
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED);
            let stream = stream.context(|| "cannot start xz".to_string())?;
            Box::new(XzDecoder::new_stream(compressed(blob), stream))
        }
        [b'B', b'Z', b'h', ..] => fail!("'{shown}' is compressed by bzip2: compress it by gzip, xz or zstd"),
        _ => return verified(blob, &shown, bounds),
    };
    let file = nameless(bounds.scratch)?;
    let size = copy(&mut *reader, &file, &shown, bounds)?;
    Ok(Plain { file, size })
}

/// A file that has no name, or none any more: it goes with the process.
pub fn nameless(directory: &Path) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let shown = console::shown(directory);
    let failed = || format!("cannot make a temporary file in '{shown}'");
    if let Ok(file) = rustix::fs::open(directory, flags | OFlags::TMPFILE, mode) {
        return Ok(file.into());
    }
    // Not every file system can do that.
    let directory = rustix::fs::open(
        directory,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let directory = directory.context(failed)?;
    let name = format!(".tarlayer.{}", std::process::id());
    let file = rustix::fs::openat(&directory, &name, flags | OFlags::CREATE | OFlags::EXCL, mode).context(failed)?;
    rustix::fs::unlinkat(&directory, &name, AtFlags::empty()).context(failed)?;
    Ok(file.into())
}

/// An archive that is not compressed stays where it is.
fn verified(mut file: File, shown: &str, bounds: &Bounds<'_>) -> Result<Plain> {
    let size = file.metadata().context(|| format!("cannot read '{shown}'"))?.len();
    if size > bounds.limit {
        return Err(too_large(shown, bounds.limit));
    }
    if let Some(digest) = bounds.digest {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; PIECE];
        loop {
            let length = file.read(&mut buffer).context(|| format!("cannot read '{shown}'"))?;
            if length == 0 {
                break;
            }
            hash.update(&buffer[..length]);
        }
        compare(hash, digest, shown)?;
    }
    Ok(Plain { file, size })
}

fn copy(from: &mut dyn Read, mut to: &File, shown: &str, bounds: &Bounds<'_>) -> Result<u64> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; PIECE];
    let (mut size, mut checked) = (0, 0);
    loop {
        let length = fill(from, &mut buffer).context(|| format!("cannot decompress '{shown}', which is damaged"))?;
        if length == 0 {
            break;
        }
        size += length as u64;
        if size > bounds.limit {
            return Err(too_large(shown, bounds.limit));
        }
        if size - checked >= CHECK_EVERY {
            checked = size;
            check_space(to, bounds.scratch)?;
        }
        hash.update(&buffer[..length]);
        to.write_all(&buffer[..length])
            .context(|| format!("cannot write to '{}'", console::shown(bounds.scratch)))?;
    }
    if let Some(digest) = bounds.digest {
        compare(hash, digest, shown)?;
    }
    Ok(size)
}

fn too_large(shown: &str, limit: u64) -> crate::failure::Failure {
    crate::failure::Failure(format!(
        "'{shown}' has more than {limit} bytes without compression: to allow more add --max-size"
    ))
}

fn check_space(file: impl AsFd, directory: &Path) -> Result<()> {
    let status = rustix::fs::fstatvfs(file).context(|| "cannot read the free space".to_string())?;
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    if free < LEFT_FREE {
        fail!(
            "the disk of '{}' is nearly full: {} MB are free",
            console::shown(directory),
            free / 1_000_000
        )
    }
    Ok(())
}

fn compare(hash: Sha256, expected: &str, shown: &str) -> Result<()> {
    let found = hex(&hash.finalize());
    if found != expected {
        fail!("'{shown}' is not what its image describes: the SHA-256 of its content is {found}, not {expected}")
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads until the buffer is full or there is no more.
fn fill(from: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match from.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
