//! `fim patch FILE --range OFFSET:LENGTH [--wait SECONDS]`: writes into an image that may be executed at any moment.
//!
//! While a file is open for writing nobody can execute it, and while somebody executes it nobody can open it for writing
//! ("Text file busy"). So the lock is held on a descriptor that only reads, and the file is open for writing for as long as
//! the bytes of one stage take to be copied: they are all in memory before, and go to the disk after.
//!
//! The first reply, unasked, names device and inode of the file once the lock is held. Then each request on standard input is a stage
//! (`stage.rs`), until the end of the input gives the lock back. An error ends the program.

mod apply;
mod lock;
mod rewrite;
mod stage;

use crate::janitor;
use apply::apply;
use lock::lock;
use messages::{Done, Reader, Reply};
use serde::Serialize;
use stage::{LIMITS, read_stage};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Error, ErrorKind, Write};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "usage: fim patch FILE --range OFFSET:LENGTH [--wait SECONDS]";

/// Runs the applet; the result is its exit code.
pub fn command(args: &[OsString]) -> i32 {
    let Some(options) = Options::parse(args) else {
        console::complain!("{USAGE}");
        return 125;
    };
    match serve(&options) {
        Ok(()) => 0,
        Err(error) => {
            answer_error(&error);
            1
        }
    }
}

struct Options {
    path: PathBuf,
    range: Range<u64>,
    wait: Duration,
}

impl Options {
    fn parse(args: &[OsString]) -> Option<Self> {
        let mut path = None;
        let mut range = None;
        let mut wait = Duration::from_secs(60);
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match arg.to_str() {
                Some("--range") => {
                    let (offset, length) = rest.next()?.to_str()?.split_once(':')?;
                    let offset: u64 = offset.parse().ok()?;
                    range = Some(offset..offset.checked_add(length.parse().ok()?)?);
                }
                Some("--wait") => wait = Duration::from_secs(rest.next()?.to_str()?.parse().ok()?),
                _ if path.is_none() => path = Some(PathBuf::from(arg)),
                _ => return None,
            }
        }
        Some(Self {
            path: path?,
            range: range?,
            wait,
        })
    }
}

/// What is locked. As text, because inodes of some file systems are larger than what a number of JSON is sure to hold.
#[derive(Serialize)]
struct Locked {
    device: String,
    inode: String,
}

fn serve(options: &Options) -> io::Result<()> {
    let file = lock(&options.path, options.wait)?;
    let metadata = file.metadata()?;
    janitor::release(&metadata);
    let locked = Locked {
        device: metadata.dev().to_string(),
        inode: metadata.ino().to_string(),
    };
    messages::print(&Reply::ok(locked), &[])?;
    let mut input = Reader::new(io::stdin().lock(), LIMITS);
    while let Some((stage, bytes)) = read_stage(&mut input)? {
        apply(options, &file, &stage, &bytes)?;
        messages::print(&Reply::ok(Done {}), &[])?;
    }
    Ok(())
}

/// Replies with an error, and what the kernel said of it. Not through `Stdout`, whose lock a thread may hold.
fn answer_error(error: &Error) {
    let reply = Reply {
        errno: error.raw_os_error().or(match error.kind() {
            ErrorKind::TimedOut => Some(libc::ETIMEDOUT),
            _ => None,
        }),
        ..Reply::error(error)
    };
    // Nobody may be listening any more; there is nobody else to tell.
    let _ = messages::encode(&reply, &[]).and_then(|bytes| {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        File::from(output).write_all(&bytes)
    });
}
