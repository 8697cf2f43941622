//! Unpacks the tools of an image, once.
//!
//! Each tool is written to a private name, verified and then renamed, so a reader sees a whole tool or none, and two first
//! starts at once only do the work twice. A warm start compares sizes, modes and owners: cleaners of `/tmp` remove single
//! files by age, and what they took comes back by itself.

use super::image::{Encoding, Image, Tool, hex};
use super::place::MARK;
use super::read_exactly;
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::progress::Progress;
use crate::sys;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Largest window a zstd frame may ask for, as a power of two: bounds the memory that unpacking takes.
const WINDOW_LOG_LIMIT: u32 = 27;
const CHUNK: usize = 1 << 18;

/// Makes sure that every tool is in place.
pub fn ensure(image: &Image, application: &Path) -> Result<()> {
    if missing(image, application).is_empty() {
        return Ok(());
    }
    if sys::is_mounted_noexec(application) {
        fail!(
            "'{}' is on a file system that does not allow programs to run (noexec); set FIM_DIR_GLOBAL to a directory that does",
            application.display()
        )
    }
    // One at a time, so that many first starts together take the room of one. The kernel gives the lock back with the
    // process; where a file system has no locks, all unpack, which is as right.
    let lock = File::open(application).context(|| format!("cannot open '{}'", application.display()))?;
    let _ = lock.lock();
    let missing = missing(image, application);
    let places = image.stored()?;
    let total = missing.iter().map(|index| image.table.tools[*index].size).sum();
    let mut progress = Progress::new("Unpacking the runtime, once", total);
    for index in missing {
        unpack(
            image,
            application,
            &image.table.tools[index],
            places[index],
            &mut progress,
        )?;
    }
    link_applets(application, &image.table.applets)?;
    write_whole(&application.join(MARK), 0o644, |file| {
        file.write_all(&image.table_bytes)
            .map_err(|error| full(application, 0, &error))
    })?;
    remove_leftovers(application);
    super::sweep::sweep(application);
    Ok(())
}

/// Numbers of the tools that are not in place: all, as long as the copy of the tool table is not there.
fn missing(image: &Image, application: &Path) -> Vec<usize> {
    let marked = std::fs::read(application.join(MARK)).is_ok_and(|table| table == image.table_bytes);
    let is_missing = |tool: &Tool| !marked || !is_in_place(&application.join(&tool.path), tool);
    (0..image.table.tools.len())
        .filter(|index| is_missing(&image.table.tools[*index]))
        .collect()
}

fn is_in_place(path: &Path, tool: &Tool) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| {
        metadata.is_file()
            && metadata.len() == tool.size
            && metadata.uid() == sys::effective_uid()
            && metadata.mode() & 0o7777 == tool.mode
    })
}

fn unpack(image: &Image, application: &Path, tool: &Tool, place: (u64, u64), progress: &mut Progress) -> Result<()> {
    let damaged = |what: &str| Failure(format!("the image is damaged: its tool '{}' {what}", tool.path));
    write_whole(&application.join(&tool.path), tool.mode, |file| {
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
                .map_err(|error| full(application, tool.size, &error))?;
            progress.add(count as u64);
        }
        if written != tool.size || hex(&digest.finalize()) != tool.sha256 {
            return Err(damaged("does not match its checksum"));
        }
        Ok(())
    })
}

/// Writes a file under a private name and renames it to `path` when `write` has succeeded.
fn write_whole(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let private = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let result = (|| {
        let _ = std::fs::remove_file(&private);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&private)
            .map_err(|error| full(path, 0, &error))?;
        write(&mut file)?;
        file.set_permissions(PermissionsExt::from_mode(mode))
            .context(|| format!("cannot make '{}' executable", path.display()))?;
        drop(file);
        std::fs::rename(&private, path).context(|| format!("cannot put '{}' in place", path.display()))
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&private);
    }
    result
}

/// Names under which the guest finds what runs programs of the host, and where each leads.
const PORTAL: [(&str, &str); 4] = [
    ("bin/fim_portal", "fim"),
    ("sbin/notify-send", "../bin/fim"),
    ("sbin/xdg-mime", "../bin/fim"),
    ("sbin/xdg-open", "../bin/fim"),
];

fn link_applets(application: &Path, applets: &[String]) -> Result<()> {
    let busybox = applets
        .iter()
        .map(|applet| (format!("sbin/{applet}"), "../bin/busybox"));
    let portal = PORTAL.iter().map(|(link, target)| (link.to_string(), *target));
    for (link, target) in portal.chain(busybox) {
        match std::os::unix::fs::symlink(target, application.join(link)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(full(application, 0, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes private files of unpackers that are gone.
fn remove_leftovers(application: &Path) {
    for room in ["bin", "lib", "."] {
        let Ok(entries) = std::fs::read_dir(application.join(room)) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let owner = name
                .strip_prefix('.')
                .and_then(|rest| rest.rsplit_once('.'))
                .and_then(|(_, pid)| pid.parse::<u32>().ok());
            if owner.is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists()) {
                let _ = std::fs::remove_file(entry.path());
            }
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
