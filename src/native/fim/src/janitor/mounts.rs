//! What the holder of an instance mounts: the layers, or trees of them where that is refused, and the overlay above them;
//! and the merged root that comes of it. A joined instance finds all of that mounted and binds it.

use super::cache::{self, TreeCache};
use super::casefold;
use super::driver::DRIVER_LOG;
use super::holder::Holder;
use super::layers::{Layers, Reading};
use super::linger::Terms;
use super::overlay;
use super::protocol::{self, Mounted, Place, Unpacked};
use super::record::{MERGED, Overlay};
use super::session::Role;
use crate::fail;
use crate::failure::{Context, Result};
use crate::hot;
use crate::launcher::wait_for_rest;
use crate::sys;
use dwarfs_fuse::MountOptions;
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change};
use rustix::process::{getegid, geteuid};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a holder says to the janitor. A guest's files are served by programs, which have to be alive when it ends: wait.
pub const WAIT: u8 = b'+';
/// It unmounts by itself all but the layers. Nobody waits for that but the janitor.
pub const UNMOUNTS: u8 = b'U';
/// Its guest has ended, and it goes on until it is killed: other instances may use what its programs serve.
pub const SERVES: u8 = b'S';
/// The driver stays.
pub const LINGERS: u8 = b'L';

impl Holder<'_> {
    /// Whether another instance has mounted everything.
    pub fn is_joined(&self) -> bool {
        matches!(self.session.role, Role::Joined { .. })
    }

    /// Mounts of the host still come in, ours do not go out, and `/proc` shows our processes.
    pub fn isolate(&mut self) -> Result<()> {
        if self.outside.is_some() {
            return Ok(());
        }
        let failed = || "cannot make the mount namespace private".to_string();
        match make_private() {
            // In a chroot the root need not be a mount point.
            Err(Errno::INVAL) => mount_root().and_then(|()| make_private()).context(failed)?,
            result => result.context(failed)?,
        }
        let proc_flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("proc", "/proc", "proc", proc_flags, None).context(no_proc)?;
        if let Role::Joined { merged, trees, .. } = &self.session.role {
            if self.open.lingering.is_some() && trees.is_empty() {
                // For when we are the last ones: those of the first instance go with its directory.
                let layers = merged.with_file_name("layers").join("0");
                let target = self.layer_target(0)?;
                let _ = mount_bind(&layers, &target);
            }
            self.tree_locks = cache::share(trees)?;
            self.trees.clone_from(trees);
            let target = self.open.instance.join(MERGED);
            mount_bind(merged, &target)
                .context(|| format!("cannot bind the running overlay '{}'", merged.display()))?;
            self.settle(true, self.session.served_by().map(Some))?;
        }
        Ok(())
    }

    pub fn mount_layers(
        &mut self,
        layers: &[Place],
        cache_bytes: u64,
        hot: Option<hot::Place>,
        reads: Option<PathBuf>,
    ) -> Result<Mounted> {
        let mut mounted = Mounted {
            unpacked: None,
            were_open: false,
            lingered: false,
        };
        // Those of a shared overlay are mounted already.
        if self.is_joined() {
            return Ok(mounted);
        }
        if let Some(lent) = self.lent.take() {
            let target = self.layer_target(0)?;
            sys::mount_copy(lent.as_fd(), &target).context(|| "cannot mount the layers".to_string())?;
            mounted.lingered = true;
            return Ok(mounted);
        }
        let owner = match (&self.outside, self.own_users) {
            (Some(_), _) => Some((geteuid().as_raw(), getegid().as_raw())),
            (None, true) => Some((0, 0)),
            (None, false) => None,
        };
        let reading = Reading {
            cache_bytes,
            hot,
            reads,
            owner,
            stack: &self.open.stack,
            start: self.session.start(),
            log: self.open.instance.join(DRIVER_LOG),
        };
        mounted.were_open = self.layers.open(layers, reading)?;
        let target = self.layer_target(0)?;
        let fuse = match &self.outside {
            Some(outside) => outside.mount(&target)?,
            None => match dwarfs_fuse::mount(&target, &MountOptions::default()) {
                Ok(fuse) => fuse,
                Err(error) => {
                    mounted.unpacked = Some(self.bind_trees(layers, refusal(&error))?);
                    return Ok(mounted);
                }
            },
        };
        self.layers.attach(fuse.as_fd())?;
        Ok(mounted)
    }

    /// For a host that does not let us mount layers, which is why the driver goes.
    fn bind_trees(&mut self, layers: &[Place], reason: String) -> Result<Unpacked> {
        self.layers = Layers::unserved();
        let cache = TreeCache::open(self.tree_places, !self.own_users)
            .and_then(|cache| Ok((cache.trees(layers)?, cache)))
            .context(|| format!("layers can neither be mounted ({reason}) nor unpacked"));
        let (unpacked, cache) = cache?;
        let mut missing_devices = 0;
        for (index, tree) in unpacked.into_iter().enumerate() {
            let target = self.layer_target(index)?;
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
            sys::bind(&tree.tree, &target, flags).context(|| format!("cannot bind '{}'", tree.tree.display()))?;
            missing_devices += tree.missing_devices;
            self.trees.push(tree.tree);
            self.tree_locks.push(tree.lock);
        }
        Ok(Unpacked {
            reason,
            directory: cache.path().to_path_buf(),
            missing_devices,
        })
    }

    /// Has the layers stay for a while after this instance, if they can.
    pub fn linger(&mut self, terms: Terms) -> Result<()> {
        if !self.own_users || self.outside.is_some() || !self.trees.is_empty() {
            fail!("layers stay only where an ordinary user has mounted them in namespaces")
        }
        // Where it cannot be done here, nobody could join them.
        sys::copy_of_mount(&self.layer_target(0)?).context(|| "mounts cannot be copied".to_string())?;
        let failed = || "cannot find the layers".to_string();
        // Not by its path at the end: the janitor renames the directory of the instance before.
        let layers = sys::open_directory(&self.layer_target(0)?).context(failed)?;
        let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).context(failed);
        // Whoever joined the instance that has mounted them may have come too late for them.
        if device(&self.layer_target(0)?)? == device(&self.open.instance)? {
            fail!("the layers are not mounted here")
        }
        if self.layers.linger(&self.open.stack, terms)? {
            self.own_layers = Some(layers);
            self.last_word
                .write_all(&[UNMOUNTS])
                .context(|| "the janitor has ended".to_string())?;
        }
        Ok(())
    }

    /// Unmounts everything but the layers, and gives the driver the mount namespace to hold.
    pub fn keep_layers(&mut self) -> Result<()> {
        let Some(layers) = self.own_layers.take() else {
            return Ok(());
        };
        let failed = || "cannot leave the layers mounted".to_string();
        let namespace = File::open("/proc/self/ns/mnt").context(failed)?;
        sys::keep_only(layers.as_fd()).context(failed)?;
        self.layers.hold(namespace.as_fd())?;
        if self.layers.is_own() {
            self.last_word.write_all(&[LINGERS]).context(failed)?;
        }
        Ok(())
    }

    fn layer_target(&self, index: usize) -> Result<PathBuf> {
        let target = self.open.instance.join("layers").join(index.to_string());
        std::fs::create_dir_all(&target).context(|| format!("cannot make '{}'", target.display()))?;
        Ok(target)
    }

    /// The kernel takes all paths of an overlay in one page, so they are said relative to the instance, where the data
    /// directory is bound to a short name; this also spares escaping whatever the path of an image may hold.
    pub fn mount_overlay(&mut self) -> Result<()> {
        if self.is_joined() {
            return Ok(());
        }
        if self.outside.is_some() {
            fail!("the kernel's overlay needs a user namespace")
        }
        self.prepare_overlay()?;
        // Each tree of a layer that is unpacked, or one mount of all layers.
        let lowers = self.trees.len().max(1);
        let lower: Vec<String> = (0..lowers).rev().map(|index| format!("layers/{index}")).collect();
        // Attributes named `trusted` are only for root of the first user namespace. Without marks the overlay refuses to make a
        // directory where one was removed.
        let own = if self.own_users || !sys::has_first_users() {
            ",userxattr"
        } else {
            ""
        };
        let name = self.open.name();
        let options = format!(
            "lowerdir={},upperdir=data/data,workdir=data/work/{name}{own}",
            lower.join(":")
        );
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        sys::mount(
            OsStr::new("overlay"),
            Path::new(MERGED),
            "overlay",
            flags,
            OsStr::new(&options),
        )
        .context(|| "the kernel refused the overlay".to_string())?;
        self.settle(true, None)
    }

    pub fn serve_overlay(&mut self, argv: &[String], ignore_case: bool) -> Result<()> {
        if self.is_joined() {
            return Ok(());
        }
        if ignore_case && self.outside.is_some() {
            fail!("names that ignore case need a user namespace")
        }
        if !self.trees.is_empty() {
            fail!("it needs FUSE")
        }
        // Its program is not among the tools that every start needs.
        if let Some(application) = super::application() {
            wait_for_rest(&application)?;
        }
        self.prepare_overlay()?;
        self.last_word
            .write_all(&[WAIT])
            .context(|| "the janitor has ended".to_string())?;
        let log = self.open.instance.join("logs/fuse/overlay.log");
        self.servers.push(overlay::serve(argv, Path::new(MERGED), &log)?);
        if ignore_case {
            let log = self.open.instance.join("logs/fuse/casefold.log");
            let server = casefold::serve(Path::new(MERGED), Path::new("data/data"), &log)?;
            self.servers.push(server);
        }
        // Without namespaces nobody finds the way to it.
        self.settle(self.outside.is_none(), Some(None))
    }

    /// Goes to the directory of the instance, and makes there what an overlay needs: `data` and a work directory.
    fn prepare_overlay(&self) -> Result<()> {
        let failed = || "cannot prepare the overlay".to_string();
        std::env::set_current_dir(&self.open.instance).context(failed)?;
        self.session.make_work()?;
        // Bound already where another type of overlay was tried before.
        if !Path::new("data/data").exists() {
            if self.outside.is_some() {
                return std::os::unix::fs::symlink(&self.open.data, "data").context(failed);
            }
            std::fs::create_dir_all("data").context(failed)?;
            mount_bind(&self.open.data, "data").context(failed)?;
        }
        Ok(())
    }

    fn settle(&self, lasts: bool, served_by: Option<Option<(i32, u64)>>) -> Result<()> {
        let mut merged = self.open.instance.join(MERGED);
        if lasts {
            let joinable = self.session.make_joinable()?;
            mount_bind(&merged, &joinable)
                .context(|| format!("cannot mount the overlay on '{}'", joinable.display()))?;
            merged = joinable;
        }
        let overlay = Overlay {
            merged: &merged,
            lasts,
            served_by,
            driver: self.layers.driver,
            trees: &self.trees,
            servers: if self.outside.is_some() { &self.servers } else { &[] },
        };
        self.session.settle(self.outside_pid, &self.open.stack, &overlay)
    }

    pub fn merged_root(&self) -> Result<File> {
        File::open(self.open.instance.join(MERGED)).context(|| "cannot open the merged root".to_string())
    }

    pub fn read_root(&self, path: &Path, limit: u64) -> Result<Option<String>> {
        let root = self.merged_root()?;
        let relative = path.strip_prefix("/").unwrap_or(path);
        let Ok(descriptor) = sys::open_in_root(root.as_fd(), relative) else {
            return Ok(None);
        };
        let file = File::from(descriptor);
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Ok(None);
        }
        // What the guest has made unreadable counts as missing: it must not keep the image from starting.
        let mut bytes = Vec::new();
        let read = file.take(limit).read_to_end(&mut bytes);
        Ok(read.ok().map(|_| protocol::from_bytes(&bytes)))
    }
}

fn make_private() -> rustix::io::Result<()> {
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
}

/// Mounts the root directory on itself and makes that the root of this process.
fn mount_root() -> rustix::io::Result<()> {
    mount_bind_recursive("/", "/")?;
    // `/` itself is still what is below the new mount. The parent of the root is the root, with what is mounted on it.
    rustix::process::chdir("/..")?;
    rustix::process::chroot(".")
}

/// Places of the kernel in `/proc` for other file systems, which a new `/proc` has as well.
const OWN_PLACES: [&str; 2] = ["/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd"];

/// The kernel shows a new `/proc` only to those who see the whole of the one before.
fn no_proc() -> String {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut covers: Vec<&str> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|place| place.starts_with("/proc/") && !OWN_PLACES.contains(place))
        .collect();
    covers.sort_unstable();
    covers.dedup();
    let covered = covers.iter().map(|place| format!("'{place}'")).collect::<Vec<_>>();
    match covered.as_slice() {
        [] => "cannot mount /proc for the new process namespace; if this is a container, start the image outside of it"
            .to_string(),
        _ => format!(
            "cannot mount /proc for the new process namespace, because this host has mounts on {}; as root unmount them (umount {}), or, in a unit of systemd, set ProtectKernelTunables=no, ProtectKernelLogs=no and ProcSubset=all",
            covered.join(", "),
            covers.join(" ")
        ),
    }
}

/// Why a FUSE file system could not be mounted.
fn refusal(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT) => "there is no /dev/fuse".to_string(),
        Some(libc::ENODEV | libc::ENXIO) => "the kernel has no FUSE".to_string(),
        Some(libc::EINVAL) => "/dev/fuse is not the device of FUSE".to_string(),
        _ => format!("/dev/fuse cannot be used: {error}"),
    }
}
