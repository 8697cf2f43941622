//! The caller's side: sends a request, moves bytes, passes signals on, and ends as the command does.

use super::call::{Caller, Made, open_knocker};
use super::frame::{self, Decoder};
use super::message::{Control, Form, Reply, Request, RequestKind, Stream, parse_reply, reference, text_of, to_payload};
use super::pump::{End, Pump};
use super::terminal::Terminal;
use crate::failure::{Context, EXIT_CODE, Result};
use crate::{fail, sys};
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
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
/// Of those, the ones that ask for the end.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
/// Replies are short; a longer one is no reply.
const REPLY_LIMIT: usize = 1 << 16;

/// What to run on the other side.
pub struct Asked {
    pub words: Vec<OsString>,
    /// `NAME=value` each.
    pub environment: Vec<OsString>,
    pub detached: bool,
}

/// Runs it and gives the exit code. The error is a sentence for the user; then the exit code is 125.
pub fn call(portal: &Path, caller: Caller, asked: &Asked) -> Result<i32> {
    sys::mask_signals(libc::SIG_BLOCK, &HEARD);
    // A change of the terminal's modes in the background must not stop us.
    sys::dispose_signals(&[libc::SIGTTOU, libc::SIGPIPE], libc::SIG_IGN);
    let signals = sys::signal_descriptor(&HEARD).context(|| "cannot receive signals".to_string())?;
    let (streams, terminal) = Terminal::find(asked.detached);
    let made = Made::make(portal, caller, streams).context(|| match caller {
        Caller::Guest => "cannot reach the portal of this instance".to_string(),
        Caller::Host => "cannot reach the instance".to_string(),
    })?;
    let knocker = open_knocker(portal, caller, libc::O_WRONLY | libc::O_NONBLOCK).context(|| match caller {
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
    let Some(mut frame) = frame::encode(&to_payload(&request), frame::LIMIT) else {
        fail!(
            "the command and its environment are larger than {} MiB",
            frame::LIMIT >> 20
        )
    };
    let mut outbox = Vec::new();
    if frame.len() > frame::ATOMIC {
        outbox = std::mem::take(&mut frame);
        frame = frame::encode(&reference(&made.name), frame::LIMIT).unwrap_or_default();
    }
    if let Some(signal) = knock(&knocker, &frame, &signals)? {
        return Ok(128 + signal);
    }
    let mut client = Client {
        made,
        signals,
        terminal,
        knocker: Some(knocker),
        outbox,
        decoder: Decoder::new(REPLY_LIMIT),
        pumps: Vec::new(),
        outputs: 0,
        is_started: false,
        code: None,
    };
    client.attend(streams)
}

/// Writes into the FIFO of all callers in one piece. The answer is a signal that came while it was full.
fn knock(knocker: &OwnedFd, frame: &[u8], signals: &OwnedFd) -> Result<Option<i32>> {
    loop {
        match sys::write(knocker.as_fd(), frame) {
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => fail!("cannot write to the portal: {error}"),
        }
        let watched = [
            (knocker.as_raw_fd(), libc::POLLOUT),
            (signals.as_raw_fd(), libc::POLLIN),
        ];
        sys::poll(watched, -1).context(|| "cannot wait".to_string())?;
        while let Some(signal) = sys::next_signal(signals.as_fd()) {
            if ENDING.contains(&(signal.ssi_signo as i32)) {
                return Ok(Some(signal.ssi_signo as i32));
            }
        }
    }
}

struct Client {
    made: Made,
    signals: OwnedFd,
    terminal: Option<Terminal>,
    /// Until there is an answer: closed by its reader if the daemon ends.
    knocker: Option<OwnedFd>,
    outbox: Vec<u8>,
    decoder: Decoder,
    /// Those of outputs first.
    pumps: Vec<Pump>,
    outputs: usize,
    is_started: bool,
    code: Option<i32>,
}

impl Client {
    fn attend(&mut self, streams: [Stream; 3]) -> Result<i32> {
        loop {
            if let Some(code) = self.code
                && self.pumps[..self.outputs].iter_mut().all(Pump::drain)
            {
                return Ok(code);
            }
            let entry = |fd, events| libc::pollfd { fd, events, revents: 0 };
            let reply = if self.code.is_some() {
                -1
            } else {
                self.made.reply.as_raw_fd()
            };
            let control = if self.outbox.is_empty() {
                -1
            } else {
                self.made.control.as_raw_fd()
            };
            let mut entries = vec![
                entry(self.signals.as_raw_fd(), libc::POLLIN),
                entry(reply, libc::POLLIN),
                entry(control, libc::POLLOUT),
                entry(self.knocker.as_ref().map_or(-1, AsRawFd::as_raw_fd), 0),
            ];
            let moving = if self.code.is_some() {
                self.outputs
            } else {
                self.pumps.len()
            };
            entries.extend(self.pumps[..moving].iter().flat_map(Pump::entries));
            sys::poll_all(&mut entries, -1).context(|| "cannot wait".to_string())?;
            let (own, pumps) = entries.split_at(4);
            for (pump, entries) in self.pumps.iter_mut().zip(pumps.chunks(2)) {
                pump.advance(entries);
            }
            if own[0].revents != 0
                && let Some(code) = self.hear()
            {
                return Ok(code);
            }
            if own[1].revents != 0
                && let Some(code) = self.read_replies(streams)?
            {
                return Ok(code);
            }
            if own[2].revents != 0 {
                self.send();
            }
            if own[3].revents & libc::POLLERR != 0 && self.knocker.is_some() {
                fail!("the portal's daemon has ended")
            }
        }
    }

    /// Passes signals on. The answer is an exit code if there is nobody to pass them on to.
    fn hear(&mut self) -> Option<i32> {
        while let Some(signal) = sys::next_signal(self.signals.as_fd()) {
            let number = signal.ssi_signo as i32;
            let is_waited_for = self.is_started && self.code.is_none();
            if !is_waited_for && ENDING.contains(&number) {
                return Some(self.code.unwrap_or(128 + number));
            }
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
        if let Some(frame) = frame::encode(&to_payload(&Form::from(message)), frame::LIMIT) {
            self.outbox.extend(frame);
            self.send();
        }
    }

    fn send(&mut self) {
        match sys::write(self.made.control.as_fd(), &self.outbox) {
            Ok(count) => drop(self.outbox.drain(..count)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // The reply says why nobody reads it any more.
            Err(_) => self.outbox.clear(),
        }
    }

    fn read_replies(&mut self, streams: [Stream; 3]) -> Result<Option<i32>> {
        let mut chunk = [0; 4096];
        match sys::read(self.made.reply.as_fd(), &mut chunk) {
            Ok(0) => fail!("the portal's daemon has ended before the command"),
            Ok(count) => self.decoder.push(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => fail!("cannot read from the portal: {error}"),
        }
        while let Some(payload) = self.decoder.next() {
            match parse_reply(&payload) {
                Some(Reply::Started) if !self.is_started => self.begin(streams),
                Some(Reply::Refused { code, lines }) => {
                    lines.iter().for_each(|line| eprintln!("{line}"));
                    return Ok(Some(code));
                }
                Some(Reply::Stopped) => self.stop(),
                Some(Reply::Ended { code }) => self.code = Some(code),
                _ => fail!("the portal's daemon gave an answer that makes no sense"),
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
                self.pumps
                    .push(Pump::new(End::Own(from), End::Standard(index as i32 + 1)));
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

    /// The command was stopped, so we stop too, with all that the terminal would have stopped.
    fn stop(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.restore();
        }
        let _ = sys::kill(0, libc::SIGSTOP);
    }
}

/// Says what went wrong and gives the exit code of our own failures.
pub fn report(result: Result<i32>) -> i32 {
    result.unwrap_or_else(|failure| {
        eprintln!("E::{failure}");
        EXIT_CODE
    })
}
