//! The guest's ends of the portal: the client `fim_portal`, and the daemon, which is a part of the first process.

use super::call::{Call, Caller, open_knocker, open_room};
use super::client::{self, Asked};
use super::command::Plan;
use super::large::receive;
use super::message::{Knock, parse_knock};
use super::request::{Request, bytes_of};
use super::serve::serve;
use super::sweep::Sweeper;
use super::{ATOMIC, BUSY, CALLS};
use crate::failure::{Context, EXIT_CODE, Result};
use crate::janitor::application;
use crate::sys::{self, Forked, Watched};
use messages::{Decoder, Limits};
use rustix::fs::OFlags;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const NOT_FOUND: (i32, &str) = (127, "");
/// What the portal's own misuse ends with, as the C++ FlatImage has it.
const MISUSE: i32 = 1;
const REFUSED: i32 = 126;
/// A list of allowed programs that is longer is none.
const LIST_LIMIT: u64 = 1 << 20;

const USAGE: &str = "\
usage: fim_portal [--detach] PROGRAM [ARGUMENT]...

Runs a program of the host with the streams, signals and exit code of this one.

  --detach   let it outlive this instance, without any stream; its exit code is not known
  --help     print this

To allow a program: IMAGE fim-portal allow PROGRAM
";

/// The name of a client that stands for one program of the host: `xdg-open` opens windows that stay.
pub fn shim(name: &OsStr) -> Option<Vec<OsString>> {
    let file = Path::new(name).file_name()?.to_str()?;
    match file {
        "fim_portal" => Some(Vec::new()),
        "xdg-open" => Some(vec!["--detach".into(), file.into()]),
        "xdg-mime" | "notify-send" => Some(vec![file.into()]),
        _ => None,
    }
}

/// `fim_portal [--detach] PROGRAM [ARGUMENT]...`
pub fn command(arguments: &[OsString]) -> i32 {
    let (is_detached, words) = match arguments {
        [first, rest @ ..] if first == "--detach" => (true, rest),
        [first, ..] if first == "--help" || first == "-h" => {
            let _ = console::output(USAGE);
            return 0;
        }
        words => (false, words),
    };
    let Some(program) = words.first() else {
        console::complain!("E::No arguments for dispatcher");
        console::error(USAGE);
        return MISUSE;
    };
    client::report(portal_of_self().and_then(|portal| {
        if !is_allowed(&portal, program) {
            let name = program.to_string_lossy();
            console::complain!("E::'{name}' may not be run on the host");
            console::complain!("E::To allow it, from the image's next start on: IMAGE fim-portal allow {name}");
            return Ok(REFUSED);
        }
        let asked = Asked {
            words: words.to_vec(),
            environment: std::env::vars_os()
                .map(|(name, value)| assignment(&name, &value))
                .collect(),
            detached: is_detached,
        };
        client::call(&portal, Caller::Guest, &asked)
    }))
}

/// Where this program lies tells which instance it belongs to, whatever the environment says: a guest sees only its own.
fn portal_of_self() -> Result<PathBuf> {
    let failed = || "this is no guest of flatimage: it has no portal".to_string();
    let application = application()
        .ok_or(())
        .map_err(|()| crate::failure::Failure(failed()))?;
    let instances = std::fs::read_dir(application.join("instance")).context(failed)?;
    let portal = instances
        .flatten()
        .map(|entry| entry.path().join("portal"))
        .find(|portal| portal.is_dir());
    portal.ok_or(()).map_err(|()| crate::failure::Failure(failed()))
}

/// A first look at the list, which costs nobody anything. The host looks at its own.
fn is_allowed(portal: &Path, program: &OsStr) -> bool {
    use std::io::Read;
    let mut text = Vec::new();
    let file = std::fs::File::open(portal.join("allowed"));
    if file
        .and_then(|file| file.take(LIST_LIMIT).read_to_end(&mut text))
        .is_err()
    {
        return false;
    }
    let list: Vec<String> = serde_json::from_slice(&text).unwrap_or_default();
    list.iter()
        .any(|entry| entry == "*" || entry.as_bytes() == program.as_bytes())
}

fn assignment(name: &OsStr, value: &OsStr) -> OsString {
    OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat())
}

/// The daemon that runs commands of the host in the guest.
pub struct Guest {
    room: OwnedFd,
    knocker: OwnedFd,
    decoder: Decoder,
    /// Processes that serve a call.
    servers: BTreeSet<i32>,
    sweeper: Sweeper,
    /// What the instance was started with.
    environment: Vec<(OsString, OsString)>,
    /// `/dev/null`, in the place of the caller's streams: a command may go on when the caller has gone.
    null: OwnedFd,
}

impl Guest {
    pub fn open(portal: &Path, environment: &[(OsString, OsString)], null: BorrowedFd<'_>) -> Option<Guest> {
        Some(Guest {
            room: open_room(portal, Caller::Host).ok()?,
            // For writing too: otherwise its end would be seen whenever no caller has it open.
            knocker: open_knocker(portal, Caller::Host, OFlags::RDWR | OFlags::NONBLOCK).ok()?,
            decoder: Decoder::new(Limits::heads(ATOMIC)),
            servers: BTreeSet::new(),
            sweeper: Sweeper::default(),
            environment: environment.to_vec(),
            null: null.try_clone_to_owned().ok()?,
        })
    }

    /// For `poll`: has an event when `listen` is to be called.
    pub fn watched(&self) -> Watched<'_> {
        sys::readable(&self.knocker)
    }

    /// A child of ours has ended.
    pub fn ended(&mut self, pid: i32) {
        self.servers.remove(&pid);
    }

    /// Starts a process for each command that was asked for.
    pub fn listen(&mut self) {
        // Little at a time: signals for the program wait meanwhile.
        let mut chunk = [0; ATOMIC];
        if let Ok(count) = rustix::io::read(&self.knocker, &mut chunk) {
            self.decoder.push(&chunk[..count]);
        }
        while let Some(message) = self.decoder.take_valid() {
            let Some(knock) = parse_knock(&message.head) else {
                continue;
            };
            let name = match &knock {
                Knock::Request(request) => &request.call,
                Knock::Reference(name) => name,
            };
            // One who is gone, or has put something else there, gets no answer.
            let Ok(call) = Call::open(self.room.as_fd(), name) else {
                continue;
            };
            if self.servers.len() >= CALLS {
                call.refuse(EXIT_CODE, BUSY);
                continue;
            }
            match sys::clone(0) {
                Ok(Forked::Parent(pid)) => drop(self.servers.insert(pid)),
                Ok(Forked::Child) => {
                    let _ = sys::replace_standard([self.null.as_fd(); 3]);
                    run(call, knock, &self.environment);
                    std::process::exit(0)
                }
                Err(error) => call.refuse(EXIT_CODE, &format!("E::the guest cannot start a process: {error}")),
            }
        }
        self.sweeper.sweep(self.room.as_fd());
    }
}

fn run(call: Call, knock: Knock, environment: &[(OsString, OsString)]) {
    let request = match knock {
        Knock::Request(request) => request,
        Knock::Reference(_) => match receive(&call) {
            Ok(request) => request,
            Err(error) => return call.refuse(EXIT_CODE, &format!("E::the request cannot be read: {error}")),
        },
    };
    serve(call, &plan_of(&request, environment), None);
}

/// The command gets what the instance was started with, and the caller's additions.
fn plan_of(request: &Request, own: &[(OsString, OsString)]) -> Plan {
    let mut environment = own.to_vec();
    for variable in request.environment.iter().map(|variable| bytes_of(variable)) {
        let bytes = variable.as_bytes();
        let Some(at) = bytes.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (name, value) = (OsStr::from_bytes(&bytes[..at]), OsStr::from_bytes(&bytes[at + 1..]));
        environment.retain(|(other, _)| other != name);
        environment.push((name.to_os_string(), value.to_os_string()));
    }
    let home = own.iter().find(|(name, _)| name == "HOME");
    let home = home.map(|(_, home)| home.clone()).unwrap_or_default();
    Plan {
        words: request.words.iter().map(|word| bytes_of(word)).collect(),
        environment,
        directories: vec![bytes_of(&request.directory), home, "/".into()],
        streams: request.streams,
        terminal: request.terminal,
        detached: request.detached,
        not_found: NOT_FOUND,
    }
}
