//! Who serves a file system. FUSE shows whatever owners and modes its server makes up.

use rustix::fd::AsFd;
use std::io::{BufRead, BufReader};

/// `f_type` of FUSE.
const FUSE: u64 = 0x6573_5546;

/// The user whose program serves the file system of `directory`, which has the number `device`. `None` where it is the kernel.
pub fn server(directory: impl AsFd, device: u64) -> Option<u32> {
    match rustix::fs::fstatfs(directory) {
        Ok(found) if (found.f_type as u64) & 0xffff_ffff != FUSE => None,
        // A mount of which nothing is known has an owner of whom nothing is known.
        _ => Some(user_of(device).unwrap_or(u32::MAX)),
    }
}

fn user_of(device: u64) -> Option<u32> {
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = std::fs::File::open("/proc/self/mountinfo").ok()?;
    let lines = BufReader::new(mounts).split(b'\n').map_while(Result::ok);
    lines
        .filter_map(|line| served_by(&String::from_utf8_lossy(&line), &number))
        .last()
}

/// Of a line of mountinfo: who serves the file system, if it has this number.
fn served_by(line: &str, number: &str) -> Option<u32> {
    if line.split(' ').nth(2)? != number {
        return None;
    }
    let options = line.rsplit(' ').next()?;
    let user = options.split(',').find_map(|option| option.strip_prefix("user_id="));
    user?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::served_by;

    #[test]
    fn the_server_of_a_fuse_mount_is_in_its_options() {
        let line = "36 35 0:44 / /tmp/a rw,nosuid shared:1 - fuse.x x rw,user_id=1001,group_id=5,allow_other";
        assert_eq!(served_by(line, "0:44"), Some(1001));
        assert_eq!(served_by(line, "0:45"), None);
        assert_eq!(served_by("36 35 0:44 / /tmp/a rw - ext4 /dev/sda rw", "0:44"), None);
        assert_eq!(served_by("", "0:44"), None);
    }
}
