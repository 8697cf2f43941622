//! Where the tree is: in a directory, or with a program that serves it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::arguments::Command;
use crate::error::Error;
use crate::holes::{self, Segment};
use crate::scan::{self, Node, Stamp};
use crate::served::{self, Connection};

#[derive(Debug)]
pub enum Source {
    Directory(PathBuf),
    Served(Mutex<Connection>),
}

/// The content of one file, from its start.
#[derive(Debug)]
pub struct Content<'a> {
    from: Origin<'a>,
    size: u64,
    offset: u64,
    /// What is left of the segment that is read.
    left: u64,
}

#[derive(Debug)]
enum Origin<'a> {
    File(File),
    /// Others wait for their contents until it is dropped.
    Served(MutexGuard<'a, Connection>),
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
        let from = match self {
            Self::Directory(root) => {
                let path = root.join(&node.path);
                let reached = reach::reach(&path).map_err(Error::io(&path, "open the file"))?;
                Origin::File(File::open(&reached).map_err(Error::io(&path, "open the file"))?)
            }
            Self::Served(connection) => {
                let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                connection
                    .ask(number)
                    .map_err(Error::io(&node.path, "ask for the file"))?;
                Origin::Served(connection)
            }
        };
        Ok(Content {
            from,
            size: node.size,
            offset: 0,
            left: 0,
        })
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
        match &self.from {
            Origin::File(file) => Ok(Some(Stamp::of(&file.metadata()?))),
            Origin::Served(_) => Ok(None),
        }
    }

    /// The next part. Data is then read from here, all of it; `None` at the end.
    pub fn next_segment(&mut self) -> io::Result<Option<Segment>> {
        let rest = self.size - self.offset;
        if rest == 0 {
            return Ok(None);
        }
        let segment = match &mut self.from {
            Origin::File(_) if self.size < holes::LEAST => Segment::Data(rest),
            Origin::File(file) => {
                let segment = holes::segment_at(file, self.offset, self.size)?;
                // To look for holes has moved the position.
                file.seek(SeekFrom::Start(self.offset))?;
                segment
            }
            Origin::Served(connection) => connection.segment()?,
        };
        let (Segment::Data(length) | Segment::Hole(length)) = segment;
        if length == 0 || length > rest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.offset += length;
        self.left = if matches!(segment, Segment::Data(_)) { length } else { 0 };
        Ok(Some(segment))
    }
}

impl Read for Content<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.from {
            Origin::File(file) => file.take(self.left).read(into)?,
            Origin::Served(connection) => connection.input.by_ref().take(self.left).read(into)?,
        };
        if read == 0 && self.left > 0 && !into.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}
