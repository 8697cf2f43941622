//! The command line.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use console::Mode;

use crate::exclude::Pattern;
use crate::levels::{self, Level};

pub const HELP: &str = "\
usage: mkdwarfs -i DIR -o FILE [options]

Packs the tree below DIR into a dwarfs image. FILE is replaced when the image
is complete, and left alone if anything fails. Mounts below DIR are packed too.
FILE must not lie below DIR.

options:
  -i DIR                    the tree to pack; - to get it from 'fim merge' through
                            standard input and output
  -o FILE                   the image to write
  -l LEVEL                  0 (no compression) to 9 (smallest); default 6
  --block-size-bits N       blocks of 2^N bytes, 16 to 26, instead of the level's
  --uid N, --gid N          owner and group of every file
  --mtime-all SECONDS       modification time of every file, counted from 1970
  --mtime-max SECONDS       the same for files with a later time only
  --exclude PATTERN         leave out what matches; may be given many times. With
                            a slash it is a path from DIR on, else a name;
                            * and ? match within a name, ** across names
  --first LIST              store these parts of files before all else, so that a start
                            that reads them decompresses little else: entries
                            'OFFSET LENGTH PATH' of a file, each ended by a zero byte;
                            PATH is relative to DIR
  --threads N               threads that compress (one for each core)
  --progress auto|always|never
                            a bar on terminals (auto), and also lines
                            'progress DONE TOTAL' in bytes elsewhere (always)
  --whiteout FILE           what is a name of this file, and so a hard link to it,
                            becomes the device 0:0, which stands for a deletion;
                            FILE may be missing
  --parent PID              end, and remove what is unfinished, when the process
                            that has started this one ends; PID is its number
  --json                    print a line of figures at the end
  --help                    this text

exit codes: 0 packed, 1 failed, 2 wrong arguments

examples:
  mkdwarfs -i rootfs -o root.dwarfs
  mkdwarfs -i rootfs -o root.dwarfs -l 9 --uid 0 --gid 0 --mtime-all 0
  mkdwarfs -i rootfs -o root.dwarfs --exclude '/var/cache/**' --exclude '*.pyc'
";

#[derive(Debug)]
pub struct Command {
    /// The tree to pack; `-` when another program serves it.
    pub input: PathBuf,
    pub output: PathBuf,
    pub level: Level,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime: Option<u32>,
    /// No file is younger in the image.
    pub mtime_max: u32,
    pub threads: usize,
    pub progress: Mode,
    pub exclude: Vec<Pattern>,
    pub json: bool,
    /// The file whose names are written as whiteouts.
    pub whiteout: Option<PathBuf>,
    /// Names the parts of files that are stored first.
    pub first: Option<PathBuf>,
    /// The process that this one ends with.
    pub parent: Option<u32>,
}

impl Command {
    /// Whether the tree comes from another program.
    pub fn is_served(&self) -> bool {
        self.input.as_os_str() == "-"
    }
}

#[derive(Debug)]
pub enum Parsed {
    Help,
    Run(Box<Command>),
}

/// Reads the arguments, the program's name not among them; an error is a message for the user.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Parsed, String> {
    let mut rest = arguments;
    let (mut input, mut output, mut level, mut bits) = (None, None, levels::DEFAULT, None);
    let mut command = Command {
        input: PathBuf::new(),
        output: PathBuf::new(),
        level: levels::level(levels::DEFAULT),
        uid: None,
        gid: None,
        mtime: None,
        mtime_max: u32::MAX,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        progress: Mode::Auto,
        exclude: Vec::new(),
        json: false,
        whiteout: None,
        first: None,
        parent: None,
    };
    while let Some(argument) = rest.next() {
        let Some(name) = argument.to_str() else {
            return Err(format!("unknown argument {}", argument.display()));
        };
        // Both "--name value" and "--name=value".
        let (name, given) = match name.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(OsString::from(value))),
            _ => (name.to_owned(), None),
        };
        let has_value = given.is_some();
        let mut value = || {
            given
                .clone()
                .or_else(|| rest.next())
                .ok_or_else(|| format!("{name} needs a value"))
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(Parsed::Help),
            "--json" if !has_value => command.json = true,
            "-i" | "--input" => input = Some(value()?),
            "-o" | "--output" => output = Some(value()?),
            "-l" | "--level" => level = number(&name, &value()?, 0, 9)?,
            "--block-size-bits" => bits = Some(number(&name, &value()?, 16, 26)?),
            "--uid" => command.uid = Some(number(&name, &value()?, 0, u32::MAX - 1)?),
            "--gid" => command.gid = Some(number(&name, &value()?, 0, u32::MAX - 1)?),
            "--mtime-all" => command.mtime = Some(number(&name, &value()?, 0, u32::MAX)?),
            "--mtime-max" => command.mtime_max = number(&name, &value()?, 0, u32::MAX)?,
            "--threads" => command.threads = number(&name, &value()?, 1, 256)? as usize,
            "--parent" => command.parent = Some(number(&name, &value()?, 1, i32::MAX as u32)?),
            "--first" => command.first = Some(value()?.into()),
            "--whiteout" => command.whiteout = Some(value()?.into()),
            "--exclude" => command.exclude.push(Pattern::new(value()?.as_bytes())),
            "--progress" => {
                let value = value()?;
                command.progress = match value.to_str() {
                    Some("auto") => Mode::Auto,
                    Some("always") => Mode::Always,
                    Some("never") => Mode::Never,
                    _ => return Err(format!("--progress is auto, always or never, not {}", value.display())),
                };
            }
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    command.input = input.ok_or("-i DIR is missing")?.into();
    command.output = output.ok_or("-o FILE is missing")?.into();
    if command.is_served() && (command.json || !command.exclude.is_empty()) {
        return Err("-i - goes with neither --json nor --exclude".into());
    }
    command.level = levels::level(level);
    if let Some(bits) = bits {
        (command.level.code, command.level.other) = (1 << bits, 1 << bits);
    }
    Ok(Parsed::Run(Box::new(command)))
}

fn number(name: &str, value: &OsString, least: u32, most: u32) -> Result<u32, String> {
    let number = value
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{name} is a number from {least} to {most}, not {}", value.display()))
}
