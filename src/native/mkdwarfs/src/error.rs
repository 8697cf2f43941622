//! What ends a run, said with the path it is about.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub enum Error {
    /// A file or directory could not be read or written.
    Io {
        path: PathBuf,
        doing: &'static str,
        cause: io::Error,
    },
    /// Something that an image cannot hold, or that did not stay as it was.
    Refused { path: PathBuf, why: String },
    /// The encoder gave up.
    Encode(String),
}

impl Error {
    /// For `map_err`: `doing` completes "cannot ...".
    pub fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { path, doing, cause }
    }

    pub fn refused(path: &Path, why: impl Into<String>) -> Self {
        Self::Refused {
            path: path.to_owned(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, doing, cause } => write!(out, "{}: cannot {doing}: {cause}", escaped(path)),
            Self::Refused { path, why } => write!(out, "{}: {why}", escaped(path)),
            Self::Encode(message) => write!(out, "cannot encode the image: {message}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<dwarfs_enc::Error> for Error {
    fn from(cause: dwarfs_enc::Error) -> Self {
        Self::Encode(cause.to_string())
    }
}

/// A path as it can be printed: text stays as it is, other bytes are escaped.
fn escaped(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => path.as_os_str().as_bytes().escape_ascii().to_string(),
    }
}
