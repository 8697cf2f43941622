//! The sandbox as a child process.

use super::protocol::{Event, FILTER_LIMIT, Instruction, Run, to_bytes};
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::guest::{LINE_DESCRIPTOR, LINE_LIMIT, Pass, STREAMS, State, WORDS_DESCRIPTOR, Words};
use crate::packets;
use crate::sys::{self, Step, Watched};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::ioctl_fionbio;
use serde::Deserialize;
use std::ffi::{CStr, OsString};
use std::fs::File;
use std::io::{IsTerminal, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};

/// Where the sandbox reports, in the child.
const STATUS_DESCRIPTOR: i32 = 3;
/// Where it reads the filter of the guest's system calls, in the child; closed before the guest begins.
const FILTER_DESCRIPTOR: i32 = 5;
/// Where it reads its options; closed before the guest begins.
const OPTIONS_DESCRIPTOR: i32 = 6;

/// So many messages of the guest's first process are read before requests and signals get their turn.
const ROUND: usize = 32;

/// Signals after which a program stops unless it has made other arrangements.
const STOPPING: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

pub struct Program {
    pub child: i32,
    status: File,
    said: String,
    /// What it says to standard error: nothing, unless it cannot make the sandbox.
    complaint: File,
    /// To the guest's first process: in comes how the program is, out go signals. Closed at its end.
    line: Option<OwnedFd>,
    is_ready: bool,
    /// Whether the boot program is still to be told that the program runs.
    is_awaited: bool,
    is_killed: bool,
    has_own_session: bool,
    stop: Stop,
    /// Answers calls that set the foreground of the terminal, until the janitor is given it.
    listener: Option<OwnedFd>,
    /// The exit code of a program that has left others running, until the boot program is told.
    left: Option<i32>,
}

/// What is known of a program that stops, and what the boot program was told.
#[derive(Default)]
struct Stop {
    /// The boot program has passed on a signal that asks for it, and none since that ends it.
    is_asked: bool,
    /// The program has stopped by this signal, and the boot program was not told yet.
    news: Option<i32>,
    /// The boot program was told, and has not answered yet.
    is_told: bool,
}

/// A line of bubblewrap's report.
#[derive(Deserialize)]
struct Report {
    #[serde(rename = "child-pid")]
    child_pid: Option<i32>,
    #[serde(rename = "exit-code")]
    exit_code: Option<i32>,
}

impl Program {
    /// `users` is the namespace of `Run::private_users`.
    pub fn start(run: &Run, users: Option<&OwnedFd>) -> Result<Program> {
        let words = run.argv.iter().map(|word| Ok(OsString::from_vec(bytes_of(word)?)));
        let words = words.collect::<Result<Vec<_>>>()?;
        let Some((program, arguments)) = words.split_first() else {
            fail!("the command line is empty")
        };
        let (status, report) = sys::pipe().context(|| "cannot make a pipe".to_string())?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            // Its process outside stays as long as the guest, and must not keep the caller's directory in use.
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let failed = || "cannot pass on the caller's streams".to_string();
        let streams = sys::copy_standard().context(failed)?;
        let complaint = File::from(memfd_create(c"complaint", MemfdFlags::CLOEXEC).context(failed)?);
        command.stderr(complaint.try_clone().context(failed)?);
        let (line, theirs) = sys::socket_pair().context(|| "cannot make a socket".to_string())?;
        let filter = filter_file(&run.filter)?;
        let options = options_file(&run.options)?;
        let ignored = sys::Ignored::of_caller().text();
        let ignored = ignored.map_or(Vec::new(), |signals| vec!["--ignored".to_string(), signals]);
        let guest = guest_file(&[&ignored[..], &run.guest].concat())?;
        let places = [
            (report.as_fd(), STATUS_DESCRIPTOR),
            (theirs.as_fd(), LINE_DESCRIPTOR),
            (filter.as_fd(), FILTER_DESCRIPTOR),
            (options.as_fd(), OPTIONS_DESCRIPTOR),
            (guest.as_fd(), WORDS_DESCRIPTOR),
            (streams[0].as_fd(), STREAMS[0]),
            (streams[1].as_fd(), STREAMS[1]),
            (streams[2].as_fd(), STREAMS[2]),
        ];
        // Nothing of a terminal that the program does not use is left to it: not even `/dev/tty` opens.
        let has_own_session = !sys::standard().iter().any(BorrowedFd::is_terminal);
        // Bubblewrap's own processes must survive what is sent to the process group. The guest's first process takes this back for the
        // program.
        let mut steps = vec![Step::Default(&[libc::SIGPIPE]), Step::Block];
        if has_own_session {
            steps.push(Step::LeadSession);
        }
        match users {
            _ if !run.private_users => {}
            Some(users) => steps.push(Step::EnterUserNamespace(users.as_fd())),
            None => fail!("there is no user namespace for root"),
        }
        steps.push(Step::Place(&places));
        let child = sys::spawn(command, &steps).context(|| format!("cannot start '{}'", program.to_string_lossy()))?;
        let pid = i32::try_from(child.id()).map_err(|_| Failure("a process has an impossible number".to_string()))?;
        ioctl_fionbio(&status, true).context(|| "cannot read the sandbox's report".to_string())?;
        ioctl_fionbio(&line, true).context(|| "cannot read how the program is".to_string())?;
        Ok(Program {
            child: pid,
            status: File::from(status),
            said: String::new(),
            complaint,
            line: Some(line),
            is_ready: false,
            is_awaited: run.tells_start,
            is_killed: false,
            has_own_session,
            stop: Stop::default(),
            listener: None,
            left: None,
        })
    }

    /// For `poll`: has an event when `hear` is to be called.
    pub fn line(&self) -> Watched<'_> {
        self.line.as_ref().and_then(sys::readable)
    }

    /// Takes in how the program is.
    pub fn hear(&mut self) {
        for _ in 0..ROUND {
            let Some(line) = &self.line else { return };
            let (message, descriptor) = match packets::receive(line.as_fd(), LINE_LIMIT) {
                Ok(Some(received)) => received,
                Ok(None) => {
                    self.line = None;
                    return;
                }
                Err(_) => return,
            };
            match message.parse() {
                Ok(State::Runs {}) => self.is_ready = true,
                Ok(State::Listens {}) => self.listener = descriptor,
                Ok(State::Stopped { signal }) => self.stop.news = Some(signal),
                Ok(State::Continued {}) => self.stop.news = None,
                Ok(State::Ended { code }) => self.left = Some(i32::from(code)),
                Err(_) => {}
            }
        }
    }

    /// Whether the boot program is to be told now that the program runs. True once, and only if it has asked for that.
    pub fn take_start(&mut self) -> bool {
        self.is_ready && std::mem::take(&mut self.is_awaited)
    }

    /// The event by which the boot program is told now that the program has stopped. Only where there is a terminal, which a shell may
    /// want back, or where it had asked. Not again before it has answered: how often a program stops is up to the guest.
    pub fn take_stop(&mut self) -> Option<Event> {
        let asked = self.stop.is_asked;
        if self.stop.is_told || (self.has_own_session && !asked) {
            return None;
        }
        let signal = self.stop.news?;
        self.stop = Stop {
            is_told: true,
            ..Stop::default()
        };
        Some(Event::Stopped { asked, signal })
    }

    /// The boot program has answered.
    pub fn resumed(&mut self) {
        self.stop.is_told = false;
    }

    /// What the janitor needs to answer calls that set the foreground of the terminal. Given once.
    pub fn take_listener(&mut self) -> Option<OwnedFd> {
        self.listener.take()
    }

    /// The exit code of the program, once it has ended and left others running. Given once.
    pub fn take_end(&mut self) -> Option<i32> {
        self.left.take()
    }

    /// Passes on what the sandbox has said. After its end.
    pub fn complain(&mut self) {
        let mut said = Vec::new();
        if self.complaint.rewind().is_ok() && self.complaint.read_to_end(&mut said).is_ok() && !said.is_empty() {
            console::error(&String::from_utf8_lossy(&said));
        }
    }

    /// Whether signals to the process group of the caller reach the program by themselves.
    pub fn is_in_group(&self) -> bool {
        self.is_ready && !self.has_own_session
    }

    /// Tells the guest's first process, which passes it on to the program once that runs.
    pub fn signal(&mut self, signal: i32) {
        if STOPPING.contains(&signal) {
            self.stop.is_asked = true;
        } else if signal == libc::SIGCONT {
            self.stop.is_asked = false;
        }
        if let Some(line) = &self.line {
            // Where so many wait that there is no room, the same signal is among them.
            let _ = packets::send(line.as_fd(), &pass(signal, false), None);
        }
    }

    /// The process group of the caller was sent SIGCONT. Tells the guest's first process, which passes it on if the program has
    /// left that group, as shells do.
    pub fn continued(&mut self) {
        self.stop.is_asked = false;
        if let Some(line) = &self.line {
            let _ = packets::send(line.as_fd(), &pass(libc::SIGCONT, true), None);
        }
    }

    /// Ends the sandbox.
    pub fn kill(&mut self) {
        self.is_killed = true;
        // The end of a first process takes all others with it.
        let first = self.reports().find_map(|report| report.child_pid);
        let _ = match first {
            Some(first) => sys::kill(first, libc::SIGKILL),
            None => sys::kill(self.child, libc::SIGKILL),
        };
    }

    /// Whether the sandbox was made and its program ran, or would have if we had not ended it; asked after the child has
    /// ended.
    pub fn has_started(&mut self) -> bool {
        self.is_killed || self.reports().any(|report| report.exit_code.is_some())
    }

    fn reports(&mut self) -> impl Iterator<Item = Report> + '_ {
        // Without blocking: what is there is read, and the error that says so ends it.
        let mut bytes = Vec::new();
        let _ = self.status.read_to_end(&mut bytes);
        self.said.push_str(&String::from_utf8_lossy(&bytes));
        self.said.lines().filter_map(|line| serde_json::from_str(line).ok())
    }
}

fn pass(signal: i32, spares_group: bool) -> Pass {
    Pass { signal, spares_group }
}

fn bytes_of(word: &str) -> Result<Vec<u8>> {
    match to_bytes(word) {
        Some(bytes) if !bytes.contains(&0) => Ok(bytes),
        Some(_) => fail!("an option, a variable or an argument of the sandbox contains a zero byte"),
        None => fail!("an option, a variable or an argument of the sandbox is not made of bytes"),
    }
}

/// The sandbox's options as bubblewrap reads them, each followed by a zero byte.
fn options_file(options: &[String]) -> Result<File> {
    let mut bytes = Vec::with_capacity(options.iter().map(|word| word.len() + 1).sum());
    for word in options {
        bytes.extend_from_slice(&bytes_of(word)?);
        bytes.push(0);
    }
    file_of(c"options", &bytes)
}

/// What the guest's first process is to do, as a message.
fn guest_file(words: &[String]) -> Result<File> {
    for word in words {
        bytes_of(word)?;
    }
    let failed = || "cannot pass on what to run".to_string();
    file_of(c"guest", &messages::encode(&Words { words }, &[]).context(failed)?)
}

/// A file without a name, to be read from its start.
fn file_of(name: &CStr, bytes: &[u8]) -> Result<File> {
    let failed = || format!("cannot pass on the {} of the sandbox", name.to_string_lossy());
    let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC).context(failed)?);
    file.write_all(bytes).context(failed)?;
    file.rewind().context(failed)?;
    Ok(file)
}

/// The filter as the kernel takes it.
fn filter_file(filter: &[Instruction]) -> Result<File> {
    if filter.is_empty() || filter.len() > FILTER_LIMIT {
        fail!("a filter of {} instructions is none", filter.len())
    }
    let mut bytes = Vec::with_capacity(filter.len() * 8);
    for (code, jump_true, jump_false, operand) in filter {
        bytes.extend_from_slice(&code.to_ne_bytes());
        bytes.extend_from_slice(&[*jump_true, *jump_false]);
        bytes.extend_from_slice(&operand.to_ne_bytes());
    }
    file_of(c"filter", &bytes)
}
