//! Renaming, with all that differs only in case.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use fuser::RenameFlags;
use rustix::fs::{RenameFlags as Below, renameat_with};

use crate::entries::{Casefold, Held, changed, check_name, stored};
use crate::lower::error;
use crate::node::Node;

/// A directory whose names are about to change.
struct Side {
    node: Arc<Node>,
    directory: Arc<OwnedFd>,
}

/// The names of one directory, or of two.
enum Sides<'a> {
    One(Held<'a>),
    Two { from: Held<'a>, to: Held<'a> },
}

impl<'a> Sides<'a> {
    fn from(&mut self) -> &mut Held<'a> {
        match self {
            Self::One(held) => held,
            Self::Two { from, .. } => from,
        }
    }

    fn to(&mut self) -> &mut Held<'a> {
        match self {
            Self::One(held) => held,
            Self::Two { to, .. } => to,
        }
    }
}

impl Casefold {
    /// Renames. What the new name stood for is replaced, and the new name is written as it is given here, even if only its
    /// case is new.
    pub(crate) fn rename(
        &self,
        (parent, name): (u64, &[u8]),
        (new_parent, new_name): (u64, &[u8]),
        flags: RenameFlags,
    ) -> io::Result<()> {
        check_name(name)?;
        check_name(new_name)?;
        if flags.contains(RenameFlags::RENAME_WHITEOUT) {
            return Err(error(libc::EINVAL));
        }
        let (from, to) = (self.side(parent)?, self.side(new_parent)?);
        let mut sides = self.hold(&from, &to)?;
        let old = stored(sides.from(), name).ok_or_else(|| error(libc::ENOENT))?;
        let replaced = stored(sides.to(), new_name);
        let is_itself = from.node.id == to.node.id && replaced.as_ref() == Some(&old);
        if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            let other = replaced.ok_or_else(|| error(libc::ENOENT))?;
            return if is_itself {
                Ok(())
            } else {
                self.exchange(&mut sides, (&from, &old), (&to, &other))
            };
        }
        if replaced.is_some() && !is_itself && flags.contains(RenameFlags::RENAME_NOREPLACE) {
            return Err(error(libc::EEXIST));
        }
        if is_itself && *old == *new_name {
            return Ok(());
        }
        let step = |from: &Side, name: &[u8], to: &Side, new: &[u8]| {
            renameat_with(&*from.directory, name, &*to.directory, new, Below::empty())
        };
        let mut written: Box<[u8]> = new_name.into();
        match replaced.filter(|_| !is_itself) {
            Some(replaced) => {
                step(&from, &old, &to, &replaced)?;
                // Of two names of one file the rename leaves both, as it has to.
                if self.lower.look(&from.directory, &old).is_ok() {
                    return Ok(());
                }
                // Over what is there under another spelling in one step, and only then to the spelling that is wanted:
                // whoever is killed in between leaves one file, under one name.
                if *replaced != *new_name && step(&to, &replaced, &to, new_name).is_err() {
                    written = replaced.clone();
                }
                self.inodes.removed(&to.node, &replaced);
                changed(sides.to(), &to.directory, |names| names.remove(&replaced));
            }
            None => step(&from, &old, &to, new_name)?,
        }
        changed(sides.from(), &from.directory, |names| names.remove(&old));
        changed(sides.to(), &to.directory, |names| names.insert(&written));
        self.inodes.renamed((&from.node, &old), (&to.node, &written));
        Ok(())
    }

    fn exchange(
        &self,
        sides: &mut Sides<'_>,
        (from, old): (&Side, &[u8]),
        (to, other): (&Side, &[u8]),
    ) -> io::Result<()> {
        renameat_with(&*from.directory, old, &*to.directory, other, Below::EXCHANGE)?;
        changed(sides.from(), &from.directory, |_| ());
        changed(sides.to(), &to.directory, |_| ());
        self.inodes.exchanged((&from.node, old), (&to.node, other));
        Ok(())
    }

    fn side(&self, id: u64) -> io::Result<Side> {
        let (node, directory) = self.directory(id)?;
        Ok(Side { node, directory })
    }

    /// Holds the names of both directories, in the order of their numbers, so that two renames never wait for each other.
    fn hold<'a>(&self, from: &'a Side, to: &'a Side) -> io::Result<Sides<'a>> {
        let names = |side: &'a Side| self.lower.names(&side.node, &side.directory);
        Ok(if from.node.id == to.node.id {
            Sides::One(names(from)?)
        } else if from.node.id < to.node.id {
            let from = names(from)?;
            Sides::Two { from, to: names(to)? }
        } else {
            let to = names(to)?;
            Sides::Two { from: names(from)?, to }
        })
    }
}
