//! Descriptors: pipes, waiting, and where they stand across exec.

use super::{check, elder, is_refusal_of_flag};
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Waits until one of the descriptors has one of its events (`POLLIN`, or 0 for the closing of the other end only), or the
/// time is over (milliseconds, -1: none). The answer has one entry for each.
pub fn poll<const N: usize>(descriptors: [(RawFd, i16); N], milliseconds: i32) -> Result<[bool; N]> {
    let mut entries = descriptors.map(poll_entry);
    poll_entries(&mut entries, milliseconds)?;
    Ok(entries.map(|entry| entry.revents != 0))
}

pub(super) fn poll_entry((fd, events): (RawFd, i16)) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

pub(super) fn poll_entries(entries: &mut [libc::pollfd], milliseconds: i32) -> Result<()> {
    loop {
        // SAFETY: the kernel reads and writes entries of ours. A negative descriptor is passed over.
        let result = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, milliseconds) };
        if result >= 0 {
            return Ok(());
        }
        let error = Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(error);
        }
    }
}

/// A pipe, closed on exec: the end to read, the end to write.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut pair = [0; 2];
    // SAFETY: the kernel writes two descriptors into an array of two.
    check(unsafe { libc::pipe2(pair.as_mut_ptr(), libc::O_CLOEXEC) }.into())?;
    // SAFETY: the kernel has just made these descriptors for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(pair[0]), OwnedFd::from_raw_fd(pair[1])) })
}

/// Sets the close-on-exec flag of every descriptor from `first` on.
pub fn close_all_on_exec(first: u32) {
    close_range(first, u32::MAX, true);
}

/// Closes a range of descriptors, or marks them to be closed on exec. The call is Linux 5.9, the mark 5.11. Whoever has them closed
/// must own them all.
fn close_range(first: u32, last: u32, only_mark: bool) {
    let flags = if only_mark { libc::CLOSE_RANGE_CLOEXEC } else { 0 };
    // SAFETY: takes plain numbers; for what is closed see above.
    let done = check(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) });
    if done.is_err_and(|error| is_refusal_of_flag(&error)) {
        elder::close_range(first, last, only_mark);
    }
}

/// Puts a descriptor at a number, open across exec. For the time between fork and exec.
pub fn place_descriptor(descriptor: RawFd, number: RawFd) -> Result<()> {
    // SAFETY: takes plain numbers; dup2 of a number onto itself would leave its close-on-exec flag set.
    unsafe {
        if descriptor == number {
            return check(libc::fcntl(number, libc::F_SETFD, 0).into()).map(drop);
        }
        check(libc::dup2(descriptor, number).into()).map(drop)
    }
}

/// Puts descriptors at their numbers, open across exec, even where one stands at another's number. For the time between
/// fork and exec.
pub fn place_descriptors<const N: usize>(places: [(RawFd, RawFd); N]) -> Result<()> {
    const ABOVE: RawFd = 16;
    let mut copies = places;
    for (descriptor, _) in &mut copies {
        // SAFETY: takes plain numbers.
        *descriptor = check(unsafe { libc::fcntl(*descriptor, libc::F_DUPFD_CLOEXEC, ABOVE) }.into())? as RawFd;
    }
    copies
        .into_iter()
        .try_for_each(|(descriptor, number)| place_descriptor(descriptor, number))
}

/// An empty file in memory, closed on exec.
pub fn memory_file(name: &std::ffi::CStr) -> Result<OwnedFd> {
    // SAFETY: the name is a terminated string that outlives the call.
    let descriptor = check(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) }.into())? as RawFd;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Whether a descriptor is open and a directory, however it was opened.
pub fn is_directory(descriptor: RawFd) -> bool {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills the structure, or the call fails and it is not read.
    unsafe {
        libc::fstat(descriptor, stat.as_mut_ptr()) == 0 && stat.assume_init().st_mode & libc::S_IFMT == libc::S_IFDIR
    }
}

/// Whether a descriptor was opened with `O_PATH`: it stands for a place, and cannot be read or written.
pub fn is_path(descriptor: RawFd) -> bool {
    // SAFETY: takes plain numbers.
    let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_PATH != 0
}

/// Whether a descriptor is open and a terminal.
pub fn is_terminal(descriptor: RawFd) -> bool {
    // SAFETY: takes a plain number.
    unsafe { libc::isatty(descriptor) == 1 }
}

/// Clears the close-on-exec flag.
pub fn keep_on_exec(descriptor: &OwnedFd) -> Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, 0) }.into()).map(drop)
}

/// Sets the close-on-exec flag.
pub fn close_on_exec(descriptor: &OwnedFd) -> Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) }.into()).map(drop)
}

/// Makes reads give `EAGAIN` where they would wait.
pub fn do_not_block(descriptor: &OwnedFd) -> Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }.into()).map(drop)
}

/// Starts a session of its own and leaves no descriptor open but 0, 1, 2, set to the three given, and those of `kept`, which
/// are returned under their new numbers, from 3 on.
pub fn become_session<const N: usize>(
    standard: [BorrowedFd<'_>; 3],
    kept: [BorrowedFd<'_>; N],
) -> Result<[OwnedFd; N]> {
    // Above all places that are taken here, so that none is overwritten before it is placed itself.
    let above = 3 + N as RawFd;
    // SAFETY: setsid takes nothing. Every descriptor that is closed or replaced belongs to a copy of the parent's state that
    // this process does not use again: it is called right after `clone`. Each number is given out once.
    unsafe {
        check(libc::setsid().into())?;
        let mut copies = [0; N];
        for (copy, descriptor) in copies.iter_mut().zip(kept) {
            *copy = check(libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, above).into())? as RawFd;
        }
        for (number, descriptor) in standard.into_iter().enumerate() {
            check(libc::dup2(descriptor.as_raw_fd(), number as RawFd).into())?;
        }
        for (number, copy) in (3..).zip(copies) {
            check(libc::dup2(copy, number).into())?;
        }
        close_range(above as u32, u32::MAX, false);
        Ok(std::array::from_fn(|index| OwnedFd::from_raw_fd(3 + index as RawFd)))
    }
}

/// Copies of standard input, output and error, closed on exec.
pub fn copy_standard() -> Result<[OwnedFd; 3]> {
    let copy = |stream: BorrowedFd<'_>| Ok::<_, Error>(rustix::io::fcntl_dupfd_cloexec(stream, 3)?);
    Ok([
        copy(rustix::stdio::stdin())?,
        copy(rustix::stdio::stdout())?,
        copy(rustix::stdio::stderr())?,
    ])
}

/// Puts descriptors in the place of standard input, output and error.
pub fn replace_standard([input, output, error]: [BorrowedFd<'_>; 3]) -> Result<()> {
    rustix::stdio::dup2_stdin(input)?;
    rustix::stdio::dup2_stdout(output)?;
    Ok(rustix::stdio::dup2_stderr(error)?)
}

/// Puts a descriptor in the place of standard error.
pub fn replace_error(by: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: takes two numbers; nothing in this process owns the one that is replaced.
    check(unsafe { libc::dup2(by.as_raw_fd(), libc::STDERR_FILENO) }.into()).map(drop)
}

/// Whether a descriptor was opened for reading.
pub fn may_read(descriptor: BorrowedFd<'_>) -> bool {
    // SAFETY: takes plain numbers.
    let flags = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GETFL) };
    flags >= 0 && flags & libc::O_ACCMODE != libc::O_WRONLY
}

/// Closes every descriptor from 3 on but the kept ones. For a forked process that uses nothing else of its parent's state.
pub fn close_all_but(kept: &[RawFd]) {
    let mut kept: Vec<u32> = kept
        .iter()
        .copied()
        .filter_map(|number| number.try_into().ok())
        .collect();
    kept.sort_unstable();
    let mut first = 3;
    for number in kept.into_iter().filter(|number| *number >= 3) {
        if number > first {
            close_range(first, number - 1, false);
        }
        first = number + 1;
    }
    close_range(first, u32::MAX, false);
}
