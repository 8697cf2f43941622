//! Files by their names.

use super::descriptors::descriptor;
use super::exports;
use crate::bytes::{Bytes, buffer};
use crate::failure::{OrThrow, throw};
use crate::text::Text;
use rquickjs::{Ctx, Result, Value};
use rustix::fd::{IntoRawFd, RawFd};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, RawDir, Stat, Timespec, Timestamps};

exports! {
    "access" => access,
    "changeMode" => change_mode,
    "changeOwner" => change_owner,
    "copyFile" => copy_file,
    "link" => link,
    "makeDirectory" => make_directory,
    "open" => open,
    "readDirectory" => read_directory,
    "readFile" => read_file,
    "readLink" => read_link,
    "realPath" => real_path,
    "rename" => rename,
    "removeDirectory" => remove_directory,
    "removeTree" => remove_tree,
    "setTimes" => set_times,
    "stat" => stat,
    "statDescriptor" => stat_descriptor,
    "symlink" => symlink,
    "truncate" => truncate,
    "truncateDescriptor" => truncate_descriptor,
    "unlink" => unlink,
}

/// For the effective user, as all else that is done with the file.
fn access(ctx: Ctx<'_>, path: Text, readable: bool, writable: bool) -> Result<()> {
    let mut wanted = Access::EXISTS;
    wanted.set(Access::READ_OK, readable);
    wanted.set(Access::WRITE_OK, writable);
    rustix::fs::access(path.path(), wanted).or_throw(&ctx)
}

fn change_mode(ctx: Ctx<'_>, path: Text, mode: u32) -> Result<()> {
    rustix::fs::chmod(path.path(), Mode::from_raw_mode(mode)).or_throw(&ctx)
}

fn change_owner(ctx: Ctx<'_>, path: Text, user: u32, group: u32) -> Result<()> {
    std::os::unix::fs::chown(path.path(), Some(user), Some(group)).or_throw(&ctx)
}

/// Content and permissions, by a reference to the same blocks where the file system can do that.
fn copy_file(ctx: Ctx<'_>, from: Text, to: Text) -> Result<()> {
    // The standard library has no number for this.
    if from.path().is_dir() {
        return Err(throw(&ctx, libc::EISDIR));
    }
    std::fs::copy(from.path(), to.path()).map(drop).or_throw(&ctx)
}

fn link(ctx: Ctx<'_>, from: Text, to: Text) -> Result<()> {
    rustix::fs::link(from.path(), to.path()).or_throw(&ctx)
}

fn make_directory(ctx: Ctx<'_>, path: Text, mode: u32) -> Result<()> {
    rustix::fs::mkdir(path.path(), Mode::from_raw_mode(mode)).or_throw(&ctx)
}

/// Closed on exec, whatever the flags.
fn open(ctx: Ctx<'_>, path: Text, flags: u32, mode: u32) -> Result<RawFd> {
    let flags = OFlags::from_bits_retain(flags) | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path.path(), flags, Mode::from_raw_mode(mode)).or_throw(&ctx)?;
    Ok(opened.into_raw_fd())
}

/// The names in a directory in the order of their bytes, or each name followed by the letter of what it is: `-dlpscb`, and `?`
/// where the file system does not say.
fn read_directory(ctx: Ctx<'_>, path: Text, kinds: bool) -> Result<Vec<Text>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path.path(), flags, Mode::empty()).or_throw(&ctx)?;
    let mut space = Vec::with_capacity(32 << 10);
    let mut entries = RawDir::new(directory, space.spare_capacity_mut());
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.or_throw(&ctx)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            found.push((name.to_vec(), entry.file_type()));
        }
    }
    found.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    let with_kind = |(name, kind)| match kinds {
        true => vec![Text(name), Text(letter(kind).into())],
        false => vec![Text(name)],
    };
    Ok(found.into_iter().flat_map(with_kind).collect())
}

fn letter(kind: rustix::fs::FileType) -> &'static [u8] {
    use rustix::fs::FileType;
    match kind {
        FileType::RegularFile => b"-",
        FileType::Directory => b"d",
        FileType::Symlink => b"l",
        FileType::Fifo => b"p",
        FileType::Socket => b"s",
        FileType::CharacterDevice => b"c",
        FileType::BlockDevice => b"b",
        FileType::Unknown => b"?",
    }
}

fn read_file<'js>(ctx: Ctx<'js>, path: Text) -> Result<Value<'js>> {
    let bytes = std::fs::read(path.path()).or_throw(&ctx)?;
    buffer(&ctx, bytes)
}

fn read_link(ctx: Ctx<'_>, path: Text) -> Result<Text> {
    std::fs::read_link(path.path()).map(Text::from).or_throw(&ctx)
}

fn real_path(ctx: Ctx<'_>, path: Text) -> Result<Text> {
    std::fs::canonicalize(path.path()).map(Text::from).or_throw(&ctx)
}

fn rename(ctx: Ctx<'_>, from: Text, to: Text) -> Result<()> {
    rustix::fs::rename(from.path(), to.path()).or_throw(&ctx)
}

fn remove_directory(ctx: Ctx<'_>, path: Text) -> Result<()> {
    rustix::fs::rmdir(path.path()).or_throw(&ctx)
}

/// A directory and all below it, links not followed.
fn remove_tree(ctx: Ctx<'_>, path: Text) -> Result<()> {
    std::fs::remove_dir_all(path.path()).or_throw(&ctx)
}

/// In seconds since 1970.
fn set_times(ctx: Ctx<'_>, path: Text, accessed: f64, modified: f64) -> Result<()> {
    let time = |seconds: f64| Timespec {
        tv_sec: seconds.floor() as i64,
        tv_nsec: (((seconds - seconds.floor()) * 1e6).round() as i64 * 1000).min(999_999_999),
    };
    let times = Timestamps {
        last_access: time(accessed),
        last_modification: time(modified),
    };
    rustix::fs::utimensat(CWD, path.path(), &times, AtFlags::empty()).or_throw(&ctx)
}

/// Puts what is known of a file into numbers of 64 bits, in the order that `src/platform/engine/FileInfo.ts` reads.
#[allow(
    clippy::unnecessary_cast,
    reason = "the fields have other types on other architectures"
)]
fn fill(ctx: &Ctx<'_>, mut into: Bytes<'_>, stat: &Stat) -> Result<()> {
    let values = [
        stat.st_dev as i64,
        stat.st_ino as i64,
        i64::from(stat.st_mode),
        stat.st_nlink as i64,
        i64::from(stat.st_uid),
        i64::from(stat.st_gid),
        stat.st_rdev as i64,
        stat.st_size as i64,
        stat.st_blksize as i64,
        stat.st_blocks as i64,
        stat.st_atime as i64,
        stat.st_atime_nsec as i64,
        stat.st_mtime as i64,
        stat.st_mtime_nsec as i64,
    ];
    let into = into.get_mut();
    if into.len() < size_of_val(&values) {
        return Err(throw(ctx, libc::EINVAL));
    }
    for (place, value) in into.chunks_exact_mut(size_of::<i64>()).zip(values) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
    Ok(())
}

fn stat<'js>(ctx: Ctx<'js>, path: Text, follow: bool, into: Bytes<'js>) -> Result<()> {
    let call = if follow { rustix::fs::stat } else { rustix::fs::lstat };
    fill(&ctx, into, &call(path.path()).or_throw(&ctx)?)
}

fn stat_descriptor<'js>(ctx: Ctx<'js>, number: RawFd, into: Bytes<'js>) -> Result<()> {
    fill(
        &ctx,
        into,
        &rustix::fs::fstat(descriptor(&ctx, number)?).or_throw(&ctx)?,
    )
}

fn symlink(ctx: Ctx<'_>, target: Text, path: Text) -> Result<()> {
    rustix::fs::symlink(target.path(), path.path()).or_throw(&ctx)
}

fn truncate(ctx: Ctx<'_>, path: Text, length: f64) -> Result<()> {
    let file = rustix::fs::open(path.path(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).or_throw(&ctx)?;
    rustix::fs::ftruncate(file, length as u64).or_throw(&ctx)
}

fn truncate_descriptor(ctx: Ctx<'_>, number: RawFd, length: f64) -> Result<()> {
    rustix::fs::ftruncate(descriptor(&ctx, number)?, length as u64).or_throw(&ctx)
}

fn unlink(ctx: Ctx<'_>, path: Text) -> Result<()> {
    rustix::fs::unlink(path.path()).or_throw(&ctx)
}
