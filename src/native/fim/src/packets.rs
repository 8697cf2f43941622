//! Messages on sockets that keep borders: one in each packet, with a descriptor if there is one.

use crate::sys;
use messages::{Limits, Message, parse_packet};
use serde::Serialize;
use std::io::Result;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Longest message of drivers; a path is at most 4096 bytes, and each may take six in JSON.
pub const LIMIT: usize = 1 << 16;

/// Sends a message.
pub fn send(socket: BorrowedFd<'_>, message: &impl Serialize, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
    sys::send(socket, &messages::encode(message, &[])?, descriptor)
}

/// Receives a message with a line of at most `limit` bytes, and the descriptor that came with it. `None` when the other end is closed.
pub fn receive(socket: BorrowedFd<'_>, limit: usize) -> Result<Option<(Message, Option<OwnedFd>)>> {
    let (packet, descriptor) = sys::receive(socket, limit + 1)?;
    if packet.is_empty() {
        return Ok(None);
    }
    Ok(Some((parse_packet(&packet, Limits::heads(limit))?, descriptor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use messages::Done;
    use std::os::fd::AsFd;

    #[test]
    fn packets_are_single_messages_and_carry_a_descriptor() {
        let (ours, theirs) = sys::socket_pair().unwrap();
        send(ours.as_fd(), &Done {}, Some(ours.as_fd())).unwrap();
        let (message, descriptor) = receive(theirs.as_fd(), LIMIT).unwrap().unwrap();
        assert_eq!(message.head, b"{}");
        assert!(descriptor.is_some());
        for packet in [&b"{}"[..], b"{}\n{}\n", b"\n", b"garbage\n", b"{} 1\nx", b"{\"a\":"] {
            sys::send(ours.as_fd(), packet, None).unwrap();
            assert!(receive(theirs.as_fd(), LIMIT).is_err(), "{packet:?}");
        }
        // More than is received at once.
        let long = [b"{\"a\":\"", [b'x'; 1 << 16].as_slice(), b"\"}\n"].concat();
        sys::send(ours.as_fd(), &long, None).unwrap();
        assert!(receive(theirs.as_fd(), LIMIT).is_err());
        // The descriptor that came along is the same end.
        drop((ours, descriptor));
        assert!(receive(theirs.as_fd(), LIMIT).unwrap().is_none());
    }
}
