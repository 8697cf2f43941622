//! `fim trust PURPOSE DIR`: for commands of the image that have no janitor to ask.

use super::data::{Purpose, examine};
use crate::failure::EXIT_CODE;
use std::ffi::OsString;
use std::path::Path;

/// Prints the answer as one line of JSON; the result is the exit code.
pub fn command(arguments: &[OsString]) -> i32 {
    let purpose = match arguments {
        [word, _] if word == "find" => Purpose::Find,
        [word, _] if word == "rooms" => Purpose::Rooms,
        [word, _] if word == "make" => Purpose::Make,
        [word, _] if word == "place" => Purpose::Place,
        _ => {
            console::complain!("usage: fim trust find|rooms|make|place DIRECTORY");
            return EXIT_CODE;
        }
    };
    let answer = serde_json::to_string(&examine(Path::new(&arguments[1]), purpose));
    match answer.map(|line| console::output(&format!("{line}\n"))) {
        Ok(Ok(())) => 0,
        _ => EXIT_CODE,
    }
}
