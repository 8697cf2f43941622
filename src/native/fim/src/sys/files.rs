//! Mounts and files.

use super::{elder, is_refusal};
use rustix::fs::{
    self, Access, AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, SeekFrom, StatVfsMountFlags,
    Timespec, Timestamps,
};
use rustix::io::Errno;
use rustix::mount::{self, MountFlags};
use rustix::rand::{GetRandomFlags, getrandom};
use std::ffi::{CString, OsStr, OsString};
use std::fs::Metadata;
use std::io::Result;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether programs on the file system of `path` may not be executed.
pub fn is_mounted_noexec(path: &Path) -> bool {
    mount_flags(path).is_ok_and(|flags| flags.contains(MountFlags::NOEXEC))
}

/// Whether both are of one file, whatever it is called.
pub fn same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// mount(2), with options as the file system takes them.
pub fn mount(source: &OsStr, target: &Path, kind: &str, flags: MountFlags, options: &OsStr) -> Result<()> {
    let options = CString::new(options.as_bytes()).map_err(|_| Errno::INVAL)?;
    Ok(mount::mount(source, target, kind, flags, Some(options.as_c_str()))?)
}

/// Binds a directory, with these flags for this very mount.
pub fn bind(source: &Path, target: &Path, flags: MountFlags) -> Result<()> {
    mount::mount_bind(source, target)?;
    // What the mount below it is locked to has to stay: in a user namespace the kernel refuses to take it away.
    let kept = mount_flags(target)?;
    Ok(mount::mount_remount(target, MountFlags::BIND | flags | kept, c"")?)
}

/// Flags of the mount at `path`, as `mount` takes them.
fn mount_flags(path: &Path) -> Result<MountFlags> {
    let said = fs::statvfs(path)?.f_flag;
    let flags = [
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    let flags = flags.into_iter().filter(|(flag, _)| said.contains(*flag));
    Ok(flags.map(|(_, flag)| flag).collect())
}

/// Makes a FIFO with exactly these permission bits.
pub fn make_fifo(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::mkfifoat(CWD, path, Mode::from_raw_mode(mode))?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode))
}

/// Makes what stands for a deletion in an overlay: the character device 0:0, which needs no privilege.
pub fn make_whiteout(path: &Path) -> Result<()> {
    make_node(path, libc::S_IFCHR, 0)
}

/// Makes a device, a FIFO or a socket: `kind` is its `S_IF…`, `device` its number. Nobody may use it until it has a mode.
pub fn make_node(path: &Path, kind: u32, device: u64) -> Result<()> {
    let kind = FileType::from_raw_mode(kind);
    Ok(fs::mknodat(CWD, path, kind, Mode::empty(), device)?)
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
    match fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems and filters that do not know the flag. A directory replaces at most an empty directory.
        Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
            if std::fs::symlink_metadata(to).is_ok() {
                return Err(std::io::ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(from, to)
        }
        result => Ok(result?),
    }
}

/// Gives a path the times that `metadata` says.
pub fn set_times(path: &Path, metadata: &Metadata) -> Result<()> {
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
    let [last_access, last_modification] = times.map(|(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec });
    let times = Timestamps {
        last_access,
        last_modification,
    };
    Ok(fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// The first 16 bytes of an extended attribute; `None` where it is not set, or where there is no such thing.
pub fn attribute(path: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let mut value = vec![0_u8; 16];
    match fs::lgetxattr(path, name, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        // Longer than all that is asked for, but there.
        Err(Errno::RANGE) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens a path below `root` to read, as a process would whose root directory it is: links cannot lead out of it.
pub fn open_in_root(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    open_below(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
}

/// What a symbolic link below `root` says. Links on the way to it cannot lead out of it. Fails where there is no link.
pub fn link_in_root(root: BorrowedFd<'_>, path: &Path) -> Result<PathBuf> {
    elder::target_of(&open_below(root, path, OFlags::PATH | OFlags::NOFOLLOW)?)
}

fn open_below(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    match open_by_openat2(root, path, flags) {
        Err(error) if is_refusal(&error) => elder::open_in_root(root, path, flags),
        other => other,
    }
}

/// Linux 5.6.
pub(super) fn open_by_openat2(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    Ok(fs::openat2(
        root,
        path,
        flags | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )?)
}

/// Whether the caller may use a path, relative to a directory, in all these ways.
pub fn may_use(directory: BorrowedFd<'_>, path: &OsStr, ways: Access) -> Result<()> {
    // With flags it is the newer call, whose absence rustix takes from ENOSYS only. The older one has no flags and asks for the real
    // user, who is the effective one in all that we start.
    match fs::accessat(directory, path, ways, AtFlags::EACCESS).map_err(Into::into) {
        Err(error) if is_refusal(&error) => Ok(fs::accessat(directory, path, ways, AtFlags::empty())?),
        result => result,
    }
}

/// Whether a path is a regular file that this process may execute.
pub fn is_executable(path: &Path) -> bool {
    may_use(CWD, path.as_os_str(), Access::EXEC_OK).is_ok()
        && std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Where the next data of a file lies, at `offset` or behind it; `None` where only a hole follows. A file system without holes says
/// that all is data.
pub fn next_data(file: &std::fs::File, offset: u64) -> Result<Option<u64>> {
    match fs::seek(file, SeekFrom::Data(offset)) {
        Ok(found) => Ok(Some(found.max(offset))),
        Err(Errno::NXIO) => Ok(None),
        Err(Errno::INVAL) => Ok(Some(offset)),
        Err(error) => Err(error.into()),
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
    // So few come in one piece.
    getrandom(&mut bytes, GetRandomFlags::empty())?;
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

/// The type of an entry of a directory; a link is a link.
pub fn kind_at(directory: BorrowedFd<'_>, name: &OsStr) -> Result<FileType> {
    let found = fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(found.st_mode))
}

/// A directory in another one, and no link to one, to look up names in.
pub fn place_at(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(directory, name, flags, Mode::empty())?)
}
