//! What the kernel asks for, and the answers as it takes them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr,
    Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{self as below, AtFlags, FallocateFlags, Mode, OFlags, SeekFrom, mkdirat, mknodat, symlinkat};

use crate::attributes::{Changes, file_attr};
use crate::entries::{Casefold, LONGEST_NAME, Told};
use crate::handles::OpenDirectory;
use crate::inodes::ROOT;

/// For how long the kernel may take attributes, and names of directories, to be as they were.
const SHORT: Duration = Duration::from_secs(1);
const GENERATION: Generation = Generation(0);
/// Largest request; the kernel itself stops at 1 MiB.
const LARGEST: u32 = 1 << 20;
/// Entries before the first name of a directory: itself and its parent.
const DOTS: u64 = 2;
/// Linux's question for the flags of a file, and the flag of a directory in which names ignore case.
const GET_FLAGS: u32 = 0x8008_6601;
const CASEFOLD_FLAG: u32 = 0x4000_0000;

fn errno(cause: &io::Error) -> Errno {
    Errno::from_i32(cause.raw_os_error().unwrap_or(libc::EIO))
}

impl Told {
    fn attributes(&self) -> FileAttr {
        file_attr(self.node.id, &self.stat)
    }
}

fn answer_entry(result: io::Result<Told>, reply: ReplyEntry) {
    match result {
        Ok(told) => {
            // See the top of the library: only a directory has but one entry in the kernel.
            let names = if told.node.is_directory() {
                SHORT
            } else {
                Duration::ZERO
            };
            reply.entry_with_ttls(&SHORT, &names, &told.attributes(), GENERATION);
        }
        Err(cause) => reply.error(errno(&cause)),
    }
}

fn answer(result: io::Result<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(cause) => reply.error(errno(&cause)),
    }
}

fn answer_attributes(id: INodeNo, result: io::Result<below::Stat>, reply: ReplyAttr) {
    match result {
        Ok(stat) => reply.attr(&SHORT, &file_attr(id.0, &stat)),
        Err(cause) => reply.error(errno(&cause)),
    }
}

fn answer_attribute(size: u32, result: io::Result<(usize, Vec<u8>)>, reply: ReplyXattr) {
    match result {
        Ok((length, _)) if size == 0 => reply.size(length.try_into().unwrap_or(u32::MAX)),
        Ok((_, value)) => reply.data(&value),
        Err(cause) => reply.error(errno(&cause)),
    }
}

fn answer_open(result: io::Result<u64>, flags: FopenFlags, reply: ReplyOpen) {
    match result {
        Ok(handle) => reply.opened(FileHandle(handle), flags),
        Err(cause) => reply.error(errno(&cause)),
    }
}

fn answer_written(result: io::Result<usize>, reply: ReplyWrite) {
    match result {
        Ok(count) => reply.written(count.try_into().unwrap_or(u32::MAX)),
        Err(cause) => reply.error(errno(&cause)),
    }
}

fn read_fully(file: &std::fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) if done == 0 => return Err(cause),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// A device number from the kernel's 32 bits.
fn device(number: u32) -> u64 {
    rustix::fs::makedev((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00))
}

fn listed_type(kind: below::FileType) -> FileType {
    match kind {
        below::FileType::Directory => FileType::Directory,
        below::FileType::Symlink => FileType::Symlink,
        below::FileType::BlockDevice => FileType::BlockDevice,
        below::FileType::CharacterDevice => FileType::CharDevice,
        below::FileType::Fifo => FileType::NamedPipe,
        below::FileType::Socket => FileType::Socket,
        below::FileType::RegularFile | below::FileType::Unknown => FileType::RegularFile,
    }
}

impl Casefold {
    fn read_directory(
        &self,
        id: u64,
        handle: u64,
        offset: u64,
        mut add: impl FnMut(u64, u64, FileType, &[u8]) -> bool,
    ) -> io::Result<()> {
        let directory = self.handles.directory(handle)?;
        let listing = directory.listing(offset == 0, || self.lower.list(&directory.descriptor))?;
        let parent = || self.node(id).ok()?.place().map(|place| place.parent.id);
        if offset == 0 && add(id, 1, FileType::Directory, b".") {
            return Ok(());
        }
        if offset <= 1 && add(parent().unwrap_or(id), 2, FileType::Directory, b"..") {
            return Ok(());
        }
        let start = offset.max(DOTS);
        let rest = listing.iter().skip(usize::try_from(start - DOTS).unwrap_or(usize::MAX));
        for (entry, position) in rest.zip(start + 1..) {
            let number = self.inodes.number_at(id, &entry.name).unwrap_or(entry.inode);
            let kind = match entry.kind {
                below::FileType::Unknown => self
                    .lower
                    .look(&directory.descriptor, &entry.name)
                    .map_or(entry.kind, |stat| below::FileType::from_raw_mode(stat.st_mode)),
                kind => kind,
            };
            if add(number, position, listed_type(kind), &entry.name) {
                break;
            }
        }
        Ok(())
    }
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
        match self.node(id.0).and_then(|node| self.read_link(&node)) {
            Ok(target) => reply.data(&target),
            Err(cause) => reply.error(errno(&cause)),
        }
    }

    fn mknod(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, rdev: u32, reply: ReplyEntry) {
        let kind = below::FileType::from_raw_mode(mode);
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
        answer_open(Casefold::open(self, id.0, flags.0), FopenFlags::FOPEN_KEEP_CACHE, reply);
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
        match Casefold::create(self, request.into(), parent.0, name.as_bytes(), mode, flags) {
            // One time for both: attributes are asked for again as the name is.
            Ok((told, handle)) => reply.created(
                &Duration::ZERO,
                &told.attributes(),
                GENERATION,
                FileHandle(handle),
                FopenFlags::FOPEN_KEEP_CACHE,
            ),
            Err(cause) => reply.error(errno(&cause)),
        }
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
        let mut buffer = vec![0; size.min(LARGEST) as usize];
        let result = self
            .handles
            .file(handle.0)
            .and_then(|file| read_fully(&file, &mut buffer, offset));
        match result {
            Ok(count) => reply.data(buffer.get(..count).unwrap_or_default()),
            Err(cause) => reply.error(errno(&cause)),
        }
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
        let file = self.handles.file(handle.0);
        answer_written(file.and_then(|file| file.write_at(data, offset)), reply);
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
        let sync = |file: std::sync::Arc<std::fs::File>| {
            if data_only { file.sync_data() } else { file.sync_all() }
        };
        answer(self.handles.file(handle.0).and_then(sync), reply);
    }

    fn opendir(&self, _: &Request, id: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let opened = self.directory(id.0);
        let handle = opened.map(|(_, directory)| self.handles.add_directory(OpenDirectory::new(directory)));
        answer_open(handle, FopenFlags::empty(), reply);
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
        let sync = |directory: std::sync::Arc<OpenDirectory>| -> io::Result<()> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let readable = below::openat(&*directory.descriptor, c".", flags, Mode::empty())?;
            Ok(if data_only {
                below::fdatasync(readable)
            } else {
                below::fsync(readable)
            }?)
        };
        answer(self.handles.directory(handle.0).and_then(sync), reply);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        // The space is that of the file system where it is taken from; how long names may be, the one below says.
        let names = self
            .directory(ROOT)
            .and_then(|(_, root)| Ok(below::fstatvfs(&*root)?.f_namemax));
        let longest = names.map_or(LONGEST_NAME, |longest| longest.min(LONGEST_NAME));
        match below::fstatvfs(&self.space) {
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
        let flags = FallocateFlags::from_bits_retain(mode.cast_unsigned());
        let file = self.handles.file(handle.0);
        answer(
            file.and_then(|file| Ok(below::fallocate(&file, flags, offset, length)?)),
            reply,
        );
    }

    fn lseek(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        let from = u64::try_from(offset).ok();
        let to = match (whence, from) {
            (libc::SEEK_DATA, Some(from)) => SeekFrom::Data(from),
            (libc::SEEK_HOLE, Some(from)) => SeekFrom::Hole(from),
            _ => return reply.error(Errno::EINVAL),
        };
        let found = self.handles.file(handle.0).and_then(|file| Ok(below::seek(&file, to)?));
        match found {
            Ok(position) => reply.offset(position.cast_signed()),
            Err(cause) => reply.error(errno(&cause)),
        }
    }

    fn copy_file_range(
        &self,
        _: &Request,
        _: INodeNo,
        from: FileHandle,
        mut offset: u64,
        _: INodeNo,
        to: FileHandle,
        mut new_offset: u64,
        length: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        const AT_ONCE: u64 = 1 << 30;
        let length = length.min(AT_ONCE) as usize;
        let copied = self.handles.file(from.0).and_then(|from| {
            let to = self.handles.file(to.0)?;
            Ok(below::copy_file_range(
                &from,
                Some(&mut offset),
                &to,
                Some(&mut new_offset),
                length,
            )?)
        });
        answer_written(copied, reply);
    }
}
