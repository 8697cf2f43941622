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
    /// Where the next segment begins.
    offset: u64,
    /// The data or the hole that is there, as far as that is known.
    run: Run,
    /// Bytes of the segment that are not read yet.
    left: u64,
}

#[derive(Debug, Default)]
struct Run {
    is_hole: bool,
    end: u64,
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
            run: Run::default(),
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

    /// The next segment before byte `until`. Data is then read from here, all of it; `None` when there is no more.
    pub fn next_segment(&mut self, until: u64) -> io::Result<Option<Segment>> {
        let until = until.min(self.size);
        if self.offset >= until {
            return Ok(None);
        }
        if self.offset >= self.run.end {
            self.run = self.find_run()?;
        }
        let length = self.run.end.min(until) - self.offset;
        self.offset += length;
        self.left = if self.run.is_hole { 0 } else { length };
        Ok(Some(if self.run.is_hole {
            Segment::Hole(length)
        } else {
            Segment::Data(length)
        }))
    }

    fn find_run(&mut self) -> io::Result<Run> {
        let rest = self.size - self.offset;
        let segment = match &mut self.from {
            Origin::File(file) => {
                let segment = match self.size {
                    ..holes::LEAST => Segment::Data(rest),
                    size => holes::segment_at(file, self.offset, size)?,
                };
                // To look for holes moves the position, and to skip does not.
                file.seek(SeekFrom::Start(self.offset))?;
                segment
            }
            Origin::Served(connection) => connection.segment()?,
        };
        let (Segment::Data(length) | Segment::Hole(length)) = segment;
        if length == 0 || length > rest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Run {
            is_hole: matches!(segment, Segment::Hole(_)),
            end: self.offset + length,
        })
    }

    /// Leaves out what comes before byte `to`.
    pub fn skip(&mut self, to: u64) -> io::Result<()> {
        if let Origin::File(_) = self.from {
            self.offset = self.offset.max(to.min(self.size));
            self.run = Run::default();
            self.left = 0;
            return Ok(());
        }
        // All that is served has to be taken.
        while self.next_segment(to)?.is_some() {
            io::copy(self, &mut io::sink())?;
        }
        Ok(())
    }
}

impl Read for Content<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.from {
            Origin::File(file) => file.take(self.left).read(into)?,
            Origin::Served(connection) => connection.read(into, self.left)?,
        };
        if read == 0 && self.left > 0 && !into.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}
