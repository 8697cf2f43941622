//! What the kernel gets to see of a layer: its inodes, and deletions in the form that the overlay above understands.
//!
//! In a layer, a character device 0:0 deletes the name below it. The kernel's overlay and fuse-overlayfs read that. To
//! unionfs-fuse it is a device; it looks for a file `.unionfs-fuse/PATH_HIDDEN~` in each branch. For it such files are made
//! up here, in a tree beside that of the layer, and the devices are left out.

use std::borrow::Cow;

use fuser::INodeNo;

use crate::layer::Layer;
use crate::tree::{Attributes, Kind};

const NOTES_NAME: &[u8] = b".unionfs-fuse";
const NOTE_SUFFIX: &[u8] = b"_HIDDEN~";
/// Above all inode numbers of layers.
const NOTES: u64 = 1 << 40;
const NOTE: u64 = 1 << 41;
/// Entries before the first name of a directory: itself and its parent.
const DOTS: u64 = 2;

/// What an inode number of the kernel's stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Node {
    /// An inode of the layer.
    Inode(u32),
    /// The directory with the notes about what is deleted in this directory.
    Notes(u32),
    /// The note that the entry at this position deletes a name.
    Note(u32),
}

impl Node {
    /// The kernel numbers the root 1.
    pub(crate) fn of(number: INodeNo) -> Option<Node> {
        let place = |first: u64| u32::try_from(number.0.checked_sub(first + 1)?).ok();
        match number.0 {
            NOTE.. => place(NOTE).map(Node::Note),
            NOTES.. => place(NOTES).map(Node::Notes),
            _ => place(0).map(Node::Inode),
        }
    }

    pub(crate) fn number(self) -> INodeNo {
        INodeNo(match self {
            Node::Inode(inode) => u64::from(inode) + 1,
            Node::Notes(directory) => NOTES + u64::from(directory) + 1,
            Node::Note(position) => NOTE + u64::from(position) + 1,
        })
    }
}

/// An entry of a listing, or that a position has none and the next is to be asked.
pub(crate) enum Listed<'a> {
    Name(Node, Cow<'a, [u8]>),
    Nothing,
}

pub(crate) struct View {
    pub(crate) layer: Layer,
    /// Whether deletions are notes and not devices.
    notes: bool,
}

impl View {
    pub(crate) fn new(layer: Layer) -> Self {
        // Without any deletion the layer is what it is.
        let notes = layer.options().deletion_notes && layer.has_deletions();
        Self { layer, notes }
    }

    /// What a name in a directory stands for.
    pub(crate) fn lookup(&self, parent: Node, name: &[u8]) -> Option<Node> {
        let layer = &self.layer;
        match (parent, name) {
            // The kernel asks for these two when it finds a file again by its handle.
            (_, b".") => Some(parent),
            (Node::Inode(directory), b"..") => layer.tree().parent(directory).map(Node::Inode),
            (Node::Notes(0), b"..") => Some(Node::Inode(0)),
            (Node::Notes(directory), b"..") => layer.tree().parent(directory).map(Node::Notes),
            (Node::Inode(0), NOTES_NAME) if self.notes => Some(Node::Notes(0)),
            (Node::Inode(directory), name) => {
                let inode = layer.find(directory, name)?;
                (!self.notes || !layer.is_deletion(inode)).then_some(Node::Inode(inode))
            }
            (Node::Notes(directory), name) => {
                let deleted = name.strip_suffix(NOTE_SUFFIX);
                let position = deleted.and_then(|name| layer.tree().find_position(directory, name));
                match position.filter(|position| layer.is_deletion(layer.tree().entry(*position).inode)) {
                    Some(position) => Some(Node::Note(position)),
                    None => self.notes_of(layer.find(directory, name)?),
                }
            }
            (Node::Note(_), _) => None,
        }
    }

    fn notes_of(&self, inode: u32) -> Option<Node> {
        (self.layer.tree().kind(inode) == Some(Kind::Directory)).then_some(Node::Notes(inode))
    }

    pub(crate) fn attributes(&self, node: Node) -> Option<Attributes> {
        let (like, kind, mode) = match node {
            Node::Inode(inode) => return self.layer.attributes(inode),
            Node::Notes(directory) => (directory, Kind::Directory, 0o755),
            Node::Note(position) => (self.layer.tree().entry_at(position)?.inode, Kind::File, 0o644),
        };
        Some(Attributes {
            kind,
            mode,
            size: 0,
            device: 0,
            ..self.layer.attributes(like)?
        })
    }

    /// The entry at a position of a listing; `None` behind the last.
    pub(crate) fn listed(&self, directory: Node, position: u64) -> Option<Listed<'_>> {
        let (Node::Inode(inode) | Node::Notes(inode)) = directory else {
            return None;
        };
        let name = |name: &'static [u8]| self.lookup(directory, name).map(|node| Listed::Name(node, name.into()));
        match position {
            0 => return name(b"."),
            1 => return name(b".."),
            _ => {}
        }
        let tree = self.layer.tree();
        let range = tree.entry_range(inode)?;
        let position = u32::try_from(position - DOTS).ok()?.checked_add(range.start)?;
        if position >= range.end {
            return None;
        }
        let entry = tree.entry(position);
        let deletes = self.notes && self.layer.is_deletion(entry.inode);
        Some(match directory {
            Node::Inode(_) if !deletes => Listed::Name(Node::Inode(entry.inode), entry.name.into()),
            Node::Notes(_) if deletes => Listed::Name(Node::Note(position), [entry.name, NOTE_SUFFIX].concat().into()),
            Node::Notes(_) => match self.notes_of(entry.inode) {
                Some(notes) => Listed::Name(notes, entry.name.into()),
                None => Listed::Nothing,
            },
            _ => Listed::Nothing,
        })
    }
}
