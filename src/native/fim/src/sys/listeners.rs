//! Sockets with names, in a directory that is open. None of them waits: whoever reads or writes polls before.

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::OsStr;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;
const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

fn socket() -> Result<OwnedFd> {
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        FLAGS,
        None,
    )?)
}

/// An address has room for 107 bytes only; this one is as short for every directory.
fn address(directory: BorrowedFd<'_>, name: &OsStr) -> Result<SocketAddrUnix> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    Ok(SocketAddrUnix::new(path.join(name))?)
}

/// A socket that keeps message borders and takes connections. Fails with `EADDRINUSE` where there is something of that name.
pub fn listen_at(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd> {
    let socket = socket()?;
    rustix::net::bind(&socket, &address(directory, name)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Fails with `ECONNREFUSED` where nobody listens any more, and with `EAGAIN` where too many wait.
pub fn connect_at(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd> {
    let socket = socket()?;
    rustix::net::connect(&socket, &address(directory, name)?)?;
    Ok(socket)
}

pub fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    Ok(rustix::net::accept_with(listener, FLAGS)?)
}

/// Process and user at the other end when it began to listen or connected. The pid is 0 where this process namespace does not have it.
pub fn peer(socket: BorrowedFd<'_>) -> Result<(i32, u32)> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the kernel writes at most as many bytes as the structure has.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(Error::last_os_error());
    }
    Ok((found.pid, found.uid))
}
