//! `fim instances DIRECTORY --list`: one JSON object, for the boot program.

use crate::failure::EXIT_CODE;
use crate::janitor::{About, Line, Living, lingering, living};
use crate::sys::ProcessDirectory;
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct List {
    instances: Vec<Instance>,
    /// Drivers whose layers are mounted and used by nobody.
    lingering: Vec<Resting>,
}

#[derive(Serialize)]
struct Instance {
    pid: i32,
    state: State,
    /// Absent before the program starts.
    about: Option<About>,
}

/// How an instance is.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Its program does not run yet.
    Starting,
    Running,
    /// It was stopped, as by ^Z.
    Stopped,
    /// Its program has ended and left others running.
    Left,
}

#[derive(Serialize)]
struct Resting {
    pid: i32,
    seconds: u64,
}

pub fn print(instances: &Path) -> i32 {
    let list = List {
        instances: living(instances).into_iter().map(Instance::from).collect(),
        lingering: resting(instances)
            .into_iter()
            .map(|(line, seconds)| Resting {
                pid: line.driver,
                seconds,
            })
            .collect(),
    };
    let text = serde_json::to_string(&list).unwrap_or_default();
    console::output(&text).map_or(EXIT_CODE, |()| 0)
}

impl From<Living> for Instance {
    fn from(living: Living) -> Instance {
        let is_stopped = || {
            let process = ProcessDirectory::open(living.pid);
            process.is_ok_and(|process| process.is_stopped())
        };
        let state = match &living.about {
            None => State::Starting,
            Some(_) if living.is_left => State::Left,
            Some(_) if is_stopped() => State::Stopped,
            Some(_) => State::Running,
        };
        Instance {
            pid: living.pid,
            state,
            about: living.about,
        }
    }
}

/// Drivers of this application directory whose layers are mounted and used by nobody, each with the seconds that are left.
pub fn resting(instances: &Path) -> Vec<(Line, u64)> {
    let lines = instances.parent().map(lingering).unwrap_or_default();
    let resting = |line: Line| line.left().map(|left| (line, left));
    lines.into_iter().filter_map(resting).collect()
}
