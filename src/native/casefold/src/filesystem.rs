//! What the kernel asks for: each question handed to the room that knows, and its answer to `answers`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags, IoctlFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{AtFlags, FileType, Mode, fstatvfs, mkdirat, mknodat, symlinkat};

use crate::answers::{
    answer, answer_attribute, answer_attributes, answer_bytes, answer_created, answer_entry, answer_opened,
    answer_position, answer_written, errno,
};
use crate::attributes::Changes;
use crate::content::{LARGEST, Position};
use crate::entries::{Casefold, LONGEST_NAME};
use crate::inodes::ROOT;

/// Linux's question for the flags of a file, and the flag of a directory in which names ignore case.
const GET_FLAGS: u32 = 0x8008_6601;
const CASEFOLD_FLAG: u32 = 0x4000_0000;

fn at(handle: FileHandle, offset: u64) -> Position {
    Position {
        handle: handle.0,
        offset,
    }
}

/// A device number from the kernel's 32 bits.
fn device(number: u32) -> u64 {
    rustix::fs::makedev((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00))
}

impl Filesystem for Casefold {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = InitFlags::FUSE_ASYNC_READ
            | InitFlags::FUSE_AUTO_INVAL_DATA
            | InitFlags::FUSE_PARALLEL_DIROPS
            | InitFlags::FUSE_CACHE_SYMLINKS
            | InitFlags::FUSE_HAS_IOCTL_DIR;
        // What is asked for is offered, so this cannot fail.
        let _ = config.add_capabilities(wanted & config.capabilities());
        let _ = config.set_max_write(LARGEST);
        if let Err(largest) = config.set_max_readahead(LARGEST) {
            let _ = config.set_max_readahead(largest);
        }
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer_entry(self.look_up(request.into(), parent.0, name.as_bytes()), reply);
    }

    fn forget(&self, _: &Request, id: INodeNo, times: u64) {
        self.inodes.forget(id.0, times);
    }

    fn getattr(&self, _: &Request, id: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer_attributes(id, self.node(id.0).and_then(|node| self.stat(&node)), reply);
    }

    fn setattr(
        &self,
        _: &Request,
        id: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changes = Changes {
            mode,
            uid,
            gid,
            size,
            accessed,
            modified,
        };
        answer_attributes(id, self.node(id.0).and_then(|node| self.change(&node, &changes)), reply);
    }

    fn readlink(&self, _: &Request, id: INodeNo, reply: ReplyData) {
        answer_bytes(self.node(id.0).and_then(|node| self.read_link(&node)), reply);
    }

    fn mknod(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, rdev: u32, reply: ReplyEntry) {
        let kind = FileType::from_raw_mode(mode);
        let made = self.make(None, request.into(), parent.0, name.as_bytes(), |directory| {
            mknodat(directory, name, kind, Mode::from_raw_mode(mode & 0o7777), device(rdev))
        });
        answer_entry(made.map(|(told, ())| told), reply);
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        let made = self.make(None, request.into(), parent.0, name.as_bytes(), |directory| {
            mkdirat(directory, name, Mode::from_raw_mode(mode & 0o7777))
        });
        answer_entry(made.map(|(told, ())| told), reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.remove(parent.0, name.as_bytes(), AtFlags::empty()), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.remove(parent.0, name.as_bytes(), AtFlags::REMOVEDIR), reply);
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let made = self.make(None, request.into(), parent.0, name.as_bytes(), |directory| {
            symlinkat(target, directory, name)
        });
        answer_entry(made.map(|(told, ())| told), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let to = (new_parent.0, new_name.as_bytes());
        answer(Casefold::rename(self, (parent.0, name.as_bytes()), to, flags), reply);
    }

    fn link(&self, request: &Request, id: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer_entry(
            Casefold::link(self, request.into(), id.0, parent.0, name.as_bytes()),
            reply,
        );
    }

    fn open(&self, _: &Request, id: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        answer_opened(Casefold::open(self, id.0, flags.0), FopenFlags::FOPEN_KEEP_CACHE, reply);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let made = Casefold::create(self, request.into(), parent.0, name.as_bytes(), mode, flags);
        answer_created(made, reply);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        answer_bytes(Casefold::read(self, &at(handle, offset), size), reply);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        answer_written(Casefold::write(self, &at(handle, offset), data), reply);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // What was written is below by then; the kernel need not ask at each close.
        reply.error(Errno::ENOSYS);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.handles.close(handle.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, data_only: bool, reply: ReplyEmpty) {
        answer(self.sync_file(handle.0, data_only), reply);
    }

    fn opendir(&self, _: &Request, id: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        answer_opened(self.open_directory(id.0), FopenFlags::empty(), reply);
    }

    fn readdir(&self, _: &Request, id: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let result = self.read_directory(id.0, handle.0, offset, |number, next, kind, name| {
            reply.add(INodeNo(number), next, kind, OsStr::from_bytes(name))
        });
        match result {
            Ok(()) => reply.ok(),
            Err(cause) => reply.error(errno(&cause)),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.handles.close(handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, handle: FileHandle, data_only: bool, reply: ReplyEmpty) {
        answer(self.sync_directory(handle.0, data_only), reply);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        // The space is that of the file system where it is taken from; how long names may be, the one below says.
        let names = self
            .directory(ROOT)
            .and_then(|(_, root)| Ok(fstatvfs(&*root)?.f_namemax));
        let longest = names.map_or(LONGEST_NAME, |longest| longest.min(LONGEST_NAME));
        match fstatvfs(&self.space) {
            Ok(space) => reply.statfs(
                space.f_blocks,
                space.f_bfree,
                space.f_bavail,
                space.f_files,
                space.f_ffree,
                space.f_bsize.try_into().unwrap_or(4096),
                longest.try_into().unwrap_or(u32::MAX),
                space.f_frsize.try_into().unwrap_or(4096),
            ),
            Err(cause) => reply.error(errno(&cause.into())),
        }
    }

    fn setxattr(&self, _: &Request, id: INodeNo, name: &OsStr, value: &[u8], flags: i32, _: u32, reply: ReplyEmpty) {
        let node = self.node(id.0);
        answer(
            node.and_then(|node| self.set_attribute(&node, name, value, flags)),
            reply,
        );
    }

    fn getxattr(&self, _: &Request, id: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let node = self.node(id.0);
        answer_attribute(size, node.and_then(|node| self.attribute(&node, name, size)), reply);
    }

    fn listxattr(&self, _: &Request, id: INodeNo, size: u32, reply: ReplyXattr) {
        let node = self.node(id.0);
        answer_attribute(size, node.and_then(|node| self.attribute_names(&node, size)), reply);
    }

    fn removexattr(&self, _: &Request, id: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let node = self.node(id.0);
        answer(node.and_then(|node| self.remove_attribute(&node, name)), reply);
    }

    fn ioctl(
        &self,
        _: &Request,
        id: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        command: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        match self.node(id.0) {
            // Wine asks for it, and then looks names up as they are instead of reading whole directories.
            Ok(node) if command == GET_FLAGS && node.is_directory() => reply.ioctl(0, &CASEFOLD_FLAG.to_ne_bytes()),
            Ok(_) => reply.error(Errno::ENOTTY),
            Err(cause) => reply.error(errno(&cause)),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        answer(self.allocate(&at(handle, offset), length, mode), reply);
    }

    fn lseek(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        answer_position(self.seek(handle.0, offset, whence), reply);
    }

    fn copy_file_range(
        &self,
        _: &Request,
        _: INodeNo,
        from: FileHandle,
        offset: u64,
        _: INodeNo,
        to: FileHandle,
        new_offset: u64,
        length: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        let (from, to) = (at(from, offset), at(to, new_offset));
        answer_written(self.copy(from, to, length), reply);
    }
}
