//! `fim-instance exec`: commands in a running instance.

use super::call::Caller;
use super::client::{self, Asked};
use crate::instances::{complain, find};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What of the caller's environment a command in the guest gets; the rest is the instance's own.
const PASSED: [&str; 2] = ["TERM", "COLORTERM"];

/// `fim-instance exec ID COMMAND...`
pub fn execute(instances: &Path, words: &[OsString]) -> i32 {
    let Some((id, rest)) = words.split_first() else {
        return usage("Missing 'id' argument for 'fim-instance'");
    };
    let command = match rest {
        [first, after @ ..] if first == "--" => after,
        all => all,
    };
    if command.first().is_none_or(|program| program.is_empty()) {
        return usage("Missing 'cmd' argument for 'fim-instance'");
    }
    let name = match find(instances, id) {
        Ok(living) => living.name,
        Err(missing) => {
            let lines = missing.lines();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            return complain(&[&lines[..], &["Could not run the command in an instance"]].concat());
        }
    };
    let asked = Asked {
        words: command.to_vec(),
        environment: PASSED.iter().filter_map(|name| variable(name)).collect(),
        detached: false,
    };
    let portal = instances.join(name).join("portal");
    client::report(client::call(&portal, Caller::Host, &asked))
}

fn variable(name: &str) -> Option<OsString> {
    let mut text = OsString::from(format!("{name}="));
    text.push(std::env::var_os(name).filter(|value| value != OsStr::new(""))?);
    Some(text)
}

fn usage(text: &str) -> i32 {
    complain(&[text, "Could not parse arguments"])
}
