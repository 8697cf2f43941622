//! A tree that another program has: its list on standard input, then contents for each request written to standard output. The
//! messages are described where they are written, in `packing/src/lib.rs`.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Stdin};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use messages::{Limits, Reader, to_bytes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::arguments::Command;
use crate::error::Error;
use crate::holes::Segment;
use crate::scan::{Attributes, Kind, Node};

/// Longest name or target.
const LONGEST: usize = 65_536;
/// Each byte of a text may take six in JSON. Data comes in pieces of a MiB.
const LIMITS: Limits = Limits {
    head: 2 * 6 * LONGEST + 4096,
    body: 1 << 20,
};

#[derive(Debug)]
pub struct Connection {
    input: Reader<Stdin>,
    /// What was received of the data that is read, and how much of it was given.
    piece: Vec<u8>,
    given: usize,
}

/// How many nodes follow.
#[derive(Deserialize)]
struct List {
    nodes: usize,
}

#[derive(Deserialize)]
struct Described {
    parent: usize,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: u32,
    link: Option<usize>,
    size: u64,
    device: u64,
    name: String,
    target: String,
}

/// A request for a content.
#[derive(Serialize)]
struct Wanted {
    node: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Hole(u64),
    Data(u64),
}

impl Connection {
    /// Has the content of a file sent.
    pub fn ask(&mut self, node: usize) -> io::Result<()> {
        messages::print(&Wanted { node }, &[])
    }

    /// What the next part of a content is: whether zeros follow that are not sent, and how many bytes there are.
    pub fn segment(&mut self) -> io::Result<Segment> {
        self.receive().map(|part| match part {
            Part::Hole(length) => Segment::Hole(length),
            Part::Data(length) => Segment::Data(length),
        })
    }

    /// Gives some of the data of a part, but no more than is `left` of it.
    pub fn read(&mut self, into: &mut [u8], left: u64) -> io::Result<usize> {
        if left == 0 || into.is_empty() {
            return Ok(0);
        }
        if self.given == self.piece.len() {
            self.piece = self.input.read()?.unwrap_or_default().body;
            self.given = 0;
        }
        let rest = &self.piece[self.given..];
        let length = rest.len().min(into.len());
        if length as u64 > left {
            return Err(ErrorKind::InvalidData.into());
        }
        into[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }

    fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let message = self.input.read()?.ok_or(ErrorKind::UnexpectedEof)?;
        Ok(message.parse()?)
    }
}

fn bytes_of(text: &str) -> io::Result<Vec<u8>> {
    let bytes = to_bytes(text).filter(|bytes| bytes.len() <= LONGEST);
    bytes.ok_or_else(|| ErrorKind::InvalidData.into())
}

/// Reads the list.
pub fn list(command: &Command) -> Result<(Connection, Vec<Node>), Error> {
    let mut connection = Connection {
        input: Reader::new(io::stdin(), LIMITS),
        piece: Vec::new(),
        given: 0,
    };
    let failed = || Error::io(Path::new("standard input"), "read the tree");
    let List { nodes: count } = connection.receive().map_err(failed())?;
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..count {
        let node = read(&mut connection, command, &nodes)?;
        nodes.push(node);
    }
    Ok((connection, nodes))
}

fn read(connection: &mut Connection, command: &Command, nodes: &[Node]) -> Result<Node, Error> {
    let failed = || Error::io(Path::new("standard input"), "read the tree");
    let found: Described = connection.receive().map_err(failed())?;
    let name = bytes_of(&found.name).map_err(failed())?;
    let target = bytes_of(&found.target).map_err(failed())?;
    let directory = nodes.get(found.parent).map(|node| node.path.as_path());
    let path = directory.map_or_else(PathBuf::new, |directory| directory.join(OsStr::from_bytes(&name)));
    let kind = match (found.link, found.mode & libc::S_IFMT) {
        (Some(first), _) => Kind::HardLink(first),
        (None, libc::S_IFDIR) => Kind::Directory,
        (None, libc::S_IFLNK) => Kind::Symlink(target),
        (None, libc::S_IFREG) => Kind::File,
        (None, libc::S_IFBLK) => Kind::BlockDevice(found.device),
        (None, libc::S_IFCHR) => Kind::CharacterDevice(found.device),
        (None, libc::S_IFIFO) => Kind::Pipe,
        (None, libc::S_IFSOCK) => Kind::Socket,
        (None, other) => return Err(Error::refused(&path, format!("is of the unknown type {other:o}"))),
    };
    let attributes = Attributes {
        mode: found.mode,
        uid: command.uid.unwrap_or(found.uid),
        gid: command.gid.unwrap_or(found.gid),
        mtime: command.mtime.unwrap_or(found.mtime),
    };
    Ok(Node {
        path,
        name,
        parent: found.parent,
        size: if matches!(kind, Kind::File) { found.size } else { 0 },
        kind,
        attributes,
        stamp: None,
    })
}
