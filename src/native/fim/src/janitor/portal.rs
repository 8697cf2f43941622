//! The directory through which guest and host ask each other to run commands. The guest may write there, so it gets a small file system
//! of its own: what it makes is bounded, takes no room on the host's disk, and goes with the namespaces.
//!
//! Without namespaces nothing can be mounted, and the directory of the instance is used as it is.

use super::holder::Holder;
use crate::failure::{Context, Result};
use crate::sys;
use rustix::mount::MountFlags;
use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// Where it is mounted, in the directory of the instance.
const MOUNTED: &str = "calls";
/// How processes outside of the namespaces find it there.
const LINK: &str = "portal";
/// A call has a directory and at most 7 FIFOs, and each side serves 256 calls at a time.
const INODES: u32 = 8192;
/// Bytes besides the list of allowed programs. FIFOs and directories take none.
const ROOM: usize = 1 << 20;
const ROOMS: [&str; 3] = ["daemon", "dispatcher/guest", "dispatcher/host"];
const FIFOS: [&str; 2] = ["daemon/host.fifo", "daemon/guest.fifo"];
const ALLOWED: &str = "allowed";

impl Holder<'_> {
    /// Makes the portal. `allowed` is what the guest reads to say no by itself.
    pub fn prepare_portal(&self, allowed: Option<&str>) -> Result<()> {
        let instance = &self.open.instance;
        let directory = instance.join(MOUNTED);
        let failed = || format!("cannot make the portal '{}'", directory.display());
        let seen = if self.outside.is_some() {
            PathBuf::from(MOUNTED)
        } else {
            let size = ROOM + allowed.map_or(0, str::len);
            let options = format!("mode=0700,size={size},nr_inodes={INODES}");
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            sys::mount(OsStr::new(LINK), &directory, "tmpfs", flags, OsStr::new(&options)).context(failed)?;
            through(self.outside_pid, instance).context(failed)?
        };
        for room in ROOMS {
            let mut builder = DirBuilder::new();
            let made = builder.mode(0o700).recursive(true).create(directory.join(room));
            made.context(failed)?;
        }
        for fifo in FIFOS {
            sys::make_fifo(&directory.join(fifo), 0o600).context(failed)?;
        }
        if let Some(allowed) = allowed {
            std::fs::write(directory.join(ALLOWED), allowed).context(failed)?;
        }
        symlink(seen, instance.join(LINK)).context(failed)
    }
}

/// Through the root of a process that is in the namespaces. A link on the way could lead back to the root of whoever follows it.
fn through(pid: i32, instance: &Path) -> std::io::Result<PathBuf> {
    let real = std::fs::canonicalize(instance)?;
    let mut path = format!("/proc/{pid}/root").into_bytes();
    path.extend_from_slice(real.as_os_str().as_bytes());
    Ok(Path::new(OsStr::from_bytes(&path)).join(MOUNTED))
}
