//! What caller and executor say to each other. Everything that comes from the other side of the wall is checked here.

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
/// Signals that cross the wall.
const SIGNALS: [i32; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCONT,
    libc::SIGTSTP,
    libc::SIGALRM,
];

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

/// What is written into a daemon's FIFO.
#[derive(Debug, PartialEq, Eq)]
pub enum Knock {
    Request(Request),
    /// The request is too large for the FIFO of all; it comes through `control` of this call.
    Reference(String),
}

/// What comes after the request, through `control`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Signal { signal: i32 },
    Resize { rows: u16, columns: u16 },
}

/// What the caller is told, through `reply`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The command runs, and every FIFO of the call has its other end.
    Started,
    /// It does not run. The lines are for standard error.
    Refused { code: i32, lines: Vec<String> },
    /// It was stopped, as by ^Z.
    Stopped,
    /// It has ended; all that it wrote is in the FIFOs.
    Ended { code: i32 },
}

/// What the boot program decides of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    Start {
        /// `NAME=value` each, all of it.
        environment: Vec<String>,
        directories: Vec<String>,
        /// It holds for every request with this program, directory and environment.
        lasting: bool,
    },
    Refuse {
        code: i32,
        lines: Vec<String>,
    },
}

/// Every message but a request, as it is written: its kind and the fields of that kind. One form for all of them keeps
/// the program small.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Form {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<Vec<String>>,
    #[serde(skip_serializing)]
    environment: Option<Vec<String>>,
    #[serde(skip_serializing)]
    directories: Option<Vec<String>>,
    #[serde(skip_serializing)]
    lasting: Option<bool>,
}

impl Form {
    pub fn of(kind: &str) -> Form {
        Form {
            kind: kind.to_string(),
            ..Form::default()
        }
    }

    fn read(payload: &[u8]) -> Option<Form> {
        from_object(payload)
    }
}

/// What serde derives would take a list of all fields as well.
fn from_object<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Option<T> {
    let is_object = payload.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(payload).ok()).flatten()
}

impl From<&Control> for Form {
    fn from(control: &Control) -> Form {
        match *control {
            Control::Signal { signal } => Form {
                signal: Some(signal),
                ..Form::of("signal")
            },
            Control::Resize { rows, columns } => Form {
                rows: Some(rows),
                columns: Some(columns),
                ..Form::of("resize")
            },
        }
    }
}

impl From<&Reply> for Form {
    fn from(reply: &Reply) -> Form {
        match reply {
            Reply::Started => Form::of("started"),
            Reply::Stopped => Form::of("stopped"),
            Reply::Refused { code, lines } => Form {
                code: Some(*code),
                lines: Some(lines.clone()),
                ..Form::of("refused")
            },
            Reply::Ended { code } => Form {
                code: Some(*code),
                ..Form::of("ended")
            },
        }
    }
}

pub fn parse_knock(payload: &[u8]) -> Option<Knock> {
    match Form::read(payload) {
        Some(Form {
            kind, call: Some(call), ..
        }) if kind == "reference" => is_call(&call).then_some(Knock::Reference(call)),
        Some(_) => None,
        None => parse_request(payload).map(Knock::Request),
    }
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

pub fn parse_control(payload: &[u8]) -> Option<Control> {
    let form = Form::read(payload)?;
    match (form.kind.as_str(), form.signal, form.rows, form.columns) {
        ("signal", Some(signal), None, None) if SIGNALS.contains(&signal) => Some(Control::Signal { signal }),
        ("resize", None, Some(rows), Some(columns)) => Some(Control::Resize { rows, columns }),
        _ => None,
    }
}

pub fn parse_reply(payload: &[u8]) -> Option<Reply> {
    let form = Form::read(payload)?;
    match (form.kind.as_str(), form.code, form.lines) {
        ("started", None, None) => Some(Reply::Started),
        ("stopped", None, None) => Some(Reply::Stopped),
        ("refused", Some(code), Some(lines)) => Some(Reply::Refused { code, lines }),
        ("ended", Some(code), None) => Some(Reply::Ended { code }),
        _ => None,
    }
}

/// A decision, and the call that it is about.
pub fn parse_decision(payload: &[u8]) -> Option<(String, Decision)> {
    let form = Form::read(payload)?;
    let decision = match (
        form.kind.as_str(),
        form.environment,
        form.directories,
        form.lasting,
        form.code,
        form.lines,
    ) {
        ("start", Some(environment), Some(directories), Some(lasting), None, None) => Decision::Start {
            environment,
            directories,
            lasting,
        },
        ("refuse", None, None, None, Some(code), Some(lines)) => Decision::Refuse { code, lines },
        _ => return None,
    };
    Some((form.call?, decision))
}

/// The payload that stands for a request which is too large.
pub fn reference(call: &str) -> Vec<u8> {
    to_payload(&Form {
        call: Some(call.to_string()),
        ..Form::of("reference")
    })
}

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
    use serde::Deserialize;

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
            assert_eq!(parse_knock(&whole.as_bytes()[..end]), None);
        }
    }

    #[test]
    fn a_list_is_no_message() {
        assert_eq!(
            parse_request(br#"["request","1-a",["true"],[],"/",["null","null","null"],null,false]"#),
            None
        );
        assert_eq!(
            parse_knock(br#"["reference","1-a",null,null,null,null,null,null,null,null]"#),
            None
        );
    }

    #[test]
    fn only_signals_that_cross_the_wall_are_taken() {
        assert_eq!(
            parse_control(br#"{"kind":"signal","signal":15}"#),
            Some(Control::Signal { signal: 15 })
        );
        for text in [
            r#"{"kind":"signal","signal":9}"#,
            r#"{"kind":"signal","signal":-1}"#,
            r#"{"kind":"signal"}"#,
            "15",
            "",
        ] {
            assert_eq!(parse_control(text.as_bytes()), None);
        }
        assert_eq!(parse_control(br#"{"kind":"resize","rows":70000,"columns":1}"#), None);
    }

    #[test]
    fn a_reference_names_a_call_and_no_path() {
        assert_eq!(
            parse_knock(&reference("12-ab")),
            Some(Knock::Reference("12-ab".to_string()))
        );
        for name in ["", "..", "a/b", "A", "a b", &"a".repeat(65)] {
            assert_eq!(parse_knock(&reference(name)), None);
        }
    }
}
