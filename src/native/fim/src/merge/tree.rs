//! What layers that lie on one another show, as an overlay of the kernel would show them.
//!
//! What is merged goes on other layers that stay: a deletion of what they have is kept, and where a directory took the place of
//! something that hid one of theirs, each name that would appear again is deleted: no layer can say that it is opaque.

use dwarfs_fuse::{Attributes, Directories, Kind, Layer, Seen, look};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A name in the merged tree. Directories come before what is in them, names in one in the order of their bytes.
pub struct Node<'a> {
    pub name: &'a [u8],
    /// Number of the directory's node; the root is its own.
    pub parent: usize,
    pub attributes: Attributes,
    /// The node of which this is one more name.
    pub link: Option<usize>,
    /// Where its content is; a deletion has none.
    pub source: Option<Source<'a>>,
}

#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub layer: &'a Layer,
    pub inode: u32,
}

pub struct Tree<'a> {
    pub nodes: Vec<Node<'a>>,
}

/// A directory that is being listed.
struct Open<'a> {
    number: usize,
    below: Directories,
    /// Whether nothing of the layers below is seen in it.
    opaque: bool,
    rest: std::vec::IntoIter<(&'a [u8], Option<Seen>)>,
}

impl<'a> Tree<'a> {
    /// Merges all but the first `below` of the layers, lowest first.
    pub fn merge(layers: &'a [Layer], below: usize) -> Self {
        let stack = Stack { layers };
        let below = below.min(layers.len());
        let roots = |range: std::ops::Range<usize>| range.rev().map(|layer| (layer, 0)).collect::<Directories>();
        let (merged, lower) = (roots(below..layers.len()), roots(0..below));
        let mut tree = Self { nodes: Vec::new() };
        let Some((attributes, source)) = merged.first().and_then(|&(layer, inode)| stack.inode(layer, inode)) else {
            return tree;
        };
        tree.nodes.push(Node {
            name: b"",
            parent: 0,
            attributes,
            link: None,
            source: Some(source),
        });
        // First node of each inode that may have several names.
        let mut links: HashMap<(usize, u32), usize> = HashMap::new();
        // Not by recursion: the depth of a tree is not bounded by that of the stack.
        let mut open = vec![stack.open(0, merged, lower, false)];
        while let Some(directory) = open.last_mut() {
            let Some((name, seen)) = directory.rest.next() else {
                open.pop();
                continue;
            };
            let number = tree.nodes.len();
            let parent = directory.number;
            let Some(seen) = seen.filter(|seen| !seen.is_whiteout) else {
                let time = tree.nodes.get(parent).map_or(0, |parent| parent.attributes.modified);
                tree.nodes.push(deletion(name, parent, time));
                continue;
            };
            let Some((attributes, source)) = stack.inode(seen.layer, seen.inode) else {
                continue;
            };
            let is_directory = attributes.kind == Kind::Directory;
            let link = if is_directory || attributes.links < 2 {
                None
            } else {
                let first = *links.entry((seen.layer, seen.inode)).or_insert(number);
                (first != number).then_some(first)
            };
            tree.nodes.push(Node {
                name,
                parent,
                attributes,
                link,
                source: Some(source),
            });
            if is_directory {
                let below = look(layers, &directory.below, name).map_or_else(Vec::new, |seen| seen.directories);
                let opaque = directory.opaque || seen.is_cut_off;
                open.push(stack.open(number, seen.directories, below, opaque));
            }
        }
        tree
    }
}

/// The character device 0:0.
fn deletion(name: &[u8], parent: usize, time: u64) -> Node<'_> {
    let attributes = Attributes {
        inode: 0,
        kind: Kind::CharacterDevice,
        mode: 0,
        uid: 0,
        gid: 0,
        size: 0,
        accessed: time,
        modified: time,
        changed: time,
        links: 1,
        device: 0,
    };
    Node {
        name,
        parent,
        attributes,
        link: None,
        source: None,
    }
}

struct Stack<'a> {
    layers: &'a [Layer],
}

impl<'a> Stack<'a> {
    fn inode(&self, layer: usize, inode: u32) -> Option<(Attributes, Source<'a>)> {
        let layer = self.layers.get(layer)?;
        Some((layer.attributes(inode)?, Source { layer, inode }))
    }

    /// Lists a directory. A name with nothing, or with a deletion, is to be deleted in the layers below.
    fn open(&self, number: usize, merged: Directories, below: Directories, opaque: bool) -> Open<'a> {
        let shows = |name: &[u8]| look(self.layers, &below, name).is_some_and(|seen| !seen.is_whiteout);
        let hidden: &[(usize, u32)] = if opaque { &below } else { &[] };
        let mut names: Vec<&'a [u8]> = Vec::new();
        for &(layer, inode) in merged.iter().chain(hidden) {
            let entries = self.layers.get(layer).and_then(|layer| layer.entries(inode));
            names.extend(entries.into_iter().flatten().map(|entry| entry.name));
        }
        names.sort_unstable();
        names.dedup();
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let seen = look(self.layers, &merged, name);
            // What deletes nothing any more is left out.
            if seen.as_ref().is_some_and(|seen| !seen.is_whiteout) || shows(name) {
                entries.push((name, seen));
            }
        }
        Open {
            number,
            below,
            opaque,
            rest: entries.into_iter(),
        }
    }
}

impl Tree<'_> {
    /// Where a node is, for messages.
    pub fn path(&self, node: &Node<'_>) -> PathBuf {
        let mut names = vec![node.name];
        let mut parent = node.parent;
        while parent != 0 {
            let Some(node) = self.nodes.get(parent) else { break };
            names.push(node.name);
            parent = node.parent;
        }
        let root = PathBuf::from("/");
        names
            .iter()
            .rev()
            .fold(root, |path, name| path.join(OsStr::from_bytes(name)))
    }
}
