//! The first process of a guest: starts the program, passes signals on to it, reaps, and ends when all have ended.
//!
//! `fim guest` has no arguments: other users of the host can read the command line of a process. It reads a message
//! from a descriptor, with these words:
//!
//! `[--ignored SIGNALS] [--capabilities held|none] [--user UID:GID[:GROUP]…] [--portal DIR] [--directory DIR]… [--variable NAME=VALUE]… -- PROGRAM [ARGUMENT]…`
//!
//! Where it is told of capabilities it starts with CAP_SETPCAP, and limits what its programs can ever get to what it holds,
//! or to nothing.
//!
//! It is process 1 of the sandbox, and the only process there that the host trusts: it is not dumpable, so no other can open
//! its descriptors or read its memory. Signals for the program come through a socket and not as signals of its own: a
//! signal that a guest has sent, and that is still pending, would swallow the host's. It does a bounded amount of work
//! before it looks at the socket again, whatever the guest floods it with.

use crate::failure::EXIT_CODE;
use crate::portal::Guest;
use crate::sys::{self, Disposition, Ignored, Step, User};
use crate::{names, packets};
use messages::{Limits, Reader};
use nix::sys::signal::SigmaskHow;
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, getpgid};
use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::process::{DumpableBehavior, Gid, Uid, WaitOptions};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// A socket that the janitor has set up, see `janitor/run.rs`: out go `State`s, in come `Pass`es.
pub const LINE_DESCRIPTOR: i32 = 4;
/// The longest message there.
pub const LINE_LIMIT: usize = 64;
/// Where it reads what to run.
pub const WORDS_DESCRIPTOR: i32 = 7;
/// They come in a request to the janitor, which has this limit.
const WORDS_LIMIT: usize = 64 << 20;

/// What has become of the program.
#[derive(Deserialize, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    Runs {},
    /// With it comes the descriptor to answer calls that set the foreground of the terminal, see `sys/foreground.rs`.
    Listens {},
    /// As by ^Z, by this signal.
    Stopped {
        signal: i32,
    },
    Continued {},
    /// It has left others running.
    Ended {
        code: u8,
    },
}

/// The message `State::Listens`, as a process between fork and exec sends it.
pub const LISTENS: &[u8] = b"{\"state\":\"listens\"}\n";

/// A signal for the program.
#[derive(Deserialize, Serialize)]
pub struct Pass {
    pub signal: i32,
    /// The process group of the caller has got it: a program in that group is not sent it again.
    #[serde(default)]
    pub spares_group: bool,
}

/// What is read from `WORDS_DESCRIPTOR`. Each character of a word is a byte.
#[derive(Serialize)]
pub struct Words<'a> {
    pub words: &'a [String],
}

#[derive(Deserialize)]
struct Given {
    #[serde(deserialize_with = "names::words::deserialize")]
    words: Vec<OsString>,
}

/// Where it finds what is to be standard input, output and error: the sandbox's own process stays outside as long as the guest
/// runs, and must not keep the caller's streams open.
pub const STREAMS: [i32; 3] = [8, 9, 10];

const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;
const USAGE: &str = "fim guest: started without a list of what to run; only the janitor can start it";

/// Signals that are read: SIGCHLD, and what a terminal may send before the program is there. The kernel drops all others,
/// because process 1 has no handler for them.
const HEARD: [i32; 5] = [libc::SIGCHLD, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP];
/// This process must not stop with the program: it has to see it go on.
const SHIELDED: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
/// So many signals, children or messages are dealt with before the others get their turn.
const ROUND: usize = 32;
/// What a program leaves running has this time to end by itself: as the parts of a pipeline do, and what it has told to end.
const GRACE: Duration = Duration::from_millis(20);
/// A program that is still there so long after SIGHUP or SIGINT has taken it for something else than a request to end.
const TIME_TO_END: Duration = Duration::from_secs(10);

/// What to run, and how.
#[derive(Default)]
struct Task {
    /// Signals that the caller has had ignored.
    ignored: Ignored,
    keeps_capabilities: Option<bool>,
    /// Whom the program becomes. This process stays root.
    user: Option<User>,
    portal: Option<PathBuf>,
    directories: Vec<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    program: OsString,
    arguments: Vec<OsString>,
}

pub fn command(arguments: &[OsString]) -> i32 {
    if adopt_streams().is_err() {
        console::complain!("{USAGE}");
        return EXIT_CODE;
    }
    // Other processes of the same user can neither read this one's memory nor open its descriptors through `/proc`, until it executes
    // another program. Copies of it, made by `clone`, are the same.
    if let Err(error) = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        console::complain!("E::the first process of the guest cannot be hidden from the others: {error}");
        return EXIT_CODE;
    }
    let task = match read_words().and_then(parse) {
        Some(task) if arguments.is_empty() => task,
        _ => {
            console::complain!("{USAGE}");
            return EXIT_CODE;
        }
    };
    if let Err(error) = task.keeps_capabilities.map_or(Ok(()), limit) {
        console::complain!("E::cannot limit the capabilities of the guest: {error}");
        return EXIT_CODE;
    }
    let found = task
        .directories
        .iter()
        .any(|directory| std::env::set_current_dir(directory).is_ok());
    // The root is among them, unless the caller has chosen one.
    if let (false, Some(chosen)) = (found, task.directories.first()) {
        console::complain!("E::the guest has no directory '{}' that it may enter", chosen.display());
        return EXIT_CODE;
    }
    sys::close_all_on_exec(3);
    let line = match connect() {
        Ok(line) => line,
        Err(error) => {
            console::complain!("E::the guest has no connection to the janitor: {error}");
            return EXIT_CODE;
        }
    };
    sys::mask_signals(SigmaskHow::SIG_SETMASK, &HEARD);
    sys::dispose_signals(&SHIELDED, Disposition::Ignore);
    let Ok(signals) = sys::signal_descriptor(&HEARD) else {
        console::complain!("E::the guest cannot receive signals");
        return EXIT_CODE;
    };
    // Before the program, which could put something else in the place of these.
    let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") else {
        console::complain!("E::the guest has no /dev/null");
        return EXIT_CODE;
    };
    let portal = task
        .portal
        .as_deref()
        .and_then(|portal| Guest::open(portal, &task.environment, null.as_fd()));
    let program = match start(&task, line.as_fd()) {
        Ok(program) => program,
        Err(code) => return code,
    };
    // What a terminal sent before the program was there has reached only us.
    for _ in 0..ROUND {
        let Some(signal) = sys::next_signal(&signals) else {
            break;
        };
        if signal.ssi_code == libc::SI_KERNEL && signal.ssi_signo as i32 != libc::SIGCHLD {
            let _ = sys::kill(program, signal.ssi_signo as i32);
        }
    }
    let mut first = First {
        program,
        line: Some(line),
        signals,
        portal,
        code: None,
        end: None,
        null,
        remains: Remains::Unknown,
    };
    first.tell(&State::Runs {});
    first.attend()
}

/// Puts the caller's streams in their places, which the janitor has given us under other numbers.
fn adopt_streams() -> std::io::Result<()> {
    let [input, output, error] = STREAMS.map(sys::inherited);
    sys::replace_standard([input?.as_fd(), output?.as_fd(), error?.as_fd()])
}

/// The socket that the janitor has given us.
fn connect() -> std::io::Result<OwnedFd> {
    let line = sys::inherited(LINE_DESCRIPTOR)?;
    // Also on kernels on which `close_all_on_exec` does nothing.
    fcntl_setfd(&line, FdFlags::CLOEXEC)?;
    ioctl_fionbio(&line, true)?;
    Ok(line)
}

/// What the janitor has written for us; `None` if there is nothing.
fn read_words() -> Option<Vec<OsString>> {
    let file = File::from(sys::inherited(WORDS_DESCRIPTOR).ok()?);
    let message = Reader::new(file, Limits::heads(WORDS_LIMIT)).read().ok()??;
    message.parse().ok().map(|Given { words }| words)
}

/// `None` for what the janitor would not write.
fn parse(words: Vec<OsString>) -> Option<Task> {
    let mut words = words.into_iter();
    let mut task = Task::default();
    loop {
        match words.next()?.to_str()? {
            "--" => break,
            "--ignored" => task.ignored = Ignored::parse(words.next()?.to_str()?),
            "--capabilities" => task.keeps_capabilities = Some(words.next()? == "held"),
            "--user" => task.user = Some(user(words.next()?.to_str()?)?),
            "--portal" => task.portal = Some(words.next()?.into()),
            "--directory" => task.directories.push(words.next()?.into()),
            "--variable" => {
                let text = words.next()?.into_vec();
                let at = text.iter().position(|byte| *byte == b'=')?;
                let (name, value) = (text[..at].to_vec(), text[at + 1..].to_vec());
                task.environment
                    .push((OsString::from_vec(name), OsString::from_vec(value)));
            }
            _ => return None,
        }
    }
    task.program = words.next()?;
    task.arguments = words.collect();
    Some(task)
}

/// `UID:GID`, and supplementary groups behind it.
fn user(text: &str) -> Option<User> {
    let numbers: Option<Vec<u32>> = text.split(':').map(|number| number.parse().ok()).collect();
    let [uid, gid, groups @ ..] = &numbers?[..] else {
        return None;
    };
    // The last number stands for no change.
    if [uid, gid].into_iter().chain(groups).any(|number| *number == u32::MAX) {
        return None;
    }
    Some(User {
        uid: Uid::from_raw(*uid),
        gid: Gid::from_raw(*gid),
        groups: groups.iter().map(|group| Gid::from_raw(*group)).collect(),
    })
}

/// What root has made for the user is the user's: its directory for sockets, and no other.
fn give_runtime_directory(user: &User) {
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    // Where it is missing, a program finds out by itself.
    let _ = std::os::unix::fs::lchown(format!("/run/user/{uid}"), Some(uid), Some(gid));
}

/// Whatever the guest starts gets nothing that this process does not hold, and this process holds nothing any more unless
/// it keeps what it has.
fn limit(keeps_held: bool) -> std::io::Result<()> {
    sys::bound_capabilities(keeps_held)?;
    if keeps_held { Ok(()) } else { sys::drop_capabilities() }
}

fn start(task: &Task, line: BorrowedFd<'_>) -> Result<i32, i32> {
    let mut command = Command::new(&task.program);
    command
        .args(&task.arguments)
        .env_clear()
        .envs(task.environment.iter().map(|(name, value)| (name, value)));
    if let Ok(directory) = std::env::current_dir() {
        command.env("PWD", directory);
    }
    // In a terminal the program belongs to the process group of the caller, as ^C is for both. Everywhere else it has one of
    // its own: a signal to its group must not reach processes outside.
    let has_terminal = sys::standard().iter().any(BorrowedFd::is_terminal);
    // Bubblewrap was started with some of them ignored.
    let mut steps = vec![
        Step::Default(&sys::GROUP_SIGNALS),
        Step::Ignore(task.ignored),
        Step::Unblock,
    ];
    if !has_terminal {
        steps.push(Step::LeadGroup);
    } else if sys::can_listen() {
        steps.push(Step::Announce(line, LISTENS));
    }
    if let Some(user) = &task.user {
        give_runtime_directory(user);
        steps.push(Step::Become(user));
    }
    match sys::spawn(command, &steps) {
        Ok(child) => Ok(child.id() as i32),
        Err(error) => Err(refusal(&task.program, &error)),
    }
}

/// Says why a program cannot be started, as a shell does. Out: the exit code.
fn refusal(program: &OsStr, error: &std::io::Error) -> i32 {
    let name = program.to_string_lossy();
    match error.kind() {
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
    }
}

struct First {
    program: i32,
    /// Until the janitor has closed its end.
    line: Option<OwnedFd>,
    signals: SignalFd,
    portal: Option<Guest>,
    /// How the program has ended.
    code: Option<i32>,
    /// Somebody outside has asked for the end; with a time, until when that counts.
    end: Option<Option<Instant>>,
    /// `/dev/null`, for when the caller is left.
    null: File,
    /// Once the program has ended: what became of the processes that it has left running.
    remains: Remains,
}

/// What is known of the processes that a program has left running.
enum Remains {
    /// The program has not ended, or not long ago.
    Unknown,
    /// From this time on they live on by themselves.
    From(Instant),
    /// The janitor knows of them.
    Told,
}

impl First {
    /// Passes signals on and reaps until no process is left, or, once somebody outside has asked for the end, until the
    /// program has ended. The answer is how the program itself ended. The janitor hears of it before, where others live on.
    fn attend(&mut self) -> i32 {
        loop {
            let has_more = self.reap();
            if let Some(code) = self.code
                && (self.is_ending() || !sys::has_children())
            {
                return code;
            }
            let now = Instant::now();
            let patience = match (self.code, &self.remains) {
                (None, _) | (_, Remains::Told) => None,
                (Some(_), Remains::Unknown) => {
                    self.remains = Remains::From(now + GRACE);
                    Some(GRACE)
                }
                (Some(code), Remains::From(time)) if *time <= now => {
                    self.leave_caller(code);
                    None
                }
                (Some(_), Remains::From(time)) => Some(*time - now),
            };
            // Rounded up: less than a millisecond must not become none.
            let patience = patience.map_or(-1, |patience| patience.as_millis() as i32 + 1);
            let watched = [
                self.line.as_ref().and_then(sys::readable),
                sys::readable(&self.signals),
                self.portal.as_ref().and_then(Guest::watched),
            ];
            let Ok([is_told, is_signalled, is_asked]) = sys::poll(watched, if has_more { 0 } else { patience }) else {
                return self.code.unwrap_or(EXIT_CODE);
            };
            if is_told {
                self.pass_on();
            }
            if is_signalled {
                // They say that there is something to reap, or come from inside, and are not for the program.
                for _ in 0..ROUND {
                    if sys::next_signal(&self.signals).is_none() {
                        break;
                    }
                }
            }
            if is_asked && let Some(portal) = &mut self.portal {
                portal.listen();
            }
        }
    }

    /// The program has ended, and others live on: the caller gets the exit code and his streams back.
    fn leave_caller(&mut self, code: i32) {
        self.remains = Remains::Told;
        let _ = sys::replace_standard([self.null.as_fd(); 3]);
        self.tell(&State::Ended {
            code: u8::try_from(code).unwrap_or(u8::MAX),
        });
    }

    fn is_ending(&self) -> bool {
        self.end
            .is_some_and(|until| until.is_none_or(|until| Instant::now() < until))
    }

    /// Takes in how the program and the others are. True if there may be more.
    fn reap(&mut self) -> bool {
        for _ in 0..ROUND {
            let changes = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
            match sys::wait(self.program, changes) {
                Some((_, status)) if status.stopped() => self.tell(&State::Stopped {
                    signal: status.stopping_signal().unwrap_or_default(),
                }),
                Some((_, status)) if status.continued() => self.tell(&State::Continued {}),
                Some((_, status)) => self.code = Some(sys::exit_code(status)),
                None => break,
            }
        }
        for _ in 0..ROUND {
            let Some((pid, status)) = sys::wait(-1, WaitOptions::NOHANG) else {
                return false;
            };
            if pid == self.program {
                self.code = Some(sys::exit_code(status));
            }
            if let Some(portal) = &mut self.portal {
                portal.ended(pid);
            }
        }
        true
    }

    /// Passes on what the janitor was told.
    fn pass_on(&mut self) {
        for _ in 0..ROUND {
            let Some(line) = &self.line else { return };
            let message = match packets::receive(line.as_fd(), LINE_LIMIT) {
                Ok(Some((message, _))) => message,
                Ok(None) => {
                    self.line = None;
                    return;
                }
                Err(_) => return,
            };
            let Ok(Pass { signal, spares_group }) = message.parse() else {
                return;
            };
            if self.code.is_some() && !matches!(self.remains, Remains::Unknown | Remains::From(_)) {
                // Each of those that live on. The others in the guest are none of ours to tell apart.
                let _ = sys::kill(-1, signal);
                continue;
            }
            if spares_group && self.is_in_our_group() {
                continue;
            }
            match signal {
                libc::SIGTERM | libc::SIGQUIT => self.end = Some(None),
                libc::SIGHUP | libc::SIGINT => {
                    self.end.get_or_insert(Some(Instant::now() + TIME_TO_END));
                    if let Some(Some(until)) = &mut self.end {
                        *until = Instant::now() + TIME_TO_END;
                    }
                }
                _ => {}
            }
            if self.code.is_none() {
                let _ = sys::kill(self.program, signal);
            }
        }
    }

    /// Whether the program is in the process group of the caller, and has got by itself what that was sent.
    fn is_in_our_group(&self) -> bool {
        // By nix, because groups of other process namespaces have the number 0.
        let group = |pid: Option<Pid>| getpgid(pid).ok();
        group(Some(Pid::from_raw(self.program))) == group(None)
    }

    fn tell(&self, state: &State) {
        if let Some(line) = &self.line {
            // Whoever does not listen does not need to know.
            let _ = packets::send(line.as_fd(), state, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&[u8]]) -> Option<Task> {
        parse(words.iter().map(|word| OsString::from_vec(word.to_vec())).collect())
    }

    #[test]
    fn a_task_is_taken_as_it_was_written() {
        let words: [&[u8]; 14] = [
            b"--capabilities",
            b"none",
            b"--portal",
            b"/p",
            b"--directory",
            b"",
            b"--variable",
            b"A==b\xff",
            b"--variable",
            b"E=",
            b"--",
            b"--",
            b"",
            b"--directory",
        ];
        let task = parsed(&words).unwrap();
        assert_eq!(task.keeps_capabilities, Some(false));
        assert_eq!(task.portal, Some(PathBuf::from("/p")));
        assert_eq!(task.directories, [PathBuf::new()]);
        let value = OsString::from_vec(b"=b\xff".to_vec());
        assert_eq!(task.environment, [("A".into(), value), ("E".into(), OsString::new())]);
        assert_eq!(task.program, "--");
        assert_eq!(task.arguments, [OsString::new(), "--directory".into()]);
    }

    #[test]
    fn a_user_has_a_group_and_may_have_more() {
        let task = parsed(&[b"--user", b"7:8:9:10", b"--", b"x"]).unwrap();
        let numbers = |user: &User| -> Vec<u32> { user.groups.iter().map(|group| group.as_raw()).collect() };
        assert_eq!(task.user.as_ref().map(numbers), Some(vec![9, 10]));
        for text in [&b"7"[..], b"7:", b"7:x", b"-1:0", b"4294967295:1", b"1:1:4294967295"] {
            assert!(parsed(&[b"--user", text, b"--", b"x"]).is_none(), "{text:?}");
        }
    }

    #[test]
    fn what_the_janitor_would_not_write_is_no_task() {
        let cut: [&[&[u8]]; 6] = [
            &[],
            &[b"--"],
            &[b"--portal"],
            &[b"--variable", b"A", b"--", b"x"],
            &[b"x"],
            &[b"\xff", b"--", b"x"],
        ];
        for words in cut {
            assert!(parsed(words).is_none(), "{words:?}");
        }
    }
}
