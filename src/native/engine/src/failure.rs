//! Failures of host functions. Each throws the number that the kernel gives an error, and nothing else: what it means for whom is
//! decided in TypeScript.

use rquickjs::{Ctx, Error, Result, Value};
use std::io;

/// Throws a number of an error.
pub fn throw(ctx: &Ctx<'_>, number: i32) -> Error {
    ctx.throw(Value::new_int(ctx.clone(), number))
}

/// A result whose error is thrown as its number.
pub trait OrThrow<T> {
    /// The value, or the number of the error as a JavaScript exception.
    fn or_throw(self, ctx: &Ctx<'_>) -> Result<T>;
}

impl<T> OrThrow<T> for rustix::io::Result<T> {
    fn or_throw(self, ctx: &Ctx<'_>) -> Result<T> {
        self.map_err(|error| throw(ctx, error.raw_os_error()))
    }
}

impl<T> OrThrow<T> for io::Result<T> {
    fn or_throw(self, ctx: &Ctx<'_>) -> Result<T> {
        // The standard library refuses some arguments itself, such as a path with a zero byte.
        self.map_err(|error| throw(ctx, error.raw_os_error().unwrap_or(libc::EINVAL)))
    }
}
