//! Layers as the kernel asks for them.
//!
//! Nothing in a layer ever changes, so the kernel is told to keep everything it learns: names, also those that do not
//! exist, attributes, directory listings, symlinks and pages. Opening a file costs no request at all where the kernel
//! can do without.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, IoctlFlags,
    KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyXattr, Request,
};

use crate::layer::Layer;
use crate::push::Pusher;
use crate::tree::{Attributes, Kind};
use crate::view::{Listed, Node, View};

/// As good as for ever, and far from the limits of the kernel's clock.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
const GENERATION: Generation = Generation(0);
/// Requests of reading ahead that the kernel keeps under way at once.
const BACKGROUND: u16 = 32;
/// Largest request; the kernel itself stops at 1 MiB.
const LARGEST: u32 = 1 << 20;

/// What is done when a layer was overwritten.
pub type OnOverwritten = Box<dyn Fn() + Send + Sync>;

pub(crate) struct LayerFilesystem {
    view: Arc<View>,
    pusher: Option<Pusher>,
    opens_are_free: bool,
    listings_are_free: bool,
    is_reported: AtomicBool,
    /// Called once a layer was overwritten, and then for each read that fails.
    on_overwritten: Option<OnOverwritten>,
}

impl LayerFilesystem {
    /// With what gives the kernel pages in advance, if there are any.
    pub(crate) fn new(view: Arc<View>, pusher: Option<Pusher>, on_overwritten: Option<OnOverwritten>) -> Self {
        Self {
            view,
            pusher,
            opens_are_free: false,
            listings_are_free: false,
            is_reported: AtomicBool::new(false),
            on_overwritten,
        }
    }

    /// Says once on standard error that something cannot be read: programs often do not tell such an error from others, and
    /// the kernel ends those whose code it cannot read.
    fn report_damage(&self, layer: &Layer, cause: &io::Error) {
        if self.is_reported.swap(true, Ordering::Relaxed) {
            return;
        }
        match layer.overwritten() {
            Some(path) => console::complain!(
                "'{}' was overwritten while it ran; replace it with mv or install",
                path.display()
            ),
            None => console::complain!("a layer is damaged, some of its files cannot be read: {cause}"),
        }
    }

    fn attributes(&self, node: Node) -> Option<FileAttr> {
        let attributes = self.view.attributes(node)?;
        let mut found = file_attr(self.view.number(node), &attributes);
        // Programs look for holes where a file has fewer blocks than its size.
        if let Some(stored) = self.view.layer(node).and_then(|layer| layer.stored(node.inode)) {
            found.blocks = stored.div_ceil(512);
        }
        Some(found)
    }
}

fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::File => FileType::RegularFile,
        Kind::BlockDevice => FileType::BlockDevice,
        Kind::CharacterDevice => FileType::CharDevice,
        Kind::Pipe => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
    }
}

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .unwrap_or(UNIX_EPOCH)
}

fn file_attr(number: INodeNo, attributes: &Attributes) -> FileAttr {
    FileAttr {
        ino: number,
        size: attributes.size,
        blocks: attributes.size.div_ceil(512),
        atime: time(attributes.accessed),
        mtime: time(attributes.modified),
        ctime: time(attributes.changed),
        crtime: UNIX_EPOCH,
        kind: file_type(attributes.kind),
        perm: (attributes.mode & 0o7777) as u16,
        nlink: attributes.links,
        uid: attributes.uid,
        gid: attributes.gid,
        // The kernel's own 32 bits of a device number are the lower half of the C library's.
        rdev: attributes.device as u32,
        blksize: 4096,
        flags: 0,
    }
}

/// The answer for a name that does not exist, which the kernel remembers as it does names that exist.
fn missing() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 0,
        flags: 0,
    }
}

impl Filesystem for LayerFilesystem {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let offered = config.capabilities();
        let wanted = InitFlags::FUSE_ASYNC_READ
            | InitFlags::FUSE_DO_READDIRPLUS
            | InitFlags::FUSE_READDIRPLUS_AUTO
            | InitFlags::FUSE_PARALLEL_DIROPS
            | InitFlags::FUSE_CACHE_SYMLINKS
            | InitFlags::FUSE_EXPLICIT_INVAL_DATA
            | InitFlags::FUSE_NO_OPEN_SUPPORT
            | InitFlags::FUSE_NO_OPENDIR_SUPPORT
            | InitFlags::FUSE_EXPORT_SUPPORT;
        // What is asked for is offered, so this cannot fail; and without any of it the layer works as well.
        let _ = config.add_capabilities(wanted & offered);
        self.opens_are_free = offered.contains(InitFlags::FUSE_NO_OPEN_SUPPORT);
        self.listings_are_free = offered.contains(InitFlags::FUSE_NO_OPENDIR_SUPPORT);
        let _ = config.set_max_write(LARGEST);
        if let Err(largest) = config.set_max_readahead(LARGEST) {
            let _ = config.set_max_readahead(largest);
        }
        let _ = config.set_max_background(BACKGROUND);
        let _ = config.set_time_granularity(Duration::from_secs(1));
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let Some(directory) = self.view.node(parent) else {
            return reply.error(Errno::ESTALE);
        };
        let found = self.view.lookup(directory, name.as_bytes());
        let attributes = found.and_then(|node| self.attributes(node)).unwrap_or_else(missing);
        reply.entry(&FOREVER, &attributes, GENERATION);
        if let (Some(pusher), Some(node)) = (&self.pusher, found) {
            pusher.want(&self.view, node);
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.view.node(inode).and_then(|node| self.attributes(node)) {
            Some(attributes) => reply.attr(&FOREVER, &attributes),
            None => reply.error(Errno::ESTALE),
        }
    }

    fn readlink(&self, _: &Request, inode: INodeNo, reply: ReplyData) {
        let node = self.view.node(inode);
        match node.and_then(|node| self.view.layer(node)?.target(node.inode)) {
            Some(target) => reply.data(target),
            None => reply.error(Errno::EINVAL),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        if self.opens_are_free {
            // The kernel then opens by itself from now on, and keeps its pages.
            return reply.error(Errno::ENOSYS);
        }
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let node = self.view.node(inode);
        let Some((node, layer)) = node.and_then(|node| Some((node, self.view.layer(node)?))) else {
            return reply.error(Errno::ESTALE);
        };
        let mut reply = Some(reply);
        let result = layer.read(node.inode, offset, size as usize, |bytes| {
            if let Some(reply) = reply.take() {
                reply.data(bytes);
            }
        });
        if let (Err(cause), Some(reply)) = (result, reply) {
            self.report_damage(layer, &cause);
            // Before the answer, so that nobody has to deal with the error who ends because of it.
            if layer.overwritten().is_some()
                && let Some(on_overwritten) = &self.on_overwritten
            {
                on_overwritten();
            }
            reply.error(Errno::from_i32(cause.raw_os_error().unwrap_or(libc::EIO)));
        }
    }

    /// The kernel asks only for data and holes; all else it knows.
    fn lseek(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        let node = self.view.node(inode);
        let Some((node, layer)) = node.and_then(|node| Some((node, self.view.layer(node)?))) else {
            return reply.error(Errno::ESTALE);
        };
        let size = layer.attributes(node.inode).map_or(0, |attributes| attributes.size);
        let Some(from) = u64::try_from(offset).ok().filter(|&from| from < size) else {
            return reply.error(Errno::ENXIO);
        };
        let found = match whence {
            libc::SEEK_DATA => from + layer.hole(node.inode, from),
            libc::SEEK_HOLE => from + layer.data(node.inode, from),
            _ => return reply.error(Errno::EINVAL),
        };
        if whence == libc::SEEK_DATA && found >= size {
            return reply.error(Errno::ENXIO);
        }
        reply.offset(found as i64);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        if self.listings_are_free {
            return reply.error(Errno::ENOSYS);
        }
        reply.opened(
            FileHandle(0),
            FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR,
        );
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let Some(directory) = self.view.node(inode) else {
            return reply.error(Errno::ESTALE);
        };
        let mut position = offset;
        while let Some(listed) = self.view.listed(directory, position) {
            position += 1;
            let Listed::Name(node, name) = listed else { continue };
            let Some(attributes) = self.view.attributes(node) else {
                return reply.error(Errno::EIO);
            };
            let kind = file_type(attributes.kind);
            if reply.add(self.view.number(node), position, kind, OsStr::from_bytes(name)) {
                break;
            }
        }
        reply.ok();
    }

    fn readdirplus(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        let Some(directory) = self.view.node(inode) else {
            return reply.error(Errno::ESTALE);
        };
        let mut position = offset;
        while let Some(listed) = self.view.listed(directory, position) {
            position += 1;
            let Listed::Name(node, name) = listed else { continue };
            let Some(attributes) = self.attributes(node) else {
                return reply.error(Errno::EIO);
            };
            if reply.add(
                attributes.ino,
                position,
                OsStr::from_bytes(name),
                &FOREVER,
                &attributes,
                GENERATION,
            ) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let layers = self.view.layers();
        let bytes = layers.iter().map(Layer::content_bytes).fold(0, u64::saturating_add);
        let inodes = layers.iter().map(|layer| u64::from(layer.inode_count())).sum();
        reply.statfs(bytes.div_ceil(4096), 0, 0, inodes, 0, 4096, 255, 4096);
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        // No image has extended attributes; the kernel does not ask again.
        reply.error(Errno::ENOSYS);
    }

    fn listxattr(&self, _: &Request, _: INodeNo, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }

    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        _: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(Errno::ENOTTY);
    }
}
