//! The merged tree for the packer, which asks for contents when it wants them.
//!
//! The packer's standard input gets `u32 count` and for each node `u32 parent`, `u32 mode` with the type, `u32 uid`, `u32 gid`,
//! `u32 mtime`, `u8 kind`, `u64 value`, `u32 length`, name, `u32 length`, target. Kind 0 is an inode of its own: `value` is the
//! size of a file or the number of a device. Kind 1 is one more name of the node `value`. Then its standard output is read: each
//! `u32 node` is answered by the content of that file in parts: `u8 kind`, `u64 length`, and for kind 0 as many bytes; kind 1 is a
//! hole, which reads as zeros. Their lengths are the size of the file in sum. Little endian.

use super::tree::{Node, Tree};
use crate::fail;
use crate::failure::{Context, Result};
use crate::sys::{self, Step};
use dwarfs_fuse::Kind;
use rustix::process::Signal;
use std::ffi::OsString;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
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
    let sent = short(tree.nodes.len())
        .and_then(|count| to.write_all(&count.to_le_bytes()))
        .and_then(|()| tree.nodes.iter().try_for_each(|node| describe(node, to)))
        .and_then(|()| to.flush());
    match sent {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        sent => sent.context(|| "cannot send the merged tree".to_string())?,
    }
    let mut number = [0; 4];
    while from.read_exact(&mut number).is_ok() {
        let Some(node) = tree.nodes.get(u32::from_le_bytes(number) as usize) else {
            fail!("mkdwarfs asked for a file that there is not")
        };
        if !content(tree, node, to)? {
            return Ok(());
        }
    }
    Ok(())
}

fn short(number: usize) -> std::io::Result<u32> {
    u32::try_from(number).map_err(|_| std::io::Error::from(ErrorKind::FileTooLarge))
}

fn describe(node: &Node<'_>, to: &mut impl Write) -> std::io::Result<()> {
    let attributes = &node.attributes;
    let (kind, value) = match (node.link, attributes.kind) {
        (Some(first), _) => (1, first as u64),
        (None, Kind::BlockDevice | Kind::CharacterDevice) => (0, attributes.device),
        (None, _) => (0, attributes.size),
    };
    let target = node
        .source
        .and_then(|source| source.layer.target(source.inode))
        .unwrap_or_default();
    let numbers = [
        short(node.parent)?,
        type_bits(attributes.kind) | attributes.mode,
        attributes.uid,
        attributes.gid,
        attributes.modified.min(u32::MAX.into()) as u32,
    ];
    for number in numbers {
        to.write_all(&number.to_le_bytes())?;
    }
    to.write_all(&[kind])?;
    to.write_all(&value.to_le_bytes())?;
    for text in [node.name, target] {
        to.write_all(&short(text.len())?.to_le_bytes())?;
        to.write_all(text)?;
    }
    Ok(())
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
            if part(to, 1, hole).is_err() {
                return Ok(false);
            }
            offset += hole;
            continue;
        }
        let end = offset + source.layer.data(source.inode, offset);
        if end == offset {
            fail!("'{}' of a layer is shorter than it says", tree.path(node).display())
        }
        if part(to, 0, end - offset).is_err() {
            return Ok(false);
        }
        while offset < end {
            let wanted = PIECE.min(usize::try_from(end - offset).unwrap_or(PIECE));
            let sent = source
                .layer
                .read(source.inode, offset, wanted, |bytes| {
                    to.write_all(bytes).map(|()| bytes.len())
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

fn part(to: &mut impl Write, kind: u8, length: u64) -> std::io::Result<()> {
    to.write_all(&[kind])?;
    to.write_all(&length.to_le_bytes())
}
