//! Names: finding, making and removing them. `rename` changes them.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, RwLockWriteGuard};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, linkat, openat, unlinkat};

use crate::attributes::path_of;
use crate::caller::Caller;
use crate::handles::Handles;
use crate::inodes::{Inodes, kind_of, may_be_linked};
use crate::lower::{Lower, error, read};
use crate::lower_names::stamp;
use crate::names::{Names, Stamp};
use crate::node::Node;
use crate::rename_target::is_renaming_to;

pub(crate) const LONGEST_NAME: u64 = 255;
/// Of a directory whose stamp could not be read: equal to none.
const NO_STAMP: Stamp = [i64::MIN; 4];

pub(crate) struct Casefold {
    pub lower: Lower,
    pub inodes: Inodes,
    pub handles: Handles,
    /// A directory of the file system whose space counts.
    pub space: OwnedFd,
}

/// What the kernel is told of a file.
pub(crate) struct Told {
    pub node: Arc<Node>,
    pub stat: Stat,
}

/// The names of a directory, held for changing them. They are always known.
pub(crate) type Held<'a> = RwLockWriteGuard<'a, Option<Box<Names>>>;

pub(crate) fn check_name(name: &[u8]) -> io::Result<()> {
    match name {
        _ if name.len() as u64 > LONGEST_NAME => Err(error(libc::ENAMETOOLONG)),
        b"" | b"." | b".." => Err(error(libc::EINVAL)),
        _ => Ok(()),
    }
}

/// The stored name that a name stands for, if there is one.
pub(crate) fn stored(held: &Held<'_>, name: &[u8]) -> Option<Box<[u8]>> {
    held.as_deref()?.resolve(name).map(Box::from)
}

/// Carries a change of names over to what is known of a directory.
pub(crate) fn changed(held: &mut Held<'_>, directory: &OwnedFd, change: impl FnOnce(&mut Names)) {
    if let Some(names) = held.as_deref_mut() {
        change(names);
        names.restamp(stamp(directory).unwrap_or(NO_STAMP));
    }
}

pub(crate) fn is_missing(cause: &io::Error) -> bool {
    cause.raw_os_error() == Some(libc::ENOENT)
}

impl Casefold {
    pub(crate) fn node(&self, id: u64) -> io::Result<Arc<Node>> {
        self.inodes.get(id).ok_or_else(|| error(libc::ESTALE))
    }

    /// A directory, and its descriptor.
    pub(crate) fn directory(&self, id: u64) -> io::Result<(Arc<Node>, Arc<OwnedFd>)> {
        let node = self.node(id)?;
        let descriptor = self.lower.directory(&node)?;
        Ok((node, descriptor))
    }

    pub(crate) fn look_up(&self, caller: Caller, parent: u64, name: &[u8]) -> io::Result<Told> {
        check_name(name)?;
        let (parent, directory) = self.directory(parent)?;
        if let Some(told) = self.look_up_at_once(caller, &parent, &directory, name)? {
            return Ok(told);
        }
        let mut held = self.lower.names(&parent, &directory)?;
        for is_new in [false, true] {
            let stored = stored(&held, name).ok_or_else(|| error(libc::ENOENT))?;
            match self.lower.look(&directory, &stored) {
                Err(cause) if is_missing(&cause) && !is_new => {
                    self.lower.reread(&parent, &directory, &mut held)?;
                }
                result => return self.found(caller, &parent, name, &stored, result?),
            }
        }
        Err(error(libc::ENOENT))
    }

    /// Without reading the directory: if its names are known and trusted, or if the name is there exactly as it was asked
    /// for, which wins whatever else is there.
    fn look_up_at_once(
        &self,
        caller: Caller,
        parent: &Arc<Node>,
        directory: &OwnedFd,
        name: &[u8],
    ) -> io::Result<Option<Told>> {
        let held = read(parent);
        let stored = match held.as_deref().filter(|names| names.is_trusted()) {
            Some(names) => names.resolve(name).ok_or_else(|| error(libc::ENOENT))?,
            None => name,
        };
        match self.lower.look(directory, stored) {
            Err(cause) if is_missing(&cause) => Ok(None),
            result => self.found(caller, parent, name, stored, result?).map(Some),
        }
    }

    fn found(&self, caller: Caller, parent: &Arc<Node>, name: &[u8], stored: &[u8], stat: Stat) -> io::Result<Told> {
        if stored != name && is_renaming_to(caller, name) {
            return Err(error(libc::ENOENT));
        }
        let link = if may_be_linked(&stat) {
            self.inodes.linked(&stat).filter(|node| self.is_linked(node, &stat))
        } else {
            None
        };
        let node = self.inodes.tell(parent, stored, &stat, link.as_ref());
        Ok(Told { node, stat })
    }

    /// Whether another name of a node says the same as what was just said about a name.
    fn is_linked(&self, node: &Arc<Node>, stat: &Stat) -> bool {
        let facts = |stat: &Stat| {
            (
                (stat.st_dev, stat.st_ino, stat.st_mode, stat.st_nlink, stat.st_size),
                (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec),
            )
        };
        let other = node.place().and_then(|place| {
            let directory = place.parent.descriptor()?;
            self.lower.look(&directory, &place.name).ok()
        });
        node.kind == kind_of(stat) && other.is_some_and(|other| facts(&other) == facts(stat))
    }

    /// Makes something with `make`, under a name that is not there in any case. `EEXIST` if it is. `link` is the node that
    /// gets a further name by it.
    pub(crate) fn make<T>(
        &self,
        link: Option<&Arc<Node>>,
        caller: Caller,
        parent: u64,
        name: &[u8],
        make: impl FnOnce(&OwnedFd) -> rustix::io::Result<T>,
    ) -> io::Result<(Told, T)> {
        check_name(name)?;
        let (parent, directory) = self.directory(parent)?;
        let mut held = self.lower.names(&parent, &directory)?;
        if stored(&held, name).is_some() {
            return Err(error(libc::EEXIST));
        }
        let acting = caller.act();
        let made = make(&directory);
        drop(acting);
        if made.as_ref().err() == Some(&rustix::io::Errno::EXIST) {
            self.lower.reread(&parent, &directory, &mut held)?;
        }
        let made = made?;
        changed(&mut held, &directory, |names| names.insert(name));
        let stat = self.lower.look(&directory, name)?;
        let node = self.inodes.tell(&parent, name, &stat, link);
        Ok((Told { node, stat }, made))
    }

    /// Makes and opens a file. `flags` are those of the caller's `open`.
    pub(crate) fn create(
        &self,
        caller: Caller,
        parent: u64,
        name: &[u8],
        mode: u32,
        flags: i32,
    ) -> io::Result<(Told, u64)> {
        let open = open_flags(flags) | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let made = self.make(None, caller, parent, name, |directory| {
            openat(directory, name, open, Mode::from_raw_mode(mode & 0o7777))
        });
        match made {
            Ok((told, descriptor)) => {
                let handle = self.add_file(&told.node, descriptor);
                Ok((told, handle))
            }
            // Others have made it below since the kernel asked; it asks again, and then checks whether the caller may.
            Err(cause) if cause.raw_os_error() == Some(libc::EEXIST) && flags & libc::O_EXCL == 0 => {
                Err(error(libc::ESTALE))
            }
            Err(cause) => Err(cause),
        }
    }

    pub(crate) fn open(&self, id: u64, flags: i32) -> io::Result<u64> {
        let node = self.node(id)?;
        let flags = open_flags(flags);
        let descriptor = match (self.lower.open(&node, flags), node.open_file()) {
            (Err(_), Some(file)) => rustix::fs::open(path_of(&file), flags, Mode::empty())?,
            (result, _) => result?,
        };
        Ok(self.add_file(&node, descriptor))
    }

    fn add_file(&self, node: &Arc<Node>, descriptor: OwnedFd) -> u64 {
        let file = Arc::new(File::from(descriptor));
        node.add_file(&file);
        self.handles.add_file(file)
    }

    /// Gives a file one more name.
    pub(crate) fn link(&self, caller: Caller, id: u64, parent: u64, name: &[u8]) -> io::Result<Told> {
        let node = self.node(id)?;
        let pinned = self.lower.pin(&node)?;
        let root = Caller {
            uid: 0,
            gid: 0,
            ..caller
        };
        let (told, ()) = self.make(Some(&node), root, parent, name, |directory| {
            linkat(CWD, path_of(&pinned), directory, name, AtFlags::SYMLINK_FOLLOW)
        })?;
        Ok(told)
    }

    /// Removes a name; `flags` says whether it is a directory's.
    pub(crate) fn remove(&self, parent: u64, name: &[u8], flags: AtFlags) -> io::Result<()> {
        check_name(name)?;
        let (parent, directory) = self.directory(parent)?;
        let mut held = self.lower.names(&parent, &directory)?;
        let stored = stored(&held, name).ok_or_else(|| error(libc::ENOENT))?;
        unlinkat(&directory, &*stored, flags)?;
        changed(&mut held, &directory, |names| names.remove(&stored));
        self.inodes.removed(&parent, &stored);
        Ok(())
    }
}

/// What of a caller's flags concerns a file below. The kernel knows where to append and truncates by itself, and its pages
/// are no memory for direct access.
fn open_flags(flags: i32) -> OFlags {
    let flags = OFlags::from_bits_retain(flags.cast_unsigned());
    (flags & OFlags::ACCMODE) | OFlags::NONBLOCK | OFlags::CLOEXEC
}
