//! The lock on an image: exclusive, and on the file that has its name.

use super::answer_error;
use crate::sys::same_file;
use std::fs::{File, TryLockError};
use std::io::{self, Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The file, open for reading, with the exclusive lock on it. Someone may put another file in its place while we wait.
pub fn lock(path: &Path, wait: Duration) -> io::Result<File> {
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
