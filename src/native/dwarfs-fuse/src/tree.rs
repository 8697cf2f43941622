//! The tree of a layer: its directories, names and attributes, read from the packed metadata on demand.
//!
//! Inodes are numbered by kind: directories come first (the root is number 0), then symlinks, files with content of
//! their own, files that share content, devices, and at last pipes and sockets.

use std::collections::HashMap;

use crate::error::Fault;
use crate::fields::{dir_entry, fs_options, inode_data, metadata};
use crate::files::Files;
use crate::frozen::{Column, Packed, Place};
use crate::schema::Schema;
use crate::strings::Strings;
use crate::validate;

/// Names of features that are looked at; upstream has one so far.
const MAX_FEATURES: u32 = 64;

/// What an inode is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Directory,
    Symlink,
    File,
    BlockDevice,
    CharacterDevice,
    Pipe,
    Socket,
}

/// What stat(2) tells about an inode. Times are seconds since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attributes {
    /// Number within the layer; 0 is the root.
    pub inode: u32,
    pub kind: Kind,
    /// The lower 12 bits: permissions, set-user-id, set-group-id and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bytes of a file, or of a symlink's target.
    pub size: u64,
    pub accessed: u64,
    pub modified: u64,
    pub changed: u64,
    /// Names of this inode; for a directory 2 and one more for each directory in it.
    pub links: u32,
    /// Number of a device as in `st_rdev`, else 0.
    pub device: u64,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    pub inode: u32,
}

/// First inode number of each range, see the module's head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ranges {
    pub(crate) symlinks: u32,
    pub(crate) files: u32,
    pub(crate) devices: u32,
    pub(crate) others: u32,
    pub(crate) end: u32,
}

#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) packed: Packed,
    pub(crate) ranges: Ranges,
    pub(crate) names: Strings,
    pub(crate) entry_names: Column,
    pub(crate) entry_inodes: Column,
    /// First entry of each directory, and one more at the end.
    pub(crate) first_entries: Vec<u32>,
    /// The directory each directory lies in.
    pub(crate) parents: Vec<u32>,
    /// Link counts of the directories, and of those other inodes that have more than one name.
    pub(crate) directory_links: Vec<u32>,
    pub(crate) links: HashMap<u32, u32>,
    pub(crate) files: Files,
    pub(crate) targets: Strings,
    pub(crate) target_numbers: Column,
    pub(crate) devices: Column,
    pub(crate) inodes: Inodes,
}

/// The columns of the inode table, and the short tables they point into.
#[derive(Debug, Default)]
pub(crate) struct Inodes {
    pub(crate) mode: Column,
    pub(crate) owner: Column,
    pub(crate) group: Column,
    accessed: Column,
    modified: Column,
    changed: Column,
    pub(crate) modes: Vec<u32>,
    pub(crate) owners: Vec<u32>,
    pub(crate) groups: Vec<u32>,
    time_base: u64,
    time_unit: u64,
    only_modified: bool,
}

impl Inodes {
    fn parse(root: Place<'_>, options: Option<Place<'_>>, packed: &Packed) -> Result<Self, Fault> {
        let table = root.field(metadata::INODES);
        let unit = match options {
            Some(options) => options
                .field(fs_options::TIME_RESOLUTION_SEC)
                .optional()?
                .map_or(Ok(1), Place::number)?,
            None => 1,
        };
        Ok(Self {
            mode: table.column(inode_data::MODE_INDEX)?,
            owner: table.column(inode_data::OWNER_INDEX)?,
            group: table.column(inode_data::GROUP_INDEX)?,
            accessed: table.column(inode_data::ATIME_OFFSET)?,
            modified: table.column(inode_data::MTIME_OFFSET)?,
            changed: table.column(inode_data::CTIME_OFFSET)?,
            modes: validate::numbers(root.field(metadata::MODES), packed)?,
            owners: validate::numbers(root.field(metadata::UIDS), packed)?,
            groups: validate::numbers(root.field(metadata::GIDS), packed)?,
            time_base: root.field(metadata::TIMESTAMP_BASE).number()?,
            time_unit: unit.max(1),
            only_modified: options.map_or(Ok(false), |options| options.field(fs_options::MTIME_ONLY).flag())?,
        })
    }

    fn time(&self, column: Column, packed: &Packed, inode: u32) -> u64 {
        let units = self.time_base.saturating_add(column.get(packed, inode));
        // The kernel's times are signed.
        units.saturating_mul(self.time_unit).min(i64::MAX as u64)
    }

    pub(crate) fn raw_mode(&self, packed: &Packed, inode: u32) -> u32 {
        self.modes
            .get(self.mode.get32(packed, inode) as usize)
            .copied()
            .unwrap_or(0)
    }
}

impl Tree {
    /// Reads and checks decompressed metadata; afterwards every number in it that a method follows is within bounds.
    ///
    /// `blocks` is how many data blocks the image has.
    pub(crate) fn parse(schema: &[u8], bytes: Vec<u8>, blocks: u32) -> Result<Self, Fault> {
        let schema = Schema::parse(schema)?;
        let packed = Packed::new(bytes);
        let root = Place::root(&schema, &packed);
        if let Some(features) = root.field(metadata::FEATURES).optional()? {
            // A forged list takes no room for any number of names.
            for index in 0..features.count()?.min(MAX_FEATURES) {
                match features.string(index)? {
                    Some(b"sparsefiles") => {}
                    other => {
                        let name = other.unwrap_or_default().escape_ascii();
                        return Err(Fault::unsupported(format!("it needs the feature \"{name}\"")));
                    }
                }
            }
        }
        let options = root.field(metadata::OPTIONS).optional()?;
        let Some(entries) = root.field(metadata::DIR_ENTRIES).optional()? else {
            return Err(Fault::unsupported(
                "its metadata is older than version 2.3 of the format",
            ));
        };
        let names = Strings::parse(
            root.field(metadata::COMPACT_NAMES),
            root.field(metadata::NAMES),
            &packed,
        )?;
        let targets = Strings::parse(
            root.field(metadata::COMPACT_SYMLINKS),
            root.field(metadata::SYMLINKS),
            &packed,
        )?;
        let devices = root
            .field(metadata::DEVICES)
            .optional()?
            .map(Place::numbers)
            .transpose()?
            .unwrap_or_default();
        let (entry_names, entry_inodes) = (
            entries.column(dir_entry::NAME_INDEX)?,
            entries.column(dir_entry::INODE_NUM)?,
        );
        let target_numbers = root.field(metadata::SYMLINK_TABLE).numbers()?;
        let inodes = Inodes::parse(root, options, &packed)?;
        let total = validate::inode_count(entry_inodes, inodes.mode)?;
        let first_entries = validate::first_entries(root.field(metadata::DIRECTORIES), options, &packed, total)?;
        let files = Files::parse(root, options, &packed, total, blocks)?;
        let ranges = validate::ranges(&first_entries, target_numbers, &files, devices, total)?;
        let mut tree = Self {
            ranges,
            names,
            entry_names,
            entry_inodes,
            first_entries,
            parents: Vec::new(),
            directory_links: Vec::new(),
            links: HashMap::new(),
            files,
            targets,
            target_numbers,
            devices,
            inodes,
            packed,
        };
        validate::tree(&mut tree)?;
        Ok(tree)
    }

    /// How many inodes there are; they are numbered from 0.
    pub(crate) fn inode_count(&self) -> u32 {
        self.ranges.end
    }

    pub(crate) fn kind(&self, inode: u32) -> Option<Kind> {
        let kind = if inode < self.ranges.symlinks {
            Kind::Directory
        } else if inode < self.ranges.files {
            Kind::Symlink
        } else if inode < self.ranges.devices {
            Kind::File
        } else if inode < self.ranges.end {
            return kind_of(self.inodes.raw_mode(&self.packed, inode));
        } else {
            return None;
        };
        Some(kind)
    }

    pub(crate) fn attributes(&self, inode: u32) -> Option<Attributes> {
        let kind = self.kind(inode)?;
        let (inodes, packed) = (&self.inodes, &self.packed);
        let modified = inodes.time(inodes.modified, packed, inode);
        let time = |column| {
            if inodes.only_modified {
                modified
            } else {
                inodes.time(column, packed, inode)
            }
        };
        let pick = |table: &[u32], column: Column| {
            let index = column.get32(packed, inode);
            // Upstream up to 0.7 left the table out where all files were given one owner, and stored the owner itself.
            if table.is_empty() {
                index
            } else {
                table.get(index as usize).copied().unwrap_or(0)
            }
        };
        let links = match kind {
            Kind::Directory => self.directory_links.get(inode as usize).copied().unwrap_or(2),
            _ => self.links.get(&inode).copied().unwrap_or(1),
        };
        Some(Attributes {
            inode,
            kind,
            mode: inodes.raw_mode(packed, inode) & 0o7777,
            uid: pick(&inodes.owners, inodes.owner),
            gid: pick(&inodes.groups, inodes.group),
            size: match kind {
                Kind::File => self.files.size(packed, inode - self.ranges.files),
                Kind::Symlink => self.target(inode).map_or(0, |target| target.len() as u64),
                _ => 0,
            },
            accessed: time(inodes.accessed),
            modified,
            changed: time(inodes.changed),
            links,
            device: match kind {
                Kind::BlockDevice | Kind::CharacterDevice => self.devices.get(packed, inode - self.ranges.devices),
                _ => 0,
            },
        })
    }

    pub(crate) fn target(&self, inode: u32) -> Option<&[u8]> {
        if self.kind(inode)? != Kind::Symlink {
            return None;
        }
        let number = self.target_numbers.get32(&self.packed, inode - self.ranges.symlinks);
        Some(self.targets.get(&self.packed, number))
    }

    /// Positions of a directory's entries among all entries; `None` if it is no directory.
    pub(crate) fn entry_range(&self, directory: u32) -> Option<std::ops::Range<u32>> {
        if directory >= self.ranges.symlinks {
            return None;
        }
        let directory = directory as usize;
        Some(*self.first_entries.get(directory)?..*self.first_entries.get(directory + 1)?)
    }

    pub(crate) fn entry(&self, position: u32) -> Entry<'_> {
        Entry {
            name: self.name_at(position),
            inode: self.entry_inodes.get32(&self.packed, position),
        }
    }

    pub(crate) fn name_at(&self, position: u32) -> &[u8] {
        self.names
            .get(&self.packed, self.entry_names.get32(&self.packed, position))
    }

    /// The entry at a position, if there is one.
    pub(crate) fn entry_at(&self, position: u32) -> Option<Entry<'_>> {
        (position < self.entry_inodes.len()).then(|| self.entry(position))
    }

    /// The inode a name stands for in a directory.
    pub(crate) fn find(&self, directory: u32, name: &[u8]) -> Option<u32> {
        let position = self.find_position(directory, name)?;
        Some(self.entry_inodes.get32(&self.packed, position))
    }

    /// The position of a name among all entries. Names are sorted, which was checked.
    fn find_position(&self, directory: u32, name: &[u8]) -> Option<u32> {
        let mut range = self.entry_range(directory)?;
        while range.start < range.end {
            let middle = range.start + (range.end - range.start) / 2;
            match self.name_at(middle).cmp(name) {
                std::cmp::Ordering::Less => range.start = middle + 1,
                std::cmp::Ordering::Greater => range.end = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// Whether an inode is the character device 0:0, with which a layer deletes a name.
    pub(crate) fn is_deletion(&self, inode: u32) -> bool {
        (self.ranges.devices..self.ranges.others).contains(&inode)
            && self.devices.get(&self.packed, inode - self.ranges.devices) == 0
            && self.kind(inode) == Some(Kind::CharacterDevice)
    }

    /// Whether any name is deleted.
    pub(crate) fn has_deletions(&self) -> bool {
        (self.ranges.devices..self.ranges.others).any(|inode| self.is_deletion(inode))
    }

    pub(crate) fn parent(&self, directory: u32) -> Option<u32> {
        self.parents.get(directory as usize).copied()
    }
}

/// The kind in the type bits of `st_mode`.
pub(crate) fn kind_of(mode: u32) -> Option<Kind> {
    Some(match mode & libc::S_IFMT {
        libc::S_IFDIR => Kind::Directory,
        libc::S_IFLNK => Kind::Symlink,
        libc::S_IFREG => Kind::File,
        libc::S_IFBLK => Kind::BlockDevice,
        libc::S_IFCHR => Kind::CharacterDevice,
        libc::S_IFIFO => Kind::Pipe,
        libc::S_IFSOCK => Kind::Socket,
        _ => return None,
    })
}
