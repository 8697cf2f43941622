//! `fim-instance`: which instances run, and commands in one of them.

use super::call::Caller;
use super::client::{self, Asked};
use crate::failure::EXIT_CODE;
use crate::janitor::{Line, Living, lingering, living, stop_signal};
use crate::sys::{self, End};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// What of the caller's environment a command in the guest gets; the rest is the instance's own.
const PASSED: [&str; 2] = ["TERM", "COLORTERM"];

/// Whether the image was called with words that run a command in an instance. The launcher does it without the runtime.
pub fn is_exec(words: &[OsString]) -> bool {
    let is = |index: usize, text: &str| words.get(index).is_some_and(|word| word.eq_ignore_ascii_case(text));
    let asks_for_help = words
        .iter()
        .skip(1)
        .take(2)
        .any(|word| word == "--help" || word == "-h");
    words.first().is_some_and(|word| word == "fim-instance") && is(1, "exec") && !asks_for_help
}

/// `fim instances DIR` prints the pids of the running instances, and behind them those of drivers whose layers linger, each with the
/// seconds that are left. `fim instances DIR --exec ID COMMAND...` runs a command in one,
/// `fim instances DIR --stop ID` ends one and prints why it could not, if so.
pub fn command(arguments: &[OsString]) -> i32 {
    match arguments {
        [directory] => {
            let directory = Path::new(directory);
            let living = living(directory).into_iter().map(|living| format!("{}\n", living.pid));
            let resting = resting(directory)
                .into_iter()
                .map(|(line, left)| format!("{} {left}\n", line.driver));
            let lines: String = living.chain(resting).collect();
            console::output(&lines).map_or(EXIT_CODE, |()| 0)
        }
        [directory, option, words @ ..] if option == "--exec" => execute(Path::new(directory), words),
        [directory, option, id] if option == "--stop" => {
            let refusal = stop(Path::new(directory), id).err().unwrap_or_default();
            console::output(&refusal).map_or(EXIT_CODE, |()| 0)
        }
        _ => {
            console::complain!("usage: fim instances DIRECTORY [--exec ID COMMAND... | --stop ID]");
            EXIT_CODE
        }
    }
}

/// Drivers of this application directory whose layers are mounted and used by nobody, each with the seconds that are left.
fn resting(instances: &Path) -> Vec<(Line, u64)> {
    let lines = instances.parent().map(lingering).unwrap_or_default();
    let resting = |line: Line| line.left().map(|left| (line, left));
    lines.into_iter().filter_map(resting).collect()
}

/// The instance of an index in the list of those that run, or why there is none.
fn find(instances: &Path, id: &OsStr) -> Result<Living, &'static str> {
    let mut found = living(instances);
    if found.is_empty() {
        return Err("No instances are running");
    }
    let index = id.to_string_lossy().parse().unwrap_or(usize::MAX);
    if index >= found.len() {
        return Err("Instance index out of bounds");
    }
    Ok(found.swap_remove(index))
}

fn named(instances: &Path, name: &str) -> Option<Living> {
    living(instances).into_iter().find(|living| living.name == name)
}

/// How long an instance may take to end before it is ended by force: longer than it gives what runs in it.
const PATIENCE: Duration = Duration::from_secs(15);

/// `fim-instance stop ID`: asks everything in it to end, and waits until it has; or has layers unmounted that linger.
fn stop(instances: &Path, id: &OsStr) -> Result<(), String> {
    let index: usize = id.to_string_lossy().parse().unwrap_or(usize::MAX);
    let running = living(instances).len();
    let resting = index
        .checked_sub(running)
        .and_then(|index| resting(instances).into_iter().nth(index));
    if let Some((line, _)) = resting {
        return line.end(None, PATIENCE).map_err(|failure| failure.0);
    }
    let name = find(instances, id)?.name;
    let wanted = stop_signal(instances, &name);
    for signal in wanted.into_iter().chain([libc::SIGTERM, libc::SIGKILL]) {
        // Anew each time: once the program has ended, what it has left running is the janitor's.
        let Some(living) = named(instances, &name) else {
            return Ok(());
        };
        let Ok(end) = End::of(living.pid) else { continue };
        // The janitor knows no other.
        let signal = if living.is_left && signal != libc::SIGKILL {
            libc::SIGTERM
        } else {
            signal
        };
        match sys::kill(living.pid, signal) {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
                return Err(format!("The instance cannot be stopped: {error}"));
            }
            _ => {}
        }
        let _ = end.poll::<0>([], PATIENCE.as_millis() as i32);
    }
    match named(instances, &name) {
        None => Ok(()),
        Some(_) => Err("The instance does not end".to_string()),
    }
}

/// `fim-instance exec ID COMMAND...`
fn execute(instances: &Path, words: &[OsString]) -> i32 {
    let Some((id, rest)) = words.split_first() else {
        return usage("Missing 'id' argument for 'fim-instance'");
    };
    if id.is_empty() || !id.as_bytes().iter().all(u8::is_ascii_digit) {
        return usage("Id argument must be a digit");
    }
    let command = match rest {
        [first, after @ ..] if first == "--" => after,
        all => all,
    };
    if command.first().is_none_or(|program| program.is_empty()) {
        return usage("Missing 'cmd' argument for 'fim-instance'");
    }
    let name = match find(instances, id) {
        Ok(living) => living.name,
        Err(refusal) => return failed(refusal),
    };
    let asked = Asked {
        words: command.to_vec(),
        environment: PASSED.iter().filter_map(|name| variable(name)).collect(),
        detached: false,
    };
    let portal = instances.join(name).join("portal");
    client::report(client::call(&portal, Caller::Host, &asked))
}

fn variable(name: &str) -> Option<OsString> {
    let mut text = OsString::from(format!("{name}="));
    text.push(std::env::var_os(name).filter(|value| value != OsStr::new(""))?);
    Some(text)
}

fn usage(text: &str) -> i32 {
    say(text, "Could not parse arguments")
}

fn failed(text: &str) -> i32 {
    say(text, "Could not run the command in an instance")
}

/// As every command of ours says it.
fn say(text: &str, context: &str) -> i32 {
    for line in [text, context, "The program exited with an error"] {
        console::complain!("E::{line}");
    }
    EXIT_CODE
}
