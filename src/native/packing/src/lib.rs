//! The serving side of the packer's protocol: a program that has a tree gives `mkdwarfs -i -` its list, and contents on request.
//!
//! The packer's standard input gets a message with the number of nodes, then one for each node. Then its standard output is read: each
//! request for a node is answered by the content of that file in parts, whose lengths are the size of the file in sum. A hole reads as zeros;
//! behind a part with data follow messages whose bodies are that data.

use messages::{Limits, Reader, from_bytes};
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read, Write};

/// Longest request.
const REQUEST: usize = 64;
/// Bytes of data in a message.
const PIECE: usize = 1 << 20;

/// A node of the tree. The root comes first, directories before what is in them, names in a directory in the order of their bytes.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Number of the directory's node; the root is its own.
    pub parent: usize,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// The node of which this is one more name.
    pub link: Option<usize>,
    /// Bytes of a file.
    pub size: u64,
    /// Number of a device.
    pub device: u64,
    pub name: &'a [u8],
    /// Of a symbolic link.
    pub target: &'a [u8],
}

/// Why no more is served.
#[derive(Debug)]
pub enum Stopped {
    /// The packer has ended. Its exit code says why.
    Ended,
    /// The tree cannot be read, in words for the user.
    Failed(String),
}

/// A tree that is served.
pub trait Tree {
    /// Number of nodes.
    fn count(&self) -> usize;
    fn entry(&self, number: usize) -> Entry<'_>;
    /// Sends the content of a file, as long as the entry says.
    fn content(&self, number: usize, to: &mut Content<'_>) -> Result<(), Stopped>;
}

/// Where a content goes.
pub struct Content<'a> {
    to: &'a mut dyn Write,
}

impl Content<'_> {
    /// So many bytes follow by [`Content::bytes`].
    pub fn data(&mut self, length: u64) -> Result<(), Stopped> {
        self.send(&Part::Data(length), &[])
    }

    /// So many zeros follow, which are not sent.
    pub fn hole(&mut self, length: u64) -> Result<(), Stopped> {
        self.send(&Part::Hole(length), &[])
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        bytes.chunks(PIECE).try_for_each(|piece| self.send(&Piece {}, piece))
    }

    fn send(&mut self, head: &impl Serialize, body: &[u8]) -> Result<(), Stopped> {
        let message = messages::encode(head, body).map_err(|error| Stopped::Failed(error.to_string()))?;
        self.to.write_all(&message).map_err(|_| Stopped::Ended)
    }
}

/// How many nodes follow.
#[derive(Serialize)]
struct List {
    nodes: usize,
}

/// A node. Each character of a text is a byte.
#[derive(Serialize)]
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

/// A file whose content is wanted.
#[derive(Deserialize)]
struct Wanted {
    node: usize,
}

/// A part of a content, and its length.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Hole(u64),
    Data(u64),
}

/// Some of the data of a part.
#[derive(Serialize)]
struct Piece {}

/// Serves a tree until the packer has all that it wants. That it ends early is no failure here: its exit code tells.
pub fn serve(tree: &impl Tree, to: &mut impl Write, from: &mut impl Read) -> Result<(), String> {
    match answer(tree, to, from) {
        Ok(()) | Err(Stopped::Ended) => Ok(()),
        Err(Stopped::Failed(text)) => Err(text),
    }
}

fn answer(tree: &impl Tree, to: &mut impl Write, from: &mut impl Read) -> Result<(), Stopped> {
    list(tree, to).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Stopped::Ended,
        _ => Stopped::Failed(format!("cannot send the tree to mkdwarfs: {error}")),
    })?;
    let mut requests = Reader::new(from, Limits::heads(REQUEST));
    // The end of the packer may cut a request.
    while let Ok(Some(message)) = requests.read() {
        let wanted = message.parse();
        let Wanted { node } =
            wanted.map_err(|error| Stopped::Failed(format!("cannot understand mkdwarfs: {error}")))?;
        if node >= tree.count() {
            return Err(Stopped::Failed("mkdwarfs asked for a file that there is not".into()));
        }
        tree.content(node, &mut Content { to })?;
        to.flush().map_err(|_| Stopped::Ended)?;
    }
    Ok(())
}

fn list(tree: &impl Tree, to: &mut impl Write) -> std::io::Result<()> {
    let nodes = tree.count();
    to.write_all(&messages::encode(&List { nodes }, &[])?)?;
    for number in 0..nodes {
        let entry = tree.entry(number);
        let described = Described {
            parent: entry.parent,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            link: entry.link,
            size: entry.size,
            device: entry.device,
            name: from_bytes(entry.name),
            target: from_bytes(entry.target),
        };
        to.write_all(&messages::encode(&described, &[])?)?;
    }
    to.flush()
}
