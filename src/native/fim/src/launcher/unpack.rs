//! Unpacks the tools of an image, once.
//!
//! Each tool is written to a private name, verified and then renamed, so a reader sees a whole tool or none, and two first
//! starts at once only do the work twice. What the kernel then says of each is noted. A warm start compares that, and unpacks
//! again what differs: cleaners of `/tmp` remove single files by age, and what they took, or somebody has put in its place, comes
//! back by itself.

use super::image::{Encoding, Image, Tool, hex};
use super::place::MARK;
use super::read_exactly;
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::progress::Progress;
use crate::sys;
use crate::trust::{Directory, is_unplaced};
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Largest window a zstd frame may ask for, as a power of two: bounds the memory that unpacking takes.
const WINDOW_LOG_LIMIT: u32 = 27;
const CHUNK: usize = 1 << 18;

/// What was noted of the tools: a line for each, in the order of the tool table.
const NOTES: &str = "tools.noted";

/// Makes sure that every tool is in place.
pub fn ensure(image: &Image, application: &Directory) -> Result<()> {
    if missing(image, application).is_empty() {
        return Ok(());
    }
    let path = application.path();
    if sys::is_mounted_noexec(path) {
        fail!(
            "'{}' is on a file system that does not allow programs to run (noexec); set FIM_DIR_GLOBAL to a directory that does",
            path.display()
        )
    }
    // One at a time, so that many first starts together take the room of one. The kernel gives the lock back with the
    // process; where a file system has no locks, all unpack, which is as right.
    let lock = application.as_fd().try_clone_to_owned();
    let lock = std::fs::File::from(lock.context(|| format!("cannot open '{}'", path.display()))?);
    let is_alone = lock.lock().is_ok();
    let missing = missing(image, application);
    unpack_all(image, application, missing)?;
    link_applets(application, &image.table.applets)?;
    let put = |name: &str, content: &[u8]| {
        write_whole(application, name, 0o644, |file| {
            file.write_all(content).map_err(|error| full(path, 0, &error))
        })
    };
    put(NOTES, notes(image, application)?.as_bytes())?;
    put(MARK, &image.table_bytes)?;
    if is_alone {
        remove_leftovers(application);
    }
    super::sweep::sweep(path);
    Ok(())
}

/// Numbers of the tools that are not in place: all, as long as the copy of the tool table is not there.
fn missing(image: &Image, application: &Directory) -> Vec<usize> {
    let tools = &image.table.tools;
    let limit = image.table_bytes.len() as u64 + 1;
    let is_marked = application
        .read(MARK, limit)
        .is_ok_and(|table| table == image.table_bytes);
    let noted = application
        .read(NOTES, (tools.len() as u64 + 1) * NOTE_LIMIT)
        .unwrap_or_default();
    let noted = String::from_utf8_lossy(&noted);
    let mut lines = noted.lines();
    let device = application.status(".").map_or(0, |found| found.st_dev);
    let is_missing = |tool: &Tool| {
        let line = lines.next();
        !is_marked || line.is_none() || note(application, tool, device).as_deref() != line
    };
    let is_missing: Vec<bool> = tools.iter().map(is_missing).collect();
    (0..tools.len()).filter(|index| is_missing[*index]).collect()
}

/// Longest note, in bytes.
const NOTE_LIMIT: u64 = 128;

/// What tells a tool from any other file, and from itself after a change. The numbers of devices differ from one boot to the next,
/// so all that is asked of a tool's is that it is its directory's. `None` where the tool cannot be right.
fn note(application: &Directory, tool: &Tool, device: u64) -> Option<String> {
    let found = application.status(&tool.path).ok()?;
    let is_right = found.st_mode == libc::S_IFREG | tool.mode
        && found.st_size as u64 == tool.size
        && found.st_uid == sys::effective_uid()
        && found.st_dev == device;
    is_right.then(|| {
        format!(
            "{} {} {} {}",
            found.st_ino, found.st_ctime, found.st_ctime_nsec, found.st_size
        )
    })
}

/// Notes of all tools, which have just been unpacked or compared.
fn notes(image: &Image, application: &Directory) -> Result<String> {
    let device = application
        .status(".")
        .context(|| "cannot look at the tools".to_string())?
        .st_dev;
    let mut text = String::new();
    for tool in &image.table.tools {
        // One that somebody has changed meanwhile is unpacked by the next start.
        let _ = writeln!(text, "{}", note(application, tool, device).unwrap_or_default());
    }
    Ok(text)
}

/// More threads than this only compete for the disk.
const MOST_THREADS: usize = 4;

/// Unpacks tools, by as many threads as there are processors.
fn unpack_all(image: &Image, application: &Directory, mut wanted: Vec<usize>) -> Result<()> {
    let tools = &image.table.tools;
    let places = image.stored()?;
    let total = wanted.iter().map(|index| tools[*index].size).sum();
    let progress = Mutex::new(Progress::new("Unpacking the runtime, once", total));
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

/// Names under which the guest finds what runs programs of the host, and where each leads.
const PORTAL: [(&str, &str); 4] = [
    ("bin/fim_portal", "fim"),
    ("sbin/notify-send", "../bin/fim"),
    ("sbin/xdg-mime", "../bin/fim"),
    ("sbin/xdg-open", "../bin/fim"),
];

fn link_applets(application: &Directory, applets: &[String]) -> Result<()> {
    let busybox = applets
        .iter()
        .map(|applet| (format!("sbin/{applet}"), "../bin/busybox"));
    let portal = PORTAL.iter().map(|(link, target)| (link.to_string(), *target));
    let (bin, sbin) = (application.enter("bin")?, application.enter("sbin")?);
    for (link, target) in portal.chain(busybox) {
        let (room, name) = link.split_once('/').unwrap_or(("sbin", &link));
        let room = if room == "bin" { &bin } else { &sbin };
        match room.link(target, name) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(full(application.path(), 0, &error));
            }
            _ => {}
        }
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
    for room in ["bin", "lib"] {
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
