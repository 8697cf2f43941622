//! Requests: a command to run, what it is to be given, and the check that each one makes sense.

use crate::janitor::{from_bytes, to_bytes};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Most words and variables of one request.
const COUNT_LIMIT: usize = 1 << 20;
/// Longest name of a call.
const NAME_LIMIT: usize = 64;
/// Where a standard stream of the command leads.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// A FIFO of the call.
    Pipe,
    /// The terminal that the executor makes.
    Terminal,
    /// `/dev/null`.
    Null,
    /// The same as standard output. Only for standard error.
    Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}

/// An object with these two numbers. What serde derives would take a list of two as well.
fn read_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Size>, D::Error> {
    let Some(numbers) = Option::<BTreeMap<String, u16>>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match (numbers.get("rows"), numbers.get("columns"), numbers.len()) {
        (Some(rows), Some(columns), 2) => Ok(Some(Size {
            rows: *rows,
            columns: *columns,
        })),
        _ => Err(D::Error::custom("rows and columns")),
    }
}

/// A command to run. Each character of a word, a variable and the directory is one byte (U+0000 to U+00FF).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub kind: RequestKind,
    /// Name of the call's directory.
    pub call: String,
    /// Program and arguments.
    pub words: Vec<String>,
    /// `NAME=value` each.
    pub environment: Vec<String>,
    /// The caller's working directory; empty when it has none.
    pub directory: String,
    pub streams: [Stream; 3],
    /// Size of the caller's terminal, where a stream is one; `null` elsewhere, and not left out.
    #[serde(deserialize_with = "read_size")]
    pub terminal: Option<Size>,
    /// Whether the command is to outlive its caller and the instance.
    pub detached: bool,
}

/// Says of a message that it is a request.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestKind {
    Request,
}

/// A request that makes sense, or nothing.
pub fn parse_request(payload: &[u8]) -> Option<Request> {
    let request: Request = from_object(payload)?;
    let [input, output, error] = request.streams;
    let streams_fit = input != Stream::Output && output != Stream::Output;
    let has_terminal = [input, output, error].contains(&Stream::Terminal);
    let texts = || {
        request
            .words
            .iter()
            .chain(&request.environment)
            .chain([&request.directory])
    };
    let is_sound = is_call(&request.call)
        && request.words.first().is_some_and(|program| !program.is_empty())
        && request.words.len() <= COUNT_LIMIT
        && request.environment.len() <= COUNT_LIMIT
        && request
            .environment
            .iter()
            .all(|variable| variable.find('=').is_some_and(|at| at > 0))
        && texts().all(|text| to_bytes(text).is_some_and(|bytes| !bytes.contains(&0)))
        && streams_fit
        && has_terminal == request.terminal.is_some();
    is_sound.then_some(request)
}

/// What serde derives would take a list of all fields as well.
pub fn from_object<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Option<T> {
    let is_object = payload.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(payload).ok()).flatten()
}

#[cfg(test)]
pub fn to_payload(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

/// Names of calls become names of directories.
pub fn is_call(name: &str) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || *byte == b'-';
    !name.is_empty() && name.len() <= NAME_LIMIT && name.as_bytes().iter().all(is_allowed)
}

pub fn text_of(bytes: &OsStr) -> String {
    from_bytes(bytes.as_bytes())
}

/// The bytes of a checked text.
pub fn bytes_of(text: &str) -> OsString {
    OsString::from_vec(to_bytes(text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        sound: Vec<serde_json::Value>,
        unsound: Vec<serde_json::Value>,
    }

    /// The same file is read by the tests of the TypeScript side.
    const VECTORS: &str = include_str!("../../../../../test/golden/portal-requests.json");

    #[test]
    fn both_sides_take_the_same_requests() {
        let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
        assert!(vectors.sound.len() >= 3 && vectors.unsound.len() >= 20);
        for request in vectors.sound {
            let text = request.to_string();
            let parsed = parse_request(text.as_bytes());
            assert!(parsed.is_some(), "{text}");
            let again: serde_json::Value = serde_json::from_slice(&to_payload(&parsed.unwrap())).unwrap();
            assert_eq!(again, request);
        }
        for request in vectors.unsound {
            assert_eq!(parse_request(request.to_string().as_bytes()), None, "{request}");
        }
    }

    #[test]
    fn a_message_that_is_cut_is_none() {
        let whole = r#"{"kind":"request","call":"1-a","words":["true"],"environment":["A=b"],"directory":"/","streams":["pipe","pipe","output"],"terminal":null,"detached":false}"#;
        assert!(parse_request(whole.as_bytes()).is_some());
        for end in 0..whole.len() {
            assert_eq!(parse_request(&whole.as_bytes()[..end]), None);
        }
    }
}
