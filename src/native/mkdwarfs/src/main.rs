//! mkdwarfs: packs a directory tree into a DwarFS image.
//!
//! License: GPL-3.0-only. The sources in this folder link dwarfs-enc, which is under that license. Nothing else of the
//! project links them: the program is run as a process of its own, and its images are read by other code.
//!
//! An image is complete or it is not there: it is written beside its final name and renamed at the end, and whatever
//! cannot be stored as it is (a file that changes meanwhile, a tree too large for the format) ends the run with an error.

mod arguments;
mod blocks;
mod contents;
mod error;
mod exclude;
mod first;
mod holes;
mod levels;
mod metadata;
mod names;
mod order;
mod output;
mod pack;
mod scan;
mod served;
mod source;

use std::process::ExitCode;

use arguments::{Command, Parsed};

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Parsed::Help) => {
            let _ = console::output(arguments::HELP);
            ExitCode::SUCCESS
        }
        Ok(Parsed::Run(command)) => match run(&command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                console::complain!("mkdwarfs: {error}");
                ExitCode::FAILURE
            }
        },
        Err(message) => {
            console::complain!("mkdwarfs: {message}");
            console::complain!("try: mkdwarfs --help");
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> Result<(), error::Error> {
    // Before there are threads. Who keeps owners of others must see them, which no namespace of an ordinary user has.
    if !command.is_served() && command.uid.is_some() && command.gid.is_some() {
        // Where that is not possible the file is named that cannot be read.
        let _ = reach::read_all_of_own(&command.input);
    }
    output::watch_signals();
    if let Some(parent) = command.parent {
        output::end_with(parent)?;
    }
    let report = pack::pack(command)?;
    if command.json {
        let json = format!(
            "{{\"files\":{},\"directories\":{},\"bytesIn\":{},\"bytesOut\":{},\"duplicates\":{}}}\n",
            report.files, report.directories, report.bytes_in, report.bytes_out, report.duplicates
        );
        console::output(&json).map_err(error::Error::io(std::path::Path::new("standard output"), "write"))?;
    }
    Ok(())
}
