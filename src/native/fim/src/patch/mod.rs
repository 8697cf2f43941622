//! `fim patch FILE --range OFFSET:LENGTH [--wait SECONDS]`: writes into an image that may be executed at any moment.
//!
//! While a file is open for writing nobody can execute it, and while somebody executes it nobody can open it for writing
//! ("Text file busy"). So the lock is held on a descriptor that only reads, and the file is open for writing for as long as
//! the bytes of one stage take to be copied: they are all in memory before, and go to the disk after.
//!
//! On standard output: `locked DEVICE INODE` once the lock is held, then for each stage `done`, or `error ERRNO TEXT` and the
//! end. On standard input: stages, until the end of the file gives the lock back.
//!
//! A stage is `u32 kind`. Kinds 1 (then synced to the disk) and 2 (not synced): `u32 count`, then `count` times `u64 offset`,
//! `u32 length`, bytes. Kind 3: `u64 length`, to cut the file off there. Little endian.
//!
//! Two more append a layer, which is `u64 size` and as many bytes. Kind 4: `u64 offset`, `u32 length`, path of that length.
//! The file, which ends at `offset`, grows at once by 8 and the size of the file at the path; the new 8 bytes stay zero, where
//! a scan of the layers stops, and the copy follows in pieces, the file being closed and left alone in between. It is on the
//! disk when the answer comes; if anything fails the file is cut off where it ended. Kind 5: `u64 offset`, `u64 size` writes
//! the size over those zeros, if the file ends where it says. A writer that dies in between leaves zeros and what follows
//! them, which the next one cuts off by kind 3.
//!
//! Three more change which layers an image has, in a new file, see `rewrite.rs`. Kind 6: `u64 offset`, `u64 size`, `u32 length`,
//! path: copies that part of the image, which lies behind the range, into a new file at the path. Kind 7: `u64 end`, twice
//! `u32 length`, path: makes a new file at the first path of the image up to `end` and, unless the second path is empty, the
//! layer in the file there. Kind 8: `u32 length`, path: gives that file the name of the image. The image itself is only read.

mod apply;
mod lock;
mod rewrite;
mod stage;

use crate::janitor;
use apply::apply;
use lock::lock;
use stage::read_stage;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Error, ErrorKind, Read, Write};
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
    match serve(&options, &mut io::stdin().lock(), &mut io::stdout().lock()) {
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

fn serve(options: &Options, input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let file = lock(&options.path, options.wait)?;
    let metadata = file.metadata()?;
    janitor::release(&metadata);
    writeln!(output, "locked {} {}", metadata.dev(), metadata.ino())?;
    output.flush()?;
    while let Some(stage) = read_stage(input)? {
        apply(options, &file, &stage)?;
        writeln!(output, "done")?;
        output.flush()?;
    }
    Ok(())
}

/// `error ERRNO TEXT`, with 0 for what the kernel did not say. Not through `Stdout`, whose lock a thread may hold.
fn answer_error(error: &Error) {
    let errno = error.raw_os_error().unwrap_or(match error.kind() {
        ErrorKind::TimedOut => 110,
        _ => 0,
    });
    let text = error.to_string().replace('\n', " ");
    let line = format!("error {errno} {text}\n");
    // Nobody may be listening any more; there is nobody else to tell.
    let _ = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .and_then(|mut output| output.write_all(line.as_bytes()));
}
