//! The threads that answer the kernel.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use fuser::{BackgroundSession, Config, Session, SessionACL};
use rustix::fs::{Mode, fstat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

use crate::entries::Casefold;
use crate::handles::Handles;
use crate::inodes::{Inodes, ROOT, kind_of};
use crate::lower::{Counters, Lower, error};
use crate::node::Node;

/// Descriptors of directories that are kept open at most.
const DIRECTORIES: u64 = 1024;

/// What is served, and how.
#[derive(Debug)]
pub struct Options {
    /// The directory below; a descriptor of `O_PATH` is enough.
    pub root: OwnedFd,
    /// A directory of the file system whose free space is shown.
    pub space: OwnedFd,
    /// Threads that answer the kernel; at least one is used.
    pub threads: usize,
    /// Descriptors of directories that are kept open at most; `None` for as many as go well with the process's limit.
    pub directories: Option<usize>,
}

/// A file system being served. Dropping it leaves the threads at work; they end when the mount is gone.
#[derive(Debug)]
pub struct Serving {
    session: BackgroundSession,
    counters: Arc<Counters>,
}

impl Serving {
    /// Waits until the mount is gone, that is until nothing refers to it any more or it was aborted.
    pub fn join(self) -> io::Result<()> {
        self.session.join()
    }

    /// How often the directory below was asked.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Serves the mount that an open `/dev/fuse` belongs to.
///
/// From here on the process makes files with exactly the modes that are asked for (its umask is 0), and may open as many
/// files as its hard limit allows. It needs `/proc`, of a process namespace in which it is itself. Returns after the kernel's
/// first request was answered. Fails with `ENOTDIR` if the root is no directory, and with `EPERM` if the descriptor is not
/// mounted.
pub fn serve(fuse: OwnedFd, options: Options) -> io::Result<Serving> {
    let stat = fstat(&options.root)?;
    if kind_of(&stat) != libc::S_IFDIR {
        return Err(error(libc::ENOTDIR));
    }
    umask(Mode::empty());
    let limit = raise_limit();
    let directories = options
        .directories
        .unwrap_or_else(|| usize::try_from(DIRECTORIES.min(limit / 4)).unwrap_or(1));
    let root = Arc::new(Node::new(ROOT, libc::S_IFDIR, None));
    root.set_descriptor(Some(Arc::new(options.root)));
    let lower = Lower::new(directories);
    let counters = Arc::clone(&lower.counters);
    let filesystem = Casefold {
        lower,
        inodes: Inodes::new(root),
        handles: Handles::default(),
        space: options.space,
    };
    let mut config = Config::default();
    config.acl = SessionACL::All;
    config.n_threads = Some(options.threads.max(1));
    let session = Session::from_fd(filesystem, fuse, SessionACL::All, config)?;
    Ok(Serving {
        session: session.spawn()?,
        counters,
    })
}

/// Lets the process open as many files as it may; says how many.
fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(_) => current.unwrap_or(u64::MAX),
    }
}
