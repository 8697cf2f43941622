//! What the janitor makes before the boot program asks for anything, while the runtime is loading.

use super::guess;
use super::layers::Layers;
use super::linger::{self, Line};
use super::users;
use crate::failure::Result;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

pub struct Early {
    /// What is started, as `start::program` calls it.
    pub program: String,
    /// The layers of the last start, in the hands of a driver. Without them the start takes longer, and nothing else.
    pub layers: Option<Layers>,
    /// Where they are still mounted, the way to their driver: then no other is started.
    pub line: Option<Line>,
    /// What guests of root are put into; the error says why there is none.
    pub users: Result<OwnedFd>,
}

impl Early {
    /// `starts` are files in which a start may have written down what it has read of its layers, best first. Only for a process
    /// with a single thread.
    pub fn make(program: String, starts: &[OsString]) -> Early {
        let start = guess::choose(starts.iter().map(PathBuf::from));
        let line = match (&start, super::application()) {
            (Some(start), Some(application)) if linger::may_join() => linger::likely(&application, start),
            _ => None,
        };
        Early {
            layers: start
                .filter(|_| line.is_none())
                .and_then(|start| Layers::guess(start, &program).ok()),
            line,
            program,
            users: users::make(),
        }
    }
}
