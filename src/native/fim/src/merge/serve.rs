//! The merged tree for the packer, which asks for contents when it wants them.
//!
//! The packer's standard input gets a message with the number of nodes, then one for each node. Then its standard output is read: each
//! request for a node is answered by the content of that file in parts, whose lengths are the size of the file in sum. A hole reads as zeros;
//! behind a part with data follow messages whose bodies are that data.

use super::tree::{Node, Tree};
use crate::fail;
use crate::failure::{Context, Result};
use crate::sys::{self, Step};
use dwarfs_fuse::Kind;
use messages::{Limits, Reader, from_bytes};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::process::{Command, Stdio};

const PIECE: usize = 1 << 20;
/// Longest request.
const REQUEST: usize = 64;

/// Runs the packer, given with its arguments, to its end.
pub fn pack(tree: &Tree<'_>, words: &[OsString]) -> Result<()> {
    let Some((packer, arguments)) = words.split_first() else {
        fail!("there is no packer")
    };
    let failed = || format!("cannot run '{}'", packer.display());
    let mut command = Command::new(packer);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    // It removes the file that it has not finished.
    let mut child = sys::spawn(command, &[Step::SignalAtEndOfParent(Signal::TERM)]).context(failed)?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        fail!("{}", failed())
    };
    let served = serve(tree, &mut BufWriter::new(input), &mut BufReader::new(output));
    let status = child.wait().context(failed)?;
    served?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => fail!("mkdwarfs ended with code {code}"),
        None => fail!("mkdwarfs was ended: {status}"),
    }
}

/// The end of the packer is no failure here: its exit code tells.
fn serve(tree: &Tree<'_>, to: &mut impl Write, from: &mut impl Read) -> Result<()> {
    let sent = send(
        to,
        &List {
            nodes: tree.nodes.len(),
        },
        &[],
    )
    .and_then(|()| tree.nodes.iter().try_for_each(|node| describe(node, to)))
    .and_then(|()| to.flush());
    match sent {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        sent => sent.context(|| "cannot send the merged tree".to_string())?,
    }
    let mut requests = Reader::new(from, Limits::heads(REQUEST));
    // The end of the packer may cut a request.
    while let Ok(Some(message)) = requests.read() {
        let Wanted { node } = message.parse().context(|| "cannot understand mkdwarfs".to_string())?;
        let Some(node) = tree.nodes.get(node) else {
            fail!("mkdwarfs asked for a file that there is not")
        };
        if !content(tree, node, to)? {
            return Ok(());
        }
    }
    Ok(())
}

/// How many nodes follow.
#[derive(Serialize)]
struct List {
    nodes: usize,
}

/// A node, with the number of its parent. Each character of a text is a byte.
#[derive(Serialize)]
struct Described {
    parent: usize,
    /// With the type.
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: u32,
    /// The node that this is one more name of.
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

fn send(to: &mut impl Write, head: &impl Serialize, body: &[u8]) -> std::io::Result<()> {
    to.write_all(&messages::encode(head, body)?)
}

fn describe(node: &Node<'_>, to: &mut impl Write) -> std::io::Result<()> {
    let attributes = &node.attributes;
    let target = node
        .source
        .and_then(|source| source.layer.target(source.inode))
        .unwrap_or_default();
    let described = Described {
        parent: node.parent,
        mode: type_bits(attributes.kind) | attributes.mode,
        uid: attributes.uid,
        gid: attributes.gid,
        mtime: attributes.modified.min(u32::MAX.into()) as u32,
        link: node.link,
        size: attributes.size,
        device: attributes.device,
        name: from_bytes(node.name),
        target: from_bytes(target),
    };
    send(to, &described, &[])
}

fn type_bits(kind: Kind) -> u32 {
    match kind {
        Kind::Directory => libc::S_IFDIR,
        Kind::Symlink => libc::S_IFLNK,
        Kind::File => libc::S_IFREG,
        Kind::BlockDevice => libc::S_IFBLK,
        Kind::CharacterDevice => libc::S_IFCHR,
        Kind::Pipe => libc::S_IFIFO,
        Kind::Socket => libc::S_IFSOCK,
    }
}

/// Sends the content of a file; false when the packer has ended.
fn content(tree: &Tree<'_>, node: &Node<'_>, to: &mut impl Write) -> Result<bool> {
    let Some(source) = node.source else {
        fail!("mkdwarfs asked for the content of a deletion")
    };
    let size = node.attributes.size;
    let mut offset = 0;
    while offset < size {
        let hole = source.layer.hole(source.inode, offset);
        if hole > 0 {
            if send(to, &Part::Hole(hole), &[]).is_err() {
                return Ok(false);
            }
            offset += hole;
            continue;
        }
        let end = offset + source.layer.data(source.inode, offset);
        if end == offset {
            fail!("'{}' of a layer is shorter than it says", tree.path(node).display())
        }
        if send(to, &Part::Data(end - offset), &[]).is_err() {
            return Ok(false);
        }
        while offset < end {
            let wanted = PIECE.min(usize::try_from(end - offset).unwrap_or(PIECE));
            let sent = source
                .layer
                .read(source.inode, offset, wanted, |bytes| {
                    send(to, &Piece {}, bytes).map(|()| bytes.len())
                })
                .context(|| {
                    format!(
                        "cannot read '{}' of a layer, which is damaged",
                        tree.path(node).display()
                    )
                })?;
            match sent {
                Ok(0) => fail!("'{}' of a layer is shorter than it says", tree.path(node).display()),
                Ok(length) => offset += length as u64,
                Err(_) => return Ok(false),
            }
        }
    }
    Ok(to.flush().is_ok())
}
