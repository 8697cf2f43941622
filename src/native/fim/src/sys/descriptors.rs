//! Descriptors: standard streams, and where descriptors stand across exec.

use super::{elder, is_refusal_of_flag};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// A pipe, closed on exec: the end to read, the end to write.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// What another program has opened for this one under a number that both know, from 3 to 63. Each is given once: who takes it owns
/// it. Fails where nothing is open there.
pub fn inherited(number: RawFd) -> Result<OwnedFd> {
    static TAKEN: AtomicU64 = AtomicU64::new(0b111);
    let bit = u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number));
    if bit.is_none_or(|bit| TAKEN.fetch_or(bit, Ordering::Relaxed) & bit != 0) {
        return Err(Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: it is only asked whether it is open; and it is owned once, by whoever has asked for it first. Programs take them before
    // they open anything that could get such a number.
    unsafe {
        rustix::io::fcntl_getfd(BorrowedFd::borrow_raw(number))?;
        Ok(OwnedFd::from_raw_fd(number))
    }
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
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if result != 0 && is_refusal_of_flag(&Error::last_os_error()) {
        elder::close_range(first, last, only_mark);
    }
}

/// Standard input, output and error.
pub fn standard() -> [BorrowedFd<'static>; 3] {
    [stdio::stdin(), stdio::stdout(), stdio::stderr()]
}

/// Starts a session of its own and leaves no descriptor open but 0, 1, 2, set to the three given, and those of `kept`, which
/// are returned under new numbers. Only for a process that was just made by `clone`, and uses nothing else of its parent's state.
pub fn become_session<const N: usize>(
    standard: [BorrowedFd<'_>; 3],
    kept: [BorrowedFd<'_>; N],
) -> Result<[OwnedFd; N]> {
    rustix::process::setsid()?;
    let copies = kept
        .into_iter()
        .map(|descriptor| Ok(fcntl_dupfd_cloexec(descriptor, 3)?));
    let copies = copies.collect::<Result<Vec<OwnedFd>>>()?;
    replace_standard(standard)?;
    close_all_but(&copies.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>());
    copies.try_into().map_err(|_| Error::from_raw_os_error(libc::EINVAL))
}

/// Copies of standard input, output and error, closed on exec.
pub fn copy_standard() -> Result<[OwnedFd; 3]> {
    let copy = |stream: BorrowedFd<'_>| Ok::<_, Error>(fcntl_dupfd_cloexec(stream, 3)?);
    Ok([copy(stdio::stdin())?, copy(stdio::stdout())?, copy(stdio::stderr())?])
}

/// Puts descriptors in the place of standard input, output and error.
pub fn replace_standard([input, output, error]: [BorrowedFd<'_>; 3]) -> Result<()> {
    stdio::dup2_stdin(input)?;
    stdio::dup2_stdout(output)?;
    Ok(stdio::dup2_stderr(error)?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::IntoRawFd;

    #[test]
    fn an_inherited_descriptor_is_given_once_and_only_if_it_is_open() {
        let given = |number| inherited(number).map_err(|error| error.raw_os_error());
        let number = fcntl_dupfd_cloexec(stdio::stdin(), 40).unwrap().into_raw_fd();
        let owned = given(number).unwrap();
        assert_eq!(owned.as_raw_fd(), number);
        for refused in [number, 62, 0, 2, -1, 64] {
            assert_eq!(given(refused).err(), Some(Some(libc::EBADF)), "{refused}");
        }
    }
}
