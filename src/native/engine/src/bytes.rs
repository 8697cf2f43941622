//! Bytes of JavaScript, without a copy.

use rquickjs::{ArrayBuffer, Ctx, FromJs, Result, TypedArray, Value};

/// A `Uint8Array` that JavaScript has passed to a host function.
pub struct Bytes<'js>(TypedArray<'js, u8>);

impl Bytes<'_> {
    /// Its content. Empty if its buffer was detached.
    pub fn get(&self) -> &[u8] {
        // SAFETY: no JavaScript runs while a host function does, so nobody changes, moves or frees the buffer, and the host
        // functions that write take one array only.
        unsafe { self.0.as_bytes().unwrap_or_default() }
    }

    /// Its content, to be written.
    pub fn get_mut(&mut self) -> &mut [u8] {
        match self.0.as_raw() {
            // SAFETY: as above.
            Some(mut raw) => unsafe { raw.as_mut() },
            None => &mut [],
        }
    }
}

impl<'js> FromJs<'js> for Bytes<'js> {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        TypedArray::from_js(ctx, value).map(Bytes)
    }
}

/// Gives bytes to JavaScript as an `ArrayBuffer`.
pub fn buffer<'js>(ctx: &Ctx<'js>, bytes: Vec<u8>) -> Result<Value<'js>> {
    Ok(ArrayBuffer::new(ctx.clone(), bytes)?.into_value())
}
