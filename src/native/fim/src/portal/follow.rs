//! One call as its caller sees it, from the request to the end: moves bytes, passes signals on, stops when the command does.
//!
//! The other side may be a program of the guest that only plays the daemon. So what it says has to make sense, what waits
//! for it has bounds, and whoever asks for the end gets it, whatever the other side does or does not.

use super::call::Made;
use super::end::End;
use super::message::{Control, Reply, parse_reply};
use super::outbox::{ENDING, Outbox};
use super::pump::Pump;
use super::request::Stream;
use super::terminal::Terminal;
use crate::failure::{Context, Result};
use crate::{fail, sys};
use messages::{Decoder, Limits};
use nix::sys::signal::SigmaskHow;
use nix::sys::signalfd::SignalFd;
use rustix::event::PollFlags;
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};

/// Replies are short; a longer one is no reply.
const REPLY_LIMIT: usize = 1 << 16;

const NONSENSE: &str = "the portal's daemon gave an answer that makes no sense";

pub struct Client {
    made: Made,
    signals: SignalFd,
    terminal: Option<Terminal>,
    /// Until there is an answer: closed by its reader if the daemon ends.
    knocker: Option<OwnedFd>,
    outbox: Outbox,
    decoder: Decoder,
    /// Those of outputs first.
    pumps: Vec<Pump>,
    outputs: usize,
    is_started: bool,
    code: Option<i32>,
    /// Whether somebody has told us to stop, and not yet to go on.
    is_to_stop: bool,
}

impl Client {
    /// For a request that was knocked for; `outbox` is what of it goes through `control`.
    pub fn new(made: Made, signals: SignalFd, terminal: Option<Terminal>, knocker: OwnedFd, outbox: Outbox) -> Client {
        Client {
            made,
            signals,
            terminal,
            knocker: Some(knocker),
            outbox,
            decoder: Decoder::new(Limits::heads(REPLY_LIMIT)),
            pumps: Vec::new(),
            outputs: 0,
            is_started: false,
            code: None,
            is_to_stop: false,
        }
    }

    /// The exit code of the command.
    pub fn attend(&mut self, streams: [Stream; 3]) -> Result<i32> {
        loop {
            if let Some(code) = self.code
                && self.pumps[..self.outputs].iter_mut().all(Pump::drain)
            {
                return Ok(code);
            }
            let (has_ended, is_told) = (self.code.is_some(), self.outbox.is_empty());
            let mut watched = vec![
                sys::readable(&self.signals),
                sys::readable(&self.made.reply).filter(|_| !has_ended),
                sys::writable(&self.made.control).filter(|_| !is_told),
                self.knocker.as_ref().and_then(sys::closed),
            ];
            let moving = if self.code.is_some() {
                self.outputs
            } else {
                self.pumps.len()
            };
            watched.extend(self.pumps[..moving].iter().flat_map(Pump::watched));
            let events = sys::poll_all(&watched, self.outbox.patience()).context(|| "cannot wait".to_string())?;
            let (own, pumps) = events.split_at(4);
            for (pump, events) in self.pumps.iter_mut().zip(pumps.chunks(2)) {
                pump.advance(events);
            }
            if !own[0].is_empty()
                && let Some(code) = self.hear()
            {
                return Ok(code);
            }
            if !own[1].is_empty()
                && let Some(code) = self.read_replies(streams)?
            {
                return Ok(code);
            }
            if !own[2].is_empty() {
                self.outbox.send(self.made.control.as_fd());
            }
            if let Some(signal) = self.outbox.unheard(self.made.control.as_fd()) {
                console::complain!("E::nobody on the other side takes signals; what runs there may still run");
                return Ok(128 + signal);
            }
            if own[3].contains(PollFlags::ERR) && self.knocker.is_some() {
                fail!("the portal's daemon has ended")
            }
        }
    }

    /// Passes signals on. The answer is an exit code if there is nobody to pass them on to.
    fn hear(&mut self) -> Option<i32> {
        while let Some(signal) = sys::next_signal(&self.signals) {
            let number = signal.ssi_signo as i32;
            let is_waited_for = self.is_started && self.code.is_none();
            if !is_waited_for && ENDING.contains(&number) {
                return Some(self.code.unwrap_or(128 + number));
            }
            self.is_to_stop = number == libc::SIGTSTP || self.is_to_stop && number != libc::SIGCONT;
            match number {
                libc::SIGWINCH => self.resize(),
                libc::SIGCONT => self.resume(),
                _ => self.post(&Control::Signal { signal: number }),
            }
        }
        None
    }

    fn resize(&mut self) {
        if let Some(size) = self.terminal.as_ref().map(Terminal::size) {
            self.post(&Control::Resize {
                rows: size.rows,
                columns: size.columns,
            });
        }
    }

    fn resume(&mut self) {
        if self.is_started
            && self.code.is_none()
            && let Some(terminal) = &mut self.terminal
        {
            terminal.make_raw();
        }
        self.resize();
        self.listen_to_keys();
        self.post(&Control::Signal { signal: libc::SIGCONT });
    }

    fn post(&mut self, message: &Control) {
        self.outbox.post(self.made.control.as_fd(), message);
    }

    fn read_replies(&mut self, streams: [Stream; 3]) -> Result<Option<i32>> {
        let mut chunk = [0; 4096];
        match rustix::io::read(&self.made.reply, &mut chunk) {
            Ok(0) => fail!("the portal's daemon has ended before the command"),
            Ok(count) => self.decoder.push(&chunk[..count]),
            Err(Errno::AGAIN) => {}
            Err(error) => fail!("cannot read from the portal: {error}"),
        }
        while self.code.is_none() {
            let message = self.decoder.take_valid();
            if self.decoder.is_tainted() {
                fail!("{NONSENSE}")
            }
            let Some(message) = message else { break };
            match (parse_reply(&message.head), self.is_started) {
                (Some(Reply::Started), false) => self.begin(streams),
                (Some(Reply::Refused { code, lines }), false) => {
                    lines.iter().for_each(|line| console::complain!("{line}"));
                    return Ok(Some(code));
                }
                (Some(Reply::Stopped), true) => self.stop(),
                (Some(Reply::Ended { code }), true) => self.code = Some(code),
                _ => fail!("{NONSENSE}"),
            }
        }
        Ok(None)
    }

    /// The command runs: both ends of every FIFO are there.
    fn begin(&mut self, streams: [Stream; 3]) {
        self.is_started = true;
        self.knocker = None;
        for (index, from) in self.made.outputs.iter_mut().enumerate() {
            if let Some(from) = from.take() {
                self.pumps.push(Pump::new(End::Own(from), End::Standard(index + 1)));
            }
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.make_raw();
            if let (Some(from), Some(to)) = (self.made.screen.take(), terminal.writer()) {
                self.pumps.push(Pump::new(End::Own(from), End::Own(to)));
            }
        }
        self.outputs = self.pumps.len();
        if streams[0] == Stream::Pipe
            && let Some(to) = self.made.input.take()
        {
            self.pumps.push(Pump::new(End::Standard(0), End::Own(to)));
        }
        self.listen_to_keys();
        self.made.let_go();
    }

    /// What is typed belongs to the command once we are in the foreground.
    fn listen_to_keys(&mut self) {
        if self.is_started
            && let Some(terminal) = &self.terminal
            && terminal.is_foreground()
            && let Some(from) = terminal.reader()
            && let Some(to) = self.made.keys.take()
        {
            self.pumps.push(Pump::new(End::Own(from), End::Own(to)));
        }
    }

    /// The command was stopped, so we stop too, as ^Z would have stopped us: with all of our group, and only if somebody is
    /// there who could let us go on. Without a terminal there is no ^Z: only who has told us to stop is believed.
    fn stop(&mut self) {
        let stopped = match &mut self.terminal {
            Some(terminal) => {
                terminal.restore();
                0
            }
            None if self.is_to_stop => std::process::id() as i32,
            None => return,
        };
        let _ = sys::kill(stopped, libc::SIGTSTP);
        sys::mask_signals(SigmaskHow::SIG_UNBLOCK, &[libc::SIGTSTP]);
        sys::mask_signals(SigmaskHow::SIG_BLOCK, &[libc::SIGTSTP]);
        self.is_to_stop = false;
        if !sys::is_pending(&[libc::SIGCONT]) {
            self.resume();
        }
    }
}
