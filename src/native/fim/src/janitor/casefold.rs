//! The file system in which names ignore case, above the overlay.

use super::server::{complain_to, leave_caller};
use crate::fail;
use crate::failure::{Context, EXIT_CODE, Result};
use crate::sys::{self, Forked};
use casefold::Options;
use dwarfs_fuse::MountOptions;
use rustix::process::WaitOptions;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Threads for one that waits below and others that go on.
const FEWEST_THREADS: usize = 4;
const MOST_THREADS: usize = 16;

/// Mounts it on `target`, above what is mounted there, and serves it by a process of its own. `upper` lies in the file system
/// whose free space counts. The answer is the pid. Only for a process with a single thread.
pub fn serve(target: &Path, upper: &Path, log: &Path) -> Result<i32> {
    let failed = || "cannot mount the file system that ignores case".to_string();
    let directory = |path: &Path| {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    };
    // Before the mount, which hides what it is above.
    let root = directory(target).context(failed)?;
    let space = directory(upper).context(failed)?;
    let options = MountOptions {
        source: "casefold".into(),
        read_only: false,
        ..MountOptions::default()
    };
    let fuse = dwarfs_fuse::mount(target, &options).context(failed)?;
    let (ready, announce) = sys::pipe().context(failed)?;
    match sys::clone(0).context(failed)? {
        Forked::Parent(server) => {
            drop(announce);
            let mut said = String::new();
            std::io::Read::read_to_string(&mut File::from(ready), &mut said).context(failed)?;
            if said != "+" {
                sys::wait(server, WaitOptions::empty());
                fail!(
                    "{}: {}",
                    failed(),
                    if said.is_empty() { "it said nothing" } else { &said }
                )
            }
            Ok(server)
        }
        Forked::Child => {
            let kept = [fuse.as_fd(), root.as_fd(), space.as_fd(), announce.as_fd()];
            let code = match run(log, kept) {
                Ok(()) => 0,
                Err(failure) => {
                    console::complain!("E::{failure}");
                    EXIT_CODE
                }
            };
            std::process::exit(code)
        }
    }
}

/// Leaves everything of the holder, and serves until the mount is gone.
fn run(log: &Path, kept: [std::os::fd::BorrowedFd<'_>; 4]) -> Result<()> {
    let failed = || "cannot serve the file system that ignores case".to_string();
    let [fuse, root, space, announce] = leave_caller(c"fim-casefold", kept).context(failed)?;
    complain_to(log).context(failed)?;
    std::env::set_current_dir("/").context(failed)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let options = Options {
        root,
        space,
        threads: cores.clamp(FEWEST_THREADS, MOST_THREADS),
        directories: None,
    };
    let serving = casefold::serve(fuse, options);
    say(announce, serving.as_ref().err());
    serving.context(failed)?.join().context(failed)
}

fn say(announce: OwnedFd, cause: Option<&std::io::Error>) {
    let text = cause.map_or("+".to_string(), ToString::to_string);
    // Nobody hears it when the holder has ended, and then this process is about to end too.
    let _ = std::io::Write::write_all(&mut File::from(announce), text.as_bytes());
}
