//! Mounts and files.

use super::{c_string, check, elder, is_refusal};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::Result;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether programs on the file system of `path` may not be executed.
pub fn is_mounted_noexec(path: &Path) -> bool {
    mount_flags(path).is_ok_and(|flags| flags & libc::MS_NOEXEC != 0)
}

/// Whether both are of one file, whatever it is called.
pub fn same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// mount(2). `source`, `kind` and `data` may be empty.
pub fn mount(source: &OsStr, target: &Path, kind: &str, flags: u64, data: &OsStr) -> Result<()> {
    let (source, target, kind, data) = (c_string(source)?, c_string(target)?, c_string(kind)?, c_string(data)?);
    // SAFETY: all four are terminated strings that outlive the call.
    let result = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags as libc::c_ulong,
            data.as_ptr().cast(),
        )
    };
    check(result.into()).map(drop)
}

/// Binds a directory, with these flags for this very mount.
pub fn bind(source: &Path, target: &Path, flags: u64) -> Result<()> {
    let none = OsStr::new("");
    mount(source.as_os_str(), target, "", libc::MS_BIND, none)?;
    // What the mount below it is locked to has to stay: in a user namespace the kernel refuses to take it away.
    let kept = mount_flags(target)?;
    mount(none, target, "", libc::MS_BIND | libc::MS_REMOUNT | flags | kept, none)
}

/// Flags of the mount at `path`, as `mount` takes them.
fn mount_flags(path: &Path) -> Result<u64> {
    let path = c_string(path)?;
    let mut result = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path is terminated, and the kernel fills the structure, which is valid when all zero.
    let said = unsafe {
        check(libc::statvfs(path.as_ptr(), result.as_mut_ptr()).into())?;
        result.assume_init().f_flag
    };
    let flags = [
        (libc::ST_RDONLY, libc::MS_RDONLY),
        (libc::ST_NOSUID, libc::MS_NOSUID),
        (libc::ST_NODEV, libc::MS_NODEV),
        (libc::ST_NOEXEC, libc::MS_NOEXEC),
        (libc::ST_NOATIME, libc::MS_NOATIME),
        (libc::ST_NODIRATIME, libc::MS_NODIRATIME),
        (libc::ST_RELATIME, libc::MS_RELATIME),
    ];
    Ok(flags
        .iter()
        .filter(|(flag, _)| said & flag != 0)
        .map(|(_, flag)| flag)
        .sum())
}

/// Makes a FIFO with exactly these permission bits.
pub fn make_fifo(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let name = c_string(path)?;
    // SAFETY: the path is a terminated string that outlives the call.
    check(unsafe { libc::mkfifo(name.as_ptr(), mode) }.into())?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode))
}

/// Makes what stands for a deletion in an overlay: the character device 0:0, which needs no privilege.
pub fn make_whiteout(path: &Path) -> Result<()> {
    make_node(path, libc::S_IFCHR, 0)
}

/// Makes a device, a FIFO or a socket: `kind` is its `S_IF…`, `device` its number. Nobody may use it until it has a mode.
pub fn make_node(path: &Path, kind: u32, device: u64) -> Result<()> {
    let name = c_string(path)?;
    // SAFETY: the path is a terminated string that outlives the call.
    check(unsafe { libc::mknod(name.as_ptr(), kind, device) }.into()).map(drop)
}

/// Waits until all of the file system on which `file` lies is on its disk.
pub fn sync_file_system(file: &std::fs::File) -> Result<()> {
    // SAFETY: takes a descriptor.
    check(unsafe { libc::syncfs(file.as_raw_fd()) }.into()).map(drop)
}

/// Whether `path` still names the file that is open as `file`.
pub fn is_still_at(file: &std::fs::File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(one), Ok(other)) => same_file(&one, &other),
        _ => false,
    }
}

/// Renames within a file system, unless something has the new name.
pub fn rename_to_new(from: &Path, to: &Path) -> Result<()> {
    let (old, new) = (c_string(from)?, c_string(to)?);
    // SAFETY: both are terminated strings that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            old.as_ptr(),
            libc::AT_FDCWD,
            new.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    match check(result) {
        // File systems and filters that do not know the flag. A directory replaces at most an empty directory.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EPERM)) => {
            if std::fs::symlink_metadata(to).is_ok() {
                return Err(std::io::ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(from, to)
        }
        result => result.map(drop),
    }
}

/// Swaps two paths of one file system in one step.
pub fn exchange(left: &Path, right: &Path) -> Result<()> {
    let (left, right) = (c_string(left)?, c_string(right)?);
    // SAFETY: both are terminated strings that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            left.as_ptr(),
            libc::AT_FDCWD,
            right.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    };
    check(result).map(drop)
}

/// Gives a path the times that `metadata` says.
pub fn set_times(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    set_times_to(
        path,
        [
            (metadata.atime(), metadata.atime_nsec()),
            (metadata.mtime(), metadata.mtime_nsec()),
        ],
    )
}

/// Gives a path times of last access and last change, each as seconds since 1970 and nanoseconds.
pub fn set_times_to(path: &Path, times: [(i64, i64); 2]) -> Result<()> {
    let path = c_string(path)?;
    let times = times.map(|(tv_sec, tv_nsec)| libc::timespec { tv_sec, tv_nsec });
    // SAFETY: the kernel reads a terminated string and two times.
    let result = unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW) };
    check(result.into()).map(drop)
}

/// The first 16 bytes of an extended attribute; `None` where it is not set, or where there is no such thing.
pub fn attribute(path: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let (path, name) = (c_string(path)?, c_string(name)?);
    let mut value = vec![0_u8; 16];
    // SAFETY: both are terminated strings, and the kernel writes no further than the buffer is long.
    let result = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    match check(result as libc::c_long) {
        Ok(length) => {
            value.truncate(length as usize);
            Ok(Some(value))
        }
        Err(error) => match error.raw_os_error() {
            // Longer than all that is asked for, but there.
            Some(libc::ERANGE) => Ok(Some(value)),
            Some(libc::ENODATA | libc::EOPNOTSUPP) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Opens a path below `root` to read, as a process would whose root directory it is: links cannot lead out of it.
pub fn open_in_root(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    open_below(root, path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY)
}

/// What a symbolic link below `root` says. Links on the way to it cannot lead out of it. Fails where there is no link.
pub fn link_in_root(root: BorrowedFd<'_>, path: &Path) -> Result<PathBuf> {
    elder::target_of(&open_below(root, path, libc::O_PATH | libc::O_NOFOLLOW)?)
}

fn open_below(root: BorrowedFd<'_>, path: &Path, flags: i32) -> Result<OwnedFd> {
    match open_by_openat2(root, path, flags) {
        Err(error) if is_refusal(&error) => elder::open_in_root(root, path, flags),
        other => other,
    }
}

/// Linux 5.6.
pub(super) fn open_by_openat2(root: BorrowedFd<'_>, path: &Path, flags: i32) -> Result<OwnedFd> {
    #[repr(C)]
    struct OpenHow {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    let how = OpenHow {
        flags: (flags | libc::O_CLOEXEC) as u64,
        mode: 0,
        resolve: libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS,
    };
    let path = c_string(path)?;
    // SAFETY: the kernel reads a terminated string and a structure of the size given.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            root.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size_of::<OpenHow>(),
        )
    };
    let descriptor = check(descriptor)? as RawFd;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Whether the caller may use a path, relative to a directory, in all ways that `mode` names (`W_OK`, …).
pub fn may_use(directory: BorrowedFd<'_>, path: &OsStr, mode: i32) -> Result<()> {
    let name = c_string(path)?;
    // Not by the C library, which uses the newer call for all flags, and takes only ENOSYS for its absence. The older one has no
    // flags and asks for the real user, who is the effective one in all that we start.
    // SAFETY: the path is a terminated string that outlives the call.
    let ask =
        |call, flags: i32| check(unsafe { libc::syscall(call, directory.as_raw_fd(), name.as_ptr(), mode, flags) });
    match ask(libc::SYS_faccessat2, libc::AT_EACCESS) {
        Err(error) if is_refusal(&error) => ask(libc::SYS_faccessat, 0),
        result => result,
    }
    .map(drop)
}

/// Whether a path is a regular file that this process may execute.
pub fn is_executable(path: &Path) -> bool {
    may_use(rustix::fs::CWD, path.as_os_str(), libc::X_OK).is_ok()
        && std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Where the next data of a file lies, at `offset` or behind it; `None` where only a hole follows. A file system without holes says
/// that all is data.
pub fn next_data(file: &std::fs::File, offset: u64) -> Result<Option<u64>> {
    let wanted = i64::try_from(offset).map_err(|_| std::io::Error::from_raw_os_error(libc::EOVERFLOW))?;
    // SAFETY: takes a descriptor and numbers.
    let found = check(unsafe { libc::lseek(file.as_raw_fd(), wanted, libc::SEEK_DATA) });
    match found.map_err(|error| (error.raw_os_error(), error)) {
        Ok(found) => Ok(Some((found as u64).max(offset))),
        Err((Some(libc::ENXIO), _)) => Ok(None),
        Err((Some(libc::EINVAL), _)) => Ok(Some(offset)),
        Err((_, error)) => Err(error),
    }
}

/// Opens a regular file to read. No link is followed, and nothing is waited for.
pub fn open_plain(path: &Path) -> Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = options.read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(std::io::Error::from_raw_os_error(libc::EINVAL))
    }
}

/// Puts a file in the place of whatever has this name, in one step and only once it is whole. It is written under a name that nobody
/// can know, where nothing was before: a link that somebody has planted is not followed.
pub fn replace_file(path: &Path, mode: u32, write: impl FnOnce(&mut std::fs::File) -> Result<()>) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut bytes = [0; 8];
    super::fill_random(&mut bytes)?;
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{:016x}.part", u64::from_le_bytes(bytes)));
    let part = path.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(&part)?;
    let written = write(&mut file).and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

/// The type (`S_IF…`) of an entry of a directory; a link is a link.
pub fn kind_at(directory: BorrowedFd<'_>, name: &OsStr) -> Result<u32> {
    let name = c_string(name)?;
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the name is terminated, and the kernel fills the structure, or the call fails and it is not read.
    unsafe {
        let flags = libc::AT_SYMLINK_NOFOLLOW;
        check(libc::fstatat(directory.as_raw_fd(), name.as_ptr(), found.as_mut_ptr(), flags).into())?;
        Ok(found.assume_init().st_mode & libc::S_IFMT)
    }
}

/// A directory in another one, and no link to one, to look up names in.
pub fn place_at(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd> {
    let name = c_string(name)?;
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name is a terminated string that outlives the call.
    let descriptor = check(unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags) }.into())?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) })
}

/// Renames an entry of a directory to a name that nothing has.
pub fn rename_new(directory: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> Result<()> {
    let (from, to) = (c_string(from)?, c_string(to)?);
    // SAFETY: both are terminated strings that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            directory.as_raw_fd(),
            from.as_ptr(),
            directory.as_raw_fd(),
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    check(result).map(drop)
}
