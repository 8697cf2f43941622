//! One command on behalf of a caller on the other side of the wall. A process of its own for each: it leads a session,
//! gathers whatever the command leaves behind, and so can end all of it.

use super::ATOMIC;
use super::call::Call;
use super::command::{Plan, Started, start};
use super::message::{Control, Reply, parse_control};
use super::pump::Pump;
use crate::sys::{self, Disposition};
use messages::{Decoder, Limits};
use nix::sys::signal::SigmaskHow;
use nix::sys::signalfd::SignalFd;
use rustix::process::{WaitOptions, getpid, set_child_subreaper};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Between SIGHUP and SIGKILL for a command whose caller is gone.
const GRACE: Duration = Duration::from_secs(5);

struct Served {
    /// Until the caller is gone or knows how the command has ended.
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
    let _ = rustix::thread::set_name(c"fim-portal");
    let _ = rustix::process::setsid();
    if !plan.detached {
        let _ = set_child_subreaper(Some(getpid()));
    }
    sys::dispose_signals(&sys::GROUP_SIGNALS, Disposition::Ignore);
    sys::mask_signals(SigmaskHow::SIG_BLOCK, &[libc::SIGCHLD, libc::SIGTTOU]);
    let signals = match sys::signal_descriptor(&[libc::SIGCHLD]) {
        Ok(signals) => signals,
        Err(error) => return call.refuse(crate::failure::EXIT_CODE, &format!("cannot receive signals: {error}")),
    };
    let started = match start(&call, plan) {
        Ok(started) => started,
        Err((code, line)) => return call.refuse(code, &line),
    };
    // First the caller, who waits; what it does not need any more goes while the command begins.
    call.tell(&Reply::Started);
    call.unlink();
    if plan.detached {
        return call.tell(&Reply::Ended { code: 0 });
    }
    let Started { child, terminal, pumps } = started;
    let mut served = Served {
        call: Some(call),
        decoder: Decoder::new(Limits::heads(ATOMIC)),
        lifeline,
        child,
        code: None,
        terminal,
        pumps,
        deadline: None,
    };
    served.attend(&signals);
}

impl Served {
    fn attend(&mut self, signals: &SignalFd) {
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
            let mut watched = vec![
                sys::readable(signals),
                self.lifeline.as_ref().and_then(sys::closed),
                self.call.as_ref().and_then(|call| sys::readable(&call.control)),
            ];
            watched.extend(self.pumps.iter().flat_map(Pump::watched));
            let patience = self.deadline.map_or(-1, |at| {
                at.saturating_duration_since(Instant::now()).as_millis() as i32 + 1
            });
            let Ok(events) = sys::poll_all(&watched, patience) else {
                return;
            };
            while sys::next_signal(signals).is_some() {}
            let (own, pumps) = events.split_at(3);
            for (pump, events) in self.pumps.iter_mut().zip(pumps.chunks(2)) {
                pump.advance(events);
            }
            if !own[1].is_empty() {
                // Its caller is told by the end of the reply: nobody is left to say how the command ended.
                self.lifeline = None;
                self.call = None;
                self.pumps.clear();
                self.begin_end();
            }
            if !own[2].is_empty() {
                self.listen();
            }
            if self.deadline.is_some_and(|at| Instant::now() >= at) {
                return self.end();
            }
        }
    }

    fn reap(&mut self) {
        while let Some((pid, status)) = sys::wait(-1, WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            if pid != self.child {
                continue;
            }
            if status.stopped() {
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
        let mut chunk = [0; ATOMIC];
        match rustix::io::read(&call.control, &mut chunk) {
            Ok(0) => {
                self.call = None;
                self.pumps.clear();
                self.begin_end();
            }
            Ok(count) => self.decoder.push(&chunk[..count]),
            Err(_) => return,
        }
        while let Some(message) = self.decoder.take_valid() {
            match parse_control(&message.head) {
                Some(Control::Signal { signal }) if self.code.is_none() => {
                    let _ = sys::kill(-self.child, signal);
                }
                Some(Control::Resize { rows, columns }) => {
                    if let Some((master, _)) = &self.terminal {
                        sys::resize_terminal(master, rows, columns);
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
            if sys::wait(-1, WaitOptions::empty()).is_none() {
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
