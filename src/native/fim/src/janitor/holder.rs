//! The first process of an instance's namespaces. It mounts, starts the sandbox and reaps. When it ends, the kernel takes
//! down every mount and every process inside, whatever state they are in.
//!
//! Here are its requests and signals, one loop; what it mounts is in `mounts`.

use super::about::About;
use super::cache::TreePlaces;
use super::driver::DRIVER_LOG;
use super::layers::Layers;
use super::mounts::SERVES;
use super::outside::Outside;
use super::points;
use super::protocol::{self, Content, Done, Ended, Event, Open, Opened, Operation, PreparedRoot, Request, answer};
use super::requests::Requests;
use super::run::Program;
use super::session::Session;
use crate::fail;
use crate::failure::{Context, EXIT_CODE, Failure, Result};
use crate::sys::{self, End};
use nix::sys::signalfd::SignalFd;
use rustix::process::{WaitOptions, WaitStatus};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A signal to the process group reaches this process and the boot program at the same time; the boot program's question
/// about it arrives within this time.
const RECENT: Duration = Duration::from_millis(500);
/// What the terminal sends to end or to stop the program.
const KEYS: [i32; 3] = [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP];
/// How long the boot program may take for what it is told last.
const LAST_WORD: Duration = Duration::from_secs(5);
/// So many signals are dealt with before requests get their turn.
const ROUND: usize = 32;

pub struct Holder<'a> {
    pub open: &'a Open,
    pub session: &'a Session,
    pub layers: Layers,
    /// Whether this is a user namespace of our own, with the caller as its only user.
    pub own_users: bool,
    /// Where there are no namespaces, what takes their place.
    pub outside: Option<Outside>,
    /// A copy of the mount of layers that were still mounted, until it is mounted.
    pub lent: Option<OwnedFd>,
    /// Where the layers are mounted, if the driver is given our mount namespace at the end.
    pub own_layers: Option<OwnedFd>,
    /// What guests of root are put into; the error says why there is none.
    pub users: Result<OwnedFd>,
    /// Our pid as processes outside see it; our own `/proc` shows only the inside.
    pub outside_pid: i32,
    /// The processes that serve the overlay and what is above it, where it is not the kernel.
    pub servers: Vec<i32>,
    /// Where layers may be unpacked: judged outside of the namespaces, in which nothing is known of other users.
    pub tree_places: &'a TreePlaces,
    /// The trees of layers that are unpacked, and what keeps others from removing them.
    pub trees: Vec<PathBuf>,
    pub tree_locks: Vec<File>,
    pub replies: File,
    /// Something in it asks the janitor not to kill us while we end.
    pub last_word: File,
    /// A socket to the janitor. The number of a request tells it that the boot program is left, see `Operation::Leave`; a descriptor is
    /// for `sys::answer_foreground`.
    pub leaving: OwnedFd,
}

struct Running {
    id: u64,
    program: Program,
    /// Whether the boot program knows how it ended.
    is_reported: bool,
}

impl Holder<'_> {
    /// Prepares the namespaces and answers the request that asked for them.
    pub fn prepare(&mut self, id: u64) -> Result<()> {
        let opened = Opened {
            holder: self.outside_pid,
            shared: self.is_joined(),
            own_users: self.own_users,
            shared_users: self.users.as_ref().err().map(ToString::to_string),
            outside: self.outside.as_ref().map(|outside| protocol::Outside {
                bwrap: outside.bwrap.clone(),
                reason: outside.reason.clone(),
            }),
        };
        let result = self.isolate().map(|()| opened);
        let failed = result.is_err();
        answer(&mut self.replies, id, result)?;
        if failed {
            fail!("the namespaces could not be prepared")
        }
        Ok(())
    }

    /// Answers requests until the boot program closes its end.
    pub fn serve(mut self, mut requests: Requests) -> Result<()> {
        let signals = sys::every_signal().context(|| "cannot receive signals".to_string())?;
        let mut running: Option<Running> = None;
        // When the process group got a signal.
        let mut heard: BTreeMap<i32, Instant> = BTreeMap::new();
        // What was sent before there is a program to get it.
        let mut early: Vec<i32> = Vec::new();
        let mut has_left = false;
        loop {
            if has_left && running.is_none() {
                return self.serve_others(&signals);
            }
            if let Some(running) = running.as_mut()
                && let Some(stopped) = running.program.take_stop()
            {
                protocol::tell(&mut self.replies, running.id, stopped)?;
            }
            let patience = if requests.is_buffered() { 0 } else { -1 };
            let line = running.as_ref().and_then(|running| running.program.line());
            // Once the boot program is left its end means nothing.
            let asking = requests.watched().filter(|_| !has_left);
            let watched = [asking, sys::readable(&signals), line, self.layers.alarm()];
            let ([request_waits, _, is_told, is_alarmed], driver_ended) = self
                .layers
                .poll(watched, patience)
                .context(|| "cannot wait".to_string())?;
            // Without it every file of the guest fails, so the guest ends too.
            if driver_ended || is_alarmed {
                if let Some(running) = running {
                    self.end_with_driver(running)?;
                }
                fail!("the DwarFS driver has ended")
            }
            for _ in 0..ROUND {
                let Some(signal) = sys::next_signal(&signals) else {
                    break;
                };
                let number = signal.ssi_signo as i32;
                if number == libc::SIGCHLD {
                    continue;
                }
                if has_left {
                    // Without a namespace of our own the guest has one, and cannot reach us.
                    let is_outside = signal.ssi_pid == 0 || self.outside.is_some();
                    // The janitor's, for what lives on. What the guest sends counts for nothing.
                    if let Some(running) = running.as_mut().filter(|_| is_outside) {
                        running.program.signal(number);
                    }
                    continue;
                }
                let is_in_group = running.as_ref().is_some_and(|running| running.program.is_in_group());
                if signal.ssi_code == libc::SI_KERNEL && !is_in_group && KEYS.contains(&number) {
                    heard.insert(number, Instant::now());
                    // What the program is not there to get from the terminal itself, it gets from us.
                    match running.as_mut() {
                        Some(running) => running.program.signal(number),
                        None => early.push(number),
                    }
                } else if is_in_group && signal.ssi_code == libc::SI_KERNEL {
                    heard.insert(number, Instant::now());
                } else if is_in_group && signal.ssi_code == libc::SI_USER && signal.ssi_pid == 0 {
                    // Of a process outside, which has no number in here. What the guest sends to the group counts for nothing.
                    heard.insert(number, Instant::now());
                }
            }
            if is_told && let Some(running) = running.as_mut() {
                running.program.hear();
                if let Some(listener) = running.program.take_listener() {
                    // Only there the caller's process group has a number.
                    let _ = sys::send(self.leaving.as_fd(), &[], Some(listener.as_fd()));
                }
                if running.program.take_start() {
                    protocol::tell(&mut self.replies, running.id, Event::Started {})?;
                }
                if let Some(code) = running.program.take_end() {
                    running.is_reported = true;
                    let ended = self.ended(code, true, true);
                    answer(&mut self.replies, running.id, Ok(ended))?;
                }
            }
            while let Some((pid, status)) = sys::wait(-1, WaitOptions::NOHANG) {
                if self.servers.contains(&pid) {
                    fail!("the overlay's file system has ended")
                }
                if let Some(ended) = running.take_if(|running| running.program.child == pid) {
                    self.report(ended, status)?;
                }
            }
            if !request_waits && !requests.is_buffered() {
                continue;
            }
            let Some(Request { id, operation }) = requests.next()? else {
                if self.servers.is_empty() {
                    return Ok(());
                }
                if let Some(running) = running {
                    end_before_servers(running.program);
                }
                return self.serve_others(&signals);
            };
            match operation {
                Operation::Run(run) if running.is_none() => match Program::start(&run, self.users.as_ref().ok()) {
                    Ok(mut program) => {
                        // While the sandbox is made. Without it the list shows less.
                        let _ = About::now(&run.about).write(&self.open.instance);
                        early.drain(..).for_each(|signal| program.signal(signal));
                        running = Some(Running {
                            id,
                            program,
                            is_reported: false,
                        });
                    }
                    Err(failure) => answer::<Ended>(&mut self.replies, id, Err(failure))?,
                },
                Operation::Signal { signal, spare_group } => {
                    // Each that the group got spares one.
                    let is_spared = spare_group && heard.remove(&signal).is_some_and(|at| at.elapsed() < RECENT);
                    match running.as_mut() {
                        Some(running) if is_spared && signal == libc::SIGCONT => running.program.continued(),
                        _ if is_spared => {}
                        Some(running) => running.program.signal(signal),
                        None => early.push(signal),
                    }
                    answer(&mut self.replies, id, Ok(Done {}))?;
                }
                Operation::Leave {} => {
                    self.leave(id)?;
                    has_left = true;
                }
                Operation::KeepLayers {} if running.is_none() => {
                    if self.servers.is_empty() || self.session.retire_alone() {
                        return self.keep_layers();
                    }
                    return self.serve_others(&signals);
                }
                Operation::Resumed {} => {
                    if let Some(running) = running.as_mut() {
                        running.program.resumed();
                    }
                    answer(&mut self.replies, id, Ok(Done {}))?;
                }
                operation => self.perform(id, operation)?,
            }
        }
    }

    /// Ends a program whose files cannot be read any more, and says why if the driver did.
    fn end_with_driver(&mut self, mut running: Running) -> Result<()> {
        let Some(damage) = self.said_by_driver().filter(|_| !running.is_reported) else {
            return Ok(());
        };
        running.program.kill();
        // All at once, before the first of them gets an error: we are the first process of a namespace that has nothing else in it.
        if self.outside.is_none() && std::process::id() == 1 {
            let _ = sys::kill(-1, libc::SIGKILL);
        }
        // What waits for files ends when nobody serves them any more.
        self.layers.end();
        if let Ok(end) = End::of(running.program.child) {
            let _ = end.wait();
        }
        let ended = Ended {
            code: EXIT_CODE,
            started: true,
            stays: false,
            damage: Some(damage),
        };
        answer(&mut self.replies, running.id, Ok(ended))?;
        // The boot program closes its end.
        let _ = sys::poll([sys::closed(&self.replies)], LAST_WORD.as_millis() as i32);
        std::process::exit(EXIT_CODE)
    }

    /// What the driver complains of.
    fn said_by_driver(&self) -> Option<String> {
        let said = std::fs::read_to_string(self.open.instance.join(DRIVER_LOG)).unwrap_or_default();
        said.lines().next().map(str::to_string)
    }

    /// Other instances may use what our programs serve: they go on until the janitor, which knows, kills us with them. Returns at once
    /// where there are none.
    fn serve_others(mut self, signals: &SignalFd) -> Result<()> {
        if self.servers.is_empty() || self.outside.is_some() {
            return Ok(());
        }
        // Nothing of the caller's is kept, and the boot program need not wait.
        super::leave_caller()?;
        self.last_word
            .write_all(&[SERVES])
            .context(|| "the janitor has ended".to_string())?;
        drop(self.replies);
        // The janitor waits for its end, when it has what the program had left running.
        drop(self.leaving);
        loop {
            sys::poll([sys::readable(signals)], -1).context(|| "cannot wait".to_string())?;
            while sys::next_signal(signals).is_some() {}
            while let Some((pid, _)) = sys::wait(-1, WaitOptions::NOHANG) {
                if self.servers.contains(&pid) {
                    return Ok(());
                }
            }
        }
    }

    /// Says how a program has ended, if that is not known yet.
    fn report(&mut self, mut ended: Running, status: WaitStatus) -> Result<()> {
        if ended.is_reported {
            return Ok(());
        }
        ended.program.complain();
        // It may have ended before that was read.
        ended.program.hear();
        if ended.program.take_start() {
            protocol::tell(&mut self.replies, ended.id, Event::Started {})?;
        }
        let has_started = ended.program.has_started();
        let said = self.ended(sys::exit_code(status), has_started, false);
        answer(&mut self.replies, ended.id, Ok(said))
    }

    fn ended(&self, code: i32, started: bool, stays: bool) -> Ended {
        self.layers.remember();
        Ended {
            code,
            started,
            stays,
            damage: self.said_by_driver(),
        }
    }

    /// Lets go of everything of the caller's, and has the janitor do so and answer.
    fn leave(&mut self, id: u64) -> Result<()> {
        super::leave_caller()?;
        sys::send(self.leaving.as_fd(), &id.to_le_bytes(), None).context(|| "the janitor has ended".to_string())
    }

    fn perform(&mut self, id: u64, operation: Operation) -> Result<()> {
        let done = |result: Result<()>| result.map(|()| Done {});
        match operation {
            Operation::MountLayers {
                layers,
                cache_bytes,
                hot,
                reads,
            } => {
                let result = self.mount_layers(&layers, cache_bytes, hot, reads);
                answer(&mut self.replies, id, result)
            }
            Operation::MountOverlay {} => {
                let result = self.mount_overlay();
                answer(&mut self.replies, id, done(result))
            }
            Operation::ServeOverlay { argv, casefold } => {
                let result = self.serve_overlay(&argv, casefold);
                answer(&mut self.replies, id, done(result))
            }
            Operation::Linger(terms) => {
                let result = self.linger(terms);
                answer(&mut self.replies, id, done(result))
            }
            Operation::PreparePortal { allowed } => {
                let result = self.prepare_portal(allowed.as_deref());
                answer(&mut self.replies, id, done(result))
            }
            Operation::ReadRoot { path, limit } => {
                let result = self.read_root(&path, limit).map(|content| Content { content });
                answer(&mut self.replies, id, result)
            }
            Operation::PrepareRoot { own, covered, targets } => {
                let result = self.merged_root().and_then(|root| {
                    let prepared = points::prepare(&root.into(), &self.open.data, &own, &covered, &targets)?;
                    Ok(PreparedRoot {
                        replaced: prepared.replaced,
                        points: prepared.points,
                    })
                });
                answer(&mut self.replies, id, result)
            }
            Operation::Examine { .. }
            | Operation::Open(_)
            | Operation::Run(_)
            | Operation::Signal { .. }
            | Operation::Leave {}
            | Operation::KeepLayers {}
            | Operation::Resumed {} => answer::<Done>(
                &mut self.replies,
                id,
                Err(Failure("this cannot be asked now".to_string())),
            ),
        }
    }
}

/// Ends a guest while its files are still served: what it has changed in a mapping, and not written yet, is written when it
/// ends, and is lost if nobody takes it then.
fn end_before_servers(mut program: Program) {
    program.kill();
    if let Ok(end) = End::of(program.child) {
        let _ = end.wait();
    }
}
