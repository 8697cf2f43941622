//! Messages found in bytes.

use super::{Limits, Malformed};
use serde::Deserialize;
use std::io::{ErrorKind, Read, Result};

/// How much of a line that is no message is shown.
const SHOWN: usize = 200;
/// Digits of the number behind a head.
const DIGITS: usize = 10;

/// One message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    /// Begins and ends as a JSON object does; `parse` checks the rest.
    pub head: Vec<u8>,
    pub body: Vec<u8>,
}

impl Message {
    /// Parses the head.
    ///
    /// # Errors
    ///
    /// Fails if it is not what is expected.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> std::result::Result<T, Malformed> {
        serde_json::from_slice(&self.head).map_err(|error| Malformed::Content(error.to_string(), begin_of(&self.head)))
    }
}

/// How a line begins, for a message to people.
fn begin_of(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).into_owned();
    if line.len() > SHOWN { text + "…" } else { text }
}

/// Finds messages in a stream of bytes that comes in pieces. It keeps no more than one message of the largest size and what was pushed last.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    buffer: Vec<u8>,
    /// Where the next message begins in the buffer.
    start: usize,
    /// Bytes from there on in which no line ends.
    searched: usize,
    /// Whether everything up to the end of the line is part of no message.
    is_passing: bool,
    is_tainted: bool,
}

enum Look {
    /// More bytes are needed. So many were searched for the end of a line.
    Incomplete(usize),
    /// Ends of the head, of its line, and of the body, from the start.
    Whole(usize, usize, usize),
    Malformed(Malformed),
}

impl Decoder {
    pub fn new(limits: Limits) -> Decoder {
        Decoder {
            limits,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            is_passing: false,
            is_tainted: false,
        }
    }

    /// Whether anything but messages has come until now. Who writes to a stream alone has no reason for that.
    pub fn is_tainted(&self) -> bool {
        self.is_tainted
    }

    /// Whether everything that has come was read: then the end of the stream is no loss.
    pub fn is_empty(&self) -> bool {
        !self.is_passing && self.rest().is_empty()
    }

    /// Whether `take` would return a message, or why there is none, without more bytes.
    pub fn is_ready(&self) -> bool {
        !self.is_passing && !self.rest().is_empty() && !matches!(self.look(), Look::Incomplete(_))
    }

    pub fn push(&mut self, bytes: &[u8]) {
        // Only what was read before is moved, once for each piece and not for each message.
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() {
            self.buffer.shrink_to(1 << 16);
        }
        self.buffer.extend_from_slice(bytes);
        self.pass_over();
    }

    /// Takes the next message; `None` if more bytes are needed for it. What is malformed is passed over, up to the end of its line.
    ///
    /// # Errors
    ///
    /// Fails once for each line that is not a message.
    pub fn take(&mut self) -> std::result::Result<Option<Message>, Malformed> {
        if self.is_passing || self.rest().is_empty() {
            return Ok(None);
        }
        match self.look() {
            Look::Incomplete(searched) => {
                self.searched = searched;
                Ok(None)
            }
            Look::Whole(head, line, body) => {
                let rest = self.rest();
                let message = Message {
                    head: rest[..head].to_vec(),
                    body: rest[line..body].to_vec(),
                };
                self.advance(body);
                Ok(Some(message))
            }
            Look::Malformed(reason) => {
                self.is_passing = true;
                self.is_tainted = true;
                self.pass_over();
                Err(reason)
            }
        }
    }

    /// Takes the next message, from a stream in which others may have written anything.
    pub fn take_valid(&mut self) -> Option<Message> {
        loop {
            if let Ok(message) = self.take() {
                return message;
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn advance(&mut self, count: usize) {
        self.start += count;
        self.searched = 0;
        self.pass_over();
    }

    /// Passes over the rest of a line that is no message, and over empty lines.
    fn pass_over(&mut self) {
        if self.is_passing {
            let end = self.rest().iter().position(|byte| *byte == b'\n');
            self.is_passing = end.is_none();
            self.start = end.map_or(self.buffer.len(), |end| self.start + end);
            self.searched = 0;
        }
        if !self.is_passing {
            self.start += self.rest().iter().take_while(|byte| **byte == b'\n').count();
        }
    }

    /// What is at the start of the rest, which is not empty.
    fn look(&self) -> Look {
        let rest = self.rest();
        if rest[0] != b'{' {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            return Look::Malformed(Malformed::Line(begin_of(&rest[..end])));
        }
        let end = rest[self.searched..].iter().position(|byte| *byte == b'\n');
        let end = end.map(|end| self.searched + end);
        if end.unwrap_or(rest.len()) > self.limits.head {
            return Look::Malformed(Malformed::Head(self.limits.head));
        }
        let Some(end) = end else {
            return Look::Incomplete(rest.len());
        };
        match split(&rest[..end]) {
            None => Look::Malformed(Malformed::Line(begin_of(&rest[..end]))),
            Some((_, length)) if length > self.limits.body => Look::Malformed(Malformed::Body(self.limits.body)),
            Some((_, length)) if rest.len() - end - 1 < length => Look::Incomplete(end),
            Some((head, length)) => Look::Whole(head, end + 1, end + 1 + length),
        }
    }
}

/// The length of the head in its line, and that of the body.
fn split(line: &[u8]) -> Option<(usize, usize)> {
    if line.ends_with(b"}") {
        return Some((line.len(), 0));
    }
    let from = line.len().saturating_sub(DIGITS + 1);
    let space = from + line[from..].iter().rposition(|byte| *byte == b' ')?;
    let digits = &line[space + 1..];
    let is_number = digits.iter().all(u8::is_ascii_digit) && digits.first().is_some_and(|digit| *digit != b'0');
    if !is_number || !line[..space].ends_with(b"}") {
        return None;
    }
    let number = digits
        .iter()
        .fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0'));
    Some((space, usize::try_from(number).unwrap_or(usize::MAX)))
}

/// The message that a packet is.
///
/// # Errors
///
/// Fails if it is not exactly one.
pub fn parse_packet(packet: &[u8], limits: Limits) -> std::result::Result<Message, Malformed> {
    let mut decoder = Decoder::new(limits);
    decoder.push(packet);
    match decoder.take()? {
        Some(message) if decoder.is_empty() => Ok(message),
        Some(_) => Err(Malformed::Line(begin_of(packet))),
        None => Err(Malformed::End),
    }
}

/// Reads messages from a stream that has one writer.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    decoder: Decoder,
    chunk: Vec<u8>,
}

impl<R: Read> Reader<R> {
    pub fn new(input: R, limits: Limits) -> Reader<R> {
        Reader {
            input,
            decoder: Decoder::new(limits),
            chunk: vec![0; 1 << 16],
        }
    }

    pub fn input(&self) -> &R {
        &self.input
    }

    /// Whether `read` returns without waiting.
    pub fn is_ready(&self) -> bool {
        self.decoder.is_ready()
    }

    /// The next message; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// Fails if the stream cannot be read, and for what is not a message.
    pub fn read(&mut self) -> Result<Option<Message>> {
        loop {
            if let Some(message) = self.decoder.take()? {
                return Ok(Some(message));
            }
            match self.input.read(&mut self.chunk) {
                Ok(0) if self.decoder.is_empty() => return Ok(None),
                Ok(0) => return Err(Malformed::End.into()),
                Ok(count) => self.decoder.push(&self.chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
