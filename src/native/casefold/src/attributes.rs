//! Attributes: asked for, changed, and as the kernel takes them.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo, TimeOrNow};
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid, XattrFlags, chmod,
    chownat, fstat, ftruncate, utimensat,
};

use crate::entries::Casefold;
use crate::inodes::kind_of;
use crate::node::Node;

/// The kernel allows no larger extended attribute, and no longer list of them.
const LARGEST_ATTRIBUTE: u32 = 1 << 16;

/// What to change; all that is absent stays.
pub(crate) struct Changes {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub accessed: Option<TimeOrNow>,
    pub modified: Option<TimeOrNow>,
}

/// As the kernel takes them, under a number of ours.
pub(crate) fn file_attr(id: u64, stat: &Stat) -> FileAttr {
    FileAttr {
        ino: INodeNo(id),
        size: stat.st_size.try_into().unwrap_or(0),
        blocks: stat.st_blocks.try_into().unwrap_or(0),
        atime: time(stat.st_atime, stat.st_atime_nsec),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec),
        crtime: UNIX_EPOCH,
        kind: file_type(kind_of(stat)),
        perm: (stat.st_mode & 0o7777) as u16,
        nlink: stat.st_nlink.try_into().unwrap_or(u32::MAX),
        uid: stat.st_uid,
        gid: stat.st_gid,
        // The kernel's own 32 bits of a device number are the lower half of the C library's.
        rdev: stat.st_rdev as u32,
        blksize: stat.st_blksize.try_into().unwrap_or(4096),
        flags: 0,
    }
}

fn file_type(kind: u32) -> FileType {
    match kind {
        libc::S_IFDIR => FileType::Directory,
        libc::S_IFLNK => FileType::Symlink,
        libc::S_IFBLK => FileType::BlockDevice,
        libc::S_IFCHR => FileType::CharDevice,
        libc::S_IFIFO => FileType::NamedPipe,
        libc::S_IFSOCK => FileType::Socket,
        _ => FileType::RegularFile,
    }
}

fn time(seconds: i64, nanoseconds: u64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    time.and_then(|time| time.checked_add(Duration::from_nanos(nanoseconds)))
        .unwrap_or(UNIX_EPOCH)
}

fn timespec(time: Option<TimeOrNow>) -> Timespec {
    let (tv_sec, tv_nsec) = match time {
        None => (0, UTIME_OMIT),
        Some(TimeOrNow::Now) => (0, UTIME_NOW),
        Some(TimeOrNow::SpecificTime(time)) => match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (after.as_secs().cast_signed(), after.subsec_nanos().into()),
            // The nanoseconds count upwards here too, and fuser has counted them downwards.
            Err(before) => {
                let before = before.duration();
                (-before.as_secs().cast_signed(), before.subsec_nanos().into())
            }
        },
    };
    Timespec { tv_sec, tv_nsec }
}

/// A path that leads to exactly the file of a descriptor: for calls that take no descriptor, or none of `O_PATH`. It is not
/// followed further, even if the file is a symlink.
pub(crate) fn path_of(descriptor: impl AsFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd())
}

impl Casefold {
    /// What is true of a node now; `open` is an open file of it if there is one.
    pub(crate) fn stat(&self, node: &Arc<Node>) -> io::Result<Stat> {
        match node.open_file() {
            Some(file) => Ok(fstat(&file)?),
            None => Ok(fstat(self.lower.pin(node)?)?),
        }
    }

    pub(crate) fn change(&self, node: &Arc<Node>, changes: &Changes) -> io::Result<Stat> {
        let pinned = self.lower.pin(node)?;
        if changes.uid.is_some() || changes.gid.is_some() {
            let (uid, gid) = (changes.uid.map(Uid::from_raw), changes.gid.map(Gid::from_raw));
            chownat(&pinned, "", uid, gid, AtFlags::EMPTY_PATH)?;
        }
        // After the owner, whose change takes away set-user-id bits.
        if let Some(mode) = changes.mode {
            chmod(path_of(&pinned), Mode::from_raw_mode(mode & 0o7777))?;
        }
        if let Some(size) = changes.size {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            ftruncate(rustix::fs::open(path_of(&pinned), flags, Mode::empty())?, size)?;
        }
        if changes.accessed.is_some() || changes.modified.is_some() {
            let times = Timestamps {
                last_access: timespec(changes.accessed),
                last_modification: timespec(changes.modified),
            };
            // By its path, which leads to the node itself, a link too: an empty one is taken since Linux 5.8.
            utimensat(CWD, path_of(&pinned), &times, AtFlags::empty())?;
        }
        Ok(fstat(&pinned)?)
    }

    pub(crate) fn read_link(&self, node: &Arc<Node>) -> io::Result<Vec<u8>> {
        let target = rustix::fs::readlinkat(self.lower.pin(node)?, "", Vec::new())?;
        Ok(target.into_bytes())
    }

    /// An extended attribute of at most `size` bytes, or its size alone if that is 0.
    pub(crate) fn attribute(&self, node: &Arc<Node>, name: &OsStr, size: u32) -> io::Result<(usize, Vec<u8>)> {
        let pinned = self.lower.pin(node)?;
        let path = path_of(&pinned);
        if size == 0 {
            return Ok((rustix::fs::getxattr_query(path, name)?, Vec::new()));
        }
        let mut value = vec![0; size.min(LARGEST_ATTRIBUTE) as usize];
        let count = rustix::fs::getxattr(path, name, &mut *value)?;
        value.truncate(count);
        Ok((count, value))
    }

    /// The names of all extended attributes, each ended by a zero byte, likewise.
    pub(crate) fn attribute_names(&self, node: &Arc<Node>, size: u32) -> io::Result<(usize, Vec<u8>)> {
        let pinned = self.lower.pin(node)?;
        let path = path_of(&pinned);
        if size == 0 {
            return Ok((rustix::fs::listxattr_query(path)?, Vec::new()));
        }
        let mut names = vec![0; size.min(LARGEST_ATTRIBUTE) as usize];
        let count = rustix::fs::listxattr(path, &mut *names)?;
        names.truncate(count);
        Ok((count, names))
    }

    pub(crate) fn set_attribute(&self, node: &Arc<Node>, name: &OsStr, value: &[u8], flags: i32) -> io::Result<()> {
        let flags = XattrFlags::from_bits_retain(flags.cast_unsigned());
        let pinned = self.lower.pin(node)?;
        Ok(rustix::fs::setxattr(path_of(&pinned), name, value, flags)?)
    }

    pub(crate) fn remove_attribute(&self, node: &Arc<Node>, name: &OsStr) -> io::Result<()> {
        let pinned = self.lower.pin(node)?;
        Ok(rustix::fs::removexattr(path_of(&pinned), name)?)
    }
}
