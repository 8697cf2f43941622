//! A user namespace for the guests of root, in which everybody is who he is outside: files keep their owners and every user
//! can be switched to, but capabilities count in the namespace only. Who is not root has one in which he is alone, see
//! `namespaces`.

use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::sys::{self, Forked};
use rustix::process::{WaitOptions, geteuid};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

/// Directories of `/proc` that are empty by themselves: what is mounted on them hides nothing.
const EMPTY_IN_PROC: [&str; 3] = ["/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd", "/proc/xen"];

/// Makes the namespace.
pub fn make() -> Result<OwnedFd> {
    if geteuid().as_raw() != 0 {
        fail!("the caller is not root")
    }
    let read = |path: &str| std::fs::read_to_string(path).context(|| format!("cannot read '{path}'"));
    if !is_whole(&read("/proc/self/mountinfo")?) {
        // bubblewrap mounts one of its own, which the kernel refuses in a user namespace that cannot see all of this one.
        fail!("parts of /proc are covered here, or it is not mounted as usual")
    }
    let maps = [
        ("uid_map", read("/proc/self/uid_map")?),
        ("gid_map", read("/proc/self/gid_map")?),
    ];
    let (reader, writer) = sys::pipe().context(|| "cannot make a pipe".to_string())?;
    match sys::clone(libc::CLONE_NEWUSER).context(|| "the kernel makes none".to_string())? {
        Forked::Child => {
            drop(writer);
            let _ = File::from(reader).read(&mut [0]);
            std::process::exit(0)
        }
        Forked::Parent(first) => {
            let made = fill(first, &maps);
            drop(writer);
            sys::wait(first, WaitOptions::empty());
            made
        }
    }
}

fn fill(first: i32, maps: &[(&str, String)]) -> Result<OwnedFd> {
    for (name, map) in maps {
        std::fs::write(format!("/proc/{first}/{name}"), same(map)?).context(|| format!("cannot write its {name}"))?;
    }
    let namespace = File::open(format!("/proc/{first}/ns/user")).context(|| "cannot open it".to_string())?;
    Ok(namespace.into())
}

/// The map of a namespace below in which all that `map` has are themselves. Lines are the first id inside, the first outside
/// and how many.
fn same(map: &str) -> Result<String> {
    let mut lines = String::new();
    for line in map.lines() {
        let mut words = line.split_whitespace();
        let (Some(inside), Some(_), Some(count)) = (words.next(), words.next(), words.next()) else {
            return Err(Failure(format!("'{line}' does not map users")));
        };
        lines.push_str(&format!("{inside} {inside} {count}\n"));
    }
    Ok(lines)
}

/// Whether nothing of `/proc` is covered, and another one would have no more rights (`mnt_already_visible` of the kernel compares
/// whether it can be written and how it keeps access times); from the lines of mountinfo(5).
fn is_whole(mounts: &str) -> bool {
    mounts.lines().all(|line| {
        let mut words = line.split(' ').skip(4);
        let place = words.next().unwrap_or_default();
        let options: Vec<&str> = words.next().unwrap_or_default().split(',').collect();
        match place {
            "/proc" => ["rw", "relatime"].iter().all(|usual| options.contains(usual)),
            place => !place.starts_with("/proc/") || EMPTY_IN_PROC.contains(&place),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{is_whole, same};

    const PROC: &str = "22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw\n";

    #[test]
    fn everybody_is_who_he_was() {
        assert_eq!(same("         0          0 4294967295\n").unwrap(), "0 0 4294967295\n");
        assert_eq!(same("0 1000 1\n1 100000 65536\n").unwrap(), "0 0 1\n1 1 65536\n");
        assert!(same("0 0\n").is_err());
    }

    #[test]
    fn knows_a_covered_proc() {
        assert!(is_whole(PROC));
        assert!(is_whole(&format!(
            "{PROC}35 22 0:30 / /proc/sys/fs/binfmt_misc rw,relatime shared:15 - autofs systemd-1 rw\n"
        )));
        assert!(is_whole("30 28 0:26 / /process rw - tmpfs tmpfs rw\n"));
        for covered in ["/proc/kcore", "/proc/sys", "/proc/asound"] {
            assert!(!is_whole(&format!(
                "{PROC}40 22 0:6 /null {covered} rw,nosuid - tmpfs tmpfs rw\n"
            )));
        }
        for (usual, other) in [("rw", "ro"), ("relatime", "noatime"), (",relatime", "")] {
            assert!(!is_whole(&PROC.replacen(usual, other, 1)));
        }
    }
}
