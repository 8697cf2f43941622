//! The rule itself: whose an entry is, and who may change a directory. Pure, but for what it asks a `System`.

use super::acl::{self, Writer};
use super::groups::Groups;
use super::mounts;
use super::{Refusal, quoted, shown};
use rustix::process::geteuid;
use std::cell::OnceCell;
use std::path::Path;

/// Directories for temporary files, which every system has as root's.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

pub const STICKY: u32 = 0o1000;
pub const GROUP_WRITES: u32 = 0o020;
pub const OTHERS_WRITE: u32 = 0o002;

/// What the kernel says of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

/// Who may change the names in a directory.
#[derive(Debug, Eq, PartialEq)]
pub enum Writers {
    /// The caller and root.
    Trusted,
    /// Others too, but the names of the caller's and of root's are safe from them: the directory is sticky.
    Sticky(Refusal),
    /// Others too.
    Others(Refusal),
}

/// Who asks, and what the machine says about users. Read when it is needed: in the common case it is not.
pub struct System {
    uid: u32,
    groups: OnceCell<Groups>,
    stand_in: OnceCell<Option<u32>>,
}

/// What must be known about this process to judge who stands behind the id of unmapped owners.
pub struct Mapping<'a> {
    /// `/proc/self/uid_map`: the first id inside, the first id outside, and how many.
    pub uid_map: &'a str,
    pub overflow: u32,
    pub uid: u32,
}

impl Mapping<'_> {
    /// The id that only unmapped owners have. `None` where a user of this namespace may have it too, and for root: to root an
    /// unmapped owner is somebody else, and for an ordinary user he may be root.
    pub fn stand_in(&self) -> Option<u32> {
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
        let ranges = self.uid_map.lines().map(|line| {
            let mut words = line.split_whitespace();
            Some((number(words.next())?, number(words.next())?, number(words.next())?))
        });
        let ranges: Option<Vec<_>> = ranges.collect();
        let ranges = ranges.filter(|ranges| !ranges.is_empty())?;
        let find = |id: u32| {
            let covers = |(inside, _, count): &&(u64, u64, u64)| {
                u64::from(id).checked_sub(*inside).is_some_and(|at| at < *count)
            };
            ranges
                .iter()
                .find(covers)
                .map(|(inside, outside, _)| u64::from(id) - inside + outside)
        };
        let is_root_outside = find(self.uid)? == 0;
        (find(self.overflow).is_none() && !is_root_outside).then_some(self.overflow)
    }
}

impl System {
    /// This process.
    pub fn current() -> System {
        System {
            uid: geteuid().as_raw(),
            groups: OnceCell::new(),
            stand_in: OnceCell::new(),
        }
    }

    #[cfg(test)]
    pub fn made_up(uid: u32, groups: Groups, stand_in: Option<u32>) -> System {
        System {
            uid,
            groups: groups.into(),
            stand_in: stand_in.into(),
        }
    }

    fn groups(&self) -> &Groups {
        self.groups.get_or_init(Groups::read)
    }

    fn stand_in(&self) -> Option<u32> {
        *self.stand_in.get_or_init(|| {
            let uid_map = std::fs::read_to_string("/proc/self/uid_map").ok()?;
            let overflow = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
            let overflow = overflow.and_then(|text| text.trim().parse().ok()).unwrap_or(65534);
            let mapping = Mapping {
                uid_map: &uid_map,
                overflow,
                uid: self.uid,
            };
            mapping.stand_in()
        })
    }

    /// Whether a user is the caller or root.
    pub fn trusts(&self, uid: u32) -> bool {
        uid == self.uid || uid == 0
    }

    /// Why the owner of something on the way is not to be trusted, if he is not. `is_link`: the mode of a link says nothing.
    /// `in_shared`: others may make names beside it, so an owner who cannot be told from them is one of them.
    pub fn distrusts_owner(&self, path: &Path, facts: Facts, is_link: bool, in_shared: bool) -> Option<Refusal> {
        if self.trusts(facts.uid) {
            return None;
        }
        let is_closed = is_link || facts.mode & (GROUP_WRITES | OTHERS_WRITE) == 0;
        let is_temporary = facts.mode & STICKY != 0 && TEMPORARY.iter().any(|known| path == Path::new(known));
        if (is_closed || is_temporary) && !in_shared && self.stand_in() == Some(facts.uid) {
            return None;
        }
        let user = self.groups().user(facts.uid);
        Some(Refusal::danger(
            format!("'{}' belongs to the user {user}", shown(path)),
            None,
        ))
    }

    /// Why something does not belong to the caller, if it does not.
    pub fn is_foreign(&self, path: &Path, facts: Facts) -> Option<Refusal> {
        if facts.uid != self.uid {
            let user = self.groups().user(facts.uid);
            return Some(Refusal {
                // What is root's is safe, and still not the caller's to use.
                is_unsafe: facts.uid != 0,
                ..Refusal::new(format!("'{}' belongs to the user {user}", shown(path)))
            });
        }
        None
    }

    /// Who may change the names in a directory. `list` reads its access list, which matters only where the group may write.
    pub fn writers(
        &self,
        path: &Path,
        facts: Facts,
        list: impl FnOnce() -> std::io::Result<Option<Vec<u8>>>,
    ) -> Writers {
        let refusal = if facts.mode & OTHERS_WRITE != 0 {
            let reason = format!("other users can write to '{}'", shown(path));
            Some(Refusal::danger(reason, Some(format!("chmod go-w {}", quoted(path)))))
        } else if facts.mode & GROUP_WRITES != 0 {
            self.distrusts_group(path, facts, list)
        } else {
            None
        };
        match refusal {
            None => Writers::Trusted,
            Some(refusal) if facts.mode & STICKY != 0 => Writers::Sticky(refusal),
            Some(refusal) => Writers::Others(refusal),
        }
    }

    fn distrusts_group(
        &self,
        path: &Path,
        facts: Facts,
        list: impl FnOnce() -> std::io::Result<Option<Vec<u8>>>,
    ) -> Option<Refusal> {
        let remedy = format!("chmod g-w {}", quoted(path));
        let writers = match list() {
            Ok(None) => Some(vec![Writer::OwningGroup]),
            Ok(Some(bytes)) => acl::writers(&bytes),
            Err(_) => None,
        };
        let Some(writers) = writers else {
            let reason = format!("the access list of '{}' cannot be read", shown(path));
            return Some(Refusal::danger(reason, Some(remedy)));
        };
        for writer in writers {
            let gid = match writer {
                Writer::User(uid) if self.trusts(uid) => continue,
                Writer::User(uid) => {
                    let user = self.groups().user(uid);
                    let reason = format!("the user {user} can write to '{}' by its access list", shown(path));
                    return Some(Refusal::danger(reason, Some(format!("setfacl -b {}", quoted(path)))));
                }
                Writer::Group(gid) => gid,
                Writer::OwningGroup => facts.gid,
            };
            if let Some(members) = self.groups().strangers(gid, self.uid) {
                let name = self.groups().name(gid);
                let reason = format!("the group {name} ({members}) can write to '{}'", shown(path));
                let remedy = format!("{remedy}, or FIM_TRUST_GROUP={name} if you trust them");
                return Some(Refusal::danger(reason, Some(remedy)));
            }
        }
        None
    }

    /// Why the file system of a directory is not to be trusted: a program of somebody else's serves it, and says what it likes.
    pub fn distrusts_mount(&self, path: &Path, server: Option<u32>) -> Option<Refusal> {
        let uid = server.filter(|uid| !self.trusts(*uid))?;
        let user = self.groups().user(uid);
        let reason = format!("'{}' is a file system of the user {user}", shown(path));
        Some(Refusal::danger(reason, None))
    }
}

pub use mounts::server;

#[cfg(test)]
mod tests {
    use super::super::acl::tests::list;
    use super::*;

    const ADA: u32 = 1000;

    fn groups() -> Groups {
        Groups::parse(
            "root:x:0:0::/:\nada:x:1000:1000::/:\nbob:x:1001:1001::/:\n",
            "ada:x:1000:\nstaff:x:50:ada,bob\nadm:x:4:\n",
            "passwd: files\n",
            None,
        )
    }

    fn facts(uid: u32, gid: u32, mode: u32) -> Facts {
        Facts { uid, gid, mode }
    }

    #[test]
    fn owners() {
        let path = Path::new("/x");
        for (uid, stand_in, facts, is_link, trusted) in [
            (ADA, None, facts(ADA, 1000, 0o755), false, true),
            (ADA, None, facts(0, 0, 0o755), false, true),
            (ADA, None, facts(1001, 1001, 0o755), false, false),
            (0, None, facts(0, 0, 0o755), false, true),
            // The two ways into root: the home of whoever called sudo, and a neighbour of the image.
            (0, None, facts(ADA, 1000, 0o700), false, false),
            // Somebody whose owner the server of the files does not tell.
            (ADA, None, facts(65534, 65534, 0o755), false, false),
            (ADA, Some(65534), facts(65534, 65534, 0o755), false, true),
            (ADA, Some(65534), facts(65534, 65534, 0o775), false, false),
            (ADA, Some(65534), facts(65534, 65534, 0o1777), false, false),
            (ADA, Some(65534), facts(65534, 65534, 0o777), true, true),
            (ADA, Some(65534), facts(1001, 1001, 0o777), true, false),
        ] {
            let system = System::made_up(uid, groups(), stand_in);
            let found = system.distrusts_owner(path, facts, is_link, false);
            assert_eq!(found.is_none(), trusted, "{uid} {facts:?}");
        }
        let system = System::made_up(ADA, groups(), Some(65534));
        let open = facts(65534, 65534, 0o1777);
        assert!(system.distrusts_owner(Path::new("/tmp"), open, false, false).is_none());
        assert!(
            system
                .distrusts_owner(Path::new("/tmp/x"), open, false, false)
                .is_some()
        );
        let closed = facts(65534, 65534, 0o755);
        assert!(
            system
                .distrusts_owner(Path::new("/tmp/x"), closed, false, true)
                .is_some()
        );
    }

    #[test]
    fn writers() {
        let system = System::made_up(ADA, groups(), None);
        let named = |entry| list(&[(0x01, 7, 0), (0x04, 5, 0), entry, (0x10, 7, 0), (0x20, 5, 0)]);
        let is = |facts: Facts, acl: Option<Vec<u8>>| match system.writers(Path::new("/x"), facts, || Ok(acl)) {
            Writers::Trusted => "trusted",
            Writers::Sticky(_) => "sticky",
            Writers::Others(_) => "others",
        };
        for (facts, acl, expected) in [
            (facts(ADA, 1000, 0o755), None, "trusted"),
            // A home made under umask 002, and with the group passed on.
            (facts(ADA, 1000, 0o775), None, "trusted"),
            (facts(ADA, 1000, 0o2775), None, "trusted"),
            (facts(0, 4, 0o2775), None, "trusted"),
            (facts(ADA, 50, 0o775), None, "others"),
            (facts(ADA, 50, 0o1775), None, "sticky"),
            (facts(0, 0, 0o1777), None, "sticky"),
            (facts(ADA, 1000, 0o777), None, "others"),
            (facts(ADA, 1000, 0o757), None, "others"),
            // Of an access list, the bits of the group are the mask.
            (facts(ADA, 1000, 0o775), Some(named((0x02, 7, 1001))), "others"),
            (facts(ADA, 1000, 0o775), Some(named((0x02, 5, 1001))), "trusted"),
            (facts(ADA, 1000, 0o775), Some(named((0x02, 7, 0))), "trusted"),
            (facts(ADA, 1000, 0o775), Some(named((0x08, 7, 50))), "others"),
            (facts(ADA, 1000, 0o755), Some(named((0x02, 7, 1001))), "trusted"),
            (facts(ADA, 1000, 0o775), Some(vec![1, 2, 3]), "others"),
        ] {
            assert_eq!(is(facts, acl), expected, "{facts:?}");
        }
        let unreadable = || Err(std::io::Error::from_raw_os_error(libc::EIO));
        let found = system.writers(Path::new("/x"), facts(ADA, 1000, 0o775), unreadable);
        assert!(matches!(found, Writers::Others(_)));
    }

    #[test]
    fn what_to_type_is_ready_to_paste() {
        let system = System::made_up(ADA, groups(), None);
        let Writers::Others(refusal) = system.writers(Path::new("/a b\u{1b}"), facts(ADA, 50, 0o775), || Ok(None))
        else {
            panic!("the group has a member")
        };
        assert_eq!(refusal.reason, "the group staff (bob) can write to '/a b\\x1b'");
        assert_eq!(
            refusal.remedy.as_deref(),
            Some("chmod g-w '/a b\\x1b', or FIM_TRUST_GROUP=staff if you trust them")
        );
    }

    #[test]
    fn unmapped_owners() {
        for (uid_map, uid, expected) in [
            // The first namespace, in which everybody is mapped.
            ("0 0 4294967295", 1000, None),
            ("0 0 4294967295", 0, None),
            // A user who is root, or himself, in a namespace of his own.
            ("0 1000 1", 0, Some(65534)),
            ("1000 1000 1", 1000, Some(65534)),
            // The same made by root: whoever is unmapped is somebody else.
            ("0 0 1", 0, None),
            ("5 0 1", 5, None),
            // Containers with many users, of whom one has that id.
            ("0 1000 1\n1 100000 65536", 0, None),
            ("0 100000 65536", 1000, None),
            ("0 1000 1\n1 100000 65533", 0, Some(65534)),
            // Nobody that this process could be.
            ("0 1000 1", 65534, None),
            ("", 1000, None),
            ("broken", 1000, None),
        ] {
            let mapping = Mapping {
                uid_map,
                overflow: 65534,
                uid,
            };
            assert_eq!(mapping.stand_in(), expected, "{uid_map} {uid}");
        }
    }
}
