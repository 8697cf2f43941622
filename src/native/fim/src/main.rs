//! One static program with several jobs.
//!
//! As the head of an image (its reserved offset is set) it is the launcher. Unpacked as `bin/fim` it is whatever its first
//! argument says. One program instead of five keeps the image small and shares its pages between all of them.

mod commit;
mod failure;
mod guest;
mod janitor;
mod launcher;
mod merge;
mod patch;
mod rewrite;
mod sys;

use std::ffi::OsString;

/// Where the reserved space begins in this image; the builder writes it. 0 in a program that is not the head of an image.
#[unsafe(link_section = ".fim_reserved_offset")]
#[used]
static RESERVED_OFFSET: [u8; 8] = [0; 8];

const USAGE: &str = "\
usage: fim <applet> [arguments]

applets:
  commit   turn an upper directory into a tree for a layer, and empty it
  dwarfs   mount a DwarFS image
  guest    first process of a guest
  janitor  hold the mounts of an instance and clean up after it
  merge    make one layer of several, or compare it with them
  patch    write stages of bytes into a file under a lock
";

fn main() {
    // SAFETY: reads a static of this program; volatile, because the builder changes it after the compiler has seen 0.
    let offset = u64::from_le_bytes(unsafe { std::ptr::read_volatile(&raw const RESERVED_OFFSET) });
    if offset != 0 {
        launcher::run(offset);
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let (applet, rest) = match arguments.split_first() {
        Some((applet, rest)) => (applet.to_str().unwrap_or(""), rest),
        None => ("", &arguments[..]),
    };
    let code = match applet {
        "commit" => commit::command(rest),
        "dwarfs" => dwarfs_fuse::command(rest),
        "guest" => guest::command(rest),
        "janitor" => janitor::command(),
        "merge" => merge::command(),
        "patch" => patch::command(rest),
        "--help" | "-h" | "help" => {
            print!("{USAGE}");
            0
        }
        _ => {
            eprint!("{USAGE}");
            failure::EXIT_CODE
        }
    };
    std::process::exit(code);
}
