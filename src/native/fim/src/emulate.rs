//! `fim emulate [--users MAP --groups MAP] RULE -- PROGRAM [ARGUMENT]…`: runs a program in a user namespace whose `binfmt_misc` has
//! one rule, so that it and its children can execute programs of another architecture. The rules of the machine stay as they are.
//!
//! `RULE` is a line as the kernel's file `register` takes it. `MAP` has the form of `/proc/PID/uid_map`, with `,` between its lines. Root
//! writes the maps itself; `newuidmap` and `newgidmap` do it for others. Without maps the caller becomes root of the namespace, alone.

use crate::failure::{Context, EXIT_CODE, Result};
use crate::sys::{self, Forked};
use crate::{fail, janitor};
use rustix::mount::MountFlags;
use rustix::process::{Signal, WaitOptions, geteuid, set_parent_process_death_signal};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Where the rules are mounted: the usual place, or where a module that is not loaded has none yet, its parent directory. Only the new
/// mount namespace sees it.
const PLACES: [&str; 2] = ["/proc/sys/fs/binfmt_misc", "/proc/sys/fs"];

const USAGE: &str = "usage: fim emulate [--users MAP --groups MAP] RULE -- PROGRAM [ARGUMENT]...";

struct Request<'a> {
    /// Of users and of groups.
    maps: Option<(&'a str, &'a str)>,
    rule: &'a OsStr,
    program: &'a [OsString],
}

/// Runs the applet; the result is its exit code, which is that of the program.
pub fn command(arguments: &[OsString]) -> i32 {
    let Some(request) = parse(arguments) else {
        console::complain!("{USAGE}");
        return EXIT_CODE;
    };
    emulate(&request).unwrap_or_else(|failure| {
        console::complain!("emulate: {failure}");
        EXIT_CODE
    })
}

fn parse(arguments: &[OsString]) -> Option<Request<'_>> {
    let (maps, rest) = match arguments {
        [first, users, second, groups, rest @ ..] if first == "--users" && second == "--groups" => {
            (Some((users.to_str()?, groups.to_str()?)), rest)
        }
        _ => (None, arguments),
    };
    match rest {
        [rule, separator, program @ ..] if separator == "--" && !program.is_empty() => {
            Some(Request { maps, rule, program })
        }
        _ => None,
    }
}

fn emulate(request: &Request) -> Result<i32> {
    let (reader, writer) = sys::pipe().context(|| "cannot make a pipe".to_string())?;
    let forked =
        sys::clone(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).context(|| "cannot make a user namespace".to_string())?;
    match forked {
        Forked::Child => {
            drop(writer);
            let Err(failure) = start(request, File::from(reader));
            console::complain!("emulate: {failure}");
            std::process::exit(EXIT_CODE)
        }
        Forked::Parent(child) => {
            drop(reader);
            let mapped = map(child, request);
            // One byte says that it may go on. Without it the child ends.
            if mapped.is_ok() {
                let _ = File::from(writer).write_all(b"1");
            } else {
                drop(writer);
            }
            let status = sys::wait(child, WaitOptions::empty());
            mapped.map(|()| status.map_or(0, |(_, status)| sys::exit_code(status)))
        }
    }
}

fn map(child: i32, request: &Request) -> Result<()> {
    let Some((users, groups)) = request.maps else {
        return janitor::map_users(child);
    };
    for (map, name, helper) in [(users, "uid_map", "newuidmap"), (groups, "gid_map", "newgidmap")] {
        if geteuid().as_raw() == 0 {
            let path = format!("/proc/{child}/{name}");
            std::fs::write(&path, map.replace(',', "\n") + "\n").context(|| format!("cannot write '{path}'"))?;
            continue;
        }
        let status = Command::new(helper)
            .arg(child.to_string())
            .args(map.split([',', ' ']))
            .status()
            .context(|| format!("cannot run {helper}"))?;
        if !status.success() {
            fail!("{helper} failed with {status}")
        }
    }
    Ok(())
}

/// In the namespaces: waits for the maps, sets the rule, and becomes the program.
fn start(request: &Request, mut mapped: File) -> Result<std::convert::Infallible> {
    set_parent_process_death_signal(Some(Signal::KILL)).context(|| "cannot follow the parent".to_string())?;
    let mut byte = [0];
    if mapped.read_exact(&mut byte).is_err() {
        // The parent says why.
        std::process::exit(EXIT_CODE)
    }
    let place = mount()?;
    std::fs::write(Path::new(place).join("register"), request.rule.as_encoded_bytes())
        .context(|| "the kernel refuses the rule for another architecture".to_string())?;
    let [program, words @ ..] = request.program else {
        fail!("{USAGE}")
    };
    let error = Command::new(program).args(words).exec();
    Err(error).context(|| format!("cannot run '{}'", program.to_string_lossy()))
}

fn mount() -> Result<&'static str> {
    let none = OsStr::new("");
    for place in PLACES {
        match sys::mount(
            OsStr::new("binfmt_misc"),
            Path::new(place),
            "binfmt_misc",
            MountFlags::empty(),
            none,
        ) {
            Ok(()) => return Ok(place),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => fail!("this kernel gives no user namespace rules of its own (Linux 6.7 does): {error}"),
        }
    }
    fail!("there is no /proc/sys/fs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_rule_and_a_program() {
        let words = |text: &str| text.split('|').map(OsString::from).collect::<Vec<_>>();
        let all = words("--users|0 0 9|--groups|0 1 9|:x:|--|true|a");
        let request = parse(&all).unwrap();
        assert_eq!(request.maps, Some(("0 0 9", "0 1 9")));
        assert_eq!(
            (request.rule, request.program),
            (OsStr::new(":x:"), &words("true|a")[..])
        );
        for wrong in [
            "",
            ":x:",
            ":x:|--",
            ":x:|true",
            "--users|0 0 9",
            "--users|0 0 9|:x:|--|true",
            "--users|0 0 9|:x:|true",
        ] {
            assert!(parse(&words(wrong)).is_none(), "{wrong}");
        }
    }
}
