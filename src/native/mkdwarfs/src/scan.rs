//! Walking the input: every name in it, with what stat(2) says, before anything is read or written.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use reach::reach;

use crate::arguments::Command;
use crate::error::Error;

#[derive(Debug)]
pub enum Kind {
    Directory,
    Symlink(Vec<u8>),
    File,
    BlockDevice(u64),
    CharacterDevice(u64),
    Pipe,
    Socket,
    /// One more name of an inode that has the node of this number.
    HardLink(usize),
}

/// A name in the tree. Parents come before what is in them, names in a directory in the order of their bytes.
#[derive(Debug)]
pub struct Node {
    /// Path below the input directory; empty for the root.
    pub path: PathBuf,
    pub name: Vec<u8>,
    /// Number of the directory's node; the root is its own.
    pub parent: usize,
    pub kind: Kind,
    pub attributes: Attributes,
    pub size: u64,
    /// Absent for what cannot change while it is packed.
    pub stamp: Option<Stamp>,
}

/// What an image keeps of an inode.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Attributes {
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Lists the tree. Fails at the first thing that cannot be read, or that an image cannot hold.
pub fn scan(command: &Command) -> Result<Vec<Node>, Error> {
    let root = &command.input;
    let metadata = fs::metadata(root).map_err(Error::io(root, "read the directory"))?;
    if !metadata.is_dir() {
        return Err(Error::refused(root, "is no directory"));
    }
    let whiteout = command
        .whiteout
        .as_ref()
        .and_then(|path| fs::symlink_metadata(path).ok());
    let mut scan = Scan {
        command,
        whiteout: whiteout.map(|metadata| (metadata.dev(), metadata.ino())),
        nodes: Vec::new(),
        links: HashMap::new(),
    };
    scan.nodes
        .push(scan.node(PathBuf::new(), Vec::new(), 0, Kind::Directory, &metadata));
    // Not by recursion: the depth of a tree is not bounded by that of the stack.
    let mut open = vec![(0, scan.names(&PathBuf::new())?.into_iter())];
    while let Some((parent, names)) = open.last_mut() {
        let parent = *parent;
        let Some((name, path)) = names.next() else {
            open.pop();
            continue;
        };
        if let Some(directory) = scan.add(name, path, parent)? {
            let names = scan.names(&scan.nodes[directory].path)?;
            open.push((directory, names.into_iter()));
        }
    }
    Ok(scan.nodes)
}

struct Scan<'a> {
    command: &'a Command,
    /// Device and inode of the file whose names are whiteouts.
    whiteout: Option<(u64, u64)>,
    nodes: Vec<Node>,
    /// First node of each inode that has several names.
    links: HashMap<(u64, u64), usize>,
}

impl Scan<'_> {
    /// The names in a directory that are not excluded, sorted, with their paths below the root.
    fn names(&self, directory: &Path) -> Result<Vec<(Vec<u8>, PathBuf)>, Error> {
        let full = self.command.input.join(directory);
        let reached = reach(&full).map_err(Error::io(&full, "list the directory"))?;
        let listing = fs::read_dir(&reached).map_err(Error::io(&full, "list the directory"))?;
        let mut names = Vec::new();
        for entry in listing {
            let name = entry.map_err(Error::io(&full, "list the directory"))?.file_name();
            let path = directory.join(&name);
            if self
                .command
                .exclude
                .iter()
                .any(|pattern| pattern.matches(path.as_os_str().as_bytes()))
            {
                continue;
            }
            names.push((name.into_vec(), path));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Adds a name; returns its number if it is a directory.
    fn add(&mut self, name: Vec<u8>, path: PathBuf, parent: usize) -> Result<Option<usize>, Error> {
        let full = self.command.input.join(&path);
        let reached = reach(&full).map_err(Error::io(&full, "read the attributes"))?;
        let metadata = fs::symlink_metadata(&reached).map_err(Error::io(&full, "read the attributes"))?;
        let number = self.nodes.len();
        let is_whiteout = self.whiteout == Some((metadata.dev(), metadata.ino()));
        let mut kind = match metadata.mode() & libc::S_IFMT {
            libc::S_IFREG if is_whiteout => Kind::CharacterDevice(0),
            libc::S_IFDIR => Kind::Directory,
            libc::S_IFLNK => Kind::Symlink(
                fs::read_link(&reached)
                    .map_err(Error::io(&full, "read the symlink"))?
                    .into_os_string()
                    .into_vec(),
            ),
            libc::S_IFREG => Kind::File,
            libc::S_IFBLK => Kind::BlockDevice(metadata.rdev()),
            libc::S_IFCHR => Kind::CharacterDevice(metadata.rdev()),
            libc::S_IFIFO => Kind::Pipe,
            libc::S_IFSOCK => Kind::Socket,
            other => return Err(Error::refused(&full, format!("is of the unknown type {other:o}"))),
        };
        let is_directory = matches!(kind, Kind::Directory);
        if !is_directory && metadata.nlink() > 1 {
            let first = *self.links.entry((metadata.dev(), metadata.ino())).or_insert(number);
            if first != number {
                kind = Kind::HardLink(first);
            }
        }
        let mut node = self.node(path, name, parent, kind, &metadata);
        if is_whiteout {
            node.attributes.mode = libc::S_IFCHR | (metadata.mode() & 0o7777);
        }
        self.nodes.push(node);
        Ok(is_directory.then_some(number))
    }

    fn node(&self, path: PathBuf, name: Vec<u8>, parent: usize, kind: Kind, metadata: &Metadata) -> Node {
        let seconds = metadata.mtime().clamp(0, self.command.mtime_max.into()) as u32;
        let attributes = Attributes {
            mode: metadata.mode(),
            uid: self.command.uid.unwrap_or(metadata.uid()),
            gid: self.command.gid.unwrap_or(metadata.gid()),
            mtime: self.command.mtime.unwrap_or(seconds),
        };
        let size = if matches!(kind, Kind::File) { metadata.len() } else { 0 };
        Node {
            path,
            name,
            parent,
            kind,
            attributes,
            size,
            stamp: Some(Stamp::of(metadata)),
        }
    }
}
