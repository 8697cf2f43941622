//! Which errors say that a system call is not there, so that something else has to do what it would.

use std::io::Error;

/// Whether an error of a newer call means that nobody has looked at what was asked: the kernel does not know the call (`ENOSYS`), or
/// the filter of a container does not, which mostly gives `EPERM`. Where the call itself may give `EPERM`, what takes its place
/// gives it again.
pub fn is_refusal(error: &Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM))
}

/// The same of a flag: a kernel that knows the call and not the flag gives `EINVAL`.
pub fn is_refusal_of_flag(error: &Error) -> bool {
    is_refusal(error) || error.raw_os_error() == Some(libc::EINVAL)
}
