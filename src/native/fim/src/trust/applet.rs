//! `fim trust PURPOSE DIR`: for commands of the image that have no janitor to ask.

use super::data::{Purpose, examine};
use crate::failure::EXIT_CODE;
use messages::Reply;
use std::ffi::OsString;
use std::path::Path;

/// Prints the reply; the result is the exit code.
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
    match messages::print(&Reply::ok(examine(Path::new(&arguments[1]), purpose)), &[]) {
        Ok(()) => 0,
        Err(_) => EXIT_CODE,
    }
}
