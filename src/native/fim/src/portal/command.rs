//! The command of a call, on the side that runs it: its program's file, its streams, its terminal, its start.

use super::call::{Call, KEYS, SCREEN, STREAMS};
use super::end::End;
use super::pump::Pump;
use super::request::{Size, Stream};
use crate::sys::{self, Spawn};
use rustix::fs::OFlags;
use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const NOT_EXECUTABLE: i32 = 126;

/// What to run, decided.
pub struct Plan {
    pub words: Vec<OsString>,
    /// All of it.
    pub environment: Vec<(OsString, OsString)>,
    /// Working directories, best first.
    pub directories: Vec<OsString>,
    pub streams: [Stream; 3],
    pub terminal: Option<Size>,
    pub detached: bool,
    /// For a program that is not there: the exit code, and what is said behind the line that names it.
    pub not_found: (i32, &'static str),
}

/// A command that was started.
pub struct Started {
    pub child: i32,
    /// The end that is ours, and that of the command until it has ended.
    pub terminal: Option<(OwnedFd, Option<OwnedFd>)>,
    /// Between a terminal and the FIFOs: what is shown first, what is typed second.
    pub pumps: Vec<Pump>,
}

/// Opens the streams and starts the command. The error is an exit code and a line for the caller.
pub fn start(call: &Call, plan: &Plan) -> std::result::Result<Started, (i32, String)> {
    let program = plan.words.first().map_or(OsStr::new(""), OsString::as_os_str);
    let name = program.to_string_lossy().into_owned();
    let own = |error: Error| {
        (
            crate::failure::EXIT_CODE,
            format!("cannot make the streams of '{name}': {error}"),
        )
    };
    let Some(file) = find(program, &plan.environment) else {
        return Err(not_found(&name, plan));
    };
    let mut pumps = Vec::new();
    let terminal = match plan.terminal {
        None => None,
        Some(size) => {
            let (master, slave) = sys::make_terminal(size.rows, size.columns).map_err(own)?;
            rustix::process::ioctl_tiocsctty(&slave).map_err(|error| own(error.into()))?;
            let keys = call.stream(KEYS, OFlags::RDONLY).map_err(own)?;
            let screen = call.stream(SCREEN, OFlags::WRONLY).map_err(own)?;
            let copy = || master.try_clone().map(End::Own).map_err(own);
            pumps.push(Pump::new(copy()?, End::Own(screen)));
            pumps.push(Pump::new(End::Own(keys), copy()?));
            Some((master, Some(slave)))
        }
    };
    let slave = terminal.as_ref().and_then(|(_, slave)| slave.as_ref());
    let output = stream(call, plan, 1, slave, None).map_err(own)?;
    let error = stream(call, plan, 2, slave, Some(&output)).map_err(own)?;
    let input = stream(call, plan, 0, slave, None).map_err(own)?;
    for directory in &plan.directories {
        if directory.as_bytes().starts_with(b"/") && std::env::set_current_dir(directory).is_ok() {
            break;
        }
    }
    let command = Spawn {
        file: &file,
        words: &plan.words,
        environment: &plan.environment,
        standard: [input.as_fd(), output.as_fd(), error.as_fd()],
        terminal: slave.map(AsFd::as_fd),
    };
    let child = command.start().map_err(|error| match error.kind() {
        ErrorKind::NotFound => not_found(&name, plan),
        _ => (NOT_EXECUTABLE, format!("{name}: {error}")),
    })?;
    Ok(Started { child, terminal, pumps })
}

fn not_found(name: &str, plan: &Plan) -> (i32, String) {
    let what = if name.contains('/') {
        "No such file or directory"
    } else {
        "command not found"
    };
    let (code, remark) = plan.not_found;
    (code, format!("{}: {what}{remark}", console::line(name)))
}

fn stream(
    call: &Call,
    plan: &Plan,
    index: usize,
    slave: Option<&OwnedFd>,
    output: Option<&OwnedFd>,
) -> Result<OwnedFd> {
    match (plan.streams[index], slave, output) {
        (Stream::Pipe, ..) => {
            let fifo = call.stream(STREAMS[index], if index == 0 { OFlags::RDONLY } else { OFlags::WRONLY })?;
            rustix::io::ioctl_fionbio(&fifo, false)?;
            Ok(fifo)
        }
        (Stream::Terminal, Some(slave), _) => slave.try_clone(),
        (Stream::Output, _, Some(output)) => output.try_clone(),
        _ => Ok(std::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/null")?
            .into()),
    }
}

/// The program's file. Only absolute directories of PATH are looked at: the working directory is the caller's choice.
fn find(program: &OsStr, environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program));
    }
    let path = environment
        .iter()
        .find(|(name, _)| name == "PATH")
        .map(|(_, value)| value)?;
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|file| sys::is_executable(file))
}
