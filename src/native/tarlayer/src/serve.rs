//! The tree for the packer, which asks for contents when it wants them. `packing` has the protocol.

use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::members::Part;
use crate::plain::Plain;
use crate::tree::{Content, Node, Tree};
use packing::{Entry, Stopped};
use std::ffi::OsString;
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

const PIECE: u64 = 1 << 20;
/// Smaller holes are sent as zeros, as the packer does with those of files.
const LEAST_HOLE: u64 = 1 << 20;

pub struct Served<'a> {
    pub archive: &'a Plain,
    pub tree: &'a Tree,
    pub nodes: &'a [Node],
}

/// Runs the packer, given with its arguments, to its end.
pub fn pack(served: &Served<'_>, words: &[OsString]) -> Result<()> {
    let Some((packer, arguments)) = words.split_first() else {
        fail!("there is no packer")
    };
    let failed = || format!("cannot run '{}'", console::shown(packer));
    let mut child = Command::new(packer)
        .args(arguments)
        // It removes the file that it has not finished.
        .args(["--parent", &std::process::id().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context(failed)?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        fail!("{}", failed())
    };
    let result = packing::serve(
        served,
        &mut BufWriter::with_capacity(PIECE as usize, input),
        &mut BufReader::new(output),
    );
    let status = child.wait().context(failed)?;
    result.map_err(Failure)?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => fail!("mkdwarfs ended with code {code}"),
        None => fail!("mkdwarfs was ended: {status}"),
    }
}

impl packing::Tree for Served<'_> {
    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn entry(&self, number: usize) -> Entry<'_> {
        let node = &self.nodes[number];
        let content = node.inode.map(|inode| &self.tree.inodes[inode].content);
        let (size, device, target) = match content {
            Some(Content::File { size, .. }) => (*size, 0, &[][..]),
            Some(Content::Device(device)) => (0, *device, &[][..]),
            Some(Content::Symlink(target)) => (0, 0, &target[..]),
            Some(Content::Directory(_) | Content::Pipe) | None => (0, 0, &[][..]),
        };
        Entry {
            parent: node.parent,
            mode: node.attributes.mode,
            uid: node.attributes.uid,
            gid: node.attributes.gid,
            mtime: node.attributes.mtime,
            link: node.link,
            size,
            device,
            name: &node.name,
            target,
        }
    }

    fn content(&self, number: usize, to: &mut packing::Content<'_>) -> std::result::Result<(), Stopped> {
        let inode = self.nodes[number].inode.map(|inode| &self.tree.inodes[inode].content);
        let Some(Content::File { size, parts }) = inode else {
            return Err(Stopped::Failed("mkdwarfs asked for the content of no file".into()));
        };
        let mut offset = 0;
        let end = Part {
            offset: *size,
            length: 0,
            position: 0,
        };
        for part in parts.iter().chain([&end]) {
            zeros(part.offset - offset, to)?;
            self.stored(part, to)?;
            offset = part.offset + part.length;
        }
        Ok(())
    }
}

impl Served<'_> {
    fn stored(&self, part: &Part, to: &mut packing::Content<'_>) -> std::result::Result<(), Stopped> {
        if part.length == 0 {
            return Ok(());
        }
        to.data(part.length)?;
        let mut buffer = vec![0; part.length.min(PIECE) as usize];
        let mut done = 0;
        while done < part.length {
            let wanted = (part.length - done).min(PIECE) as usize;
            self.archive
                .file
                .read_exact_at(&mut buffer[..wanted], part.position + done)
                .map_err(|error| Stopped::Failed(format!("cannot read the archive: {error}")))?;
            to.bytes(&buffer[..wanted])?;
            done += wanted as u64;
        }
        Ok(())
    }
}

fn zeros(length: u64, to: &mut packing::Content<'_>) -> std::result::Result<(), Stopped> {
    match length {
        0 => Ok(()),
        LEAST_HOLE.. => to.hole(length),
        _ => {
            to.data(length)?;
            to.bytes(&vec![0; length as usize])
        }
    }
}
