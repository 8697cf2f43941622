//! A tree that another program has: its list on standard input, then contents for each number written to standard output. The
//! form is described where it is written, in `fim/src/merge/serve.rs`.

use std::ffi::OsStr;
use std::io::{self, BufReader, Read, Stdin, Stdout, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::arguments::Command;
use crate::error::Error;
use crate::holes::Segment;
use crate::scan::{Attributes, Kind, Node};

/// Longest name or target.
const LONGEST: u32 = 65_536;

#[derive(Debug)]
pub struct Connection {
    pub input: BufReader<Stdin>,
    output: Stdout,
}

impl Connection {
    /// Has the content of a file sent.
    pub fn ask(&mut self, number: usize) -> io::Result<()> {
        self.output.write_all(&(number as u32).to_le_bytes())?;
        self.output.flush()
    }

    /// What the next part of a content is: whether zeros follow that are not sent, and how many bytes there are.
    pub fn segment(&mut self) -> io::Result<Segment> {
        let [is_hole] = self.bytes()?;
        let length = u64::from_le_bytes(self.bytes()?);
        Ok(if is_hole == 0 {
            Segment::Data(length)
        } else {
            Segment::Hole(length)
        })
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&mut self) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn text(&mut self) -> io::Result<Vec<u8>> {
        let length = self.number()?;
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut text = vec![0; length as usize];
        self.input.read_exact(&mut text)?;
        Ok(text)
    }
}

/// Reads the list.
pub fn list(command: &Command) -> Result<(Connection, Vec<Node>), Error> {
    let mut connection = Connection {
        input: BufReader::with_capacity(1 << 20, io::stdin()),
        output: io::stdout(),
    };
    let failed = || Error::io(Path::new("standard input"), "read the tree");
    let count = connection.number().map_err(failed())?;
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..count {
        let node = read(&mut connection, command, &nodes)?;
        nodes.push(node);
    }
    Ok((connection, nodes))
}

fn read(connection: &mut Connection, command: &Command, nodes: &[Node]) -> Result<Node, Error> {
    let failed = || Error::io(Path::new("standard input"), "read the tree");
    let mut fields = [0; 5];
    for field in &mut fields {
        *field = connection.number().map_err(failed())?;
    }
    let [parent, mode, uid, gid, mtime] = fields;
    let [is_link] = connection.bytes().map_err(failed())?;
    let value = u64::from_le_bytes(connection.bytes().map_err(failed())?);
    let name = connection.text().map_err(failed())?;
    let target = connection.text().map_err(failed())?;
    let directory = nodes.get(parent as usize).map(|node| node.path.as_path());
    let path = directory.map_or_else(PathBuf::new, |directory| directory.join(OsStr::from_bytes(&name)));
    let kind = match mode & libc::S_IFMT {
        _ if is_link != 0 => Kind::HardLink(value as usize),
        libc::S_IFDIR => Kind::Directory,
        libc::S_IFLNK => Kind::Symlink(target),
        libc::S_IFREG => Kind::File,
        libc::S_IFBLK => Kind::BlockDevice(value),
        libc::S_IFCHR => Kind::CharacterDevice(value),
        libc::S_IFIFO => Kind::Pipe,
        libc::S_IFSOCK => Kind::Socket,
        other => return Err(Error::refused(&path, format!("is of the unknown type {other:o}"))),
    };
    let attributes = Attributes {
        mode,
        uid: command.uid.unwrap_or(uid),
        gid: command.gid.unwrap_or(gid),
        mtime: command.mtime.unwrap_or(mtime),
    };
    Ok(Node {
        path,
        name,
        parent: parent as usize,
        size: if matches!(kind, Kind::File) { value } else { 0 },
        kind,
        attributes,
        stamp: None,
    })
}
