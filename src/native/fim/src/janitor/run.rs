//! The sandbox as a child process.

use super::protocol::{FILTER_LIMIT, Instruction, Run, to_bytes};
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::guest::{RUNS, STATE_DESCRIPTOR, STOPPED};
use crate::sys;
use serde::Deserialize;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Where the sandbox reports, in the child.
const STATUS_DESCRIPTOR: i32 = 3;
/// Where it reads the filter of the guest's system calls, in the child; closed before the guest begins.
const FILTER_DESCRIPTOR: i32 = 5;

/// Signals that bubblewrap's own processes must survive: those of a terminal are for the program, and those of a caller
/// are sent on to it by us. The guest's first process gives the program the default effect again.
const SHIELDED: [i32; 7] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

pub struct Program {
    pub child: i32,
    status: File,
    said: String,
    /// Says how the program is; closed at its end.
    state: Option<File>,
    is_ready: bool,
    /// Signals that came before.
    waiting: Vec<i32>,
    is_killed: bool,
    has_own_session: bool,
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
        let mut words = Vec::with_capacity(run.argv.len());
        for word in &run.argv {
            let Some(bytes) = to_bytes(word) else {
                fail!("a word of the command line is not made of bytes")
            };
            words.push(OsString::from_vec(bytes));
        }
        let Some((program, arguments)) = words.split_first() else {
            fail!("the command line is empty")
        };
        let (status, report) = sys::pipe().context(|| "cannot make a pipe".to_string())?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .stdin(Stdio::inherit())
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit());
        let (state, teller) = sys::pipe().context(|| "cannot make a pipe".to_string())?;
        let filter = filter_file(&run.filter)?;
        let places = [
            (report.as_raw_fd(), STATUS_DESCRIPTOR),
            (teller.as_raw_fd(), STATE_DESCRIPTOR),
            (filter.as_raw_fd(), FILTER_DESCRIPTOR),
        ];
        let users = match users {
            _ if !run.private_users => None,
            Some(users) => Some(users.as_raw_fd()),
            None => fail!("there is no user namespace for root"),
        };
        // Nothing of a terminal that the program does not use is left to it: not even `/dev/tty` opens.
        let has_own_session = !(0..3).any(sys::is_terminal);
        // SAFETY: between fork and exec only system calls are made, on plain numbers.
        unsafe {
            command.pre_exec(move || {
                sys::dispose_signals(&SHIELDED, libc::SIG_IGN);
                sys::dispose_signals(&[libc::SIGPIPE], libc::SIG_DFL);
                sys::mask_signals(libc::SIG_SETMASK, &[]);
                if has_own_session {
                    sys::start_session()?;
                }
                // Before its number may become another's.
                if let Some(users) = users {
                    sys::enter_namespace(BorrowedFd::borrow_raw(users), libc::CLONE_NEWUSER)?;
                }
                sys::place_descriptors(places)
            });
        }
        let child = command
            .spawn()
            .context(|| format!("cannot start '{}'", program.to_string_lossy()))?;
        let pid = i32::try_from(child.id()).map_err(|_| Failure("a process has an impossible number".to_string()))?;
        sys::do_not_block(&status).context(|| "cannot read the sandbox's report".to_string())?;
        sys::do_not_block(&state).context(|| "cannot hear of the program".to_string())?;
        let state = Some(File::from(state));
        Ok(Program {
            child: pid,
            status: File::from(status),
            said: String::new(),
            state,
            is_ready: false,
            waiting: Vec::new(),
            is_killed: false,
            has_own_session,
        })
    }

    /// For `poll`: readable when `hear` is to be called. Negative when there is nothing more to hear.
    pub fn state_descriptor(&self) -> i32 {
        self.state.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Takes in how the program is: once it runs, or never will, it gets what was sent before. The answer says whether it
    /// has stopped.
    pub fn hear(&mut self) -> bool {
        let mut states = [0; 16];
        let count = match self.state.as_mut().map(|state| state.read(&mut states)) {
            Some(Ok(0)) | None => {
                self.state = None;
                0
            }
            Some(Ok(count)) => count,
            Some(Err(_)) => return false,
        };
        let states = &states[..count];
        if self.state.is_none() || states.contains(&RUNS) {
            self.is_ready = true;
            for signal in std::mem::take(&mut self.waiting) {
                self.signal(signal);
            }
        }
        states.contains(&STOPPED)
    }

    /// Whether a terminal's signals reach the program by themselves.
    pub fn hears_terminal(&self) -> bool {
        self.is_ready && !self.has_own_session
    }

    /// Tells the guest's first process, which passes it on to the program, once that runs. SIGKILL ends the sandbox.
    pub fn signal(&mut self, signal: i32) {
        if signal != libc::SIGKILL && !self.is_ready {
            self.waiting.push(signal);
            return;
        }
        let first = self.reports().find_map(|report| report.child_pid);
        self.is_killed |= signal == libc::SIGKILL;
        // The end of a first process takes all others with it.
        let _ = match first {
            Some(first) => sys::kill(first, signal),
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

/// A file without a name that holds the filter as the kernel takes it, to be read from its start.
fn filter_file(filter: &[Instruction]) -> Result<File> {
    if filter.is_empty() || filter.len() > FILTER_LIMIT {
        fail!("a filter of {} instructions is none", filter.len())
    }
    let failed = || "cannot pass on the filter of system calls".to_string();
    let mut bytes = Vec::with_capacity(filter.len() * 8);
    for (code, jump_true, jump_false, operand) in filter {
        bytes.extend_from_slice(&code.to_ne_bytes());
        bytes.extend_from_slice(&[*jump_true, *jump_false]);
        bytes.extend_from_slice(&operand.to_ne_bytes());
    }
    let mut file = File::from(sys::memory_file(c"filter").context(failed)?);
    file.write_all(&bytes).context(failed)?;
    file.rewind().context(failed)?;
    Ok(file)
}
