//! The image file: written under a temporary name beside the final one, which it gets when it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{self, SigHandler, SigSet, Signal};
use rustix::process::set_parent_process_death_signal;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::Error;

/// What to remove when a signal ends the program.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// An image being written; the file is removed if this is dropped before [`Output::finish`].
#[derive(Debug)]
pub struct Output {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    written: u64,
}

fn unfinished() -> std::sync::MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Output {
    pub fn create(path: &Path) -> Result<Self, Error> {
        let Some(name) = path.file_name() else {
            return Err(Error::refused(path, "is no name for a file"));
        };
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.unfinished", random()?));
        let temporary = path.with_file_name(hidden);
        let mut guard = unfinished();
        let file = File::options().write(true).create_new(true).open(&temporary);
        let file = file.map_err(Error::io(&temporary, "create the image"))?;
        *guard = Some(temporary.clone());
        Ok(Self {
            file,
            temporary,
            path: path.to_owned(),
            written: 0,
        })
    }

    /// Makes the image durable and gives it its name. Returns its size in bytes.
    pub fn finish(self) -> Result<u64, Error> {
        self.file.sync_all().map_err(Error::io(&self.path, "write the image"))?;
        // Held over the renaming, so that a signal finds the file either unfinished or renamed.
        let mut guard = unfinished();
        fs::rename(&self.temporary, &self.path).map_err(Error::io(&self.path, "replace the image"))?;
        *guard = None;
        drop(guard);
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        // The name is there in any case; some file systems cannot make a directory durable.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(self.written)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.file.write(bytes)?;
        self.written += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let mut guard = unfinished();
        if guard.take().is_some() {
            // Nothing can be done about a file that cannot be removed.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// A name that nobody can know before.
fn random() -> Result<String, Error> {
    let mut bytes = [0; 8];
    // So few bytes come in one piece.
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(_) => Ok(format!("{:016x}", u64::from_le_bytes(bytes))),
        Err(error) => Err(Error::io(Path::new("getrandom"), "get random numbers")(error.into())),
    }
}

/// From now on signals that end the program remove the unfinished image first. Call before starting threads.
pub fn watch_signals() {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    let _ = signals.thread_block();
    let spawned = std::thread::Builder::new()
        .name("signals".into())
        .stack_size(64 << 10)
        .spawn(move || wait(signals));
    if spawned.is_err() {
        // Without the thread the signals must keep their usual effect.
        let _ = signals.thread_unblock();
    }
}

/// Has the kernel send SIGTERM when the parent ends, which is to be the process of this number: it may have ended already.
pub fn end_with(parent: u32) -> Result<(), Error> {
    let watched = set_parent_process_death_signal(Some(rustix::process::Signal::TERM)).is_ok();
    if watched && std::os::unix::process::parent_id() == parent {
        return Ok(());
    }
    Err(Error::refused(
        Path::new("--parent"),
        "the process that has started this one has ended",
    ))
}

fn wait(signals: SigSet) {
    let signal = loop {
        if let Ok(signal) = signals.wait() {
            break signal;
        }
    };
    let guard = unfinished();
    if let Some(path) = guard.as_ref() {
        let _ = fs::remove_file(path);
    }
    // The signal's default effect, the end of the program, is let through to this thread. The lock is still held, so no other thread
    // can finish the image meanwhile.
    // SAFETY: installs no code of ours.
    let _ = unsafe { signal::signal(signal, SigHandler::SigDfl) };
    let _ = signals.thread_unblock();
    let _ = signal::raise(signal);
}
