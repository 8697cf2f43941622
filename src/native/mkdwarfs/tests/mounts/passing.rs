//! A descriptor handed to another process.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

/// Bytes of one control message with one descriptor, well aligned.
#[repr(align(8))]
struct Control([u8; 64]);

/// A message of one byte, and a place for a descriptor.
fn message(byte: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: an all-zero header is a valid one without anything in it.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = byte;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: computes with a plain number.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(4) } as usize;
    message
}

pub fn send(socket: &UnixDatagram, descriptor: &OwnedFd) {
    let (mut byte, mut control) = ([1u8], Control([0; 64]));
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let message = message(&mut part, &mut control);
    // SAFETY: the header points to live local values, and the control buffer has room for one descriptor.
    unsafe {
        let head = libc::CMSG_FIRSTHDR(&message);
        (*head).cmsg_level = libc::SOL_SOCKET;
        (*head).cmsg_type = libc::SCM_RIGHTS;
        (*head).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(head)
            .cast::<i32>()
            .write_unaligned(descriptor.as_raw_fd());
        assert_eq!(libc::sendmsg(socket.as_raw_fd(), &message, 0), 1);
    }
}

pub fn receive(socket: &UnixDatagram) -> OwnedFd {
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .unwrap();
    let (mut byte, mut control) = ([0u8], Control([0; 64]));
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let mut message = message(&mut part, &mut control);
    // SAFETY: as in `send`; a descriptor that came with the message is new and ours.
    unsafe {
        assert_eq!(
            libc::recvmsg(socket.as_raw_fd(), &mut message, 0),
            1,
            "{}",
            std::io::Error::last_os_error()
        );
        let head = libc::CMSG_FIRSTHDR(&message);
        assert!(!head.is_null() && (*head).cmsg_type == libc::SCM_RIGHTS);
        OwnedFd::from_raw_fd(libc::CMSG_DATA(head).cast::<i32>().read_unaligned())
    }
}
