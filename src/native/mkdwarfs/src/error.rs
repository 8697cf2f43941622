//! What ends a run, said with the path it is about.

use std::fmt;
use std::io;
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
            Self::Io { path, doing, cause } if cause.raw_os_error() == Some(libc::ENAMETOOLONG) => write!(
                out,
                "{}: cannot {doing}: its path is longer than the 4095 bytes that the kernel takes; move it up, or leave it out by --exclude",
                console::shown(path)
            ),
            Self::Io { path, doing, cause } => write!(out, "{}: cannot {doing}: {cause}", console::shown(path)),
            Self::Refused { path, why } => write!(out, "{}: {why}", console::shown(path)),
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
