//! The head of an image: unpacks runtime and tools once, then becomes the boot program.
//!
//! It runs from the image file itself, and while it does nobody can open that file for writing. So it does as little as
//! possible and leaves by `execve`; nothing that stays may run from the image.

mod called;
mod calls;
mod companion;
mod image;
mod notes;
mod place;
mod sweep;
mod unpack;

use crate::fail;
use crate::failure::{Context, EXIT_CODE, Result};
use crate::instances;
use crate::sys;
use image::Image;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
pub use sweep::{is_in_use, remove_application};
use unpack::{Until, ensure};
pub use unpack::{command as unpack_command, wait_for_rest};

/// Variables that would change how the loader of a tool behaves. They come from the caller, and an image must run the same
/// whatever its caller has set. `LD_LIBRARY_PATH` stays for the host's programs: our loader does not look at it.
const DROPPED_PREFIX: &[u8] = b"LD_";

/// Starts the image whose head this program is. Never returns.
pub fn run(reserved_offset: u64) -> ! {
    sys::hear_of_children();
    if is_set("FIM_MAIN_OFFSET") {
        let told = console::output(&format!("{reserved_offset}\n"));
        std::process::exit(if told.is_ok() { 0 } else { EXIT_CODE });
    }
    let Err(failure) = start(reserved_offset);
    console::complain!("C::{failure}");
    std::process::exit(EXIT_CODE);
}

fn start(reserved_offset: u64) -> Result<std::convert::Infallible> {
    calls::disown_refused();
    let image = Image::open(reserved_offset)?;
    let global = place::choose()?;
    let application = place::application(&global, &image)?;
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(program) = called::program(&image.path) {
        words.splice(0..0, ["fim-exec".into(), program]);
    }
    let program = companion::program(&words).filter(|_| !is_set("FIM_MAIN_ENVIRONMENT"));
    let until = if program.is_some() { Until::Started } else { Until::All };
    let is_complete = ensure(&image, &application, until)?;
    if let Some(operation) = instances::operation(&words) {
        // Not in this process: while it runs, nobody can write to the image.
        let application = application.path();
        let mut command = Command::new(application.join("bin/fim"));
        command
            .arg("instances")
            .arg(application.join("instance"))
            .arg(operation);
        if operation == instances::START {
            command.arg(&image.path);
        }
        command.args(&words[2..]);
        let error = command.exec();
        fail!("cannot start '{}': {error}", application.join("bin/fim").display())
    }
    become_boot(
        &image,
        &global,
        application.path(),
        &words,
        program.as_deref(),
        is_complete,
    )
}

fn become_boot(
    image: &Image,
    global: &Path,
    application: &Path,
    words: &[OsString],
    started: Option<&OsStr>,
    is_complete: bool,
) -> Result<std::convert::Infallible> {
    let variables = [
        ("FIM_BIN_SELF", image.path.clone().into_os_string()),
        ("FIM_OFFSET", image.reserved_offset.to_string().into()),
        ("FIM_DIR_GLOBAL", global.into()),
        ("FIM_DIR_APP", application.into()),
        ("FIM_VERSION", image.table.version.clone().into()),
        ("FIM_COMMIT", image.table.commit.clone().into()),
        ("FIM_TIMESTAMP", image.table.timestamp.clone().into()),
    ];
    if is_set("FIM_MAIN_ENVIRONMENT") {
        use std::io::Write;
        use std::os::unix::ffi::OsStrExt;
        let text: Vec<u8> = variables
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat())
            .collect();
        std::io::stdout()
            .write_all(&text)
            .context(|| "cannot write to standard output".to_string())?;
        std::process::exit(0);
    }
    let program = application.join("bin/fim");
    let mut command = Command::new(&program);
    command.arg("boot").args(words);
    for name in dropped(std::env::vars_os().map(|(name, _)| name)) {
        command.env_remove(name);
    }
    command.envs(variables).env_remove("FIM_JANITOR");
    match sys::Ignored::at_start().text() {
        Some(signals) => command.env(sys::IGNORED, signals),
        None => command.env_remove(sys::IGNORED),
    };
    // The janitor starts while the runtime does: neither waits for the other.
    let companion = started.map(|started| companion::start(application, image, started, is_complete));
    let companion = companion.transpose()?;
    if let Some(companion) = &companion {
        command.env("FIM_JANITOR", companion.descriptors());
    }
    let error = command.exec();
    if error.raw_os_error() == Some(libc::E2BIG) {
        fail!("cannot start the program: {error}; its arguments and variables are longer than the kernel allows")
    }
    fail!(
        "cannot start '{}': {error}; if its directory does not allow programs to run, set FIM_DIR_GLOBAL to one that does",
        program.display()
    )
}

fn is_set(name: &str) -> bool {
    variable(name).is_some()
}

/// A variable of the caller's; one that is empty counts as not set.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn dropped(names: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    use std::os::unix::ffi::OsStrExt;
    let is_dropped = |name: &OsStr| name.as_bytes().starts_with(DROPPED_PREFIX) && name != "LD_LIBRARY_PATH";
    names.filter(move |name| is_dropped(name))
}

/// Reads exactly `length` bytes at `offset` or says which part is cut short.
fn read_exactly(file: &std::fs::File, offset: u64, length: usize, part: &str) -> Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)
        .context(|| format!("the image is damaged: its {part} cannot be read"))?;
    Ok(bytes)
}
