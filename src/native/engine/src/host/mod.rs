//! The host functions, as the module `fim:host`. `src/platform/engine/host.d.ts` declares them for TypeScript and says what each does.
//!
//! All of them return at once, except `poll`, and calls of files, which the kernel answers without waiting for anybody. A call
//! that fails throws the number of the error.

mod content;
mod descriptors;
mod fetch;
mod fetch_failure;
mod files;
mod hash;
mod process;
mod proxies;
mod signals;
mod spawn;
mod urls;

pub use process::{remember_start, stack_limit};
pub use spawn::keep_descriptors_from_children;

use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::{Ctx, Result};

/// Which set of functions this is. The program compares it with the one that it was written for, so a build of mixed parts ends
/// with a clear line. Change it here and in `src/platform/engine/globals.ts` with every change of a function.
const VERSION: u32 = 1;

/// Names the functions of a file for JavaScript: a list for the declaration of the module, and what exports them.
macro_rules! exports {
    ($($name:literal => $function:expr),* $(,)?) => {
        pub const NAMES: &[&str] = &[$($name),*];

        pub fn export<'js>(ctx: &rquickjs::Ctx<'js>, exports: &rquickjs::module::Exports<'js>) -> rquickjs::Result<()> {
            $(exports.export($name, rquickjs::Function::new(ctx.clone(), $function)?)?;)*
            Ok(())
        }
    };
}
use exports;

/// The module.
pub struct Host;

impl ModuleDef for Host {
    fn declare(module: &Declarations<'_>) -> Result<()> {
        module.declare("version")?;
        let files = [
            content::NAMES,
            descriptors::NAMES,
            files::NAMES,
            fetch::NAMES,
            hash::NAMES,
            process::NAMES,
            signals::NAMES,
            spawn::NAMES,
            urls::NAMES,
        ];
        for name in files.into_iter().flatten() {
            module.declare(*name)?;
        }
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, module: &Exports<'js>) -> Result<()> {
        module.export("version", VERSION)?;
        content::export(ctx, module)?;
        descriptors::export(ctx, module)?;
        files::export(ctx, module)?;
        fetch::export(ctx, module)?;
        hash::export(ctx, module)?;
        process::export(ctx, module)?;
        signals::export(ctx, module)?;
        spawn::export(ctx, module)?;
        urls::export(ctx, module)
    }
}
