//! What caller and executor say to each other besides requests. Everything that comes from the other side of the wall is
//! checked here.

use super::request::{Request, from_object, is_call, parse_request};
use serde::{Deserialize, Serialize};

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

/// Stands for a request which is too large.
pub fn reference(call: &str) -> Form {
    Form {
        call: Some(call.to_string()),
        ..Form::of("reference")
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::to_payload;
    use super::*;

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
            parse_knock(&to_payload(&reference("12-ab"))),
            Some(Knock::Reference("12-ab".to_string()))
        );
        for name in ["", "..", "a/b", "A", "a b", &"a".repeat(65)] {
            assert_eq!(parse_knock(&to_payload(&reference(name))), None);
        }
    }
}
