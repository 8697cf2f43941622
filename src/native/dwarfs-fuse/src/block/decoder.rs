//! Decompression of a zstd frame step by step, each part to its final place.

use std::io;
use std::sync::{Mutex, PoisonError};

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, WriteBuf};

use super::broken;
use crate::buffer::Buffer;

/// Bytes of a frame after which the decoder can say how many it wants next.
const FIRST_INPUT: usize = 5;

/// Contexts that no frame uses. To make one costs some hundred microseconds, and a start needs hundreds.
static SPARE: Mutex<Vec<DCtx<'static>>> = Mutex::new(Vec::new());
/// As many are kept as threads may decompress at once on most machines.
const MOST_SPARE: usize = 8;

/// A zstd frame under way.
pub(super) struct Decoder {
    input: Buffer,
    consumed: usize,
    wanted: usize,
    /// Absent only while this is dropped.
    context: Option<DCtx<'static>>,
}

/// Gives the memory of contexts back that no frame uses.
pub(crate) fn release() {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let released = std::mem::take(&mut *spare);
    drop(spare);
    drop(released);
}

fn context() -> io::Result<DCtx<'static>> {
    let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(context) = spare {
        return Ok(context);
    }
    let mut context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
    // The decoder then writes each part to its final place, and needs no window of its own.
    context
        .set_parameter(DParameter::StableOutBuffer(true))
        .map_err(|_| broken())?;
    Ok(context)
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let Some(mut context) = self.context.take() else { return };
        if context.reset(ResetDirective::SessionOnly).is_err() {
            return;
        }
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MOST_SPARE {
            spare.push(context);
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Decoder")
            .field("consumed", &self.consumed)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    pub(super) fn new(input: Buffer) -> io::Result<Self> {
        Ok(Self {
            input,
            consumed: 0,
            wanted: FIRST_INPUT,
            context: Some(context()?),
        })
    }

    /// Decompresses the next part, at most 128 KiB, to `room` from `ready` on. True if it was the last one.
    pub(super) fn step(&mut self, room: &Buffer, ready: &mut usize) -> io::Result<bool> {
        let start = *ready;
        let context = self.context.as_mut().ok_or_else(broken)?;
        loop {
            let end = self.consumed.saturating_add(self.wanted).min(self.input.len());
            let part = self
                .input
                .bytes()
                .get(self.consumed..end)
                .filter(|part| !part.is_empty())
                .ok_or_else(broken)?;
            let mut input = InBuffer::around(part);
            let mut target = Target { room };
            let mut output = OutBuffer::around_pos(&mut target, *ready);
            let hint = context
                .decompress_stream(&mut output, &mut input)
                .map_err(|_| broken())?;
            let (taken, made) = (input.pos(), output.pos());
            if taken == 0 && made == *ready {
                return Err(broken());
            }
            self.consumed += taken;
            *ready = made;
            self.wanted = hint;
            if hint == 0 {
                return Ok(true);
            }
            if made > start {
                return Ok(false);
            }
        }
    }
}

/// The whole room as the decoder sees it. It reads behind its position and writes from there on.
struct Target<'a> {
    room: &'a Buffer,
}

// SAFETY: the pointer and the capacity are those of a live mapping, all of which is initialised (the kernel zeroes it).
// No Rust reference to bytes above `ready` exists, and only the thread that holds the work gets here, so its writes there
// are the only accesses; below `ready` it only reads, like everyone else.
unsafe impl WriteBuf for Target<'_> {
    fn as_slice(&self) -> &[u8] {
        // Readers of this slice would race with nobody, but the length is all that is asked for.
        self.room.bytes()
    }

    fn capacity(&self) -> usize {
        self.room.len()
    }

    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.room.start().as_ptr()
    }

    unsafe fn filled_until(&mut self, _: usize) {}
}
