//! What the kernel gets to see: the tree of one layer, or that of several merged.
//!
//! The kernel knows an inode by one number. It stands for the layer that decides and the inode there, and says whether it is
//! a directory that several layers have a part of. Numbers of layers below do not change when a layer comes on top. Up to
//! 2³¹ inodes they fit into 32 bits: programs of 32 bits cannot look at a file with a larger one.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use fuser::INodeNo;

use crate::layer::Layer;
use crate::stack::{Directories, look};
use crate::tree::{Attributes, Entry, Kind};

/// The kernel numbers the root 1.
const ROOT: u64 = 1;
/// The first number of all others.
const FIRST: u64 = 2;
/// Entries before the first name of a directory: itself and its parent.
const DOTS: u64 = 2;

/// An inode of the merged tree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Node {
    /// The layer that decides, counted from the lowest.
    pub(crate) layer: usize,
    pub(crate) inode: u32,
    /// Whether it is a directory that other layers have a part of.
    is_merged: bool,
}

/// An entry of a listing, or that a position has none and the next is to be asked.
pub(crate) enum Listed<'a> {
    Name(Node, &'a [u8]),
    Nothing,
}

/// A directory that several layers have a part of.
#[derive(Debug)]
struct Merged {
    node: Node,
    directories: Directories,
    /// Layer and position of each entry, in the order of names.
    listing: OnceLock<Box<[(u32, u32)]>>,
}

#[derive(Debug)]
pub(crate) struct View {
    /// Lowest first; at least one.
    layers: Vec<Layer>,
    /// Inodes in the layers below each.
    bases: Vec<u64>,
    /// Whether deletions delete, and are not shown.
    deletes: bool,
    /// Every merged directory that was looked up, found by each part of it.
    merged: RwLock<HashMap<(usize, u32), Arc<Merged>>>,
}

impl View {
    /// One layer as it is: deletions are the character devices that stand for them.
    pub(crate) fn bare(layer: Layer) -> Self {
        Self {
            bases: vec![0],
            layers: vec![layer],
            deletes: false,
            merged: RwLock::default(),
        }
    }

    /// What layers show together, lowest first.
    pub(crate) fn merge(layers: Vec<Layer>) -> Self {
        let bases = layers
            .iter()
            .scan(0, |next, layer| {
                let base = *next;
                *next += u64::from(layer.inode_count());
                Some(base)
            })
            .collect();
        let deletes = layers.iter().any(Layer::has_deletions);
        let view = Self {
            layers,
            bases,
            deletes,
            merged: RwLock::default(),
        };
        if view.layers.len() > 1 {
            view.merge_parts((0..view.layers.len()).rev().map(|layer| (layer, 0)).collect());
        }
        view
    }

    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    pub(crate) fn layer(&self, node: Node) -> Option<&Layer> {
        self.layers.get(node.layer)
    }

    fn root(&self) -> Node {
        Node {
            layer: self.layers.len().saturating_sub(1),
            inode: 0,
            is_merged: self.layers.len() > 1,
        }
    }

    /// What a number of the kernel's stands for, if it does.
    pub(crate) fn node(&self, number: INodeNo) -> Option<Node> {
        if number.0 == ROOT {
            return Some(self.root());
        }
        let number = number.0.checked_sub(FIRST)?;
        let place = number >> 1;
        let layer = self.bases.partition_point(|&base| base <= place).checked_sub(1)?;
        let inode = u32::try_from(place - self.bases.get(layer)?).ok()?;
        (inode < self.layers.get(layer)?.inode_count()).then_some(Node {
            layer,
            inode,
            is_merged: number & 1 == 1,
        })
    }

    pub(crate) fn number(&self, node: Node) -> INodeNo {
        if node == self.root() {
            return INodeNo(ROOT);
        }
        let base = self.bases.get(node.layer).copied().unwrap_or(0);
        INodeNo(FIRST + ((base + u64::from(node.inode)) << 1 | u64::from(node.is_merged)))
    }

    fn known(&self, part: (usize, u32)) -> Option<Arc<Merged>> {
        let merged = self.merged.read().unwrap_or_else(PoisonError::into_inner);
        merged.get(&part).cloned()
    }

    /// The node of a directory that has these parts, the uppermost first.
    fn merge_parts(&self, directories: Directories) -> Option<Node> {
        let &(layer, inode) = directories.first()?;
        let node = Node {
            layer,
            inode,
            is_merged: directories.len() > 1,
        };
        if node.is_merged && self.known((layer, inode)).is_none() {
            let parts = directories.clone();
            let directory = Arc::new(Merged {
                node,
                directories,
                listing: OnceLock::new(),
            });
            let mut merged = self.merged.write().unwrap_or_else(PoisonError::into_inner);
            for part in parts {
                merged.entry(part).or_insert_with(|| Arc::clone(&directory));
            }
        }
        Some(node)
    }

    /// What a name in a directory stands for.
    pub(crate) fn lookup(&self, parent: Node, name: &[u8]) -> Option<Node> {
        match name {
            // The kernel asks for these two when it finds a file again by its handle.
            b"." => return Some(parent),
            b".." => return self.parent(parent),
            _ => {}
        }
        if parent.is_merged {
            let directory = self.known((parent.layer, parent.inode))?;
            return self.child(&directory.directories, name);
        }
        let inode = self.layer(parent)?.find(parent.inode, name)?;
        self.alone(parent.layer, inode)
    }

    /// What a name stands for in a directory with these parts.
    fn child(&self, directories: &[(usize, u32)], name: &[u8]) -> Option<Node> {
        let seen = look(&self.layers, directories, name).filter(|seen| !seen.is_whiteout)?;
        if seen.directories.is_empty() {
            return self.alone(seen.layer, seen.inode);
        }
        self.merge_parts(seen.directories)
    }

    /// An inode that no other layer has a part of, if it is none that deletes.
    fn alone(&self, layer: usize, inode: u32) -> Option<Node> {
        let is_deletion = self.deletes && self.layers.get(layer)?.is_deletion(inode);
        (!is_deletion).then_some(Node {
            layer,
            inode,
            is_merged: false,
        })
    }

    /// The directory above. A merged one is known by then: it was looked up before what is in it.
    fn parent(&self, directory: Node) -> Option<Node> {
        let inode = self.layer(directory)?.tree().parent(directory.inode)?;
        match self.known((directory.layer, inode)) {
            Some(merged) => Some(merged.node),
            None => self.alone(directory.layer, inode),
        }
    }

    pub(crate) fn attributes(&self, node: Node) -> Option<Attributes> {
        let attributes = self.layer(node)?.attributes(node.inode)?;
        // As the kernel's overlay says it: how many directories are in it is not known.
        let links = if node.is_merged { 1 } else { attributes.links };
        Some(Attributes { links, ..attributes })
    }

    /// The entry at a position of a listing; `None` behind the last.
    pub(crate) fn listed(&self, directory: Node, position: u64) -> Option<Listed<'_>> {
        let dot = |name: &'static [u8]| self.lookup(directory, name).map(|node| Listed::Name(node, name));
        match position {
            0 => return dot(b"."),
            1 => return dot(b".."),
            _ => {}
        }
        let position = u32::try_from(position - DOTS).ok()?;
        let (entry, node) = if directory.is_merged {
            let merged = self.known((directory.layer, directory.inode))?;
            let listing = merged.listing.get_or_init(|| self.list(&merged.directories));
            let &(layer, position) = listing.get(position as usize)?;
            let layer = layer as usize;
            let entry = self.entry(layer, position)?;
            let is_directory = self.layers.get(layer)?.tree().kind(entry.inode) == Some(Kind::Directory);
            let node = if is_directory {
                self.child(&merged.directories, entry.name)
            } else {
                self.alone(layer, entry.inode)
            };
            (entry, node)
        } else {
            let range = self.layer(directory)?.tree().entry_range(directory.inode)?;
            let position = position.checked_add(range.start).filter(|at| *at < range.end)?;
            let entry = self.entry(directory.layer, position)?;
            (entry, self.alone(directory.layer, entry.inode))
        };
        Some(node.map_or(Listed::Nothing, |node| Listed::Name(node, entry.name)))
    }

    fn entry(&self, layer: usize, position: u32) -> Option<Entry<'_>> {
        self.layers.get(layer)?.tree().entry_at(position)
    }

    /// All names of a merged directory, each once and where it counts; deletions too.
    fn list(&self, directories: &[(usize, u32)]) -> Box<[(u32, u32)]> {
        let mut entries: Vec<(&[u8], u32, u32)> = Vec::new();
        for &(number, inode) in directories {
            let Some((tree, range)) = self
                .layers
                .get(number)
                .and_then(|layer| Some((layer.tree(), layer.tree().entry_range(inode)?)))
            else {
                continue;
            };
            entries.extend(range.map(|position| (tree.name_at(position), number as u32, position)));
        }
        // The order of equals is kept, and the uppermost came first.
        entries.sort_by_key(|(name, _, _)| *name);
        entries.dedup_by_key(|(name, _, _)| *name);
        entries
            .into_iter()
            .map(|(_, layer, position)| (layer, position))
            .collect()
    }
}
