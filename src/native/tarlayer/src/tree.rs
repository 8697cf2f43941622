//! The tree of a container's layer: what its archive has, and its deletions in our form.
//!
//! A layer says `.wh.NAME` for a name that is deleted, and `.wh..wh..opq` for a directory of which nothing below is seen. Our layers
//! have the character device 0:0 for a deletion and nothing for the other, so each name that would be seen is deleted. Nothing is
//! written anywhere: names are looked up in this tree alone, so no link leads anywhere.

use crate::below::Below;
use crate::fail;
use crate::failure::Result;
use crate::members::{Kind, Member, Part};
use dwarfs_fuse::Directories;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const DELETED: &[u8] = b".wh.";
const META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The kernel's limits.
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4095;
/// Most names of a layer: each takes some hundred bytes of memory.
const MOST_NAMES: usize = 8_000_000;

#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// With the type.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: u32,
}

#[derive(Debug)]
pub enum Content {
    Directory(Directory),
    File { size: u64, parts: Vec<Part> },
    Symlink(Vec<u8>),
    Device(u64),
    Pipe,
}

#[derive(Debug, Default)]
pub struct Directory {
    entries: BTreeMap<Vec<u8>, usize>,
    deleted: BTreeSet<Vec<u8>>,
    is_opaque: bool,
    /// The archive has only something in it, and says nothing of the directory itself.
    is_implied: bool,
}

#[derive(Debug)]
pub struct Inode {
    pub attributes: Attributes,
    pub content: Content,
}

/// A name of the finished tree. Directories come before what is in them, names in one in the order of their bytes.
#[derive(Debug)]
pub struct Node {
    pub name: Vec<u8>,
    /// Number of the directory's node; the root is its own.
    pub parent: usize,
    pub attributes: Attributes,
    /// The node of which this is one more name.
    pub link: Option<usize>,
    /// Number of its inode; a deletion has none.
    pub inode: Option<usize>,
}

#[derive(Debug)]
pub struct Tree {
    pub inodes: Vec<Inode>,
    names: usize,
    /// Files with extended attributes, and the names of those.
    pub with_attributes: u64,
    pub attribute_names: BTreeSet<Vec<u8>>,
    /// No file is younger.
    latest: u32,
}

impl Tree {
    pub fn new(latest: u32) -> Self {
        let root = Inode {
            attributes: directory_attributes(),
            content: Content::Directory(Directory {
                is_implied: true,
                ..Directory::default()
            }),
        };
        Self {
            inodes: vec![root],
            names: 0,
            with_attributes: 0,
            attribute_names: BTreeSet::new(),
            latest,
        }
    }

    /// Takes in a member of the archive.
    pub fn add(&mut self, mut member: Member) -> Result<()> {
        let path = std::mem::take(&mut member.path);
        let parts = components(&path)?;
        if parts.iter().any(|part| part.starts_with(META) && *part != OPAQUE) {
            return Ok(());
        }
        self.names += 1;
        if self.names > MOST_NAMES {
            fail!("the layer has more than {MOST_NAMES} names")
        }
        if !member.attributes.is_empty() {
            self.with_attributes += 1;
            self.attribute_names.extend(member.attributes.iter().cloned());
        }
        let Some((name, parents)) = parts.split_last() else {
            let Kind::Directory = member.kind else {
                fail!("a member takes the place of the tree itself")
            };
            return self.describe(0, &member);
        };
        let parent = self.parent(parents, &path)?;
        if *name == OPAQUE {
            self.directory(parent).is_opaque = true;
            return Ok(());
        }
        if let Some(deleted) = name.strip_prefix(DELETED) {
            if deleted.is_empty() || deleted == b"." || deleted == b".." {
                fail!("'{}' deletes nothing that can be", shown(&path))
            }
            self.directory(parent).deleted.insert(deleted.to_vec());
            return Ok(());
        }
        let existing = self.directory(parent).entries.get(*name).copied();
        if let (Kind::Directory, Some(existing)) = (&member.kind, existing)
            && matches!(self.inodes[existing].content, Content::Directory(_))
        {
            return self.describe(existing, &member);
        }
        let inode = match &member.kind {
            Kind::HardLink(target) => self.linked(target, &path)?,
            _ => self.inode(member),
        };
        // The last one of a name counts.
        self.directory(parent).entries.insert(name.to_vec(), inode);
        Ok(())
    }

    /// Sets the attributes of a directory that is there.
    fn describe(&mut self, inode: usize, member: &Member) -> Result<()> {
        self.inodes[inode].attributes = self.attributes(member, libc::S_IFDIR);
        self.directory(inode).is_implied = false;
        Ok(())
    }

    fn attributes(&self, member: &Member, kind: u32) -> Attributes {
        Attributes {
            mode: kind | member.mode,
            uid: member.uid,
            gid: member.gid,
            mtime: member.mtime.min(self.latest),
        }
    }

    fn inode(&mut self, member: Member) -> usize {
        let kind = match &member.kind {
            Kind::Directory => libc::S_IFDIR,
            Kind::File { .. } | Kind::HardLink(_) => libc::S_IFREG,
            Kind::Symlink(_) => libc::S_IFLNK,
            Kind::BlockDevice(_) => libc::S_IFBLK,
            Kind::CharacterDevice(_) => libc::S_IFCHR,
            Kind::Pipe => libc::S_IFIFO,
        };
        let attributes = self.attributes(&member, kind);
        let content = match member.kind {
            Kind::Directory => Content::Directory(Directory::default()),
            Kind::File { size, parts } => Content::File { size, parts },
            Kind::Symlink(target) => Content::Symlink(target),
            Kind::BlockDevice(device) | Kind::CharacterDevice(device) => Content::Device(device),
            Kind::Pipe | Kind::HardLink(_) => Content::Pipe,
        };
        self.inodes.push(Inode { attributes, content });
        self.inodes.len() - 1
    }

    /// The inode that a hard link names.
    fn linked(&self, target: &[u8], path: &[u8]) -> Result<usize> {
        let mut here = 0;
        for part in components(target)? {
            let next = match &self.inodes[here].content {
                Content::Directory(directory) => directory.entries.get(part),
                _ => None,
            };
            let Some(next) = next else {
                fail!(
                    "'{}' is a hard link to '{}', which is not in the same layer before it",
                    shown(path),
                    shown(target)
                )
            };
            here = *next;
        }
        if matches!(self.inodes[here].content, Content::Directory(_)) {
            fail!("'{}' is a hard link to a directory", shown(path))
        }
        Ok(here)
    }

    /// The directory of these components, which is made if it is missing.
    fn parent(&mut self, parts: &[&[u8]], path: &[u8]) -> Result<usize> {
        let mut here = 0;
        for part in parts {
            let next = self.directory(here).entries.get(*part).copied();
            here = match next {
                Some(next) if matches!(self.inodes[next].content, Content::Directory(_)) => next,
                Some(_) => fail!(
                    "'{}' is below '{}', which is no directory in the same layer",
                    shown(path),
                    shown(part)
                ),
                None => {
                    self.inodes.push(Inode {
                        attributes: directory_attributes(),
                        content: Content::Directory(Directory {
                            is_implied: true,
                            ..Directory::default()
                        }),
                    });
                    let made = self.inodes.len() - 1;
                    self.directory(here).entries.insert(part.to_vec(), made);
                    made
                }
            };
        }
        Ok(here)
    }

    fn directory(&mut self, inode: usize) -> &mut Directory {
        match &mut self.inodes[inode].content {
            Content::Directory(directory) => directory,
            // Only directories are asked for.
            _ => unreachable!("an inode that is no directory"),
        }
    }

    /// The names in order, with the deletions that the layers below need.
    pub fn finish(&self, below: &Below) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut links: HashMap<usize, usize> = HashMap::new();
        let mut open = Vec::new();
        self.open(
            &mut nodes,
            &mut open,
            below,
            Found {
                name: Vec::new(),
                parent: 0,
                inode: 0,
                below: below.root(),
                is_opaque: false,
            },
        );
        // Not by recursion: the depth of a tree is not bounded by that of the stack.
        while let Some(directory) = open.last_mut() {
            let Some((name, inode)) = directory.rest.next() else {
                open.pop();
                continue;
            };
            let parent = directory.number;
            let number = nodes.len();
            let Some(inode) = inode else {
                let mtime = nodes[parent].attributes.mtime;
                nodes.push(deletion(name, parent, mtime));
                continue;
            };
            if let Content::Directory(_) = self.inodes[inode].content {
                let seen = below.look(&directory.below, &name);
                let found = Found {
                    parent,
                    inode,
                    is_opaque: directory.is_opaque || directory.deleted.contains(&name),
                    below: seen.map_or_else(Vec::new, |seen| seen.directories),
                    name,
                };
                self.open(&mut nodes, &mut open, below, found);
                continue;
            }
            let first = *links.entry(inode).or_insert(number);
            nodes.push(Node {
                name,
                parent,
                attributes: self.inodes[inode].attributes,
                link: (first != number).then_some(first),
                inode: Some(inode),
            });
        }
        nodes
    }

    /// Adds the node of a directory, and lists what is in it.
    fn open<'a>(&'a self, nodes: &mut Vec<Node>, open: &mut Vec<Open<'a>>, below: &Below, found: Found) {
        let Content::Directory(directory) = &self.inodes[found.inode].content else {
            return;
        };
        let is_opaque = found.is_opaque || directory.is_opaque;
        let mut attributes = self.inodes[found.inode].attributes;
        // An overlay shows the attributes of the uppermost layer that has a directory: those below must not change by this one.
        let seen = (directory.is_implied && !found.is_opaque).then(|| below.attributes(&found.below));
        if let Some(seen) = seen.flatten() {
            attributes = Attributes {
                mode: libc::S_IFDIR | seen.mode,
                uid: seen.uid,
                gid: seen.gid,
                mtime: seen.modified.min(self.latest.into()) as u32,
            };
        }
        let mut rest: BTreeMap<Vec<u8>, Option<usize>> = BTreeMap::new();
        if !below.is_empty() {
            rest.extend(directory.deleted.iter().map(|name| (name.clone(), None)));
        }
        if is_opaque && !below.is_empty() {
            rest.extend(below.names(&found.below).into_iter().map(|name| (name, None)));
        }
        // What the layer itself has is not deleted by it.
        rest.extend(
            directory
                .entries
                .iter()
                .map(|(name, inode)| (name.clone(), Some(*inode))),
        );
        let number = nodes.len();
        nodes.push(Node {
            name: found.name,
            parent: found.parent,
            attributes,
            link: None,
            inode: Some(found.inode),
        });
        open.push(Open {
            number,
            below: found.below,
            is_opaque,
            deleted: &directory.deleted,
            rest: rest.into_iter(),
        });
    }
}

/// A directory that is to be listed.
struct Found {
    name: Vec<u8>,
    parent: usize,
    inode: usize,
    below: Directories,
    /// Nothing of the layers below is seen in it.
    is_opaque: bool,
}

/// A directory that is being listed.
struct Open<'a> {
    number: usize,
    below: Directories,
    is_opaque: bool,
    deleted: &'a BTreeSet<Vec<u8>>,
    /// Names and their inodes; a deletion has none.
    rest: std::collections::btree_map::IntoIter<Vec<u8>, Option<usize>>,
}

fn directory_attributes() -> Attributes {
    Attributes {
        mode: libc::S_IFDIR | 0o755,
        uid: 0,
        gid: 0,
        mtime: 0,
    }
}

/// The character device 0:0.
fn deletion(name: Vec<u8>, parent: usize, mtime: u32) -> Node {
    Node {
        name,
        parent,
        attributes: Attributes {
            mode: libc::S_IFCHR,
            uid: 0,
            gid: 0,
            mtime,
        },
        link: None,
        inode: None,
    }
}

fn shown(path: &[u8]) -> String {
    console::shown(OsStr::from_bytes(path))
}

/// The components of a path, which counts from the root of the tree.
fn components(path: &[u8]) -> Result<Vec<&[u8]>> {
    if path.len() > LONGEST_PATH {
        fail!("a path has {} bytes, more than {LONGEST_PATH}", path.len())
    }
    let parts: Vec<&[u8]> = path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    for part in &parts {
        if *part == b".." {
            fail!("'{}' has \"..\" in its name", shown(path))
        }
        if part.contains(&0) {
            fail!("'{}' has a zero byte in its name", shown(path))
        }
        if part.len() > LONGEST_NAME {
            fail!("'{}' has a name of more than {LONGEST_NAME} bytes", shown(path))
        }
    }
    Ok(parts)
}
