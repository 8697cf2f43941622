//! The answers, as the kernel takes them: what it was asked for, or the error's number, and how long it may keep that.

use std::io;
use std::time::Duration;

use fuser::{
    Errno, FileHandle, FopenFlags, Generation, INodeNo, ReplyAttr, ReplyCreate, ReplyData, ReplyEmpty, ReplyEntry,
    ReplyLseek, ReplyOpen, ReplyWrite, ReplyXattr,
};
use rustix::fs::Stat;

use crate::attributes::file_attr;
use crate::entries::Told;

/// For how long the kernel may take attributes, and names of directories, to be as they were.
const SHORT: Duration = Duration::from_secs(1);
const GENERATION: Generation = Generation(0);

pub(crate) fn errno(cause: &io::Error) -> Errno {
    Errno::from_i32(cause.raw_os_error().unwrap_or(libc::EIO))
}

pub(crate) fn answer(result: io::Result<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(cause) => reply.error(errno(&cause)),
    }
}

pub(crate) fn answer_entry(result: io::Result<Told>, reply: ReplyEntry) {
    match result {
        Ok(told) => {
            // See the top of the library: only a directory has but one entry in the kernel.
            let names = if told.node.is_directory() {
                SHORT
            } else {
                Duration::ZERO
            };
            let attributes = file_attr(told.node.id, &told.stat);
            reply.entry_with_ttls(&SHORT, &names, &attributes, GENERATION);
        }
        Err(cause) => reply.error(errno(&cause)),
    }
}

pub(crate) fn answer_attributes(id: INodeNo, result: io::Result<Stat>, reply: ReplyAttr) {
    match result {
        Ok(stat) => reply.attr(&SHORT, &file_attr(id.0, &stat)),
        Err(cause) => reply.error(errno(&cause)),
    }
}

/// An extended attribute, or the list of them: its size alone where the kernel has no room for more.
pub(crate) fn answer_attribute(size: u32, result: io::Result<(usize, Vec<u8>)>, reply: ReplyXattr) {
    match result {
        Ok((length, _)) if size == 0 => reply.size(length.try_into().unwrap_or(u32::MAX)),
        Ok((_, value)) => reply.data(&value),
        Err(cause) => reply.error(errno(&cause)),
    }
}

pub(crate) fn answer_bytes(result: io::Result<Vec<u8>>, reply: ReplyData) {
    match result {
        Ok(bytes) => reply.data(&bytes),
        Err(cause) => reply.error(errno(&cause)),
    }
}

pub(crate) fn answer_opened(result: io::Result<u64>, flags: FopenFlags, reply: ReplyOpen) {
    match result {
        Ok(handle) => reply.opened(FileHandle(handle), flags),
        Err(cause) => reply.error(errno(&cause)),
    }
}

pub(crate) fn answer_created(result: io::Result<(Told, u64)>, reply: ReplyCreate) {
    match result {
        // One time for both: attributes are asked for again as the name is.
        Ok((told, handle)) => reply.created(
            &Duration::ZERO,
            &file_attr(told.node.id, &told.stat),
            GENERATION,
            FileHandle(handle),
            FopenFlags::FOPEN_KEEP_CACHE,
        ),
        Err(cause) => reply.error(errno(&cause)),
    }
}

pub(crate) fn answer_written(result: io::Result<usize>, reply: ReplyWrite) {
    match result {
        Ok(count) => reply.written(count.try_into().unwrap_or(u32::MAX)),
        Err(cause) => reply.error(errno(&cause)),
    }
}

pub(crate) fn answer_position(result: io::Result<u64>, reply: ReplyLseek) {
    match result {
        Ok(position) => reply.offset(position.cast_signed()),
        Err(cause) => reply.error(errno(&cause)),
    }
}
