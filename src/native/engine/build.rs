//! Compiles the boot program to the bytecode that this crate embeds: `bin/bundle.mjs` makes modules of `bin/image.ts` and all that it
//! loads, and the same engine that will run them compiles each.

#[path = "src/archive.rs"]
mod archive;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::{Declared, WriteOptions};
use rquickjs::{Context, Ctx, Module, Result, Runtime};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The engine checks a sum over the bytecode unless it has this value. The bytecode is part of a program that is checked whole.
const NO_CHECKSUM: [u8; 4] = [0xff; 4];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let root = Path::new("../../..")
        .canonicalize()
        .expect("the crate lies in the repository");
    watch(&root);
    let modules = out.join("modules");
    bundle(&root, &modules);
    let mut names: Vec<String> = fs::read_dir(&modules)
        .expect("the bundler has made a directory")
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .into_string()
                .expect("names of modules are text")
        })
        .filter(|name| name.ends_with(".js"))
        .collect();
    names.sort();
    let members: Vec<(String, Vec<u8>)> = names
        .into_iter()
        .map(|name| {
            let source = fs::read(modules.join(&name)).expect("the bundler has just written it");
            let bytecode = compile(&name, source);
            (name, bytecode)
        })
        .collect();
    fs::write(out.join("bytecode"), archive::write(&members)).expect("OUT_DIR can be written");
}

/// Has cargo run this again when a source of the boot program or the lock of its packages has changed.
fn watch(root: &Path) {
    let mut watched = vec![
        root.join("bin"),
        root.join("package-lock.json"),
        PathBuf::from("build.rs"),
        PathBuf::from("src/archive.rs"),
    ];
    // Not `src` as a whole: the native code in it changes without the boot program.
    for entry in fs::read_dir(root.join("src")).expect("the repository has a directory src") {
        let path = entry.expect("the directory can be read").path();
        if path.file_name().is_some_and(|name| name != "native") {
            watched.push(path);
        }
    }
    for path in watched {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}

fn bundle(root: &Path, modules: &Path) {
    let node = root.join("node_modules/.bin/node");
    if !node.exists() {
        fail(&format!(
            "'{}' is not there: run bin/setup, or npm install, and build again",
            node.display()
        ));
    }
    let _ = fs::remove_dir_all(modules);
    let status = Command::new(&node)
        .arg(root.join("bin/bundle.mjs"))
        .arg(modules)
        .current_dir(root)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("bin/bundle.mjs failed with {status}: see what it says above")),
        Err(error) => fail(&format!("cannot start '{}': {error}", node.display())),
    }
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    std::process::exit(1)
}

/// While modules are compiled, what they import is a name only.
struct Anything;

impl Resolver for Anything {
    fn resolve<'js>(&mut self, _: &Ctx<'js>, _: &str, name: &str, _: Option<ImportAttributes<'js>>) -> Result<String> {
        Ok(name.to_string())
    }
}

impl Loader for Anything {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        Module::declare(ctx.clone(), name, "")
    }
}

/// The names of functions and the lines stay in it, for the traces of errors; the source does not.
fn compile(name: &str, source: Vec<u8>) -> Vec<u8> {
    // A runtime for each, so that none finds a module of another.
    let runtime = Runtime::new().expect("there is memory for an engine");
    runtime.set_loader(Anything, Anything);
    Context::full(&runtime)
        .expect("there is memory for a context")
        .with(|ctx| {
            let module = Module::declare(ctx.clone(), name, source)
                .unwrap_or_else(|error| fail(&format!("{name}: {error} {:?}", ctx.catch())));
            let options = WriteOptions {
                strip_source: true,
                ..WriteOptions::default()
            };
            let mut bytecode = module
                .write(options)
                .unwrap_or_else(|error| fail(&format!("{name}: {error}")));
            bytecode[1..5].copy_from_slice(&NO_CHECKSUM);
            bytecode
        })
}
