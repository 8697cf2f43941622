//! The one form of messages between processes. `src/messages/Codec.ts` is the other implementation; `test/golden/messages.json` has the
//! vectors that both pass.
//!
//! A message is a line with a JSON object in UTF-8, its head: `{…}\n`. If bytes belong to it, a space and their number follow the object,
//! and the bytes follow the line: `{…} 5\nbytes`. Empty lines between messages mean nothing. A request has its operation in `op`; its reply is
//! `{"ok":…}` or `{"error":"…"}`, see [`Reply`], with the `id` of the request where replies do not come in the order of the requests.
//!
//! On a socket that keeps borders each packet is one message, and may carry a descriptor.
//!
//! In a FIFO that others can write to as well, a message begins with an empty line ([`encode_apart`]), and is written in one piece. So what
//! somebody else has left unfinished ends there, and costs nobody else a message. Whoever reads such a FIFO accepts no bytes behind a head:
//! their number would let one writer swallow the messages of others.

mod decoder;

pub use decoder::{Decoder, Message, Reader, parse_packet};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{Error, ErrorKind, Result, Write};

/// The most bytes that are accepted of a line without its end, and behind it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub head: usize,
    pub body: usize,
}

impl Limits {
    /// Of messages without bytes behind them.
    pub const fn heads(head: usize) -> Limits {
        Limits { head, body: 0 }
    }
}

/// Why bytes are not a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// A line is longer than this.
    Head(usize),
    /// The body would be longer than this.
    Body(usize),
    /// A line is not a JSON object with an optional number behind it. How it begins.
    Line(String),
    /// A JSON object that is not what was expected; the reason, and how it begins.
    Content(String, String),
    /// The stream ends within a message.
    End,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Head(limit) => write!(formatter, "a message has a line of more than {limit} bytes"),
            Malformed::Body(limit) => write!(formatter, "a message has more than {limit} bytes behind its line"),
            Malformed::Line(begin) => write!(formatter, "this line is not a message: {begin}"),
            Malformed::Content(reason, begin) => write!(formatter, "{reason}, in the message {begin}"),
            Malformed::End => formatter.write_str("a message ends early"),
        }
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Error {
        let kind = match malformed {
            Malformed::End => ErrorKind::UnexpectedEof,
            _ => ErrorKind::InvalidData,
        };
        Error::new(kind, malformed)
    }
}

/// Encodes a message.
///
/// # Errors
///
/// Fails if the head is not a JSON object.
pub fn encode(head: &impl Serialize, body: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode_into(&mut bytes, head, body)?;
    Ok(bytes)
}

/// Encodes a message for a FIFO that others can write to as well.
///
/// # Errors
///
/// Fails if the head is not a JSON object.
pub fn encode_apart(head: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = vec![b'\n'];
    encode_into(&mut bytes, head, &[])?;
    Ok(bytes)
}

fn encode_into(bytes: &mut Vec<u8>, head: &impl Serialize, body: &[u8]) -> Result<()> {
    let start = bytes.len();
    serde_json::to_writer(&mut *bytes, head)?;
    if bytes.get(start) != Some(&b'{') {
        return Err(Error::new(ErrorKind::InvalidInput, "a message has to be an object"));
    }
    if !body.is_empty() {
        bytes.extend_from_slice(format!(" {}", body.len()).as_bytes());
    }
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    Ok(())
}

/// Writes a message to standard output.
///
/// # Errors
///
/// Fails if it cannot be written, or the head is not a JSON object.
pub fn print(head: &impl Serialize, body: &[u8]) -> Result<()> {
    let bytes = encode(head, body)?;
    let mut output = std::io::stdout().lock();
    output.write_all(&bytes)?;
    output.flush()
}

/// Bytes as a string whose characters, U+0000 to U+00FF, are the bytes: so heads carry what need not be UTF-8.
pub fn from_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The bytes that a string of such characters stands for. `None` if a character is beyond U+00FF.
pub fn to_bytes(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect()
}

/// How a request is answered.
#[derive(Debug, Deserialize, Serialize)]
pub struct Reply<T> {
    /// That of the request, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The number of a failed system call, if that is the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
}

/// What a reply contains that has no content.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Done {}

impl<T> Reply<T> {
    pub fn ok(content: T) -> Reply<T> {
        Reply {
            id: None,
            ok: Some(content),
            error: None,
            errno: None,
        }
    }

    /// The content, or why there is none.
    pub fn result(self) -> std::result::Result<T, String> {
        match (self.error, self.ok) {
            (Some(error), _) => Err(error),
            (None, Some(content)) => Ok(content),
            (None, None) => Err("the reply has neither content nor an error".to_string()),
        }
    }
}

impl Reply<Done> {
    pub fn error(error: impl fmt::Display) -> Reply<Done> {
        Reply {
            id: None,
            ok: None,
            error: Some(error.to_string()),
            errno: None,
        }
    }
}

impl<T, E: fmt::Display> From<std::result::Result<T, E>> for Reply<T> {
    fn from(result: std::result::Result<T, E>) -> Reply<T> {
        let (ok, error) = match result {
            Ok(content) => (Some(content), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Reply {
            id: None,
            ok,
            error,
            errno: None,
        }
    }
}
