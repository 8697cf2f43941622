//! What the boot program and the janitor say to each other: messages, requests on one descriptor and replies on another. Each reply
//! carries the number of its request; only `run` is answered later than what follows it.

use super::about::Said;
use super::linger::Terms;
use crate::failure::{Context, Result};
use crate::hot;
use crate::names;
use crate::trust::Purpose;
use messages::Reply;
pub use messages::{Done, from_bytes, to_bytes};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// Longest request. The kernel's largest command line has 6 MiB, and JSON writes a byte as six characters at most.
pub const REQUEST_LIMIT: usize = 64 << 20;

#[derive(Deserialize)]
pub struct Request {
    pub id: u64,
    #[serde(flatten)]
    pub operation: Operation,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Operation {
    /// Whether nobody else can change a directory. Only before `open`.
    Examine {
        #[serde(with = "names::path")]
        path: PathBuf,
        purpose: Purpose,
    },
    /// Makes the instance directory and the namespaces. The first request but for `examine`, and only that.
    Open(Open),
    /// Mounts what layers, lowest first, show together on `layers/0` of the instance. Where that cannot be mounted they are
    /// unpacked to the first of the `trees` of `open` that can be used, and their trees are bound to `layers/0`, `layers/1`, ….
    MountLayers {
        layers: Vec<Place>,
        cache_bytes: u64,
        /// The hot cache, if there is one.
        #[serde(default)]
        hot: Option<hot::Place>,
        /// The file that gets a list of what the run reads of the layers, if there is to be one.
        #[serde(default, with = "names::optional_path")]
        reads: Option<PathBuf>,
    },
    /// Mounts the kernel's overlay of what is in `layers` and the data directory on `mount` of the instance.
    MountOverlay {},
    /// The same by a program that serves it through FUSE in the foreground, with `layers/0` alone. It is started in the directory of the instance,
    /// where the data directory is bound to `data`, and ends with the instance; so its overlay cannot be shared. With
    /// `casefold`, names in it ignore case.
    ServeOverlay { argv: Vec<String>, casefold: bool },
    /// Makes the portal, with the list of what the guest may ask for, if it may ask for anything.
    PreparePortal { allowed: Option<String> },
    /// Reads a regular file of the merged root, at most `limit` bytes.
    ReadRoot { path: PathBuf, limit: u64 },
    /// Where the sandbox can mount in the merged root. `own` are directories of its root that get file systems of the sandbox; below
    /// `covered` nothing of the guest will be seen.
    PrepareRoot {
        own: Vec<String>,
        covered: Vec<String>,
        targets: Vec<Target>,
    },
    /// Runs the sandbox with the descriptors 0, 1 and 2 of the janitor. Answered when its program has ended.
    Run(Run),
    /// Sends a signal to the program that runs. With `spare_group` only if the program has not just got it itself, because it
    /// was sent to the whole process group: by the terminal, or by a process outside.
    Signal { signal: i32, spare_group: bool },
    /// What the program has left running lives on without the boot program, until it ends or is stopped. After that nothing more is
    /// heard of the instance, and the end of the boot program is not the end of it. Answered once nothing of the caller's is held.
    Leave {},
    /// The layers are to stay mounted for a while after the last instance, unless the boot program is killed: see `keep-layers`.
    Linger(Terms),
    /// The last request after `linger`, and not answered: the program has ended, and everything but the layers may go.
    KeepLayers {},
    /// Answers the event `stopped`: only after this is the next one sent, so a guest that stops and goes on as fast as it can
    /// causes no more events than the boot program asks for.
    Resumed {},
}

#[derive(Deserialize)]
pub struct Open {
    /// Directory of the instance; its parent is there. Named by `pid`, with `-N` behind it where one process has several.
    #[serde(with = "names::path")]
    pub instance: PathBuf,
    /// Process whose instance it is.
    pub pid: u32,
    /// Directory with the upper directory `data` and with `work`. Both are there.
    #[serde(with = "names::path")]
    pub data: PathBuf,
    /// Identifies the layers: instances with equal stacks can share an overlay.
    pub stack: String,
    /// Where layers may be unpacked, best first.
    #[serde(default, with = "names::paths")]
    pub trees: Vec<PathBuf>,
    /// The layers, lowest first, where those may be used that an instance before has left mounted.
    #[serde(default)]
    pub lingering: Option<Vec<Place>>,
}

impl Open {
    /// The name of the instance's directory.
    pub fn name(&self) -> String {
        self.instance
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}

/// Where a layer is: in which file, from which byte on, and how many bytes.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Place {
    #[serde(with = "names::path")]
    pub path: PathBuf,
    pub offset: u64,
    pub size: u64,
}

#[derive(Deserialize)]
pub struct Run {
    /// Program and arguments, the same for every run: other users can read the command line of a process. In this list and
    /// the next two each character is one byte (U+0000 to U+00FF), so any byte string can be said.
    pub argv: Vec<String>,
    /// The sandbox's options, which it reads from `OPTIONS_DESCRIPTOR`, each followed by a zero byte.
    pub options: Vec<String>,
    /// What `fim guest` reads from `WORDS_DESCRIPTOR`, in the same form.
    pub guest: Vec<String>,
    /// The seccomp filter that the program reads from `FILTER_DESCRIPTOR`.
    pub filter: Vec<Instruction>,
    /// Whether it gets a user namespace in which everybody is who he is outside.
    pub private_users: bool,
    /// What is written down about the run, for `fim-instance list`.
    pub about: Said,
    /// Whether the boot program is told when the program has started, by the event `started`.
    pub tells_start: bool,
}

/// `struct sock_filter`: operation, jump if true, jump if false, operand.
pub type Instruction = (u16, u8, u8, u32);

/// Instructions that the kernel takes in one filter.
pub const FILTER_LIMIT: usize = 4096;

#[derive(Serialize)]
pub struct Opened {
    /// First process of the namespaces, as this process sees it.
    pub holder: i32,
    /// Whether the overlay of a running instance is shared; then there is nothing left to mount.
    pub shared: bool,
    /// Whether the namespaces have users of their own, with the caller as the only one.
    pub own_users: bool,
    /// Why a guest of root can only be among the users of the host; absent where it need not.
    pub shared_users: Option<String>,
    /// Set where there are no namespaces.
    pub outside: Option<Outside>,
}

#[derive(Serialize)]
pub struct Outside {
    /// The host's own bubblewrap, which has to make the sandbox.
    #[serde(with = "names::path")]
    pub bwrap: PathBuf,
    pub reason: String,
}

/// How layers were mounted.
#[derive(Serialize)]
pub struct Mounted {
    /// Why they are unpacked, if they are.
    pub unpacked: Option<Unpacked>,
    /// Whether they were open before the request came, because the last start had the same.
    pub were_open: bool,
    /// Whether they were still mounted.
    pub lingered: bool,
}

#[derive(Serialize)]
pub struct Unpacked {
    pub reason: String,
    #[serde(with = "names::path")]
    pub directory: PathBuf,
    /// Devices of the layers that could not be made.
    pub missing_devices: u64,
}

#[derive(Serialize)]
pub struct Ended {
    pub code: i32,
    /// False when the sandbox could not be made; then `code` is bubblewrap's.
    pub started: bool,
    /// Whether it has left others running.
    pub stays: bool,
    /// What the driver has complained of, if anything: files that could not be read.
    pub damage: Option<String>,
}

#[derive(Serialize)]
pub struct Content {
    /// Each character is one byte. Absent when there is no such regular file.
    pub content: Option<String>,
}

/// A place to mount on, or a directory to make.
#[derive(Deserialize)]
pub struct Target {
    /// Absolute, in the guest.
    pub path: String,
    pub is_directory: bool,
    /// Whether something is mounted there, so that nothing of the guest is seen below.
    pub hides: bool,
}

#[derive(Serialize)]
pub struct PreparedRoot {
    pub replaced: Vec<Replaced>,
    /// In the order of the targets.
    pub points: Vec<Point>,
}

/// Something of the guest that was in the way, and the name that it has now.
#[derive(Serialize)]
pub struct Replaced {
    pub from: String,
    pub to: String,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Point {
    /// The path with its links followed.
    Place(String),
    /// Why nothing can be mounted there.
    Refused(String),
}

/// What is told before a request is answered.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The program has stopped, by this signal. `asked`: the boot program has passed on a signal that asks for that.
    Stopped { asked: bool, signal: i32 },
    /// The program runs. Only where the boot program has asked for that.
    Started {},
}

#[derive(Serialize)]
struct Notice {
    id: u64,
    #[serde(flatten)]
    event: Event,
}

/// Writes about a request that goes on.
pub fn tell(replies: &mut File, id: u64, event: Event) -> Result<()> {
    write(replies, &Notice { id, event })
}

/// Replies to a request.
pub fn answer<T: Serialize>(replies: &mut File, id: u64, result: Result<T>) -> Result<()> {
    write(
        replies,
        &Reply {
            id: Some(id),
            ..Reply::from(result)
        },
    )
}

fn write(replies: &mut File, message: &impl Serialize) -> Result<()> {
    let failed = || "cannot reply to the boot program".to_string();
    let bytes = messages::encode(message, &[]).context(failed)?;
    replies.write_all(&bytes).context(failed)
}
