//! The caller's side: makes a call, says what is to run, and ends as the command does.

use super::call::{Caller, Made, open_knocker};
use super::follow::Client;
use super::message::reference;
use super::outbox::{ENDING, Outbox};
use super::request::{Request, RequestKind, text_of};
use super::terminal::Terminal;
use super::{ATOMIC, LIMIT};
use crate::failure::{Context, EXIT_CODE, Result};
use crate::sys::{self, Disposition};
use crate::{fail, streams};
use nix::sys::signal::SigmaskHow;
use nix::sys::signalfd::SignalFd;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

const HEARD: [i32; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCONT,
    libc::SIGTSTP,
    libc::SIGWINCH,
];

/// What to run on the other side.
pub struct Asked {
    pub words: Vec<OsString>,
    /// `NAME=value` each.
    pub environment: Vec<OsString>,
    pub detached: bool,
}

/// Runs it and gives the exit code. The error is a sentence for the user; then the exit code is 125.
pub fn call(portal: &Path, caller: Caller, asked: &Asked) -> Result<i32> {
    streams::check()?;
    sys::mask_signals(SigmaskHow::SIG_BLOCK, &HEARD);
    // A change of the terminal's modes in the background must not stop us.
    sys::dispose_signals(&[libc::SIGTTOU, libc::SIGPIPE], Disposition::Ignore);
    let signals = sys::signal_descriptor(&HEARD).context(|| "cannot receive signals".to_string())?;
    let (streams, terminal) = Terminal::find(asked.detached);
    let made = Made::make(portal, caller, streams).context(|| match caller {
        Caller::Guest => "cannot reach the portal of this instance".to_string(),
        Caller::Host => "cannot reach the instance".to_string(),
    })?;
    let knocker = open_knocker(portal, caller, OFlags::WRONLY | OFlags::NONBLOCK).context(|| match caller {
        Caller::Guest => "nothing listens at the portal of this instance".to_string(),
        Caller::Host => "the instance does not listen; it is starting or ending".to_string(),
    })?;
    let request = Request {
        kind: RequestKind::Request,
        call: made.name.clone(),
        words: asked.words.iter().map(|word| text_of(word)).collect(),
        environment: asked.environment.iter().map(|variable| text_of(variable)).collect(),
        directory: std::env::current_dir().map_or(String::new(), |directory| text_of(directory.as_os_str())),
        streams,
        terminal: terminal.as_ref().map(Terminal::size),
        detached: asked.detached,
    };
    let failed = || "cannot encode the command".to_string();
    let mut message = messages::encode_apart(&request).context(failed)?;
    if message.len() > LIMIT {
        fail!("the command and its environment are larger than {} MiB", LIMIT >> 20)
    }
    let mut outbox = Vec::new();
    if message.len() > ATOMIC {
        outbox = std::mem::replace(
            &mut message,
            messages::encode_apart(&reference(&made.name)).context(failed)?,
        );
    }
    if let Some(signal) = knock(&knocker, &message, &signals)? {
        return Ok(128 + signal);
    }
    Client::new(made, signals, terminal, knocker, Outbox::new(outbox)).attend(streams)
}

/// Writes into the FIFO of all callers in one piece. The answer is a signal that came while it was full.
fn knock(knocker: &OwnedFd, message: &[u8], signals: &SignalFd) -> Result<Option<i32>> {
    loop {
        match rustix::io::write(knocker, message) {
            Ok(_) => return Ok(None),
            Err(Errno::AGAIN) => {}
            Err(Errno::PIPE) => fail!("the portal's daemon has ended"),
            Err(error) => fail!("cannot write to the portal: {error}"),
        }
        sys::poll([sys::writable(knocker), sys::readable(signals)], -1).context(|| "cannot wait".to_string())?;
        while let Some(signal) = sys::next_signal(signals) {
            if ENDING.contains(&(signal.ssi_signo as i32)) {
                return Ok(Some(signal.ssi_signo as i32));
            }
        }
    }
}

/// Says what went wrong and gives the exit code of our own failures.
pub fn report(result: Result<i32>) -> i32 {
    result.unwrap_or_else(|failure| {
        console::complain!("E::{failure}");
        EXIT_CODE
    })
}
