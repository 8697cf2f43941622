//! Stages done to the image: each is checked against where the image's own bytes are, and leaves the file open for writing
//! for as short a time as its bytes take.

use super::stage::{Stage, invalid};
use super::{Options, rewrite};
use crate::sys::same_file;
use std::fs::{File, OpenOptions};
use std::io::{self, Error, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may keep the file busy by being started from it again and again.
const BUSY_LIMIT: Duration = Duration::from_secs(30);
const SIZE_FIELD: u64 = 8;
/// What is copied while the file is open for writing once: some ten microseconds.
const PIECE: usize = 128 << 10;
/// How many times as long as it was open the file is then left alone, so that who executes it hardly ever meets us.
const REST: u32 = 9;

/// `bytes` are those of the writes.
pub fn apply(options: &Options, file: &File, stage: &Stage, bytes: &[u8]) -> io::Result<()> {
    let size = file.metadata()?.len();
    match stage {
        Stage::Write { sync, writes } => {
            let parts = parts(writes, bytes);
            let mut buffer = Vec::new();
            for (offset, bytes) in &parts {
                check_range(options, size, *offset, bytes.len() as u64)?;
                // Into the page cache now: a write of part of a page would have to read it while the file is open.
                buffer.resize(bytes.len(), 0);
                file.read_at(&mut buffer, *offset)?;
            }
            let target = open_for_writing(options, file)?;
            let result = parts
                .iter()
                .try_for_each(|(offset, bytes)| target.write_all_at(bytes, *offset));
            drop(target);
            result?;
            if *sync { file.sync_data() } else { Ok(()) }
        }
        Stage::Truncate { length } => {
            let mut begin = vec![0; size.saturating_sub(*length).min(8) as usize];
            file.read_exact_at(&mut begin, *length)?;
            let outside = *length < options.range.end || *length > size;
            if outside || begin.iter().any(|byte| *byte != 0) {
                return Err(invalid("only a tail that begins with zeros is cut off"));
            }
            set_length(options, file, *length)
        }
        Stage::Copy { offset, source } => {
            if *offset != size || size < options.range.end {
                return Err(invalid("a layer is appended at the end of the file"));
            }
            let result = copy(options, file, *offset, source);
            if result.is_err() {
                // What was the cause is what counts; the tail is also cut off by the next writer.
                let _ = set_length(options, file, size);
            }
            result
        }
        Stage::Publish { offset, size: layer } => {
            let mut begin = [1; SIZE_FIELD as usize];
            file.read_exact_at(&mut begin, *offset)?;
            let end = offset
                .checked_add(SIZE_FIELD)
                .and_then(|start| start.checked_add(*layer));
            if begin != [0; SIZE_FIELD as usize] || *offset < options.range.end || end != Some(size) {
                return Err(invalid("there is no appended layer of this size"));
            }
            let target = open_for_writing(options, file)?;
            let result = target.write_all_at(&layer.to_le_bytes(), *offset);
            drop(target);
            result?;
            file.sync_data()
        }
        Stage::Export {
            offset,
            size: layer,
            path,
        } => {
            let end = offset.checked_add(*layer).filter(|end| *end <= size);
            if *offset < options.range.end || end.is_none() {
                return Err(invalid("there is no layer in this place"));
            }
            rewrite::export(file, *offset, *layer, path)
        }
        Stage::Rebuild { end, path, layer } => {
            if *end < options.range.end || *end > size {
                return Err(invalid("no layer of the image ends there"));
            }
            let layer = Some(layer.as_path()).filter(|layer| !layer.as_os_str().is_empty());
            rewrite::rebuild(file, *end, layer, path)
        }
        Stage::Replace { path } => rewrite::replace(file, &options.path, path),
    }
}

/// The bytes of each write. Their lengths are those of all bytes in sum.
fn parts<'a>(writes: &[(u64, usize)], bytes: &'a [u8]) -> Vec<(u64, &'a [u8])> {
    let mut rest = bytes;
    let part = |(offset, length): &(u64, usize)| {
        let (part, behind) = rest.split_at(*length);
        rest = behind;
        (*offset, part)
    };
    writes.iter().map(part).collect()
}

fn set_length(options: &Options, file: &File, length: u64) -> io::Result<()> {
    let target = open_for_writing(options, file)?;
    let result = target.set_len(length);
    drop(target);
    result?;
    file.sync_data()
}

/// Appends the file at a path behind eight zero bytes.
fn copy(options: &Options, file: &File, offset: u64, source: &Path) -> io::Result<()> {
    let source = File::open(source)?;
    let length = source.metadata()?.len();
    let mut position = offset + SIZE_FIELD;
    // In one step: a size field that is cut off would make the image unreadable.
    let target = open_for_writing(options, file)?;
    let result = target.set_len(position + length);
    drop(target);
    result?;
    let mut buffer = vec![0; PIECE];
    let mut done = 0;
    while done < length {
        let wanted = PIECE.min((length - done) as usize);
        let Some(piece) = buffer.get_mut(..wanted) else { break };
        source.read_exact_at(piece, done)?;
        let target = open_for_writing(options, file)?;
        let opened = Instant::now();
        let result = target.write_all_at(piece, position);
        drop(target);
        let open = opened.elapsed();
        result?;
        done += wanted as u64;
        position += wanted as u64;
        thread::sleep(open * REST);
    }
    file.sync_data()
}

/// Inside the range that was declared at the start, or at the end of the file.
fn check_range(options: &Options, size: u64, offset: u64, length: u64) -> io::Result<()> {
    let end = offset
        .checked_add(length)
        .ok_or_else(|| invalid("a write past all offsets"))?;
    let inside = offset >= options.range.start && end <= options.range.end;
    if inside || offset == size.max(options.range.end) {
        Ok(())
    } else {
        Err(invalid("a write outside the range"))
    }
}

fn open_for_writing(options: &Options, file: &File) -> io::Result<File> {
    let held = file.metadata()?;
    let deadline = Instant::now() + BUSY_LIMIT;
    let mut pause = Duration::from_micros(20);
    // To begin with a fresh time slice: being put aside while the file is open is what others would notice.
    thread::yield_now();
    let target = loop {
        match OpenOptions::new().write(true).open(&options.path) {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_micros(500));
            }
            result => break result?,
        }
    };
    if same_file(&held, &target.metadata()?) {
        Ok(target)
    } else {
        Err(Error::other("another file was put in the place of this one"))
    }
}
