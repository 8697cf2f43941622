//! Lines from the boot program. The janitor reads the first one and its child, the holder, goes on with the same buffer.

use super::protocol::{REQUEST_LIMIT, Request};
use crate::fail;
use crate::failure::{Context, Result};
use crate::sys::{self, Watched};
use std::fs::File;
use std::io::Read;

pub struct Requests {
    file: File,
    buffer: Vec<u8>,
}

impl Requests {
    pub fn new(file: File) -> Requests {
        Requests {
            file,
            buffer: Vec::new(),
        }
    }

    /// For `poll`: has an event when there is something to read.
    pub fn watched(&self) -> Watched<'_> {
        sys::readable(&self.file)
    }

    /// A descriptor of its own on which the end of the boot program can be seen.
    pub fn watch(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// Whether a whole request is here, so that `next` does not wait.
    pub fn is_buffered(&self) -> bool {
        self.buffer.contains(&b'\n')
    }

    /// The next request; `None` when the boot program has closed its end.
    pub fn next(&mut self) -> Result<Option<Request>> {
        let mut chunk = vec![0; 1 << 16];
        let mut searched = 0;
        loop {
            if let Some(position) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(searched + position + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                return serde_json::from_slice(&line)
                    .map(Some)
                    .context(|| "cannot understand a request".to_string());
            }
            searched = self.buffer.len();
            if searched > REQUEST_LIMIT {
                fail!("a request is longer than {REQUEST_LIMIT} bytes")
            }
            match self.file.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // The other end is gone without a word.
                Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => return Ok(None),
                Err(error) => fail!("cannot read requests: {error}"),
            }
        }
    }
}
