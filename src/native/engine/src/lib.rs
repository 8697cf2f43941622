//! Runs the boot program of an image: QuickJS, the bytecode that `src` and `bin` are compiled to, and the host functions which
//! that calls. The declarations of these functions for TypeScript are in `src/platform/engine/host.d.ts`.
//!
//! JavaScript runs in one thread. It waits in one place, `poll` of the host functions, which the event loop in
//! `src/platform/engine/Loop.ts` calls; this crate calls the loop until the program ends.

mod archive;
mod bytes;
mod failure;
mod host;
mod memory;
mod modules;
mod text;

use rquickjs::{Coerced, Context, Ctx, Function, Result, Runtime, Value};

/// The exit code of a boot program that cannot go on.
const EXIT_CODE: i32 = 125;

/// No collection of garbage before there is so much. A start makes less, and ends without one.
const START_THRESHOLD: usize = 64 << 20;

/// What JavaScript may use of the stack, at most.
const STACK: usize = 4 << 20;

/// Runs the boot program. It ends the process itself, through a host function; what comes back is the exit code for a program
/// that could not, with a line on standard error that says why.
pub fn run() -> i32 {
    run_modules(&modules::Modules::Embedded)
}

/// Runs modules in a directory in place of the boot program: `globals.js`, then `image.js`.
#[cfg(feature = "sources")]
pub fn run_sources(directory: std::path::PathBuf) -> i32 {
    run_modules(&modules::Modules::Directory(directory))
}

fn run_modules(modules: &modules::Modules) -> i32 {
    host::remember_start();
    host::keep_descriptors_from_children();
    let failure = match Runtime::new_with_alloc(memory::Memory) {
        Ok(runtime) => {
            runtime.set_max_stack_size(STACK.min(host::stack_limit() / 2));
            runtime.set_gc_threshold(START_THRESHOLD);
            runtime.set_loader(modules::Names, modules.clone());
            match Context::full(&runtime) {
                Ok(context) => context.with(|ctx| program(&ctx, modules).err().map(|error| describe(&ctx, &error))),
                Err(error) => Some(error.to_string()),
            }
        }
        Err(error) => Some(error.to_string()),
    };
    let failure = failure.unwrap_or_else(|| "it waits for nothing and has not ended".to_string());
    console::complain!("C::the boot program cannot go on: {failure}");
    EXIT_CODE
}

/// Runs what installs the global objects, then the program, then the event loop.
fn program(ctx: &Ctx<'_>, modules: &modules::Modules) -> Result<()> {
    let (globals, ready) = modules.module(ctx, "globals.js")?.eval()?;
    ready.finish::<Value>()?;
    let turn: Function = globals.get("turn")?;
    let (_program, evaluated) = modules.module(ctx, "image.js")?.eval()?;
    loop {
        while ctx.execute_pending_job() {}
        if let Some(Err(error)) = evaluated.result::<Value>() {
            return Err(error);
        }
        if !turn.call::<_, bool>(())? {
            return Ok(());
        }
    }
}

/// An error as text, with the calls that led to it where the user looks for faults.
fn describe(ctx: &Ctx<'_>, error: &rquickjs::Error) -> String {
    if !error.is_exception() {
        return error.to_string();
    }
    let thrown = ctx.catch();
    if let Some(number) = thrown.as_int() {
        // What host functions throw.
        return std::io::Error::from_raw_os_error(number).to_string();
    }
    let stack = thrown
        .as_object()
        .and_then(|object| object.get::<_, Coerced<String>>("stack").ok());
    let text = thrown
        .get::<Coerced<String>>()
        .map_or_else(|_| error.to_string(), |text| text.0);
    match stack {
        Some(stack) if std::env::var_os("FIM_DEBUG").is_some_and(|value| value == "1") => {
            format!("{text}; {}", stack.0.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        _ => text,
    }
}
