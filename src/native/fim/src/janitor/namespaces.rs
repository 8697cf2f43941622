//! The way into the namespaces of an instance: new ones, those of the instance whose overlay is shared, or none where the
//! host refuses them.

use super::linger::Lent;
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
use std::path::Path;

/// Where the holder is.
pub struct Entered {
    pub forked: Forked,
    /// Whether the users are its own.
    pub own_users: bool,
    /// What takes the place of namespaces.
    pub outside: Option<Outside>,
    /// A copy of the mount of layers that were still mounted, in the holder.
    pub lent: Option<OwnedFd>,
}

impl Entered {
    fn namespaces((forked, own_users): (Forked, bool)) -> Entered {
        Entered {
            forked,
            own_users,
            outside: None,
            lent: None,
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
                        lent: None,
                    })
                }
            }
        }
        Role::Joined { user, mount, .. } => {
            let (forked, _) = by_way(NEW, || {
                let user = user.as_ref();
                user.map_or(Ok(()), |user| setns(user.as_fd(), Some(LinkNameSpaceType::User)))?;
                Ok(setns(mount.as_fd(), Some(LinkNameSpaceType::Mount))?)
            })?;
            Ok(Entered::namespaces((forked, user.is_some())))
        }
        Role::Lent(Lent { user, mount, .. }) => {
            let (forked, lent) = by_way(libc::CLONE_NEWPID, || copy_lent(user, mount))?;
            Ok(Entered {
                lent,
                ..Entered::namespaces((forked, true))
            })
        }
    }
}

/// Enters a user namespace, with a copy of the caller's mount namespace that belongs to it; and gets a copy of the layers, which are
/// the root of another one.
fn copy_lent(user: &OwnedFd, mount: &OwnedFd) -> std::io::Result<OwnedFd> {
    setns(user.as_fd(), Some(LinkNameSpaceType::User))?;
    sys::copy_mounts()?;
    let own = File::open("/proc/self/ns/mnt")?;
    setns(mount.as_fd(), Some(LinkNameSpaceType::Mount))?;
    let layers = sys::copy_of_mount(Path::new("/"))?;
    setns(own.as_fd(), Some(LinkNameSpaceType::Mount))?;
    Ok(layers)
}

/// A process in between goes where the holder is to be, makes it as its sibling with new namespaces, and ends. What it got on its way
/// the holder has.
fn by_way<T>(new: i32, go: impl FnOnce() -> std::io::Result<T>) -> Result<(Forked, Option<T>)> {
    let failed = || "cannot enter the namespaces of the running instance".to_string();
    let (reader, writer) = sys::pipe().context(failed)?;
    match sys::clone(0).context(failed)? {
        Forked::Child => {
            drop(reader);
            let forked = go().and_then(|got| Ok((sys::clone(new | libc::CLONE_PARENT)?, got)));
            match forked {
                Ok((Forked::Child, got)) => Ok((Forked::Child, Some(got))),
                Ok((Forked::Parent(holder), _)) => {
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
            Ok((Forked::Parent(i32::from_le_bytes(number)), None))
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
