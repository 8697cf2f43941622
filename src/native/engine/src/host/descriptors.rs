//! Reading, writing and waiting.

use super::exports;
use crate::bytes::Bytes;
use crate::failure::{OrThrow, throw};
use rquickjs::function::Opt;
use rquickjs::{Ctx, Result};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{BorrowedFd, IntoRawFd, RawFd};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

exports! {
    "close" => close,
    "read" => read,
    "write" => write,
    "writeWhole" => write_whole,
    "sync" => sync,
    "pipe" => pipe,
    "poll" => poll,
    "isTerminal" => is_terminal,
    "windowSize" => window_size,
    "setRawMode" => set_raw_mode,
}

/// A descriptor that JavaScript names.
pub fn descriptor<'fd>(ctx: &Ctx<'_>, number: RawFd) -> Result<BorrowedFd<'fd>> {
    named(number).ok_or_else(|| throw(ctx, libc::EBADF))
}

fn named<'fd>(number: RawFd) -> Option<BorrowedFd<'fd>> {
    // SAFETY: the number is used for one call, during which no JavaScript runs and so nobody closes it. One that is not open
    // gives EBADF. What Rust owns in this process is never named in JavaScript.
    (number >= 0).then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

fn close(ctx: Ctx<'_>, number: RawFd) -> Result<()> {
    let descriptor = descriptor(&ctx, number)?;
    // SAFETY: JavaScript owns what it was given, and closes it once.
    unsafe { rustix::io::close(std::os::fd::AsRawFd::as_raw_fd(&descriptor)) };
    Ok(())
}

/// A place in a file, of which JavaScript has no more than 53 bits.
fn place(position: f64) -> u64 {
    position as u64
}

fn read(ctx: Ctx<'_>, number: RawFd, mut bytes: Bytes<'_>, position: Opt<f64>) -> Result<usize> {
    let descriptor = descriptor(&ctx, number)?;
    let into = bytes.get_mut();
    match position.0 {
        Some(position) => rustix::io::pread(descriptor, into, place(position)),
        None => rustix::io::read(descriptor, into),
    }
    .or_throw(&ctx)
}

fn write(ctx: Ctx<'_>, number: RawFd, bytes: Bytes<'_>, position: Opt<f64>) -> Result<usize> {
    let descriptor = descriptor(&ctx, number)?;
    match position.0 {
        Some(position) => rustix::io::pwrite(descriptor, bytes.get(), place(position)),
        None => rustix::io::write(descriptor, bytes.get()),
    }
    .or_throw(&ctx)
}

/// Returns the number of the error that it was refused with, or 0: what is written this way is for a caller, who may be gone.
fn write_whole(ctx: Ctx<'_>, number: RawFd, bytes: Bytes<'_>) -> Result<i32> {
    let descriptor = descriptor(&ctx, number)?;
    let mut rest = bytes.get();
    while !rest.is_empty() {
        match rustix::io::write(descriptor, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = rustix::event::poll(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)], None);
            }
            Err(error) => return Ok(error.raw_os_error()),
        }
    }
    Ok(0)
}

fn sync(ctx: Ctx<'_>, number: RawFd) -> Result<()> {
    rustix::fs::fsync(descriptor(&ctx, number)?).or_throw(&ctx)
}

/// Two ends, the one to read from first. Only the ends named do not block: a child gets the other one.
fn pipe(ctx: Ctx<'_>, reader_blocks: bool, writer_blocks: bool) -> Result<Vec<RawFd>> {
    let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).or_throw(&ctx)?;
    for (end, blocks) in [(&reader, reader_blocks), (&writer, writer_blocks)] {
        if !blocks {
            rustix::io::ioctl_fionbio(end, true).or_throw(&ctx)?;
        }
    }
    Ok(vec![reader.into_raw_fd(), writer.into_raw_fd()])
}

/// Waits until one of the descriptors can be read or, where its number is given as `-1 - number`, written; at most so many
/// milliseconds, or without end. Returns those that can be, as they were given.
fn poll(ctx: Ctx<'_>, numbers: Vec<i32>, milliseconds: Opt<f64>) -> Result<Vec<i32>> {
    let mut waiting = Vec::with_capacity(numbers.len());
    for number in &numbers {
        let (number, flags) = if *number < 0 {
            (-1 - number, PollFlags::OUT)
        } else {
            (*number, PollFlags::IN)
        };
        waiting.push(PollFd::from_borrowed_fd(descriptor(&ctx, number)?, flags));
    }
    let timeout = milliseconds.0.map(|milliseconds| {
        let nanoseconds = (milliseconds.max(0.0) * 1e6) as u64;
        Timespec {
            tv_sec: (nanoseconds / 1_000_000_000) as i64,
            tv_nsec: (nanoseconds % 1_000_000_000) as i64,
        }
    });
    match rustix::event::poll(&mut waiting, timeout.as_ref()) {
        Ok(_) => {}
        // After a stop and a continuation. The loop looks at its timers and asks again.
        Err(Errno::INTR) => return Ok(Vec::new()),
        Err(error) => return Err(throw(&ctx, error.raw_os_error())),
    }
    Ok(waiting
        .iter()
        .zip(numbers)
        .filter(|(entry, _)| !entry.revents().is_empty())
        .map(|(_, number)| number)
        .collect())
}

fn is_terminal(number: RawFd) -> bool {
    named(number).is_some_and(rustix::termios::isatty)
}

/// Columns and rows of a terminal.
fn window_size(ctx: Ctx<'_>, number: RawFd) -> Result<Vec<u16>> {
    let size = rustix::termios::tcgetwinsize(descriptor(&ctx, number)?).or_throw(&ctx)?;
    Ok(vec![size.ws_col, size.ws_row])
}

/// Whether a terminal gives each key at once, without an echo and without signals, or lines.
fn set_raw_mode(ctx: Ctx<'_>, number: RawFd, raw: bool) -> Result<()> {
    use rustix::termios::{InputModes, LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let terminal = descriptor(&ctx, number)?;
    let mut modes = tcgetattr(terminal).or_throw(&ctx)?;
    let local = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
    let input = InputModes::ICRNL | InputModes::IXON;
    modes.local_modes.set(local, !raw);
    modes.input_modes.set(input, !raw);
    tcsetattr(terminal, OptionalActions::Now, &modes).or_throw(&ctx)
}
