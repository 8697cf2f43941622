//! One command on behalf of a caller on the other side of the wall. A process of its own for each: it leads a session,
//! gathers whatever the command leaves behind, and so can end all of it.

use super::call::{Call, KEYS, SCREEN, STREAMS};
use super::frame::{self, Decoder};
use super::message::{Control, Reply, Size, Stream, parse_control};
use super::pump::{End, Pump};
use crate::sys::{self, Spawn};
use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between SIGHUP and SIGKILL for a command whose caller is gone.
const GRACE: Duration = Duration::from_secs(5);
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

struct Served {
    call: Option<Call>,
    decoder: Decoder,
    /// Who is to live, if the command is to: closed when it has ended.
    lifeline: Option<OwnedFd>,
    child: i32,
    code: Option<i32>,
    terminal: Option<(OwnedFd, Option<OwnedFd>)>,
    pumps: Vec<Pump>,
    /// When to stop asking and kill.
    deadline: Option<Instant>,
}

/// Runs the command to its end, and waits for what it leaves behind if there is a lifeline. Only for a process that was
/// forked for it.
pub fn serve(call: Call, plan: &Plan, lifeline: Option<OwnedFd>) {
    sys::set_name(c"fim-portal");
    sys::lead_session();
    if !plan.detached {
        sys::adopt_orphans();
    }
    sys::dispose_signals(&sys::GROUP_SIGNALS, libc::SIG_IGN);
    sys::mask_signals(libc::SIG_BLOCK, &[libc::SIGCHLD, libc::SIGTTOU]);
    let signals = match sys::signal_descriptor(&[libc::SIGCHLD]) {
        Ok(signals) => signals,
        Err(error) => return call.refuse(crate::failure::EXIT_CODE, &format!("cannot receive signals: {error}")),
    };
    let mut served = match start(&call, plan) {
        Ok(served) => served,
        Err((code, line)) => return call.refuse(code, &line),
    };
    // First the caller, who waits; what it does not need any more goes while the command begins.
    call.tell(&Reply::Started);
    call.unlink();
    if plan.detached {
        return call.tell(&Reply::Ended { code: 0 });
    }
    served.lifeline = lifeline;
    served.call = Some(call);
    served.attend(&signals);
}

/// The streams of the command, and what moves bytes between them and the FIFOs where it has a terminal.
fn start(call: &Call, plan: &Plan) -> std::result::Result<Served, (i32, String)> {
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
            sys::control_terminal(slave.as_fd()).map_err(own)?;
            let keys = call.stream(KEYS, libc::O_RDONLY).map_err(own)?;
            let screen = call.stream(SCREEN, libc::O_WRONLY).map_err(own)?;
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
    Ok(Served {
        call: None,
        decoder: Decoder::new(frame::ATOMIC),
        lifeline: None,
        child,
        code: None,
        terminal,
        pumps,
        deadline: None,
    })
}

fn not_found(name: &str, plan: &Plan) -> (i32, String) {
    let what = if name.contains('/') {
        "No such file or directory"
    } else {
        "command not found"
    };
    let (code, remark) = plan.not_found;
    (code, format!("{name}: {what}{remark}"))
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
            let fifo = call.stream(STREAMS[index], if index == 0 { libc::O_RDONLY } else { libc::O_WRONLY })?;
            sys::block(fifo.as_fd())?;
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

impl Served {
    fn attend(&mut self, signals: &OwnedFd) {
        loop {
            self.reap();
            if let Some(code) = self.code
                && self.call.is_some()
                && self.pumps.first_mut().is_none_or(Pump::drain)
            {
                self.tell(&Reply::Ended { code });
                // Whoever still holds the terminal is told that it is gone.
                self.call = None;
                self.pumps.clear();
                self.terminal = None;
            }
            if self.code.is_some() && self.call.is_none() && (self.lifeline.is_none() || !sys::has_children()) {
                return;
            }
            let mut entries = vec![
                entry(signals.as_fd(), libc::POLLIN),
                self.lifeline.as_ref().map_or(nothing(), |line| entry(line.as_fd(), 0)),
                self.call
                    .as_ref()
                    .map_or(nothing(), |call| entry(call.control.as_fd(), libc::POLLIN)),
            ];
            entries.extend(self.pumps.iter().flat_map(Pump::entries));
            let patience = self.deadline.map_or(-1, |at| {
                at.saturating_duration_since(Instant::now()).as_millis() as i32 + 1
            });
            if sys::poll_all(&mut entries, patience).is_err() {
                return;
            }
            while sys::next_signal(signals.as_fd()).is_some() {}
            let (own, pumps) = entries.split_at(3);
            for (pump, entries) in self.pumps.iter_mut().zip(pumps.chunks(2)) {
                pump.advance(entries);
            }
            if own[1].revents != 0 {
                // Its caller is told by the end of the reply: nobody is left to say how the command ended.
                self.lifeline = None;
                self.call = None;
                self.pumps.clear();
                self.begin_end();
            }
            if own[2].revents != 0 {
                self.listen();
            }
            if self.deadline.is_some_and(|at| Instant::now() >= at) {
                return self.end();
            }
        }
    }

    fn reap(&mut self) {
        while let Some((pid, status)) = sys::wait(-1, libc::WNOHANG | libc::WUNTRACED) {
            if pid != self.child {
                continue;
            }
            if libc::WIFSTOPPED(status) {
                self.tell(&Reply::Stopped);
            } else {
                self.code = Some(sys::exit_code(status));
                if let Some((_, slave)) = &mut self.terminal {
                    *slave = None;
                }
            }
        }
    }

    fn listen(&mut self) {
        let Some(call) = &self.call else { return };
        let mut chunk = [0; frame::ATOMIC];
        match sys::read(call.control.as_fd(), &mut chunk) {
            Ok(0) => {
                self.call = None;
                self.pumps.clear();
                self.begin_end();
            }
            Ok(count) => self.decoder.push(&chunk[..count]),
            Err(_) => return,
        }
        while let Some(payload) = self.decoder.next() {
            match parse_control(&payload) {
                Some(Control::Signal { signal }) if self.code.is_none() => {
                    let _ = sys::kill(-self.child, signal);
                }
                Some(Control::Resize { rows, columns }) => {
                    if let Some((master, _)) = &self.terminal {
                        sys::resize_terminal(master.as_raw_fd(), rows, columns);
                    }
                }
                _ => {}
            }
        }
    }

    /// Nobody waits for the command any more.
    fn begin_end(&mut self) {
        if self.deadline.is_some() {
            return;
        }
        self.deadline = Some(Instant::now() + GRACE);
        if self.code.is_none() {
            let _ = sys::kill(-self.child, libc::SIGHUP);
            let _ = sys::kill(-self.child, libc::SIGCONT);
        }
        // The command was told with its group: a second time it might take for another end.
        for child in children().into_iter().filter(|child| *child != self.child) {
            let _ = sys::kill(child, libc::SIGHUP);
        }
    }

    /// Kills the command and whatever it has left behind, in whichever group or session. What loses its parent becomes our
    /// child.
    fn end(&self) {
        if self.code.is_none() {
            let _ = sys::kill(-self.child, libc::SIGKILL);
        }
        loop {
            for child in children() {
                let _ = sys::kill(child, libc::SIGKILL);
            }
            if sys::wait(-1, 0).is_none() {
                return;
            }
        }
    }

    fn tell(&self, reply: &Reply) {
        if let Some(call) = &self.call {
            call.tell(reply);
        }
    }
}

fn children() -> Vec<i32> {
    let text = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    text.split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn entry(descriptor: BorrowedFd<'_>, events: i16) -> libc::pollfd {
    libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events,
        revents: 0,
    }
}

fn nothing() -> libc::pollfd {
    libc::pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    }
}
