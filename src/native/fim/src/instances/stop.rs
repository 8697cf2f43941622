//! `fim-instance stop` and `fim-instance kill`.

use super::find::{find, is_index};
use super::list::resting;
use crate::janitor::{Living, living, stop_signal, sweep_instances};
use crate::sys::{self, End};
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

/// How long an instance may take to end before the caller is told that it has not: as long as a service manager waits.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long one takes to end that was killed.
const CLEANING: Duration = Duration::from_secs(15);
/// A day.
const MOST_SECONDS: u64 = 86_400;

/// Asks everything in an instance to end, and waits until it has; or has layers unmounted that linger. Kills it only if a time
/// is given, after so many seconds.
pub fn stop(instances: &Path, id: &OsStr, seconds: Option<&OsStr>) -> Result<(), String> {
    let patience = match seconds.map(|seconds| seconds.to_string_lossy().parse::<u64>()) {
        None => None,
        Some(Ok(seconds)) if seconds <= MOST_SECONDS => Some(Duration::from_secs(seconds)),
        Some(_) => return Err(format!("The time must be a number of seconds from 0 to {MOST_SECONDS}")),
    };
    let index: usize = id.to_string_lossy().parse().unwrap_or(usize::MAX);
    let running = living(instances).len();
    let resting = index
        .checked_sub(running)
        .filter(|_| is_index(id))
        .and_then(|index| resting(instances).into_iter().nth(index));
    if let Some((line, _)) = resting {
        return line.end(None, CLEANING).map_err(|failure| failure.0);
    }
    let living = find(instances, id).map_err(|missing| missing.lines().join("\n"))?;
    let Ok(end) = End::of(living.pid) else { return Ok(()) };
    let has_ended = |patience: Duration| {
        let ended = end.poll::<0>([], patience.as_millis() as i32);
        ended.is_ok_and(|(_, has_ended)| has_ended)
    };
    // The signal that an image of a container names comes first. The janitor, which has what a program has left running, passes it on.
    if let Some(signal) = stop_signal(instances, &living.name)
        && (!send(&living, signal)? || has_ended(patience.unwrap_or(PATIENCE)))
    {
        return Ok(());
    }
    if !send(&living, libc::SIGTERM)? || has_ended(patience.unwrap_or(PATIENCE)) {
        return Ok(());
    }
    if patience.is_none() {
        return Err(format!(
            "The instance has not ended {} seconds after SIGTERM\nto kill it: fim-instance stop -t 10 {}",
            PATIENCE.as_secs(),
            id.to_string_lossy()
        ));
    }
    if !send(&living, libc::SIGKILL)? {
        return Ok(());
    }
    let ended = has_ended(CLEANING);
    // What a killed janitor cannot remove.
    sweep_instances(instances);
    if ended {
        Ok(())
    } else {
        Err("The instance does not end".to_string())
    }
}

/// Sends a signal to the program of an instance, or to all that it has left running.
pub fn kill(instances: &Path, signal: &OsStr, id: &OsStr) -> Result<(), String> {
    let name = signal.to_string_lossy();
    let Some(number) = sys::signal_number(&name) else {
        return Err(format!("There is no signal '{}'", console::shown(signal)));
    };
    if number == libc::SIGSTOP {
        return Err(
            "SIGSTOP would stop only what watches the program\nto stop the program: fim-instance kill -s TSTP"
                .to_string(),
        );
    }
    let living = find(instances, id).map_err(|missing| missing.lines().join("\n"))?;
    send(&living, number).map(drop)
}

/// Sends a signal to the process that passes it on. False if it has ended.
fn send(living: &Living, signal: i32) -> Result<bool, String> {
    match sys::kill(living.pid, signal) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
        Err(error) => Err(format!("The instance cannot be signalled: {error}")),
    }
}
