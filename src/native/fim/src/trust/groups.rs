//! Who is in a group, by `/etc/passwd` and `/etc/group`.

use std::fs::File;
use std::io::Read;

/// Of a larger file nothing is believed.
const LARGEST: u64 = 16 << 20;
/// Sources of `nsswitch.conf` that have no users and groups beyond those of the files and of the machine itself.
const LOCAL_SOURCES: [&str; 5] = ["files", "compat", "systemd", "altfiles", "mymachines"];
/// Names of members that a message has.
const MOST_NAMED: usize = 3;

/// The variable that names a group whose members the caller trusts.
pub const TRUST_GROUP: &str = "FIM_TRUST_GROUP";

#[derive(Default)]
pub struct Groups {
    users: Vec<User>,
    groups: Vec<Group>,
    /// Whether there may be users and groups that the files do not have.
    has_others: bool,
    /// A group that the caller accepts: its name or number.
    accepted: Option<String>,
}

struct User {
    name: String,
    uid: u32,
    gid: u32,
}

struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

impl Groups {
    /// Those of this machine, and the one that `FIM_TRUST_GROUP` names.
    pub fn read() -> Groups {
        let accepted = std::env::var(TRUST_GROUP).ok().filter(|name| !name.is_empty());
        let (Some(passwd), Some(group)) = (text("/etc/passwd"), text("/etc/group")) else {
            return Groups {
                has_others: true,
                accepted,
                ..Groups::default()
            };
        };
        let sources = text("/etc/nsswitch.conf").unwrap_or_default();
        Groups::parse(&passwd, &group, &sources, accepted)
    }

    pub fn parse(passwd: &str, group: &str, sources: &str, accepted: Option<String>) -> Groups {
        let user = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_string();
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            Some(User { name, uid, gid })
        };
        let parsed = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_string();
            let gid = fields.nth(1)?.parse().ok()?;
            let members = fields.next().unwrap_or_default().trim().split(',');
            let members = members.filter(|name| !name.is_empty()).map(str::to_string).collect();
            Some(Group { name, gid, members })
        };
        let is_foreign = |line: &str| {
            let words = line.split('#').next().unwrap_or_default();
            let (database, sources) = words.split_once(':').unwrap_or_default();
            let mut sources = sources.split_whitespace().filter(|source| !source.starts_with('['));
            matches!(database.trim(), "passwd" | "group" | "initgroups")
                && sources.any(|source| !LOCAL_SOURCES.contains(&source))
        };
        Groups {
            users: passwd.lines().filter_map(user).collect(),
            groups: group.lines().filter_map(parsed).collect(),
            has_others: sources.lines().any(is_foreign),
            accepted,
        }
    }

    /// How a message calls a group.
    pub fn name(&self, gid: u32) -> String {
        let known = self.groups.iter().find(|group| group.gid == gid);
        known.map_or_else(|| gid.to_string(), |group| group.name.clone())
    }

    /// How a message calls a user.
    pub fn user(&self, uid: u32) -> String {
        let known = self.users.iter().find(|user| user.uid == uid);
        known.map_or_else(|| uid.to_string(), |user| format!("{} ({uid})", user.name))
    }

    /// Who in a group is neither the caller nor root, for a message. `None` where there is nobody.
    pub fn strangers(&self, gid: u32, caller: u32) -> Option<String> {
        let accepted = self.accepted.as_deref();
        if accepted.is_some_and(|name| name == self.name(gid) || name == gid.to_string()) {
            return None;
        }
        let is_trusted = |uid: u32| uid == caller || uid == 0;
        let primary = self
            .users
            .iter()
            .filter(|user| user.gid == gid && !is_trusted(user.uid));
        let mut found: Vec<&str> = primary.map(|user| user.name.as_str()).collect();
        let mut is_listed = false;
        for group in self.groups.iter().filter(|group| group.gid == gid) {
            is_listed = true;
            for member in &group.members {
                let mut known = self.users.iter().filter(|user| user.name == *member).peekable();
                // One whom only another source knows is somebody else.
                if known.peek().is_none() || known.any(|user| !is_trusted(user.uid)) {
                    found.push(member);
                }
            }
        }
        if !found.is_empty() {
            found.sort_unstable();
            found.dedup();
            let more = found.len().saturating_sub(MOST_NAMED);
            let names = found[..found.len() - more].join(", ");
            return Some(if more > 0 {
                format!("{names} and {more} more")
            } else {
                names
            });
        }
        if !is_listed && self.has_others {
            return Some("members unknown: it is not in /etc/group".to_string());
        }
        None
    }
}

fn text(path: &str) -> Option<String> {
    let file = File::open(path).ok()?;
    let mut bytes = Vec::new();
    let size = file.take(LARGEST + 1).read_to_end(&mut bytes).ok()? as u64;
    (size <= LARGEST).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::Groups;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\nbob:x:1001:100::/:/bin/sh\n\
                          ada2:x:1000:1000::/:/bin/sh\nbroken\neve:x:1002:1002::/:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nada:x:1000:\nusers:x:100:\nstaff:x:50:ada,root\nmixed:x:60:ada,bob,eve\n\
                         ghost:x:70:nobody-knows\nalias:x:1002:ada\nada-too:x:1000:ada2\nmany:x:80:a,b,c,d,e\nbroken\n";

    fn strangers(gid: u32, sources: &str, accepted: Option<&str>) -> Option<String> {
        Groups::parse(PASSWD, GROUP, sources, accepted.map(str::to_string)).strangers(gid, 1000)
    }

    #[test]
    fn a_group_is_the_callers_if_nobody_else_is_in_it() {
        for (gid, expected) in [
            (1000, None),
            (50, None),
            (0, None),
            (100, Some("bob")),
            (60, Some("bob, eve")),
            (70, Some("nobody-knows")),
            (1002, Some("eve")),
            (80, Some("a, b, c and 2 more")),
            (12345, None),
        ] {
            assert_eq!(
                strangers(gid, "passwd: files systemd\n", None).as_deref(),
                expected,
                "{gid}"
            );
        }
    }

    #[test]
    fn of_a_group_that_another_source_may_know_nothing_is_assumed() {
        for sources in ["group: files sss\n", "passwd: files [SUCCESS=return] ldap # x\n"] {
            assert!(strangers(12345, sources, None).is_some(), "{sources}");
            assert_eq!(strangers(1000, sources, None), None, "{sources}");
        }
        for sources in [
            "",
            "hosts: files dns\n",
            "group: files [NOTFOUND=return] systemd # sss\n",
        ] {
            assert_eq!(strangers(12345, sources, None), None, "{sources}");
        }
    }

    #[test]
    fn the_caller_accepts_one_group() {
        assert_eq!(strangers(60, "", Some("mixed")), None);
        assert_eq!(strangers(60, "", Some("60")), None);
        assert!(strangers(100, "", Some("mixed")).is_some());
        assert!(strangers(60, "", Some("missing")).is_some());
    }
}
