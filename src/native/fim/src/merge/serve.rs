//! The merged tree for the packer, which asks for contents when it wants them. `packing` has the protocol.

use super::tree::{Node, Tree};
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::sys::{self, Step};
use dwarfs_fuse::Kind;
use packing::{Content, Entry, Stopped};
use rustix::process::Signal;
use std::ffi::OsString;
use std::io::{BufReader, BufWriter};
use std::process::{Command, Stdio};

const PIECE: usize = 1 << 20;

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
    let served = packing::serve(tree, &mut BufWriter::new(input), &mut BufReader::new(output));
    let status = child.wait().context(failed)?;
    served.map_err(Failure)?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => fail!("mkdwarfs ended with code {code}"),
        None => fail!("mkdwarfs was ended: {status}"),
    }
}

impl packing::Tree for Tree<'_> {
    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn entry(&self, number: usize) -> Entry<'_> {
        let node = &self.nodes[number];
        let attributes = &node.attributes;
        Entry {
            parent: node.parent,
            mode: type_bits(attributes.kind) | attributes.mode,
            uid: attributes.uid,
            gid: attributes.gid,
            mtime: attributes.modified.min(u32::MAX.into()) as u32,
            link: node.link,
            size: attributes.size,
            device: attributes.device,
            name: node.name,
            target: node
                .source
                .and_then(|source| source.layer.target(source.inode))
                .unwrap_or_default(),
        }
    }

    fn content(&self, number: usize, to: &mut Content<'_>) -> std::result::Result<(), Stopped> {
        content(self, &self.nodes[number], to)
    }
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

/// Sends the content of a file.
fn content(tree: &Tree<'_>, node: &Node<'_>, to: &mut Content<'_>) -> std::result::Result<(), Stopped> {
    let Some(source) = node.source else {
        return Err(Stopped::Failed("mkdwarfs asked for the content of a deletion".into()));
    };
    let short = || {
        let path = tree.path(node);
        Stopped::Failed(format!("'{}' of a layer is shorter than it says", path.display()))
    };
    let size = node.attributes.size;
    let mut offset = 0;
    while offset < size {
        let hole = source.layer.hole(source.inode, offset);
        if hole > 0 {
            to.hole(hole)?;
            offset += hole;
            continue;
        }
        let end = offset + source.layer.data(source.inode, offset);
        if end == offset {
            return Err(short());
        }
        to.data(end - offset)?;
        while offset < end {
            let wanted = PIECE.min(usize::try_from(end - offset).unwrap_or(PIECE));
            let sent = source
                .layer
                .read(source.inode, offset, wanted, |bytes| {
                    to.bytes(bytes).map(|()| bytes.len())
                })
                .map_err(|error| {
                    let path = tree.path(node);
                    let path = path.display();
                    Stopped::Failed(format!("cannot read '{path}' of a layer, which is damaged: {error}"))
                })?;
            match sent? {
                0 => return Err(short()),
                length => offset += length as u64,
            }
        }
    }
    Ok(())
}
