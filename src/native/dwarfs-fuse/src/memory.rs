//! How much memory a process may take without taking it from others: what the machine has at hand, and what the limits of the
//! process's control groups leave.
//!
//! Pages of files count as at hand on both: the kernel gives them up when memory is asked for.

use std::fs;
use std::path::{Path, PathBuf};

/// Levels of control groups that are looked at; more is nobody's intention.
const MOST_LEVELS: usize = 32;

/// How the files of a version of control groups are called.
struct Version {
    /// Where the hierarchy is mounted.
    mount: &'static str,
    limits: &'static [&'static str],
    used: &'static str,
    /// Fields of `memory.stat` with the bytes of files that the kernel can give up.
    files: [&'static str; 2],
}

const SECOND: Version = Version {
    mount: "/sys/fs/cgroup",
    limits: &["memory.max", "memory.high"],
    used: "memory.current",
    files: ["inactive_file", "active_file"],
};
const FIRST: Version = Version {
    mount: "/sys/fs/cgroup/memory",
    limits: &["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    files: ["total_inactive_file", "total_active_file"],
};

/// Bytes at hand; where nothing can be found out, `u64::MAX`.
pub(crate) fn at_hand() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let left = places(&groups).filter_map(|(version, group)| left(Path::new(version.mount), &group, version));
    left.chain(machine).min().unwrap_or(u64::MAX)
}

/// `MemAvailable` of `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The control groups that count memory, from `/proc/self/cgroup`.
fn places(groups: &str) -> impl Iterator<Item = (&'static Version, PathBuf)> + '_ {
    groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let version = match controllers {
            "" => &SECOND,
            _ if controllers.split(',').any(|controller| controller == "memory") => &FIRST,
            _ => return None,
        };
        Some((version, PathBuf::from(group.trim_start_matches('/'))))
    })
}

/// What the limits of a group and of those above it leave, if there are any.
fn left(mount: &Path, group: &Path, version: &Version) -> Option<u64> {
    let levels = group.ancestors().take(MOST_LEVELS);
    levels
        .filter_map(|level| {
            let directory = mount.join(level);
            let read = |name: &str| fs::read_to_string(directory.join(name)).ok();
            let number = |name: &&str| read(name)?.trim().parse::<u64>().ok();
            // A group without a limit says "max", or in the first version a number near the largest one.
            let limit = version.limits.iter().filter_map(number).min()?;
            let used = number(&version.used)?;
            let files = read("memory.stat").map_or(0, |text| sum(&text, version.files));
            Some(limit.saturating_sub(used.saturating_sub(files)))
        })
        .min()
}

fn sum(stat: &str, fields: [&str; 2]) -> u64 {
    let value = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        fields.contains(&name).then(|| value.parse::<u64>().ok())?
    };
    stat.lines().filter_map(value).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::{FIRST, SECOND, at_hand, available, left, places};
    use std::fs;
    use std::path::{Path, PathBuf};

    #[test]
    fn what_the_machine_has_at_hand_is_read() {
        let text = "MemTotal:       100 kB\nMemFree:  7 kB\nMemAvailable:   24117 kB\n";
        assert_eq!(available(text), Some(24117 << 10));
        for text in [
            "",
            "MemAvailable:",
            "MemAvailable: x kB",
            "MemAvailable: 18446744073709551615 kB",
        ] {
            assert_eq!(available(text), None, "{text}");
        }
        assert!(at_hand() > 0);
    }

    #[test]
    fn groups_of_both_versions_are_found() {
        let text = "12:cpu,memory:/docker/x\n3:cpuset:/\n0::/user.slice/a b:c\nnonsense\n";
        let found: Vec<_> = places(text).map(|(version, group)| (version.mount, group)).collect();
        let expected = [(FIRST.mount, "docker/x"), (SECOND.mount, "user.slice/a b:c")];
        assert_eq!(found, expected.map(|(mount, group)| (mount, PathBuf::from(group))));
    }

    #[test]
    fn the_narrowest_limit_on_the_way_up_counts() {
        let mount = std::env::temp_dir().join(format!("dwarfs-memory-{}", std::process::id()));
        let group = Path::new("outer/inner");
        fs::create_dir_all(mount.join(group)).unwrap();
        let write = |level: &str, name: &str, text: &str| fs::write(mount.join(level).join(name), text).unwrap();
        assert_eq!(left(&mount, group, &SECOND), None);
        for level in ["outer", "outer/inner"] {
            write(level, "memory.max", "max\n");
            write(level, "memory.high", "max\n");
            write(level, "memory.current", "600\n");
        }
        assert_eq!(left(&mount, group, &SECOND), None);
        write("outer/inner", "memory.max", "5000\n");
        assert_eq!(left(&mount, group, &SECOND), Some(4400));
        write(
            "outer/inner",
            "memory.stat",
            "anon 1\ninactive_file 200\nactive_file 300\nfile 9\n",
        );
        assert_eq!(left(&mount, group, &SECOND), Some(4900));
        write("outer/inner", "memory.high", "1000\n");
        assert_eq!(left(&mount, group, &SECOND), Some(900));
        write("outer", "memory.max", "700\n");
        assert_eq!(left(&mount, group, &SECOND), Some(100));
        write("outer", "memory.max", "500\n");
        assert_eq!(left(&mount, group, &SECOND), Some(0));
        fs::remove_dir_all(&mount).unwrap();
    }
}
