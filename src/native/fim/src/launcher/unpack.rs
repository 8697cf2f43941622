//! Unpacks the tools of an image, once: first those that a start needs, then, for a program that starts, the rest beside it.
//!
//! Each tool is written to a private name, verified and then renamed, so a reader sees a whole tool or none, and two first
//! starts at once only do the work twice. What the kernel then says of each is noted. A warm start compares that, and unpacks
//! again what differs: cleaners of `/tmp` remove single files by age, and what they took, or somebody has put in its place, comes
//! back by itself. So does what was left undone by whoever was killed over it.

use super::image::{Encoding, Image, Tool, hex};
use super::notes::{self, missing};
use super::place::MARK;
use super::read_exactly;
use crate::fail;
use crate::failure::{Context, EXIT_CODE, Failure, Result};
use crate::sys;
use crate::trust::{Directory, is_unplaced};
use console::Progress;
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Largest window a zstd frame may ask for, as a power of two: bounds the memory that unpacking takes.
const WINDOW_LOG_LIMIT: u32 = 27;
const CHUNK: usize = 1 << 18;

/// What has to be in place before a command goes on.
#[derive(Clone, Copy, PartialEq)]
pub enum Until {
    /// The tools that every start needs. The others may follow while it goes on: see [`command`].
    Started,
    All,
}

/// Makes sure that tools are in place. The answer says whether all are.
pub fn ensure(image: &Image, application: &Directory, until: Until) -> Result<bool> {
    let tools = &image.table.tools;
    let is_awaited = |index: &usize| until == Until::All || !tools[*index].later;
    let lacking = missing(image, application);
    if !lacking.iter().any(is_awaited) {
        return Ok(lacking.is_empty());
    }
    let path = application.path();
    if sys::is_mounted_noexec(path) {
        fail!(
            "'{}' is on a file system that does not allow programs to run (noexec); set FIM_DIR_GLOBAL to a directory that does",
            path.display()
        )
    }
    let lock = Turn::wait(application)?;
    let lacking = missing(image, application);
    let (wanted, rest): (Vec<usize>, Vec<usize>) = lacking.into_iter().partition(is_awaited);
    unpack_all(image, application, wanted)?;
    // Before the notes, because a link changes what the kernel says of its file.
    name_applets(application, &image.table.applets)?;
    if rest.is_empty() && lock.is_alone {
        remove_leftovers(application);
    }
    let put = |name: &str, content: &[u8]| {
        write_whole(application, name, 0o644, |file| {
            file.write_all(content).map_err(|error| full(path, 0, &error))
        })
    };
    put(notes::NAME, notes::of(image, application)?.as_bytes())?;
    put(MARK, &image.table_bytes)?;
    if rest.is_empty() {
        super::sweep::sweep(path);
    }
    Ok(rest.is_empty())
}

/// The turn to unpack, one at a time, so that many first starts together take the room of one. The kernel gives it back with
/// the process. Where a file system has no locks all unpack, which is as right.
struct Turn {
    _lock: File,
    is_alone: bool,
}

impl Turn {
    fn wait(application: &Directory) -> Result<Turn> {
        let lock = open_lock(application)?;
        let is_alone = lock.lock().is_ok();
        Ok(Turn { _lock: lock, is_alone })
    }
}

fn open_lock(application: &Directory) -> Result<File> {
    let lock = application.as_fd().try_clone_to_owned();
    let lock = lock.context(|| format!("cannot open '{}'", application.path().display()))?;
    Ok(File::from(lock))
}

/// `fim unpack IMAGE OFFSET DIRECTORY`: unpacks what the launcher of that image, whose reserved space begins at that offset, has
/// left for later in an application directory. Nobody reads what it says: the next start does what it could not.
pub fn command(arguments: &[OsString]) -> i32 {
    let [image, offset, application] = arguments else {
        return EXIT_CODE;
    };
    let offset = offset.to_str().and_then(|offset| offset.parse().ok());
    let result = offset.map(|offset| {
        let image = Image::at(Path::new(image), offset)?;
        let application = Directory::given(Path::new(application))?;
        // Another image may lie there by now. Its launcher unpacks what it brings.
        if notes::is_marked(&image, &application) {
            ensure(&image, &application, Until::All)?;
        }
        Ok::<(), Failure>(())
    });
    if matches!(result, Some(Ok(()))) { 0 } else { EXIT_CODE }
}

/// Waits for what is unpacked beside a start. For whoever is about to run one of those tools.
pub fn wait_for_rest(application: &Path) -> Result<()> {
    let application = Directory::given(application)?;
    if notes::are_complete(&application) {
        return Ok(());
    }
    drop(Turn::wait(&application)?);
    if notes::are_complete(&application) {
        return Ok(());
    }
    fail!(
        "the tools in '{}' could not all be unpacked; make room there, or set FIM_DIR_GLOBAL to a directory with room, and start again",
        application.path().display()
    )
}

/// More threads than this only compete for the disk.
const MOST_THREADS: usize = 4;

/// Unpacks tools, by as many threads as there are processors.
fn unpack_all(image: &Image, application: &Directory, mut wanted: Vec<usize>) -> Result<()> {
    let tools = &image.table.tools;
    let places = image.stored()?;
    let total = wanted.iter().map(|index| tools[*index].size).sum();
    let progress = Mutex::new(Progress::in_passing("Unpacking the runtime, once: ", total));
    // The largest first, so that none of them is begun when all else is done.
    wanted.sort_by_key(|index| Reverse(tools[*index].size));
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let work = || {
        while let Some(index) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = unpack(image, application, &tools[*index], places[*index], &progress) {
                next.store(wanted.len(), Ordering::Relaxed);
                locked(&failure).get_or_insert(error);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..threads.min(MOST_THREADS).min(wanted.len()) {
            // Where a limit allows no more threads there are fewer.
            if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    locked(&failure).take().map_or(Ok(()), Err)
}

/// Nobody panics while he holds one of these locks, and what is in them is whole at any time.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unpack(
    image: &Image,
    application: &Directory,
    tool: &Tool,
    place: (u64, u64),
    progress: &Mutex<Progress>,
) -> Result<()> {
    let damaged = |what: &str| Failure(format!("the image is damaged: its tool '{}' {what}", tool.path));
    let (room, name) = tool.path.split_once('/').ok_or_else(|| damaged("has a strange name"))?;
    write_whole(&application.enter(room)?, name, tool.mode, |file| {
        let stored = Stored {
            image,
            offset: place.0,
            left: place.1,
        };
        let mut reader: Box<dyn Read> = match tool.encoding {
            Encoding::Raw => Box::new(stored),
            Encoding::Zstd => {
                let mut decoder = zstd::Decoder::new(stored).context(|| "cannot unpack".to_string())?;
                decoder
                    .window_log_max(WINDOW_LOG_LIMIT)
                    .context(|| "cannot unpack".to_string())?;
                Box::new(decoder)
            }
        };
        let mut digest = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        let mut written = 0;
        loop {
            let count = reader.read(&mut buffer).map_err(|_| damaged("cannot be unpacked"))?;
            if count == 0 {
                break;
            }
            written += count as u64;
            if written > tool.size {
                return Err(damaged("is larger than its tool table says"));
            }
            digest.update(&buffer[..count]);
            file.write_all(&buffer[..count])
                .map_err(|error| full(application.path(), tool.size, &error))?;
            locked(progress).add(count as u64);
        }
        if written != tool.size || hex(&digest.finalize()) != tool.sha256 {
            return Err(damaged("does not match its checksum"));
        }
        Ok(())
    })
}

/// Writes a file under a private name, which becomes `name` when `write` has succeeded.
fn write_whole(
    directory: &Directory,
    name: &str,
    mode: u32,
    write: impl FnOnce(&mut std::fs::File) -> Result<()>,
) -> Result<()> {
    let mut new = directory
        .begin(name)
        .map_err(|error| full(directory.path(), 0, &error))?;
    write(&mut new.file)?;
    new.place(mode)
        .context(|| format!("cannot put '{}' in place", directory.path().join(name).display()))
}

/// Names under which the guest finds what runs programs of the host, all of them `bin/fim`.
const PORTAL: [(&str, &str); 4] = [
    ("bin", "fim_portal"),
    ("sbin", "notify-send"),
    ("sbin", "xdg-mime"),
    ("sbin", "xdg-open"),
];

/// Gives programs the other names under which a guest finds them. Hard links, because a symbolic link is a new inode, and ext4
/// looks for room for each: 300 of them took longer than everything else of a first start.
fn name_applets(application: &Directory, applets: &[String]) -> Result<()> {
    let (bin, sbin) = (application.enter("bin")?, application.enter("sbin")?);
    let full = |error: &std::io::Error| full(application.path(), 0, error);
    for (room, name) in PORTAL {
        let room = if room == "bin" { &bin } else { &sbin };
        room.name_too(name, (&bin, "fim")).map_err(|error| full(&error))?;
    }
    for name in applets {
        sbin.name_too(name, (&bin, "busybox")).map_err(|error| full(&error))?;
    }
    Ok(())
}

/// Removes private files of unpackers that are gone. For whoever holds the lock.
fn remove_leftovers(application: &Directory) {
    let remove = |directory: &Directory| {
        let names = directory.names().unwrap_or_default();
        for name in names.iter().filter(|name| is_unplaced(name)) {
            let _ = directory.remove_file(name);
        }
    };
    remove(application);
    for room in ["bin", "lib", "sbin"] {
        if let Ok(room) = application.enter(room) {
            remove(&room);
        }
    }
}

fn full(path: &Path, needed: u64, error: &std::io::Error) -> Failure {
    let directory = path.display();
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => Failure(format!(
            "no space left to unpack the runtime into '{directory}'{}; free some, or set FIM_DIR_GLOBAL to a directory with room",
            if needed > 0 {
                format!(" ({} MB for one file)", needed / 1_000_000 + 1)
            } else {
                String::new()
            }
        )),
        _ => Failure(format!(
            "cannot unpack the runtime into '{directory}': {error}; set FIM_DIR_GLOBAL to a directory of yours"
        )),
    }
}

/// The stored bytes of one tool.
struct Stored<'a> {
    image: &'a Image,
    offset: u64,
    left: u64,
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(0);
        }
        let bytes = read_exactly(&self.image.file, self.offset, length, "tools")
            .map_err(|failure| std::io::Error::other(failure.0))?;
        buffer[..length].copy_from_slice(&bytes);
        self.offset += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}
