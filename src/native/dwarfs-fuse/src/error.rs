//! What can be wrong with a layer, said with the path of the image it lies in.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a layer could not be opened.
#[derive(Debug)]
pub enum Error {
    /// The image could not be read at all: missing, no permission, an error of the device below.
    Read { path: PathBuf, cause: io::Error },
    /// The bytes are not those of a DwarFS layer, or they are damaged.
    Damaged { path: PathBuf, what: String },
    /// A sound image that needs something this driver does not know.
    Unsupported { path: PathBuf, what: String },
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, cause } => write!(out, "{}: cannot read the layer: {cause}", path.display()),
            Self::Damaged { path, what } => write!(
                out,
                "{}: the layer is damaged or no dwarfs image: {what}; fetch the file again, or build it anew",
                path.display()
            ),
            Self::Unsupported { path, what } => write!(
                out,
                "{}: this dwarfs image cannot be read here: {what}; build it anew with mkdwarfs of this version",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// An [`Error`] before it is known which image it belongs to.
#[derive(Debug)]
pub(crate) enum Fault {
    Read(io::Error),
    Damaged(String),
    Unsupported(String),
}

impl Fault {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }

    pub(crate) fn at(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Read(cause) => Error::Read { path, cause },
            Self::Damaged(what) => Error::Damaged { path, what },
            Self::Unsupported(what) => Error::Unsupported { path, what },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::UnexpectedEof => Self::damaged("it ends too early"),
            _ => Self::Read(cause),
        }
    }
}

impl From<dwarfs::section::Error> for Fault {
    fn from(cause: dwarfs::section::Error) -> Self {
        // The crate passes errors of the file below through, without telling them apart in its type.
        let below = std::error::Error::source(&cause).and_then(|below| below.downcast_ref::<io::Error>());
        match below.and_then(io::Error::raw_os_error) {
            Some(number) => Self::Read(io::Error::from_raw_os_error(number)),
            None => Self::Damaged(cause.to_string()),
        }
    }
}
