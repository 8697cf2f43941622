//! tarlayer: makes layers of the tar archives that containers consist of, and reads what layers show. A tool of the builder: it
//! is in no image.
//!
//! An archive is never unpacked to a disk. Its tree goes to `mkdwarfs` through pipes, and contents are read where they lie in it, so
//! names, owners, devices and links are kept whoever runs it, and nothing in an archive can be written anywhere.

mod below;
mod failure;
mod list;
mod members;
mod pax;
mod plain;
mod serve;
mod tree;
mod unfold;

use below::Below;
use failure::{Context, Result};
use plain::{Bounds, Plain};
use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tree::{Content, Node, Tree};

const HELP: &str = "\
usage: tarlayer pack --archive FILE --scratch DIR [options] -- MKDWARFS [ARGUMENT]...
       tarlayer read [--below LAYER]... --path PATH
       tarlayer list [--below LAYER]...
       tarlayer unfold --archive FILE --scratch DIR --into DIR [options]

pack makes a layer of a tar archive (plain, gzip, xz, zstd): mkdwarfs is run with
the arguments behind --, among them '-i -', and gets the tree from here. Prints a
line of JSON. read prints a file that layers show, or nothing if there is none.
list prints a line for each name that layers show: type, permissions, owner, time,
size or device, path. A deletion of the lowest layer deletes nothing: it is listed
as the device that it is. unfold writes the contents of an archive to files with numbers
for names, and prints JSON that says which name each has in the archive.

options:
  --archive FILE      the archive
  --scratch DIR       where it is decompressed to, in a file without a name
  --below LAYER       a layer below, lowest first; may be given many times
  --digest SHA256     digits that the archive must have without compression
  --limit BYTES       most bytes of the archive without compression
  --mtime-max SECONDS no file is younger
";

/// Most names of extended attributes in a report.
const MOST_SHOWN: usize = 20;
/// Largest file that `read` prints.
const READ_LIMIT: u64 = 64 << 20;

struct Arguments {
    archive: Option<PathBuf>,
    scratch: PathBuf,
    below: Vec<PathBuf>,
    digest: Option<String>,
    limit: u64,
    latest: u32,
    path: OsString,
    into: PathBuf,
    packer: Vec<OsString>,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let command = words.next().unwrap_or_default();
    let result = match (command.to_str(), parse(words)) {
        (Some("pack"), Ok(arguments)) => pack(&arguments),
        (Some("read"), Ok(arguments)) => read(&arguments),
        (Some("list"), Ok(arguments)) => list(&arguments),
        (Some("unfold"), Ok(arguments)) => unfold(&arguments),
        (Some("--help" | "-h"), _) => {
            let _ = console::output(HELP);
            Ok(())
        }
        (_, Err(text)) => Err(failure::Failure(text)),
        _ => Err(failure::Failure(
            "the first argument is pack, read, list or unfold: see --help".into(),
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::complain!("tarlayer: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = OsString>) -> std::result::Result<Arguments, String> {
    let mut arguments = Arguments {
        archive: None,
        scratch: std::env::temp_dir(),
        below: Vec::new(),
        digest: None,
        limit: u64::MAX,
        latest: u32::MAX,
        path: OsString::new(),
        into: PathBuf::new(),
        packer: Vec::new(),
    };
    while let Some(word) = words.next() {
        if word == "--" {
            arguments.packer = words.collect();
            break;
        }
        let name = word.to_string_lossy().into_owned();
        let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || -> std::result::Result<u64, String> {
            let number = value.to_str().and_then(|text| text.parse().ok());
            number.ok_or_else(|| format!("{name} is a number"))
        };
        match name.as_str() {
            "--archive" => arguments.archive = Some(value.into()),
            "--scratch" => arguments.scratch = value.into(),
            "--below" => arguments.below.push(value.into()),
            "--digest" => arguments.digest = Some(value.to_string_lossy().into_owned()),
            "--limit" => arguments.limit = number()?,
            "--mtime-max" => arguments.latest = number()?.min(u32::MAX.into()) as u32,
            "--path" => arguments.path = value,
            "--into" => arguments.into = value.into(),
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    Ok(arguments)
}

impl Arguments {
    fn open(&self) -> Result<(&Path, Plain)> {
        let Some(path) = &self.archive else {
            fail!("--archive is missing")
        };
        let bounds = Bounds {
            digest: self.digest.as_deref(),
            limit: self.limit,
            scratch: &self.scratch,
        };
        Ok((path, plain::open(path, &bounds)?))
    }
}

fn unfold(arguments: &Arguments) -> Result<()> {
    let (path, archive) = arguments.open()?;
    let members = unfold::unfold(&archive, &arguments.into).context(|| console::shown(path))?;
    console::output(&format!("{}\n", serde_json::json!({ "members": members })))
        .context(|| "cannot write to standard output".to_string())
}

fn pack(arguments: &Arguments) -> Result<()> {
    let (path, archive) = arguments.open()?;
    let below = Below::open(&arguments.below)?;
    let mut tree = Tree::new(arguments.latest);
    members::read(&archive, |member| tree.add(member)).context(|| console::shown(path))?;
    let nodes = tree.finish(&below);
    let served = serve::Served {
        archive: &archive,
        tree: &tree,
        nodes: &nodes,
    };
    serve::pack(&served, &arguments.packer)?;
    console::output(&format!("{}\n", report(&archive, &tree, &nodes)))
        .context(|| "cannot write to standard output".to_string())
}

fn report(archive: &Plain, tree: &Tree, nodes: &[Node]) -> serde_json::Value {
    let contents = || {
        let own = nodes.iter().filter(|node| node.link.is_none());
        own.filter_map(|node| Some(&tree.inodes[node.inode?].content))
    };
    let directories = contents()
        .filter(|content| matches!(content, Content::Directory(_)))
        .count();
    let bytes: u64 = contents()
        .map(|content| match content {
            Content::File { size, .. } => *size,
            _ => 0,
        })
        .sum();
    let names = tree.attribute_names.iter().take(MOST_SHOWN);
    serde_json::json!({
        "files": nodes.len() - directories,
        "directories": directories,
        "bytes": bytes,
        "archive": archive.size,
        "withAttributes": tree.with_attributes,
        "attributes": names.map(|name| String::from_utf8_lossy(name)).collect::<Vec<_>>(),
    })
}

fn list(arguments: &Arguments) -> Result<()> {
    let mut output = BufWriter::new(std::io::stdout().lock());
    let written = list::list(&Below::open(&arguments.below)?, &mut output).and_then(|()| output.flush());
    written.context(|| "cannot write to standard output".to_string())
}

fn read(arguments: &Arguments) -> Result<()> {
    let below = Below::open(&arguments.below)?;
    let limit = arguments.limit.min(READ_LIMIT);
    let Some(bytes) = below.read(arguments.path.as_bytes(), limit)? else {
        return Ok(());
    };
    let mut output = std::io::stdout().lock();
    let written = output.write_all(&bytes).and_then(|()| output.flush());
    written.context(|| "cannot write to standard output".to_string())
}
