//! Overlays that a program serves through FUSE.

use super::protocol::to_bytes;
use crate::fail;
use crate::failure::{Context, Result};
use crate::sys::{self, End, Step};
use rustix::event::PollFlags;
use rustix::process::{Signal, WaitOptions};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the program may take until its file system is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the program and waits until it has mounted on `target`. The answer is its pid.
pub fn serve(argv: &[String], target: &Path, log: &Path) -> Result<i32> {
    let words: Option<Vec<OsString>> = argv.iter().map(|word| to_bytes(word).map(OsString::from_vec)).collect();
    let Some((program, arguments)) = words.as_deref().and_then(<[_]>::split_first) else {
        fail!("the command line of the overlay is not made of bytes")
    };
    let failed = || format!("cannot start '{}'", program.to_string_lossy());
    let log_file = OpenOptions::new().append(true).create(true).open(log).context(failed)?;
    // Says when the mounts of this namespace change, so that there is no need to look again and again.
    let mounts = File::open("/proc/self/mountinfo").context(failed)?;
    let before = device_of(target)?;
    let mut command = Command::new(program);
    // Without namespaces it looks for the host's fusermount3.
    let path = super::outside::PLACES.join(":");
    command
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null());
    command.stdout(log_file.try_clone().context(failed)?).stderr(log_file);
    let steps = [
        // What is sent to the process group of the caller must not end the guest's file system, nor that of other instances.
        Step::Block,
        Step::LeadSession,
        // Without namespaces nothing else ends it with us.
        Step::SignalAtEndOfParent(Signal::KILL),
    ];
    let child = sys::spawn(command, &steps).context(failed)?.id() as i32;
    let end = End::of(child).context(failed)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if device_of(target)? != before {
            return Ok(child);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let watched = [Some((mounts.as_fd(), PollFlags::PRI))];
        let (_, has_ended) = end.poll(watched, left.as_millis() as i32).context(failed)?;
        if has_ended || left.is_zero() {
            let _ = sys::kill(child, libc::SIGKILL);
            sys::wait(child, WaitOptions::empty());
            let said = std::fs::read_to_string(log).unwrap_or_default();
            let last = said
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .unwrap_or("it said nothing");
            fail!("'{}' did not mount the overlay: {last}", program.to_string_lossy())
        }
    }
}

fn device_of(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path).context(|| format!("cannot look at '{}'", path.display()))?;
    Ok(metadata.dev())
}
