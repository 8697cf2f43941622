//! What is unpacked as `bin/fim`: one static program with several jobs, named by its first argument. One program instead of
//! five keeps the image small and shares its pages between all of them.

use fim::{
    adopt, commit, emulate, failure, guest, hot, instances, janitor, kept, launcher, merge, patch, portal, remove,
    tied, trust,
};
use std::ffi::OsString;

const USAGE: &str = "\
usage: fim <applet> [arguments]

applets:
  adopt        give a data directory another name
  boot         run a command of an image or a program in it, as its launcher says
  commit       turn an upper directory into a tree for a layer, and empty it
  emulate      run a program that can execute those of another architecture
  guest        first process of a guest
  hot          fill the hot cache, as the driver of a start says
  icon         a picture as icons of given sizes
  instances    list the instances that run, start, stop and signal them, or run a command in one
  janitor      hold the mounts of an instance and clean up after it
  kept         list what is kept for this user, and remove what nothing uses
  merge        make one layer of several, or compare it with them
  patch        write stages of bytes into a file under a lock
  portal-host  run commands of a guest on the host, as the boot program decides
  remove       remove trees of any depth
  tied         run a program that ends with the caller, and all that it has started
  trust        whether nobody else can change a directory
  unpack       unpack the tools of an image that its launcher has left for later
";

fn main() {
    fim::hear_of_children();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let name = if arguments.is_empty() {
        OsString::new()
    } else {
        arguments.remove(0)
    };
    if let Some(words) = portal::shim(&name) {
        std::process::exit(portal::command(&[words, arguments].concat()));
    }
    if std::path::Path::new(&name)
        .file_name()
        .is_some_and(|name| name == "tied")
    {
        std::process::exit(tied::command(&arguments));
    }
    let (applet, rest) = match arguments.split_first() {
        Some((applet, rest)) => (applet.to_str().unwrap_or(""), rest),
        None => ("", &arguments[..]),
    };
    let code = match applet {
        "adopt" => adopt::command(rest),
        "boot" => engine::run(),
        "commit" => commit::command(rest),
        "emulate" => emulate::command(rest),
        "guest" => guest::command(rest),
        "hot" => hot::command(rest),
        "icon" => icons::command(rest),
        "instances" => instances::command(rest),
        "janitor" => janitor::command(rest),
        "kept" => kept::command(rest),
        "merge" => merge::command(),
        "patch" => patch::command(rest),
        "portal-host" => portal::host_command(rest),
        "remove" => remove::command(rest),
        "tied" => tied::command(rest),
        "trust" => trust::command(rest),
        "unpack" => launcher::unpack_command(rest),
        "--help" | "-h" | "help" => {
            let _ = console::output(USAGE);
            0
        }
        _ => {
            console::error(USAGE);
            failure::EXIT_CODE
        }
    };
    std::process::exit(code);
}
