//! This process: what its caller gave it, its time, its end.

use super::exports;
use crate::bytes::Bytes;
use crate::failure::OrThrow;
use crate::text::Text;
use rquickjs::{Atom, Ctx, IntoJs, Object, Result};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

exports! {
    "arguments" => arguments,
    "architecture" => architecture,
    "changeDirectory" => change_directory,
    "collectGarbage" => collect_garbage,
    "environment" => environment,
    "exit" => exit,
    "groupId" => || rustix::process::getegid().as_raw(),
    "now" => now,
    "processId" => || rustix::process::getpid().as_raw_nonzero().get(),
    "random" => random,
    "sleep" => sleep,
    "userId" => || rustix::process::geteuid().as_raw(),
    "workingDirectory" => working_directory,
}

/// The next collection is due when so much is in use, in bytes, once the program has come to rest.
const RUNNING_THRESHOLD: usize = 4 << 20;

static START: OnceLock<Instant> = OnceLock::new();

/// Remembers this moment, from which `now` counts.
pub fn remember_start() {
    START.get_or_init(Instant::now);
}

/// How large the stack of the first thread may become, in bytes.
pub fn stack_limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX)
}

/// What stands behind the name of the program and of the applet.
fn arguments() -> Vec<Text> {
    std::env::args_os().skip(2).map(Text::from).collect()
}

/// As Node names it, for the records and the protocol of an image.
fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" }
}

fn change_directory(ctx: Ctx<'_>, path: Text) -> Result<()> {
    std::env::set_current_dir(path.path()).or_throw(&ctx)
}

/// Frees what nobody uses, and gives the memory back to the system.
fn collect_garbage(ctx: Ctx<'_>) {
    ctx.run_gc();
    // SAFETY: the context lives, and its runtime with it; the other call takes a plain number.
    unsafe {
        let runtime = rquickjs::qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
        rquickjs::qjs::JS_SetGCThreshold(runtime, RUNNING_THRESHOLD as _);
        #[cfg(target_env = "gnu")]
        libc::malloc_trim(0);
    }
}

fn environment<'js>(ctx: Ctx<'js>) -> Result<Object<'js>> {
    let variables = Object::new(ctx.clone())?;
    for (name, value) in std::env::vars_os() {
        let name = Text::from(name).into_js(&ctx)?;
        variables.set(Atom::from_value(ctx.clone(), &name)?, Text::from(value))?;
    }
    Ok(variables)
}

/// Nothing is freed and nothing flushed: what was to be written is written.
fn exit(code: i32) {
    std::process::exit(code)
}

/// Milliseconds since the start of the program, by a clock that nobody sets.
fn now() -> f64 {
    START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1000.0
}

/// Fills an array with random bytes.
fn random(ctx: Ctx<'_>, mut bytes: Bytes<'_>) -> Result<()> {
    let mut rest = bytes.get_mut();
    while !rest.is_empty() {
        let count = rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty()).or_throw(&ctx)?;
        rest = &mut rest[count..];
    }
    Ok(())
}

/// Milliseconds in which nothing else happens.
fn sleep(milliseconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(milliseconds.max(0.0) / 1000.0));
}

/// Nothing, where it was removed.
fn working_directory() -> Option<Text> {
    std::env::current_dir().ok().map(Text::from)
}
