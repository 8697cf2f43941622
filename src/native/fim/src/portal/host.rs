//! The host's hands: reads what guests ask for, lets the boot program decide, and runs what it allows.
//!
//! `fim portal-host PORTAL VARIABLE…`; decisions of the boot program come in at descriptor 3, requests go out at 4, as
//! messages. The boot program names the variables of a caller that it looks at, `LC_*` for all that begin so. It ends
//! when the boot program does, and with it every command, unless that was started to stay.

use super::asking::{Asking, Turn};
use super::call::{Call, Caller, open_knocker, open_room};
use super::client::report;
use super::command::Plan;
use super::decided::{Decided, Start};
use super::large::{Large, request_of};
use super::message::{Decision, Form, Knock, parse_decision, parse_knock};
use super::request::{Request, bytes_of, parse_request};
use super::serve::serve;
use super::sweep::Sweeper;
use super::{ATOMIC, BUSY, CALLS};
use crate::failure::{Context, EXIT_CODE, Result};
use crate::sys::{self, Disposition, Forked};
use messages::{Decoder, Limits};
use nix::sys::signal::SigmaskHow;
use rustix::fs::OFlags;
use rustix::process::WaitOptions;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

const DECISIONS: i32 = 3;
const REQUESTS: i32 = 4;
/// Largest decision: it holds the environment of the host.
const DECISION_LIMIT: usize = 16 << 20;
const TOO_LARGE: &str = "E::the names of program, directory and language of a command are larger than 64 KiB";
/// What the reference gives for a program that the host does not have.
const NOT_FOUND: (i32, &str) = (1, "\nE::Could not start PID, program not found?");

struct Host {
    room: OwnedFd,
    knocker: OwnedFd,
    requests: File,
    decisions: File,
    /// Its other end is with every process that serves a call: closed with us.
    lifeline: (OwnedFd, OwnedFd),
    decided: Decided,
    asking: Asking,
    large: Large,
    servers: usize,
    sweeper: Sweeper,
}

/// `fim portal-host PORTAL VARIABLE…`
pub fn command(arguments: &[OsString]) -> i32 {
    let [portal, names @ ..] = arguments else {
        console::complain!("usage: fim portal-host PORTAL [VARIABLE]...");
        return EXIT_CODE;
    };
    let names = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let _ = rustix::thread::set_name(c"fim-portal-host");
    sys::close_all_on_exec(3);
    // It ends with the boot program, which decides what follows from them.
    sys::dispose_signals(&sys::GROUP_SIGNALS, Disposition::Ignore);
    let host = Host::open(Path::new(portal), Decided::new(names));
    report(host.and_then(|mut host| host.attend()).map(|()| 0))
}

impl Host {
    fn open(portal: &Path, decided: Decided) -> Result<Host> {
        let failed = || format!("cannot open the portal '{}'", portal.display());
        // The boot program opened both for us.
        let decisions = sys::inherited(DECISIONS).context(failed)?.into();
        let requests = sys::inherited(REQUESTS).context(failed)?.into();
        let mut host = Host {
            room: open_room(portal, Caller::Guest).context(failed)?,
            // For writing too: otherwise its end would be seen whenever no caller has it open.
            knocker: open_knocker(portal, Caller::Guest, OFlags::RDWR | OFlags::NONBLOCK).context(failed)?,
            requests,
            decisions,
            lifeline: sys::pipe().context(failed)?,
            decided,
            asking: Asking::default(),
            large: Large::default(),
            servers: 0,
            sweeper: Sweeper::default(),
        };
        host.say(&messages::encode(&Form::of("ready"), &[]).context(failed)?)?;
        Ok(host)
    }

    fn say(&mut self, message: &[u8]) -> Result<()> {
        self.requests
            .write_all(message)
            .context(|| "the boot program has ended".to_string())
    }

    fn attend(&mut self) -> Result<()> {
        sys::mask_signals(SigmaskHow::SIG_BLOCK, &[libc::SIGCHLD]);
        let signals = sys::signal_descriptor(&[libc::SIGCHLD]).context(|| "cannot receive signals".to_string())?;
        let decoder = |limit| Decoder::new(Limits::heads(limit));
        let (mut knocks, mut decided) = (decoder(ATOMIC), decoder(DECISION_LIMIT));
        let mut chunk = vec![0; 1 << 16];
        loop {
            let mut watched = vec![
                sys::readable(&self.decisions),
                sys::readable(&self.knocker),
                sys::readable(&signals),
            ];
            watched.extend(self.large.watched());
            let events = sys::poll_all(&watched, self.large.patience()).context(|| "cannot wait".to_string())?;
            let is_ready = |index: usize| !events[index].is_empty();
            while sys::next_signal(&signals).is_some() {}
            while sys::wait(-1, WaitOptions::NOHANG).is_some() {
                self.servers -= 1;
            }
            if is_ready(0) {
                match rustix::io::read(&self.decisions, &mut chunk[..]) {
                    Ok(0) | Err(_) => return Ok(()),
                    Ok(count) => decided.push(&chunk[..count]),
                }
                while let Some(message) = decided.take_valid() {
                    self.carry_out(&message.head);
                }
            }
            let ready: Vec<bool> = events[3..].iter().map(|events| !events.is_empty()).collect();
            for (call, payload) in self.large.read(&ready, &mut chunk) {
                match payload.and_then(|payload| Some((request_of(&call, &payload)?, payload))) {
                    Some((request, payload)) => self.ask(call, request, payload),
                    None => call.refuse(EXIT_CODE, "E::the request cannot be read"),
                }
            }
            if is_ready(1) {
                if let Ok(count) = rustix::io::read(&self.knocker, &mut chunk[..]) {
                    knocks.push(&chunk[..count]);
                }
                while let Some(message) = knocks.take_valid() {
                    self.answer(message.head);
                }
            }
            self.put_questions()?;
            self.large.take_turns(self.asking.large());
            if is_ready(1) {
                self.sweeper.sweep(self.room.as_fd());
            }
        }
    }

    fn answer(&mut self, payload: Vec<u8>) {
        let Some(knock) = parse_knock(&payload) else { return };
        let name = match &knock {
            Knock::Request(request) => &request.call,
            Knock::Reference(name) => name,
        };
        // One who is gone, or has put something else there, or asks twice, gets no answer.
        let is_known = self.asking.holds(name) || self.large.holds(name);
        let Ok(call) = Call::open(self.room.as_fd(), name) else {
            return;
        };
        if is_known {
            return;
        }
        if self.servers + self.asking.len() + self.large.len() >= CALLS {
            return call.refuse(EXIT_CODE, BUSY);
        }
        match knock {
            Knock::Request(request) => self.ask(call, request, payload),
            Knock::Reference(_) => self.large.push(call),
        }
    }

    /// Starts what was allowed already; everything else waits for its turn to be asked about.
    fn ask(&mut self, call: Call, mut request: Request, payload: Vec<u8>) {
        let question = self.decided.question(&mut request);
        if let Some(start) = self.decided.answer(&question) {
            self.start(call, || Some(request), &start);
        } else if let Some(call) = self.asking.push(call, payload, request, question) {
            call.refuse(EXIT_CODE, TOO_LARGE);
        }
    }

    fn put_questions(&mut self) -> Result<()> {
        while let Some(turn) = self.asking.next(&self.decided) {
            match turn {
                Turn::Decided(waiting, start) => self.start(waiting.call, || parse_request(&waiting.payload), &start),
                Turn::Ask(message) => self.say(&message)?,
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, payload: &[u8]) {
        let Some((name, decision)) = parse_decision(payload) else {
            return;
        };
        let Some((call, payload, question)) = self.asking.take(&name) else {
            return;
        };
        match decision {
            Decision::Start {
                environment,
                directories,
                lasting,
            } => {
                let start = Rc::new(Start::new(&environment, &directories));
                if lasting {
                    self.decided.keep(question, &start);
                }
                self.start(call, || parse_request(&payload), &start);
            }
            Decision::Refuse { code, lines } => call.refuse(code, &lines.join("\n")),
        }
    }

    /// The request is taken out of its payload where it is needed, in the process that serves it.
    fn start(&mut self, call: Call, request: impl FnOnce() -> Option<Request>, start: &Start) {
        match sys::clone(0) {
            Ok(Forked::Parent(_)) => self.servers += 1,
            Ok(Forked::Child) => {
                let lifeline = self.lifeline.0.try_clone();
                // What only the parent may hold: who waits for its end must see it.
                sys::close_all_but(
                    &[
                        call.descriptors(),
                        vec![lifeline.as_ref().map_or(-1, AsRawFd::as_raw_fd)],
                    ]
                    .concat(),
                );
                if let Some(request) = request() {
                    serve(call, &plan_of(&request, start), lifeline.ok());
                }
                std::process::exit(0)
            }
            Err(error) => call.refuse(EXIT_CODE, &format!("E::the host cannot start a process: {error}")),
        }
    }
}

fn plan_of(request: &Request, start: &Start) -> Plan {
    Plan {
        words: request.words.iter().map(|word| bytes_of(word)).collect(),
        environment: start.environment.clone(),
        directories: start.directories.clone(),
        streams: request.streams,
        terminal: request.terminal,
        detached: request.detached,
        not_found: NOT_FOUND,
    }
}
