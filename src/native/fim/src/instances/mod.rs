//! `fim-instance`: the instances that run, what is done to one of them, and starts in the background.

mod background;
mod find;
mod list;
mod log;
mod stop;

use crate::failure::EXIT_CODE;
pub use find::find;
use std::ffi::OsString;
use std::path::Path;

const EXEC: &str = "--exec";
pub const START: &str = "--start";

const USAGE: &str = "\
usage: fim instances DIRECTORY --list
       fim instances DIRECTORY --exec ID COMMAND...
       fim instances DIRECTORY --start IMAGE [--name NAME] [--] [COMMAND...]
       fim instances DIRECTORY --stop ID [SECONDS]
       fim instances DIRECTORY --kill SIGNAL ID
       fim instances DIRECTORY --logs ID [--follow]";

/// An operation of `fim-instance` that the launcher leaves to this program: it needs no runtime, and gets the caller's arguments byte
/// for byte. `None` for all others, and where the arguments ask for help.
pub fn operation(words: &[OsString]) -> Option<&'static str> {
    let is = |index: usize, text: &str| words.get(index).is_some_and(|word| word.eq_ignore_ascii_case(text));
    let asks_for_help = words
        .iter()
        .skip(1)
        .take(2)
        .any(|word| word == "--help" || word == "-h");
    if words.first().is_none_or(|word| word != "fim-instance") || asks_for_help {
        return None;
    }
    [("exec", EXEC), ("start", START)]
        .into_iter()
        .find_map(|(name, option)| is(1, name).then_some(option))
}

/// `fim instances DIRECTORY OPERATION...`, with the parent directory of instances. Operations that print only why they failed end
/// with 0 all the same.
pub fn command(arguments: &[OsString]) -> i32 {
    let [directory, operation, words @ ..] = arguments else {
        console::complain!("{USAGE}");
        return EXIT_CODE;
    };
    let directory = Path::new(directory);
    match (operation.to_str().unwrap_or_default(), words) {
        ("--list", []) => list::print(directory),
        (EXEC, words) => crate::portal::execute(directory, words),
        (START, [image, words @ ..]) => background::start(directory, Path::new(image), words),
        ("--stop", [id]) => refused(stop::stop(directory, id, None)),
        ("--stop", [id, seconds]) => refused(stop::stop(directory, id, Some(seconds))),
        ("--kill", [signal, id]) => refused(stop::kill(directory, signal, id)),
        ("--logs", [id]) => log::print(directory, id, false),
        ("--logs", [id, option]) if option == "--follow" => log::print(directory, id, true),
        _ => {
            console::complain!("{USAGE}");
            EXIT_CODE
        }
    }
}

/// Prints why something could not be done, if so.
fn refused(result: Result<(), String>) -> i32 {
    console::output(&result.err().unwrap_or_default()).map_or(EXIT_CODE, |()| 0)
}

/// Prints an error as every command does.
pub fn complain(lines: &[&str]) -> i32 {
    for line in lines.iter().chain(&["The program exited with an error"]) {
        console::complain!("E::{line}");
    }
    EXIT_CODE
}
