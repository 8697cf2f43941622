//! From the list of the tree to the finished image.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::num::NonZero;
use std::ops::Range;
use std::path::{Path, PathBuf};

use console::Progress;
use dwarfs::section::SectionType;
use dwarfs_enc::metadata::{Builder, Config, DirId, InodeMetadata, LinkableInodeId};
use dwarfs_enc::section::Writer;

use crate::arguments::Command;
use crate::blocks::Blocks;
use crate::contents::{self, Contents};
use crate::error::Error;
use crate::first::{self, First};
use crate::holes::{self, Piece, Segment};
use crate::metadata::Rows;
use crate::names;
use crate::order;
use crate::output::Output;
use crate::scan::{Kind, Node, Stamp};
use crate::source::{Content, Source};

/// Written into every image; the same input must always give the same bytes.
const CREATOR: &str = concat!("flatimage mkdwarfs ", env!("CARGO_PKG_VERSION"));

/// Figures for the user.
#[derive(Debug, Default)]
pub struct Report {
    /// Names that are not directories.
    pub files: u64,
    pub directories: u64,
    /// Bytes of all regular files.
    pub bytes_in: u64,
    /// Bytes of the image.
    pub bytes_out: u64,
    /// Files whose content another file already had.
    pub duplicates: u64,
}

pub fn pack(command: &Command) -> Result<Report, Error> {
    if !command.is_served() {
        refuse_output_in_input(command)?;
    }
    let (source, nodes) = Source::list(command)?;
    let mut contents = contents::find(&nodes, &source, command.threads)?;
    let programs = order::sort(&nodes, &mut contents.unique);
    let output = Output::create(&command.output)?;
    let threads = NonZero::new(command.threads).unwrap_or(NonZero::<usize>::MIN);
    let writer = Writer::new_with_threads(output, threads).map_err(Error::io(&command.output, "start the threads"))?;
    let block_size = command.level.block_size();
    let first = match &command.first {
        Some(list) => first::read(list, &nodes, &contents)?,
        None => Vec::new(),
    };
    let mut blocks = Blocks::new(writer, command.level.compression, command.level.first());
    let chunks = store(command, &source, &nodes, &contents, (&first, programs), &mut blocks)?;
    let mut writer = blocks.finish()?;
    let mut holes = Vec::new();
    let metadata = build(&nodes, &contents, &chunks, &mut holes, block_size)?;
    let (schema, metadata) = holes::encode(metadata, &holes, writer.section_count())?;
    for (kind, bytes) in [
        (SectionType::METADATA_V2_SCHEMA, schema),
        (SectionType::METADATA_V2, metadata),
    ] {
        writer.write_section(kind, command.level.compression, &bytes)?;
    }
    let output = writer.finish()?;
    check_unchanged(command, &nodes)?;
    let directories = nodes.iter().filter(|node| matches!(node.kind, Kind::Directory)).count() as u64;
    Ok(Report {
        files: nodes.len() as u64 - directories,
        directories,
        bytes_in: nodes.iter().map(|node| node.size).sum(),
        bytes_out: output.finish()?,
        duplicates: contents.duplicates.len() as u64,
    })
}

fn refuse_output_in_input(command: &Command) -> Result<(), Error> {
    let input = fs::canonicalize(&command.input).map_err(Error::io(&command.input, "read the directory"))?;
    let parent = command
        .output
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let parent = fs::canonicalize(parent).map_err(Error::io(parent, "find the directory"))?;
    if parent.starts_with(&input) {
        return Err(Error::refused(
            &command.output,
            "the image would lie in the tree that it is made of; write it elsewhere",
        ));
    }
    Ok(())
}

/// A part of a file that is stored already, and where.
type Taken = (Range<u64>, Vec<Piece>);

/// Stores the contents: first what `first` names, then the rest of `programs`, then all else. Returns where each node's lies.
fn store(
    command: &Command,
    source: &Source,
    nodes: &[Node],
    contents: &Contents,
    (first, programs): (&[First], usize),
    blocks: &mut Blocks<Output>,
) -> Result<HashMap<usize, Vec<Piece>>, Error> {
    let total = contents.unique.iter().map(|&number| nodes[number].size).sum();
    let mut storing = Storing {
        progress: Progress::new(command.progress, total),
        source,
        blocks,
    };
    let mut taken: HashMap<usize, Vec<Taken>> = HashMap::with_capacity(first.len());
    for First { node: number, parts } in first {
        let mut file = storing.open(*number, &nodes[*number])?;
        let pieces = taken.entry(*number).or_default();
        for part in parts {
            file.skip(part.start)?;
            let mut stored = Vec::new();
            storing.put(&mut file, part.end, &mut stored)?;
            pieces.push((part.clone(), stored));
        }
        file.skip(u64::MAX)?;
    }
    storing.blocks.end_block(command.level.code)?;
    let mut chunks = HashMap::with_capacity(contents.unique.len());
    for (position, &number) in contents.unique.iter().enumerate() {
        if position == programs {
            storing.blocks.end_block(command.level.other)?;
        }
        let node = &nodes[number];
        let mut file = storing.open(number, node)?;
        let mut pieces = Vec::new();
        for (part, stored) in taken.remove(&number).unwrap_or_default() {
            storing.put(&mut file, part.start, &mut pieces)?;
            pieces.extend(stored);
            file.skip(part.end)?;
        }
        storing.put(&mut file, node.size, &mut pieces)?;
        let stamp = file
            .content
            .stamp()
            .map_err(Error::io(&file.path, "read the attributes"))?;
        if stamp != node.stamp {
            return Err(changed(&file.path));
        }
        chunks.insert(number, pieces);
    }
    drop(storing.progress);
    Ok(chunks)
}

/// A file that is being stored.
struct Open<'a> {
    path: PathBuf,
    content: Content<'a>,
}

impl Open<'_> {
    fn skip(&mut self, to: u64) -> Result<(), Error> {
        self.content.skip(to).map_err(|cause| failed(&self.path, cause))
    }
}

struct Storing<'a> {
    source: &'a Source,
    blocks: &'a mut Blocks<Output>,
    progress: Progress,
}

impl<'a> Storing<'a> {
    fn open(&self, number: usize, node: &Node) -> Result<Open<'a>, Error> {
        Ok(Open {
            path: self.source.path(node),
            content: self.source.open(number, node)?,
        })
    }

    /// Stores a file up to byte `until`, and adds where it lies to `pieces`.
    fn put(&mut self, file: &mut Open<'_>, until: u64, pieces: &mut Vec<Piece>) -> Result<(), Error> {
        let Open { path, content } = file;
        while let Some(segment) = content.next_segment(until).map_err(|cause| failed(path, cause))? {
            if let Segment::Hole(length) = segment {
                pieces.push(Piece::Hole(length));
                self.progress.add(length);
                continue;
            }
            let mut reader = Counted {
                content,
                failure: None,
                progress: &mut self.progress,
            };
            let result = self.blocks.put(&mut reader, pieces);
            match reader.failure {
                Some(cause) => return Err(failed(path, cause)),
                None => result?,
            }
        }
        Ok(())
    }
}

fn failed(path: &Path, cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::UnexpectedEof => changed(path),
        _ => Error::io(path, "read the file")(cause),
    }
}

fn changed(path: &Path) -> Error {
    Error::refused(
        path,
        "changed while it was packed; pack again when nothing writes to it",
    )
}

/// Duplicates and everything else that was read early must not have changed since.
fn check_unchanged(command: &Command, nodes: &[Node]) -> Result<(), Error> {
    for node in nodes.iter().filter(|node| matches!(node.kind, Kind::File)) {
        let Some(stamp) = node.stamp else { continue };
        let path = command.input.join(&node.path);
        let reached = reach::reach(&path).map_err(Error::io(&path, "read the attributes"))?;
        let metadata = fs::symlink_metadata(&reached).map_err(Error::io(&path, "read the attributes"))?;
        if Stamp::of(&metadata) != stamp {
            return Err(changed(&path));
        }
    }
    Ok(())
}

/// A part of a file that is read, and what went wrong with it.
struct Counted<'a, 'b> {
    content: &'a mut Content<'b>,
    failure: Option<io::Error>,
    progress: &'a mut Progress,
}

impl Read for Counted<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.content.read(into) {
            Ok(length) => {
                self.progress.add(length as u64);
                Ok(length)
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => Err(cause),
            Err(cause) => {
                let code = cause.kind();
                self.failure = Some(cause);
                Err(code.into())
            }
        }
    }
}

fn build(
    nodes: &[Node],
    contents: &Contents,
    chunks: &HashMap<usize, Vec<Piece>>,
    holes: &mut Vec<u64>,
    block_size: NonZero<u32>,
) -> Result<dwarfs::metadata::Metadata, Error> {
    let mut config = Config::default();
    config
        .block_size(block_size)
        .mtime_only(true)
        .creator(std::borrow::Cow::Borrowed(CREATOR));
    let mut rows = Rows::default();
    let mut inodes = nodes.iter();
    let Some(root) = inodes.next() else {
        return Err(Error::Encode("there is no root".into()));
    };
    let mut builder = Builder::new_with_config(&config, &rows.inode(root.attributes));
    let mut directories: HashMap<usize, DirId> = HashMap::from([(0, builder.root())]);
    let mut links: HashMap<usize, LinkableInodeId> = HashMap::new();
    for (node, number) in inodes.zip(1..) {
        let orphan = || Error::Encode(format!("{} has no directory", node.path.display()));
        let parent = *directories.get(&node.parent).ok_or_else(orphan)?;
        let name = names::text(&node.name);
        let name = name.as_str();
        let inode: InodeMetadata = rows.inode(node.attributes);
        let id = match &node.kind {
            Kind::Directory => {
                let id = builder.put_dir(parent, name, &inode)?;
                directories.insert(number, id);
                continue;
            }
            Kind::HardLink(first) => {
                let id = *links.get(first).ok_or_else(orphan)?;
                builder.put_hard_link(parent, name, id)?;
                continue;
            }
            Kind::Symlink(target) => builder.put_symlink(parent, name, &inode, &names::text(target))?,
            Kind::File => {
                let original = contents.duplicates.get(&number).unwrap_or(&number);
                let pieces = chunks.get(original).map_or(&[][..], Vec::as_slice);
                let chunks = holes::chunks(pieces, holes);
                builder.put_file(parent, name, &inode, chunks)?.into()
            }
            Kind::BlockDevice(device) => builder.put_block_device(parent, name, &inode, *device)?,
            Kind::CharacterDevice(device) => builder.put_char_device(parent, name, &inode, *device)?,
            Kind::Pipe => builder.put_fifo(parent, name, &inode)?,
            Kind::Socket => builder.put_socket(parent, name, &inode)?,
        };
        links.insert(number, id);
    }
    let mut metadata = builder.finish()?;
    rows.apply(&mut metadata)?;
    names::apply(&mut metadata)?;
    Ok(metadata)
}
