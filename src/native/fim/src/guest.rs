//! The first process of a guest: starts the program, passes signals on to it, reaps, and ends when all have ended.
//!
//! `fim guest [--capabilities held|none] [--portal DIR] [--directory DIR]… -- PROGRAM [ARGUMENT]…`
//!
//! Where it is told of capabilities it starts with CAP_SETPCAP, and limits what its programs can ever get to what it holds,
//! or to nothing.
//!
//! It is process 1 of the sandbox. The kernel shields such a process from signals it has no handler for, so it reads them
//! and sends them on. What a terminal sends reaches the program by itself.

use crate::failure::EXIT_CODE;
use crate::portal::Guest;
use crate::sys;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Set up by the janitor, to be told how the program is. See `janitor/run.rs`.
pub const STATE_DESCRIPTOR: i32 = 4;
/// It runs.
pub const RUNS: u8 = b'r';
/// It has stopped, as by ^Z.
pub const STOPPED: u8 = b's';

const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

/// Signals that are passed on. SIGCHLD is among them to be noticed.
const HEARD: [i32; 9] = [
    libc::SIGCHLD,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCONT,
];
/// Of those, the ones that ask for the end.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
/// This process must not stop with the program: it has to see it go on.
const SHIELDED: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

pub fn command(arguments: &[OsString]) -> i32 {
    let (limited, mut rest) = match arguments {
        [option, kept, rest @ ..] if option == "--capabilities" => (limit(kept == "held"), rest),
        _ => (Ok(()), arguments),
    };
    if let Err(error) = limited {
        console::complain!("E::cannot limit the capabilities of the guest: {error}");
        return EXIT_CODE;
    }
    let mut portal = None;
    if let [option, directory, after @ ..] = rest
        && option == "--portal"
    {
        portal = Some(Path::new(directory));
        rest = after;
    }
    while let [option, directory, after @ ..] = rest {
        if option != "--directory" {
            break;
        }
        rest = after;
        if std::env::set_current_dir(directory).is_ok() {
            while let [option, _, after @ ..] = rest
                && option == "--directory"
            {
                rest = after;
            }
        }
    }
    let [separator, program, words @ ..] = rest else {
        console::complain!(
            "usage: fim guest [--capabilities held|none] [--portal DIR] [--directory DIR]... -- PROGRAM [ARGUMENT]..."
        );
        return EXIT_CODE;
    };
    if separator != "--" {
        console::complain!("fim guest: unknown option '{}'", separator.to_string_lossy());
        return EXIT_CODE;
    }
    sys::close_all_on_exec(3);
    sys::mask_signals(libc::SIG_BLOCK, &HEARD);
    sys::dispose_signals(&SHIELDED, libc::SIG_IGN);
    let Ok(signals) = sys::signal_descriptor(&HEARD) else {
        console::complain!("E::the guest cannot receive signals");
        return EXIT_CODE;
    };
    // Before the program, which could put something else in its place.
    let mut portal = portal.and_then(Guest::open);
    let started = start(program, words);
    if let Ok(child) = started {
        // What a terminal sent before the program was there has reached only us.
        while let Some(signal) = sys::next_signal(signals.as_fd()) {
            if signal.ssi_code == libc::SI_KERNEL && signal.ssi_signo as i32 != libc::SIGCHLD {
                let _ = sys::kill(child, signal.ssi_signo as i32);
            }
        }
    }
    match started {
        Ok(child) => {
            // Whoever made the sandbox waits for this before it passes on signals.
            tell(RUNS);
            attend(child, &signals, portal.as_mut())
        }
        Err(code) => code,
    }
}

fn tell(state: u8) {
    // SAFETY: the janitor put a pipe there, and nothing here closes it.
    let janitor = unsafe { BorrowedFd::borrow_raw(STATE_DESCRIPTOR) };
    // Whoever does not listen does not need to know.
    let _ = sys::write(janitor, &[state]);
}

/// Whatever the guest starts gets nothing that this process does not hold, and this process holds nothing any more unless
/// it keeps what it has.
fn limit(keeps_held: bool) -> std::io::Result<()> {
    sys::bound_capabilities(keeps_held)?;
    if keeps_held { Ok(()) } else { sys::drop_capabilities() }
}

fn start(program: &OsStr, words: &[OsString]) -> Result<i32, i32> {
    let mut command = Command::new(program);
    command.args(words);
    // SAFETY: between fork and exec only system calls are made, on plain numbers.
    unsafe {
        command.pre_exec(|| {
            // Bubblewrap was started with some of them ignored.
            sys::dispose_signals(&sys::GROUP_SIGNALS, libc::SIG_DFL);
            sys::mask_signals(libc::SIG_SETMASK, &[]);
            Ok(())
        });
    }
    match command.spawn() {
        Ok(child) => Ok(child.id() as i32),
        Err(error) => {
            let name = program.to_string_lossy();
            Err(match error.kind() {
                ErrorKind::NotFound if !name.contains('/') => {
                    console::complain!("{name}: command not found");
                    NOT_FOUND
                }
                ErrorKind::NotFound => {
                    console::complain!("{name}: No such file or directory");
                    NOT_FOUND
                }
                _ => {
                    console::complain!("{name}: {error}");
                    NOT_EXECUTABLE
                }
            })
        }
    }
}

/// Passes signals on and reaps until no process is left, or, once somebody outside has asked for the end, until the program
/// has ended. The answer is how the program itself ended.
fn attend(program: i32, signals: &std::os::fd::OwnedFd, mut portal: Option<&mut Guest>) -> i32 {
    let mut code = None;
    let mut is_ending = false;
    loop {
        while let Some((_, status)) = sys::wait(program, libc::WNOHANG | libc::WUNTRACED) {
            if libc::WIFSTOPPED(status) {
                tell(STOPPED);
            } else {
                code = Some(sys::exit_code(status));
            }
        }
        while let Some((pid, status)) = sys::wait(-1, libc::WNOHANG) {
            if pid == program {
                code = Some(sys::exit_code(status));
            }
            if let Some(portal) = &mut portal {
                portal.ended(pid);
            }
        }
        if let Some(code) = code
            && (is_ending || !sys::has_children())
        {
            return code;
        }
        let knocker = portal.as_ref().map_or(-1, |portal| portal.descriptor());
        let watched = [(signals.as_raw_fd(), libc::POLLIN), (knocker, libc::POLLIN)];
        let Ok([_, is_asked]) = sys::poll(watched, -1) else {
            return code.unwrap_or(EXIT_CODE);
        };
        if is_asked && let Some(portal) = &mut portal {
            portal.listen();
        }
        while let Some(signal) = sys::next_signal(signals.as_fd()) {
            let number = signal.ssi_signo as i32;
            // A sender outside has no pid in here. What a process inside sends to process 1 is not for the program.
            if number != libc::SIGCHLD && signal.ssi_code != libc::SI_KERNEL && signal.ssi_pid == 0 {
                is_ending |= ENDING.contains(&number);
                let _ = sys::kill(program, number);
            }
        }
    }
}
