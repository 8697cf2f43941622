//! Compares a layer with the merged tree that it was made of, name by name and byte by byte.

use super::tree::{Node, Source, Tree};
use crate::fail;
use crate::failure::{Context, Result};
use dwarfs_fuse::{Attributes, Kind, Layer};
use std::collections::HashMap;

const PIECE: usize = 1 << 20;

/// Fails with the first difference.
pub fn verify(tree: &Tree<'_>, layer: &Layer) -> Result<()> {
    let mut comparison = Comparison {
        tree,
        layer,
        inodes: Vec::with_capacity(tree.nodes.len()),
        owners: HashMap::new(),
        buffer: Vec::with_capacity(PIECE),
    };
    let mut children: HashMap<usize, usize> = HashMap::new();
    for (number, node) in tree.nodes.iter().enumerate() {
        comparison.node(number, node)?;
        *children.entry(node.parent).or_default() += usize::from(number != 0);
    }
    for (number, node) in tree.nodes.iter().enumerate() {
        let inode = comparison.inodes.get(number).copied().unwrap_or_default();
        let found = layer.entries(inode).map_or(0, Iterator::count);
        if found != children.get(&number).copied().unwrap_or_default() {
            return comparison.differs(node, "the names in it");
        }
    }
    Ok(())
}

struct Comparison<'a> {
    tree: &'a Tree<'a>,
    layer: &'a Layer,
    /// The inode of the layer that each node is.
    inodes: Vec<u32>,
    /// The node that an inode of the layer is: names of one file are names of one file there.
    owners: HashMap<u32, usize>,
    buffer: Vec<u8>,
}

impl Comparison<'_> {
    fn node(&mut self, number: usize, node: &Node<'_>) -> Result<()> {
        let parent = self.inodes.get(node.parent).copied();
        let inode = match parent {
            None => Some(0),
            Some(parent) => self.layer.find(parent, node.name),
        };
        let Some((inode, found)) = inode.and_then(|inode| Some((inode, self.layer.attributes(inode)?))) else {
            return self.differs(node, "whether it is there");
        };
        self.inodes.push(inode);
        let wrong = difference(&node.attributes, &found);
        if !wrong.is_empty() {
            return self.differs(node, wrong);
        }
        if *self.owners.entry(inode).or_insert(number) != node.link.unwrap_or(number) {
            return self.differs(node, "which file it is a link to");
        }
        match node.source {
            Some(source) if found.kind == Kind::File && node.link.is_none() => self.content(node, source, inode),
            Some(source) if source.layer.target(source.inode) != self.layer.target(inode) => {
                self.differs(node, "its target")
            }
            _ => Ok(()),
        }
    }

    fn content(&mut self, node: &Node<'_>, source: Source<'_>, inode: u32) -> Result<()> {
        let failed = || format!("cannot read '{}'", self.tree.path(node).display());
        let mut offset = 0;
        while offset < node.attributes.size {
            // What both leave out is the same. Anything else is read, and a hole reads as zeros.
            let holes = [source.layer.hole(source.inode, offset), self.layer.hole(inode, offset)];
            let both = holes[0].min(holes[1]);
            if both > 0 {
                offset += both;
                continue;
            }
            let buffer = &mut self.buffer;
            let fill = |bytes: &[u8]| {
                buffer.clear();
                buffer.extend_from_slice(bytes);
            };
            source.layer.read(source.inode, offset, PIECE, fill).context(failed)?;
            let expected = self.buffer.as_slice();
            let same = self
                .layer
                .read(inode, offset, expected.len().max(1), |bytes| bytes == expected)
                .context(failed)?;
            if !same || expected.is_empty() {
                return self.differs(node, "its content");
            }
            offset += expected.len() as u64;
        }
        Ok(())
    }

    fn differs(&self, node: &Node<'_>, what: &str) -> Result<()> {
        fail!(
            "the new layer is not what it was made of: {what} differs at '{}'",
            self.tree.path(node).display()
        )
    }
}

fn difference(wanted: &Attributes, found: &Attributes) -> &'static str {
    if wanted.kind != found.kind {
        "its type"
    } else if wanted.mode != found.mode {
        "its permissions"
    } else if (wanted.uid, wanted.gid) != (found.uid, found.gid) {
        "its owner"
    } else if wanted.modified.min(u32::MAX.into()) != found.modified {
        "its time"
    } else if wanted.device != found.device {
        "its device number"
    } else if wanted.size != found.size {
        "its size"
    } else {
        ""
    }
}
