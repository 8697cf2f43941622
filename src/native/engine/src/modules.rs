//! Where modules come from: the bytecode in this program, and the host functions. There is no other place.

use crate::archive;
use crate::host::Host;
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result};

/// The bytecode of the boot program, made by the build script.
static BYTECODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bytecode"));

/// The name under which TypeScript imports the host functions.
const HOST: &str = "fim:host";

/// Modules import each other as `./name`, and all lie beside each other.
pub struct Names;

impl Resolver for Names {
    fn resolve<'js>(&mut self, _: &Ctx<'js>, _: &str, name: &str, _: Option<ImportAttributes<'js>>) -> Result<String> {
        Ok(name.strip_prefix("./").unwrap_or(name).to_string())
    }
}

/// Where the modules of the program are.
#[derive(Clone)]
pub enum Modules {
    /// In this program.
    Embedded,
    /// In a directory, as text.
    #[cfg(feature = "sources")]
    Directory(std::path::PathBuf),
}

impl Modules {
    /// Loads one module, without running it.
    pub fn module<'js>(&self, ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
        if name == HOST {
            return Module::declare_def::<Host, _>(ctx.clone(), HOST);
        }
        match self {
            Modules::Embedded => {
                let bytecode = archive::find(BYTECODE, name).ok_or_else(|| Error::new_loading(name))?;
                // SAFETY: the bytecode is a part of this program, and the same version of the engine compiled it in the same build.
                unsafe { Module::load(ctx.clone(), bytecode) }
            }
            #[cfg(feature = "sources")]
            Modules::Directory(directory) => {
                let source = std::fs::read(directory.join(name)).map_err(|_| Error::new_loading(name))?;
                Module::declare(ctx.clone(), name, source)
            }
        }
    }
}

impl Loader for Modules {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        self.module(ctx, name)
    }
}
