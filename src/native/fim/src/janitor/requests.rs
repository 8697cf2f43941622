//! Requests of the boot program. The janitor reads the first one and its child, the holder, goes on with the same buffer.

use super::protocol::{REQUEST_LIMIT, Request};
use crate::fail;
use crate::failure::{Context, Result};
use crate::sys::{self, Watched};
use messages::{Limits, Reader};
use std::fs::File;

pub struct Requests(Reader<File>);

impl Requests {
    pub fn new(file: File) -> Requests {
        Requests(Reader::new(file, Limits::heads(REQUEST_LIMIT)))
    }

    /// For `poll`: has an event when there is something to read.
    pub fn watched(&self) -> Watched<'_> {
        sys::readable(self.0.input())
    }

    /// A descriptor of its own on which the end of the boot program can be seen.
    pub fn watch(&self) -> std::io::Result<File> {
        self.0.input().try_clone()
    }

    /// Whether a whole request is here, so that `next` does not wait.
    pub fn is_buffered(&self) -> bool {
        self.0.is_ready()
    }

    /// The next request; `None` when the boot program has closed its end.
    pub fn next(&mut self) -> Result<Option<Request>> {
        match self.0.read() {
            Ok(Some(message)) => message
                .parse()
                .map(Some)
                .context(|| "cannot understand a request".to_string()),
            // A boot program that was killed cannot finish its request.
            Ok(None) => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            // The other end is gone without a word.
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => Ok(None),
            Err(error) => fail!("cannot read requests: {error}"),
        }
    }
}
