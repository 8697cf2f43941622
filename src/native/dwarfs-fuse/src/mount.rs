//! Mounting by hand, for a process that may mount in its user namespace.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::mount::MountFlags;
use rustix::process::{getgid, getuid};

/// How a file system is mounted; unless said otherwise as a layer. The kernel always checks permissions by mode and owner.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// What `/proc/mounts` shows as the source, and behind `fuse.` as the type.
    pub source: String,
    /// Whether it cannot be written to. A layer never can.
    pub read_only: bool,
    /// Whether users other than the one who mounts may look at it. An overlay needs that if others use the overlay.
    pub allow_other: bool,
    /// Whether set-user-id bits and file capabilities count when a program is started from this very mount.
    pub setuid: bool,
    /// Whether device files of this very mount can be opened.
    pub devices: bool,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            source: "dwarfs".into(),
            read_only: true,
            allow_other: true,
            setuid: false,
            devices: false,
        }
    }
}

/// Mounts a FUSE file system at `target` and returns the descriptor to serve it by, see [`crate::Layer::serve`].
///
/// Needs `CAP_SYS_ADMIN` in the current user namespace. The descriptor is opened here because the kernel insists that
/// mounting and opening happen in the same user namespace; serving may happen in any other. Nobody can use the mount
/// before it is served. Fails with `ENOENT` or `ENODEV` if the kernel has no FUSE.
pub fn mount(target: &Path, options: &MountOptions) -> io::Result<OwnedFd> {
    let fuse = File::options().read(true).write(true).open("/dev/fuse")?;
    let mut data = format!(
        "fd={},rootmode=40000,user_id={},group_id={},default_permissions",
        fuse.as_raw_fd(),
        getuid().as_raw(),
        getgid().as_raw()
    );
    if options.allow_other {
        data.push_str(",allow_other");
    }
    let mut flags = MountFlags::NOATIME;
    if options.read_only {
        flags |= MountFlags::RDONLY;
    }
    if !options.setuid {
        flags |= MountFlags::NOSUID;
    }
    if !options.devices {
        flags |= MountFlags::NODEV;
    }
    let kind = format!("fuse.{}", options.source);
    let data = CString::new(data)?;
    rustix::mount::mount(options.source.as_str(), target, kind, flags, Some(data.as_c_str()))?;
    Ok(fuse.into())
}
