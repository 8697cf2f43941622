//! Where the tree is: in a directory, or with a program that serves it.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::arguments::Command;
use crate::error::Error;
use crate::scan::{self, Node, Stamp};
use crate::served::{self, Connection};

#[derive(Debug)]
pub enum Source {
    Directory(PathBuf),
    Served(Mutex<Connection>),
}

/// The content of one file, from its start.
#[derive(Debug)]
pub enum Content<'a> {
    File(File),
    /// What is left of it. Others wait for their contents until it is dropped.
    Served(MutexGuard<'a, Connection>, u64),
}

impl Source {
    /// Lists the tree.
    pub fn list(command: &Command) -> Result<(Self, Vec<Node>), Error> {
        if command.is_served() {
            let (connection, nodes) = served::list(command)?;
            return Ok((Self::Served(Mutex::new(connection)), nodes));
        }
        Ok((Self::Directory(command.input.clone()), scan::scan(command)?))
    }

    /// Opens the file that has the node of this number.
    pub fn open(&self, number: usize, node: &Node) -> Result<Content<'_>, Error> {
        match self {
            Self::Directory(root) => {
                let path = root.join(&node.path);
                Ok(Content::File(
                    File::open(&path).map_err(Error::io(&path, "open the file"))?,
                ))
            }
            Self::Served(connection) => {
                let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                connection
                    .ask(number)
                    .map_err(Error::io(&node.path, "ask for the file"))?;
                Ok(Content::Served(connection, node.size))
            }
        }
    }

    /// How messages call a node.
    pub fn path(&self, node: &Node) -> PathBuf {
        match self {
            Self::Directory(root) => root.join(&node.path),
            Self::Served(_) => node.path.clone(),
        }
    }
}

impl Content<'_> {
    /// To be compared with that of the node.
    pub fn stamp(&self) -> io::Result<Option<Stamp>> {
        match self {
            Self::File(file) => Ok(Some(Stamp::of(&file.metadata()?))),
            Self::Served(..) => Ok(None),
        }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(into),
            Self::Served(connection, left) => {
                let read = connection.input.by_ref().take(*left).read(into)?;
                if read == 0 && *left > 0 && !into.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                *left -= read as u64;
                Ok(read)
            }
        }
    }
}
