//! Messages between processes, with descriptors in them.

use super::check;
use std::io::Result;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A pair of connected sockets that keep message borders, closed on exec.
pub fn socket_pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut pair = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two descriptors into an array of two.
    let result = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) };
    check(result.into())?;
    // SAFETY: the kernel has just made these descriptors for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(pair[0]), OwnedFd::from_raw_fd(pair[1])) })
}

/// Sends one message, with a descriptor if there is one.
pub fn send(socket: BorrowedFd<'_>, message: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
    let mut part = libc::iovec {
        iov_base: message.as_ptr().cast_mut().cast(),
        iov_len: message.len(),
    };
    let mut control = ControlBuffer {
        bytes: [0; CONTROL_SIZE],
    };
    // SAFETY: msghdr is plain data; it points at the message and a control buffer that outlive the call, and the control
    // header written below lies inside that buffer, which is aligned for it and large enough for one descriptor.
    let result = unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        if let Some(descriptor) = descriptor {
            header.msg_control = (&raw mut control).cast();
            header.msg_controllen = libc::CMSG_SPACE(size_of::<RawFd>() as u32) as _;
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            libc::CMSG_DATA(first)
                .cast::<RawFd>()
                .write_unaligned(descriptor.as_raw_fd());
        }
        libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL)
    };
    check(result as libc::c_long).map(drop)
}

/// Receives one message of at most `limit` bytes and the descriptor that came with it. An empty message means that the
/// other end is closed.
pub fn receive(socket: BorrowedFd<'_>, limit: usize) -> Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut message = vec![0; limit];
    let mut part = libc::iovec {
        iov_base: message.as_mut_ptr().cast(),
        iov_len: limit,
    };
    let mut control = ControlBuffer {
        bytes: [0; CONTROL_SIZE],
    };
    // SAFETY: as in `send`; the kernel writes at most `limit` bytes and at most the size of the control buffer, and the
    // descriptor is read only from a header that says that it holds one.
    let (count, descriptor) = unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = CONTROL_SIZE as _;
        let count = check(libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) as libc::c_long)?;
        let first = libc::CMSG_FIRSTHDR(&raw const header);
        let holds_one =
            !first.is_null() && (*first).cmsg_level == libc::SOL_SOCKET && (*first).cmsg_type == libc::SCM_RIGHTS;
        let descriptor =
            holds_one.then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(first).cast::<RawFd>().read_unaligned()));
        (count as usize, descriptor)
    };
    message.truncate(count);
    Ok((message, descriptor))
}

const CONTROL_SIZE: usize = 64;

/// Room for one control message with one descriptor, aligned as its header has to be.
#[repr(C, align(8))]
struct ControlBuffer {
    bytes: [u8; CONTROL_SIZE],
}
