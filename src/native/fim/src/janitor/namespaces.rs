//! The way into the namespaces of an instance: new ones, those of the instance whose overlay is shared, or none where the
//! host refuses them.

use super::outside::Outside;
use super::session::Role;
use crate::fail;
use crate::failure::{Context, EXIT_CODE, Result};
use crate::sys::{self, Forked};
use rustix::process::{WaitOptions, getegid, geteuid};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space as setns};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

/// Where the holder is.
pub struct Entered {
    pub forked: Forked,
    /// Whether the users are its own.
    pub own_users: bool,
    /// What takes the place of namespaces.
    pub outside: Option<Outside>,
}

impl Entered {
    fn namespaces((forked, own_users): (Forked, bool)) -> Entered {
        Entered {
            forked,
            own_users,
            outside: None,
        }
    }
}

/// Forks into namespaces: new ones, or for a shared overlay a copy of those of the instance that mounted it; or into none,
/// where the host refuses them and has something else.
pub fn enter(role: &Role) -> Result<Entered> {
    const NEW: i32 = libc::CLONE_NEWNS | libc::CLONE_NEWPID;
    match role {
        Role::First => {
            if geteuid().as_raw() == 0
                && let Ok(forked) = sys::clone(NEW)
            {
                return Ok(Entered::namespaces((forked, false)));
            }
            match sys::clone(NEW | libc::CLONE_NEWUSER) {
                Ok(forked) => Ok(Entered::namespaces((forked, true))),
                Err(error) => {
                    let outside = Outside::find(&error)?;
                    let forked = sys::clone(0).context(|| "cannot start the holder".to_string())?;
                    Ok(Entered {
                        forked,
                        own_users: false,
                        outside: Some(outside),
                    })
                }
            }
        }
        Role::Joined { user, mount, .. } => join(user.as_ref(), mount, NEW).map(Entered::namespaces),
    }
}

/// A process in between enters the namespaces, makes the holder as its sibling, and ends.
fn join(user: Option<&OwnedFd>, mount: &OwnedFd, new: i32) -> Result<(Forked, bool)> {
    let failed = || "cannot enter the namespaces of the running instance".to_string();
    let (reader, writer) = sys::pipe().context(failed)?;
    match sys::clone(0).context(failed)? {
        Forked::Child => {
            drop(reader);
            let forked = user
                .map_or(Ok(()), |user| setns(user.as_fd(), Some(LinkNameSpaceType::User)))
                .and_then(|()| setns(mount.as_fd(), Some(LinkNameSpaceType::Mount)))
                .map_err(std::io::Error::from)
                .and_then(|()| sys::clone(new | libc::CLONE_PARENT));
            match forked {
                Ok(Forked::Child) => Ok((Forked::Child, user.is_some())),
                Ok(Forked::Parent(holder)) => {
                    let _ = File::from(writer).write_all(&holder.to_le_bytes());
                    std::process::exit(0)
                }
                Err(_) => std::process::exit(EXIT_CODE),
            }
        }
        Forked::Parent(between) => {
            drop(writer);
            let mut number = [0; 4];
            let read = File::from(reader).read_exact(&mut number);
            sys::wait(between, WaitOptions::empty());
            if read.is_err() {
                fail!("{}", failed())
            }
            Ok((Forked::Parent(i32::from_le_bytes(number)), user.is_some()))
        }
    }
}

/// Makes the caller the root of the new user namespace, and its only user.
pub fn map_users(holder: i32) -> Result<()> {
    let write = |name: &str, text: String| {
        let path = format!("/proc/{holder}/{name}");
        std::fs::write(&path, text).context(|| format!("cannot write '{path}'; the host may forbid user namespaces"))
    };
    write("setgroups", "deny".to_string())?;
    write("uid_map", format!("0 {} 1\n", geteuid().as_raw()))?;
    write("gid_map", format!("0 {} 1\n", getegid().as_raw()))
}
