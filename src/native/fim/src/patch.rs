//! `fim patch FILE --range OFFSET:LENGTH [--wait SECONDS]`: writes into an image that may be executed at any moment.
//!
//! While a file is open for writing nobody can execute it, and while somebody executes it nobody can open it for writing
//! ("Text file busy"). So the lock is held on a descriptor that only reads, and the file is open for writing for as long as
//! the bytes of one stage take to be copied: they are all in memory before, and go to the disk after.
//!
//! On standard output: `locked DEVICE INODE` once the lock is held, then for each stage `done`, or `error ERRNO TEXT` and the
//! end. On standard input: stages, until the end of the file gives the lock back.
//!
//! A stage is `u32 kind`. Kinds 1 (then synced to the disk) and 2 (not synced): `u32 count`, then `count` times `u64 offset`,
//! `u32 length`, bytes. Kind 3: `u64 length`, to cut the file off there. Little endian.
//!
//! Two more append a layer, which is `u64 size` and as many bytes. Kind 4: `u64 offset`, `u32 length`, path of that length.
//! The file, which ends at `offset`, grows at once by 8 and the size of the file at the path; the new 8 bytes stay zero, where
//! a scan of the layers stops, and the copy follows in pieces, the file being closed and left alone in between. It is on the
//! disk when the answer comes; if anything fails the file is cut off where it ended. Kind 5: `u64 offset`, `u64 size` writes
//! the size over those zeros, if the file ends where it says. A writer that dies in between leaves zeros and what follows
//! them, which the next one cuts off by kind 3.
//!
//! Three more change which layers an image has, in a new file, see `rewrite.rs`. Kind 6: `u64 offset`, `u64 size`, `u32 length`,
//! path: copies that part of the image, which lies behind the range, into a new file at the path. Kind 7: `u64 end`, twice
//! `u32 length`, path: makes a new file at the first path of the image up to `end` and, unless the second path is empty, the
//! layer in the file there. Kind 8: `u32 length`, path: gives that file the name of the image. The image itself is only read.

use crate::rewrite;
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Error, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: fim patch FILE --range OFFSET:LENGTH [--wait SECONDS]";
const MAX_COUNT: u32 = 65_536;
const MAX_BYTES: usize = 16 << 20;
/// How long a program may keep the file busy by being started from it again and again.
const BUSY_LIMIT: Duration = Duration::from_secs(30);
const SIZE_FIELD: u64 = 8;
/// What is copied while the file is open for writing once: some ten microseconds.
const PIECE: usize = 128 << 10;
/// How many times as long as it was open the file is then left alone, so that who executes it hardly ever meets us.
const REST: u32 = 9;
const MAX_PATH: u32 = 65_536;

/// Runs the applet; the result is its exit code.
pub fn command(args: &[OsString]) -> i32 {
    let Some(options) = Options::parse(args) else {
        eprintln!("{USAGE}");
        return 125;
    };
    match serve(&options, &mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => 0,
        Err(error) => {
            answer_error(&error);
            1
        }
    }
}

struct Options {
    path: PathBuf,
    range: Range<u64>,
    wait: Duration,
}

impl Options {
    fn parse(args: &[OsString]) -> Option<Self> {
        let mut path = None;
        let mut range = None;
        let mut wait = Duration::from_secs(60);
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match arg.to_str() {
                Some("--range") => {
                    let (offset, length) = rest.next()?.to_str()?.split_once(':')?;
                    let offset: u64 = offset.parse().ok()?;
                    range = Some(offset..offset.checked_add(length.parse().ok()?)?);
                }
                Some("--wait") => wait = Duration::from_secs(rest.next()?.to_str()?.parse().ok()?),
                _ if path.is_none() => path = Some(PathBuf::from(arg)),
                _ => return None,
            }
        }
        Some(Self {
            path: path?,
            range: range?,
            wait,
        })
    }
}

enum Stage {
    Write { sync: bool, writes: Vec<(u64, Vec<u8>)> },
    Truncate { length: u64 },
    Copy { offset: u64, source: PathBuf },
    Publish { offset: u64, size: u64 },
    Export { offset: u64, size: u64, path: PathBuf },
    Rebuild { end: u64, path: PathBuf, layer: PathBuf },
    Replace { path: PathBuf },
}

fn serve(options: &Options, input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let file = lock(&options.path, options.wait)?;
    let metadata = file.metadata()?;
    writeln!(output, "locked {} {}", metadata.dev(), metadata.ino())?;
    output.flush()?;
    while let Some(stage) = read_stage(input)? {
        apply(options, &file, &stage)?;
        writeln!(output, "done")?;
        output.flush()?;
    }
    Ok(())
}

/// The file, open for reading, with the exclusive lock on it. Someone may put another file in its place while we wait.
fn lock(path: &Path, wait: Duration) -> io::Result<File> {
    let deadline = Instant::now() + wait;
    loop {
        let file = File::open(path)?;
        wait_for_lock(&file, deadline)?;
        let (held, named) = (file.metadata()?, std::fs::metadata(path)?);
        if same_file(&held, &named) {
            return Ok(file);
        }
    }
}

fn same_file(left: &Metadata, right: &Metadata) -> bool {
    (left.dev(), left.ino()) == (right.dev(), right.ino())
}

/// Waits in the kernel's queue, which is fair; a thread ends the process should it take too long.
fn wait_for_lock(file: &File, deadline: Instant) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => return Ok(()),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    const WAITING: u8 = 0;
    const DECIDED: u8 = 1;
    let state = Arc::new(AtomicU8::new(WAITING));
    let decide = |state: &AtomicU8| {
        let order = Ordering::SeqCst;
        state.compare_exchange(WAITING, DECIDED, order, order).is_ok()
    };
    let watched = Arc::clone(&state);
    let watchdog = thread::spawn(move || {
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
            if watched.load(Ordering::SeqCst) == DECIDED {
                return;
            }
        }
        if decide(&watched) {
            // The other thread sits in flock(2) with standard output locked, so this goes round that lock.
            answer_error(&Error::from(ErrorKind::TimedOut));
            std::process::exit(1);
        }
    });
    file.lock()?;
    if !decide(&state) {
        // The time is up and the process about to end.
        loop {
            thread::park();
        }
    }
    watchdog.thread().unpark();
    Ok(())
}

/// `None` at the end of the input. A stage that is cut off is an error, and nothing of it is written.
fn read_stage(input: &mut impl Read) -> io::Result<Option<Stage>> {
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

fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, text)
}

fn apply(options: &Options, file: &File, stage: &Stage) -> io::Result<()> {
    let size = file.metadata()?.len();
    match stage {
        Stage::Write { sync, writes } => {
            let mut buffer = Vec::new();
            for (offset, bytes) in writes {
                check_range(options, size, *offset, bytes.len() as u64)?;
                // Into the page cache now: a write of part of a page would have to read it while the file is open.
                buffer.resize(bytes.len(), 0);
                file.read_at(&mut buffer, *offset)?;
            }
            let target = open_for_writing(options, file)?;
            let result = writes
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

/// `error ERRNO TEXT`, with 0 for what the kernel did not say. Not through `Stdout`, whose lock a thread may hold.
fn answer_error(error: &Error) {
    let errno = error.raw_os_error().unwrap_or(match error.kind() {
        ErrorKind::TimedOut => 110,
        _ => 0,
    });
    let text = error.to_string().replace('\n', " ");
    let line = format!("error {errno} {text}\n");
    // Nobody may be listening any more; there is nobody else to tell.
    let _ = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .and_then(|mut output| output.write_all(line.as_bytes()));
}
