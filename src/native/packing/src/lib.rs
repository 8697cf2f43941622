//! The serving side of the packer's protocol: a program that has a tree gives `mkdwarfs -i -` its list, and contents on request.
//!
//! The packer's standard input gets `u32 count` and for each node `u32 parent`, `u32 mode` with the type, `u32 uid`, `u32 gid`,
//! `u32 mtime`, `u8 kind`, `u64 value`, `u32 length`, name, `u32 length`, target. Kind 0 is an inode of its own: `value` is the
//! size of a file or the number of a device. Kind 1 is one more name of the node `value`. Then its standard output is read: each
//! `u32 node` is answered by the content of that file in parts: `u8 kind`, `u64 length`, and for kind 0 as many bytes; kind 1 is a
//! hole, which reads as zeros. Their lengths are the size of the file in sum. Little endian.

use std::io::{ErrorKind, Read, Write};

/// A node of the tree. The root comes first, directories before what is in them, names in a directory in the order of their bytes.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Number of the directory's node; the root is its own.
    pub parent: usize,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// The node of which this is one more name.
    pub link: Option<usize>,
    /// Bytes of a file, or number of a device.
    pub value: u64,
    pub name: &'a [u8],
    /// Of a symbolic link.
    pub target: &'a [u8],
}

/// Why no more is served.
#[derive(Debug)]
pub enum Stopped {
    /// The packer has ended. Its exit code says why.
    Ended,
    /// The tree cannot be read, in words for the user.
    Failed(String),
}

/// A tree that is served.
pub trait Tree {
    /// Number of nodes.
    fn count(&self) -> usize;
    fn entry(&self, number: usize) -> Entry<'_>;
    /// Sends the content of a file, as long as the entry says.
    fn content(&self, number: usize, to: &mut Content<'_>) -> Result<(), Stopped>;
}

/// Where a content goes.
pub struct Content<'a> {
    to: &'a mut dyn Write,
}

impl Content<'_> {
    /// So many bytes follow by [`Content::bytes`].
    pub fn data(&mut self, length: u64) -> Result<(), Stopped> {
        self.part(0, length)
    }

    /// So many zeros follow, which are not sent.
    pub fn hole(&mut self, length: u64) -> Result<(), Stopped> {
        self.part(1, length)
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        self.to.write_all(bytes).map_err(|_| Stopped::Ended)
    }

    fn part(&mut self, kind: u8, length: u64) -> Result<(), Stopped> {
        self.bytes(&[kind])?;
        self.bytes(&length.to_le_bytes())
    }
}

/// Serves a tree until the packer has all that it wants. That it ends early is no failure here: its exit code tells.
pub fn serve(tree: &impl Tree, to: &mut impl Write, from: &mut impl Read) -> Result<(), String> {
    match answer(tree, to, from) {
        Ok(()) | Err(Stopped::Ended) => Ok(()),
        Err(Stopped::Failed(text)) => Err(text),
    }
}

fn answer(tree: &impl Tree, to: &mut impl Write, from: &mut impl Read) -> Result<(), Stopped> {
    let count = tree.count();
    short(count)
        .and_then(|number| to.write_all(&number.to_le_bytes()))
        .and_then(|()| (0..count).try_for_each(|number| describe(&tree.entry(number), to)))
        .and_then(|()| to.flush())
        .map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Stopped::Ended,
            _ => Stopped::Failed(format!("cannot send the tree to mkdwarfs: {error}")),
        })?;
    let mut number = [0; 4];
    while from.read_exact(&mut number).is_ok() {
        let number = u32::from_le_bytes(number) as usize;
        if number >= count {
            return Err(Stopped::Failed("mkdwarfs asked for a file that there is not".into()));
        }
        tree.content(number, &mut Content { to })?;
        to.flush().map_err(|_| Stopped::Ended)?;
    }
    Ok(())
}

fn short(number: usize) -> std::io::Result<u32> {
    u32::try_from(number).map_err(|_| std::io::Error::from(ErrorKind::FileTooLarge))
}

fn describe(entry: &Entry<'_>, to: &mut impl Write) -> std::io::Result<()> {
    let (kind, value) = match entry.link {
        Some(first) => (1, first as u64),
        None => (0, entry.value),
    };
    for number in [short(entry.parent)?, entry.mode, entry.uid, entry.gid, entry.mtime] {
        to.write_all(&number.to_le_bytes())?;
    }
    to.write_all(&[kind])?;
    to.write_all(&value.to_le_bytes())?;
    for text in [entry.name, entry.target] {
        to.write_all(&short(text.len())?.to_le_bytes())?;
        to.write_all(text)?;
    }
    Ok(())
}
