//! Without namespaces of our own: mounts through the set-user-id programs that the host has, and their end.
//!
//! The mounts are then the host's. The janitor takes them down when the boot program ends, and where it was killed the next
//! start does.

use crate::fail;
use crate::failure::{Context, Result};
use crate::sys::{self, Step};
use rustix::process::geteuid;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where programs of the host are.
pub const PLACES: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"];
const OPTIONS: &str = "ro,nosuid,nodev,noatime,default_permissions,fsname=dwarfs,subtype=dwarfs";
/// Where fusermount3 finds the socket that it answers on.
const ANSWER: i32 = 3;

/// The programs of the host, and why they are needed.
pub struct Outside {
    fusermount: PathBuf,
    pub bwrap: PathBuf,
    pub reason: String,
}

impl Outside {
    /// Finds what takes the place of namespaces, which the kernel has refused with `error`. Fails with what there is to do.
    pub fn find(error: &std::io::Error) -> Result<Outside> {
        let reason = format!("this host does not allow user namespaces, which the sandbox is made of: {error}");
        if geteuid().as_raw() == 0 {
            fail!(
                "{reason}; root needs the capability CAP_SYS_ADMIN instead (for a container: --cap-add SYS_ADMIN --security-opt seccomp=unconfined)"
            )
        }
        let (Some(fusermount), Some(bwrap)) = (find_fusermount(), find_set_user_id("bwrap")) else {
            fail!(
                "{reason}; set-user-id fusermount3 and bwrap, which could take their place, are not there either; as root allow namespaces (sysctl user.max_user_namespaces=10000, on some hosts kernel.unprivileged_userns_clone=1), or install both"
            )
        };
        Ok(Outside {
            fusermount,
            bwrap,
            reason,
        })
    }

    /// Mounts a FUSE file system at `target`, for the caller alone; the answer is the descriptor to serve it by.
    pub fn mount(&self, target: &Path) -> Result<OwnedFd> {
        let failed = || format!("cannot run '{}'", self.fusermount.display());
        let (ours, theirs) = sys::socket_pair().context(failed)?;
        let mut command = Command::new(&self.fusermount);
        command
            .args([
                OsStr::new("-o"),
                OsStr::new(OPTIONS),
                OsStr::new("--"),
                target.as_os_str(),
            ])
            .env_clear()
            .env("_FUSE_COMMFD", ANSWER.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let child = sys::spawn(command, &[Step::Place(&[(theirs.as_fd(), ANSWER)])]).context(failed)?;
        drop(theirs);
        let answer = sys::receive(ours.as_fd(), 16);
        let ended = child.wait_with_output().context(failed)?;
        match answer {
            Ok((_, Some(fuse))) => Ok(fuse),
            _ => fail!(
                "'{}' did not mount: {}",
                self.fusermount.display(),
                String::from_utf8_lossy(&ended.stderr).trim()
            ),
        }
    }
}

/// Takes down what is mounted through FUSE below a directory, in use or not.
pub fn unmount_below(directory: &Path) {
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut targets: Vec<PathBuf> = mounts
        .split(|byte| *byte == b'\n')
        .filter_map(mounted_through_fuse)
        .filter(|target| target.starts_with(directory))
        .collect();
    // The last one may lie on those before it.
    targets.reverse();
    let Some(fusermount) = targets.first().and_then(|_| find_fusermount()) else {
        return;
    };
    for target in targets {
        let mut command = Command::new(&fusermount);
        command.args(["-u", "-z", "-q", "--"]).arg(target).env_clear();
        let _ = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// The mount point in a line of mountinfo, if its file system is of FUSE.
fn mounted_through_fuse(line: &[u8]) -> Option<PathBuf> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    // Behind a varying number of fields comes a dash and then the type.
    let dash = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
    let is_fuse = fields.get(dash + 1)?.starts_with(b"fuse");
    is_fuse.then(|| PathBuf::from(unescape(fields[4])))
}

/// The kernel writes blanks and backslashes in paths as a backslash and three octal digits.
fn unescape(path: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    OsString::from_vec(bytes)
}

fn find_fusermount() -> Option<PathBuf> {
    find_set_user_id("fusermount3").or_else(|| find_set_user_id("fusermount"))
}

fn find_set_user_id(name: &str) -> Option<PathBuf> {
    let is_set_user_id = |path: &PathBuf| {
        let found = std::fs::metadata(path);
        found.is_ok_and(|found| found.is_file() && found.uid() == 0 && found.mode() & 0o4001 == 0o4001)
    };
    PLACES
        .iter()
        .map(|place| Path::new(place).join(OsStr::from_bytes(name.as_bytes())))
        .find(is_set_user_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_mount_points_of_fuse() {
        let line = b"36 35 0:44 / /tmp/a\\040b\\134c ro,nosuid shared:1 - fuse.dwarfs dwarfs ro,user_id=1";
        assert_eq!(mounted_through_fuse(line), Some(PathBuf::from("/tmp/a b\\c")));
        let plain = b"36 35 0:44 / /tmp/a rw master:1 - ext4 /dev/sda rw";
        assert_eq!(mounted_through_fuse(plain), None);
        assert_eq!(mounted_through_fuse(b""), None);
    }
}
