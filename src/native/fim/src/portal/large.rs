//! Requests that are too large for the FIFO of all: they come through `control` of their own calls.

use super::LIMIT;
use super::call::Call;
use super::request::{Request, parse_request};
use crate::sys::{self, Watched};
use messages::{Decoder, Limits};
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

/// So many are held at a time. The others wait for their turn.
const HELD: usize = 8;
/// How long a caller may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// A call whose request is being read.
struct Reading {
    call: Call,
    decoder: Decoder,
    deadline: Instant,
}

/// Reads those of many callers at once.
#[derive(Default)]
pub struct Large {
    reading: Vec<Reading>,
    waiting: VecDeque<Call>,
}

impl Large {
    pub fn push(&mut self, call: Call) {
        self.waiting.push_back(call);
    }

    pub fn len(&self) -> usize {
        self.reading.len() + self.waiting.len()
    }

    pub fn holds(&self, name: &str) -> bool {
        let reading = self.reading.iter().map(|reading| &reading.call);
        reading.chain(&self.waiting).any(|call| call.name == name)
    }

    /// What to read from.
    pub fn watched(&self) -> impl Iterator<Item = Watched<'_>> {
        self.reading.iter().map(|reading| sys::readable(&reading.call.control))
    }

    /// Milliseconds until somebody has taken too long, for `poll`; -1 if nobody can.
    pub fn patience(&self) -> i32 {
        let next = self.reading.iter().map(|reading| reading.deadline).min();
        next.map_or(-1, |at| {
            at.saturating_duration_since(Instant::now()).as_millis() as i32 + 1
        })
    }

    /// Reads where something is there, in the order of `watched`. Gives the calls that this is over for, with the payload
    /// of a message if there was one.
    pub fn read(&mut self, ready: &[bool], chunk: &mut [u8]) -> Vec<(Call, Option<Vec<u8>>)> {
        let now = Instant::now();
        let mut read = Vec::new();
        for (index, is_ready) in ready.iter().enumerate().rev() {
            let reading = &mut self.reading[index];
            let mut is_over = now >= reading.deadline;
            if *is_ready {
                match rustix::io::read(&reading.call.control, &mut *chunk) {
                    Ok(0) | Err(_) => is_over = true,
                    Ok(count) => reading.decoder.push(&chunk[..count]),
                }
            }
            let payload = reading.decoder.take_valid().map(|message| message.head);
            if payload.is_some() || is_over {
                let Reading { call, .. } = self.reading.swap_remove(index);
                read.push((call, payload));
            }
        }
        read
    }

    /// Begins to read, as much as may be held besides `held` that were read already.
    pub fn take_turns(&mut self, held: usize) {
        for _ in self.reading.len() + held..HELD {
            let Some(call) = self.waiting.pop_front() else { return };
            self.reading.push(Reading {
                call,
                decoder: Decoder::new(Limits::heads(LIMIT)),
                deadline: Instant::now() + PATIENCE,
            });
        }
    }
}

/// The request of a call, if that is what its payload is.
pub fn request_of(call: &Call, payload: &[u8]) -> Option<Request> {
    parse_request(payload).filter(|request| request.call == call.name)
}

/// Reads the one of a single call.
pub fn receive(call: &Call) -> Result<Request> {
    let deadline = Instant::now() + PATIENCE;
    let mut decoder = Decoder::new(Limits::heads(LIMIT));
    let mut chunk = vec![0; 1 << 16];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let [ready] = sys::poll([sys::readable(&call.control)], left.as_millis() as i32)?;
        if !ready {
            return Err(ErrorKind::TimedOut.into());
        }
        let count = rustix::io::read(&call.control, &mut chunk[..])?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        decoder.push(&chunk[..count]);
        if let Some(message) = decoder.take_valid() {
            return request_of(call, &message.head).ok_or_else(|| Error::from(ErrorKind::InvalidData));
        }
    }
}
