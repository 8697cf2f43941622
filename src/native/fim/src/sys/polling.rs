//! Waiting for descriptors.

use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::Result;
use std::os::fd::{AsFd, BorrowedFd};

/// A descriptor and the events that are waited for: none for the closing of the other end only. `None` is passed over.
pub type Watched<'a> = Option<(BorrowedFd<'a>, PollFlags)>;

/// Until there is something to read.
pub fn readable(descriptor: &impl AsFd) -> Watched<'_> {
    Some((descriptor.as_fd(), PollFlags::IN))
}

/// Until it can be written to.
pub fn writable(descriptor: &impl AsFd) -> Watched<'_> {
    Some((descriptor.as_fd(), PollFlags::OUT))
}

/// Until the other end is closed.
pub fn closed(descriptor: &impl AsFd) -> Watched<'_> {
    Some((descriptor.as_fd(), PollFlags::empty()))
}

/// Waits until one of the descriptors has one of its events, or the time is over (milliseconds, -1: none). Says of each whether
/// it has one.
pub fn poll<const N: usize>(watched: [Watched<'_>; N], milliseconds: i32) -> Result<[bool; N]> {
    let events = poll_all(&watched, milliseconds)?;
    Ok(std::array::from_fn(|index| !events[index].is_empty()))
}

/// The same for any number of descriptors. Says of each which events it has.
pub fn poll_all(watched: &[Watched<'_>], milliseconds: i32) -> Result<Vec<PollFlags>> {
    let entries = watched.iter().flatten();
    let mut entries: Vec<PollFd> = entries
        .map(|(descriptor, events)| PollFd::from_borrowed_fd(*descriptor, *events))
        .collect();
    let time = u32::try_from(milliseconds).ok().map(|milliseconds| Timespec {
        tv_sec: i64::from(milliseconds / 1000),
        tv_nsec: i64::from(milliseconds % 1000) * 1_000_000,
    });
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut entries, time.as_ref()))?;
    let mut events = entries.iter().map(PollFd::revents);
    let events = watched
        .iter()
        .map(|watched| watched.as_ref().and_then(|_| events.next()));
    Ok(events.map(|events| events.unwrap_or(PollFlags::empty())).collect())
}
