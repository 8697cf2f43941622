//! Layers that stay mounted for a while after the last instance, for the next one to find them with the kernel's pages.
//!
//! It is the driver that stays. From the last holder it gets that one's mount namespace, in which nothing is left but the mount of
//! the layers, and holds it by a descriptor: so whatever ends the driver ends the mount, and the other way round. It is found by a
//! socket in `linger` of the application directory, and answers what is asked there (`keeper`). Others ask (`asker`).
//!
//! A later instance enters the user namespace to which that mount belongs, since the kernel answers nobody else, and takes a
//! copy of the mount into a mount namespace of its own (`namespaces`). `docs/decisions/0027-lingering.md` has the reasons.

mod asker;
mod keeper;

pub use asker::{Lent, Line, all, find, likely, release};
pub use keeper::{Keeper, Waited};

use super::protocol::Place;
use super::start;
use crate::names;
use crate::trust::{Directory, Last, Make};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the sockets are, in the application directory. Its mode is 0700.
const DIRECTORY: &str = "linger";

/// How long somebody who asks waits. Only a driver that is stopped takes so long, and then nothing could be read through it either.
const PATIENCE: Duration = Duration::from_millis(500);

/// For how long layers stay, and what ends them before.
#[derive(Clone, Deserialize, Serialize)]
pub struct Terms {
    /// After the last instance.
    pub seconds: u64,
    /// The caller's directory for the time in which he is logged in, if he has one: they go with it.
    #[serde(default, with = "names::optional_path")]
    pub runtime: Option<PathBuf>,
}

/// The variable of the caller's that says for how long layers stay.
pub const VARIABLE: &str = "FIM_LINGER";

/// Whether the caller may join layers that linger, as far as that is known before the boot program has said so. Root never does: what
/// somebody else has mounted must not be root's.
pub fn may_join() -> bool {
    !geteuid().is_root() && std::env::var_os(VARIABLE).is_none_or(|seconds| seconds != "0")
}

/// What is asked through the socket. Each is answered by `Done` or what is said below, or by why not.
#[derive(Deserialize, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
enum Question {
    /// Wants to use these layers, until the connection ends: `Answer`, with the mount namespace. What the driver complains of goes
    /// to `log` from then on.
    Join {
        layers: Vec<Place>,
        #[serde(with = "names::path")]
        log: PathBuf,
    },
    /// Uses the layers until the connection ends, and they are to stay after that.
    Stay(Terms),
    /// Gives a mount namespace in which nothing is mounted but the layers.
    Hold {},
    /// Layers in this file, by device and inode, are to go, or any if none is said. `Going` once they have, or once it is clear that there are none.
    End { file: Option<(u64, u64)> },
    /// `Rest`, if nobody uses the layers.
    Describe {},
}

/// What whoever joins compares with what he finds himself.
#[derive(Deserialize, Serialize)]
struct Answer {
    /// `/proc/self/cgroup` of the driver.
    groups: String,
    /// The file of each layer.
    files: Vec<FileState>,
}

/// Whether layers go.
#[derive(Deserialize, Serialize)]
struct Going {
    goes: bool,
}

#[derive(Deserialize, Serialize)]
struct Rest {
    /// Seconds that are left.
    left: u64,
}

/// Which file it is, and whether it was changed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FileState {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl FileState {
    pub fn of(found: &Metadata) -> FileState {
        FileState {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    fn at(path: &Path) -> Option<FileState> {
        std::fs::metadata(path).ok().map(|found| FileState::of(&found))
    }
}

/// The directory with the sockets, if it is there and the caller's alone.
fn directory(application: &Path) -> Option<Directory> {
    let path = application.join(DIRECTORY);
    // Most applications have none, and a start should not take longer for that.
    std::fs::symlink_metadata(&path).ok()?;
    Directory::trusted(&path, Last::Own, Make::No).ok()
}

/// What layers are found by: the hash of what identifies them, in these control groups.
fn name(stack: &str) -> String {
    start::hash(&format!("{stack}\n{}", groups()))
}

/// The control groups of this process, by which those of another are compared: the kernel accounts memory and processor time to
/// them, and whoever stops one stops all that is in it.
fn groups() -> String {
    std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}
