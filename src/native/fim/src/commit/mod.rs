//! `fim commit DATA`: what a commit does with the upper directory `data` of a data directory.
//!
//! Holds the data directory, which no instance may use meanwhile, and replies to requests on standard input: `stage` copies the upper directory to `tmp/commit/tree` in the form that a layer has, `verify` compares a layer with
//! that tree, `erase` puts an empty upper directory in the place of the old one and removes that. The first
//! reply, unasked, says whether the data directory is held. At the end of the input the directory `tmp/commit` goes, also when it is the end of
//! whoever asked.

mod copy;
mod erase;
mod stack;
mod stage;
mod verify;

use crate::fail;
use crate::failure::{Context, EXIT_CODE, Failure, Result};
use crate::janitor::{Made, POINTS, have_alone, open_lock, open_work};
use crate::names;
use crate::sys::{self, Disposition};
use crate::trust::{remove, shown};
use messages::{Done, Limits, Reader, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
pub use stack::{Place, open};
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An instance that is ending holds the data directory for some milliseconds after its program.
const PATIENCE: Duration = Duration::from_secs(2);
/// Taken from the kernel as it is used.
const STACK: usize = 256 << 20;
const STEP: Duration = Duration::from_millis(5);
/// The longest request names all layers of a run.
pub const LIMITS: Limits = Limits::heads(16 << 20);

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
enum Request {
    /// `layers` are those of a run, lowest first. The new one goes on the first `below` of them. `overlay` is that of a run. Regular
    /// files below the directories `without`, absolute paths in the guest, are left out and stay in the upper directory.
    Stage {
        layers: Vec<Place>,
        below: usize,
        overlay: Overlay,
        without: Vec<PathBuf>,
    },
    /// Compares a layer with the staged tree. With `owned_by_root` the layer has other owners than the tree.
    Verify {
        #[serde(with = "names::path")]
        layer: PathBuf,
        owned_by_root: bool,
    },
    Erase {},
}

#[derive(Clone, Copy, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Overlay {
    Bwrap,
    Overlayfs,
    Unionfs,
}

/// Runs the applet; the result is its exit code.
pub fn command(args: &[OsString]) -> i32 {
    let [data] = args else {
        console::complain!("usage: fim commit DATA");
        return EXIT_CODE;
    };
    let data = PathBuf::from(data);
    let begun = begin(&data);
    // Once the data directory is judged: in another user namespace the owners of what leads to it are not known. Where that is not
    // possible the file is named that cannot be read.
    let _ = reach::read_all_of_own(&data.join("data"));
    // A tree may be as deep as a path is long, and is walked by recursion.
    let served = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || begun.and_then(|(_lock, scratch)| serve(&data, &scratch)))
        .context(|| "cannot start a thread".to_string())
        .and_then(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(Failure("a thread has failed".to_string())))
        });
    match served {
        Ok(()) => 0,
        Err(failure) => {
            answer(&Reply::<Done>::error(failure));
            EXIT_CODE
        }
    }
}

/// Ends this process when whoever asks has ended, however long the request at hand would take.
fn end_with_caller(scratch: PathBuf) {
    std::thread::spawn(move || {
        if sys::poll([sys::closed(&std::io::stdout())], -1).is_ok_and(|[closed]| closed) {
            remove(&scratch);
            std::process::exit(EXIT_CODE);
        }
    });
}

/// Holds the data directory, and makes a place for the tree.
fn begin(data: &Path) -> Result<(File, Scratch)> {
    // A terminal sends these to all of its foreground group: the packer ends of it, and we still have to clean up.
    sys::dispose_signals(&[libc::SIGHUP, libc::SIGINT, libc::SIGQUIT], Disposition::Ignore);
    let lock = hold(data)?;
    Ok((lock, Scratch::make(data.join("tmp/commit"))?))
}

fn serve(data: &Path, scratch: &Scratch) -> Result<()> {
    end_with_caller(scratch.0.clone());
    answer(&Reply::ok(Done {}));
    let mut left_out = Vec::new();
    let mut requests = Reader::new(std::io::stdin().lock(), LIMITS);
    while let Some(message) = requests.read().context(|| "cannot read a request".to_string())? {
        let request: Request = message.parse().context(|| "cannot understand a request".to_string())?;
        answer(&Reply::from(perform(data, &scratch.0, &mut left_out, request)));
    }
    Ok(())
}

/// `left_out` are the files that the last `stage` has left out.
fn perform(data: &Path, scratch: &Path, left_out: &mut Vec<PathBuf>, request: Request) -> Result<Value> {
    let upper = data.join("data");
    let tree = scratch.join("tree");
    match request {
        Request::Stage {
            layers,
            below,
            overlay,
            without,
        } => {
            let relative = |path: &PathBuf| path.strip_prefix("/").map_or_else(|_| path.clone(), Path::to_path_buf);
            let without: Vec<_> = without.iter().map(relative).collect();
            // Where an ordinary user can make no whiteouts the kernel has no overlay for him either, and fuse-overlayfs took its place.
            let aufs = match overlay {
                Overlay::Overlayfs => true,
                Overlay::Bwrap => !stage::are_whiteouts_possible(&tree),
                Overlay::Unionfs => false,
            };
            let wanted = stage::Wanted {
                layers: &layers,
                below,
                aufs,
                made: &Made::read(data),
                without: &without,
            };
            let staged = stage::stage(&upper, &tree, &wanted)?;
            *left_out = staged.left_out;
            let sums: Vec<_> = staged
                .sums
                .iter()
                .map(|(path, (files, bytes))| json!({ "path": Path::new("/").join(path), "files": files, "bytes": bytes }))
                .collect();
            Ok(json!({ "entries": staged.entries, "left_out": sums }))
        }
        Request::Verify { layer, owned_by_root } => {
            verify::verify(&layer, &tree, owned_by_root)?;
            Ok(json!({}))
        }
        Request::Erase {} => {
            let failed = erase::erase(&upper, scratch, left_out)?;
            // The next start makes it again.
            let _ = std::fs::remove_file(data.join(POINTS));
            Ok(json!({ "failed": failed }))
        }
    }
}

/// Nobody may be there to read it; there is nobody else to tell.
pub fn answer(reply: &impl Serialize) {
    let _ = messages::print(reply, &[]);
}

/// Takes the lock that every running instance holds. The kernel drops it with us.
fn hold(data: &Path) -> Result<File> {
    let work = open_work(data)?;
    let (lock, path) = open_lock(&work)?;
    let failed = || format!("cannot lock '{}'", shown(&path));
    let deadline = Instant::now() + PATIENCE;
    while !have_alone(&lock, &work).context(failed)? {
        if Instant::now() > deadline {
            fail!(
                "the data directory '{}' is in use by a running instance; end it, then commit",
                data.display()
            )
        }
        std::thread::sleep(STEP);
    }
    Ok(lock)
}

/// A directory that is new, and goes with us. One that a killed commit has left is removed.
struct Scratch(PathBuf);

impl Scratch {
    fn make(path: PathBuf) -> Result<Self> {
        remove(&path);
        std::fs::create_dir_all(&path).context(|| format!("cannot make '{}'", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}
