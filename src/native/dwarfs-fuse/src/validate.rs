//! The checks that make a [`Tree`] safe to follow, done once when a layer is opened.
//!
//! They also bound memory: tables whose rows take no room in the metadata may claim any number of rows, so each table
//! that is unpacked or counted must be no longer than the table of entries, whose rows do take room.

use std::collections::HashMap;

use crate::error::Fault;
use crate::fields::{directory, fs_options};
use crate::files::Files;
use crate::frozen::{Column, Packed, Place};
use crate::tree::{Kind, Ranges, Tree, kind_of};

/// Names at most, 33 million: bounds what is counted for each inode to some hundred MiB.
const MAX_ENTRIES: u32 = 1 << 25;
/// Longest name and longest symlink target Linux can hand on.
const MAX_NAME: usize = 255;
const MAX_TARGET: usize = 4095;

/// Unpacks a short table such as the user ids in use.
pub(crate) fn numbers(list: Place<'_>, packed: &Packed) -> Result<Vec<u32>, Fault> {
    let column = list.numbers()?;
    if column.is_weightless() && column.len() > 1 {
        return Err(Fault::damaged("it lists the same owner or mode many times"));
    }
    Ok((0..column.len()).map(|row| column.get32(packed, row)).collect())
}

/// Checks the lengths of the tables of entries and inodes against each other.
pub(crate) fn inode_count(entries: Column, inodes: Column) -> Result<u32, Fault> {
    let plausible = !(entries.is_weightless() && entries.len() > 1) && entries.len() <= MAX_ENTRIES;
    // Each inode has a name, the root has the first entry.
    if !plausible || entries.len() == 0 || inodes.len() == 0 || inodes.len() > entries.len() {
        return Err(Fault::damaged("its numbers of names and of inodes do not fit"));
    }
    Ok(inodes.len())
}

/// The start of each directory's entries; the last one is the end of all.
pub(crate) fn first_entries(
    list: Place<'_>,
    options: Option<Place<'_>>,
    packed: &Packed,
    inodes: u32,
) -> Result<Vec<u32>, Fault> {
    let column = list.column(directory::FIRST_ENTRY)?;
    let is_delta = options.map_or(Ok(false), |options| {
        options.field(fs_options::PACKED_DIRECTORIES).flag()
    })?;
    if column.len() < 2 || column.len() - 1 > inodes {
        return Err(Fault::damaged("its table of directories has the wrong length"));
    }
    unpack(column, packed, is_delta)
}

/// The rows of a column, each added to those before it if `is_delta`; they must not descend.
pub(crate) fn unpack(column: Column, packed: &Packed, is_delta: bool) -> Result<Vec<u32>, Fault> {
    let mut sum = 0u32;
    let mut rows = Vec::with_capacity(column.len() as usize);
    for row in 0..column.len() {
        let number = column.get32(packed, row);
        sum = if is_delta {
            sum.checked_add(number)
        } else {
            Some(number).filter(|&number| number >= sum)
        }
        .ok_or_else(|| Fault::damaged("a table of its metadata is out of order"))?;
        rows.push(sum);
    }
    Ok(rows)
}

/// Where the inodes of each kind begin.
pub(crate) fn ranges(
    first_entries: &[u32],
    targets: Column,
    files: &Files,
    devices: Column,
    inodes: u32,
) -> Result<Ranges, Fault> {
    let add = |from: u32, count: u32| {
        let end = from.checked_add(count).filter(|&end| end <= inodes);
        end.ok_or_else(|| Fault::damaged("it has fewer inodes than files"))
    };
    let symlinks = add(0, u32::try_from(first_entries.len() - 1).unwrap_or(u32::MAX))?;
    let first_file = add(symlinks, targets.len())?;
    let first_device = add(first_file, files.count())?;
    let others = add(first_device, devices.len())?;
    Ok(Ranges {
        symlinks,
        files: first_file,
        devices: first_device,
        others,
        end: inodes,
    })
}

/// Checks names, links between directories, and attributes, and fills in what can only be counted.
pub(crate) fn tree(tree: &mut Tree) -> Result<(), Fault> {
    check_inodes(tree)?;
    check_targets(tree)?;
    let directories = tree.ranges.symlinks;
    let entries = tree.entry_inodes.len();
    if tree.first_entries.last() != Some(&entries) || tree.first_entries.first().is_none_or(|&first| first > entries) {
        return Err(Fault::damaged("its directories do not cover its names"));
    }
    // The first entry stands for the root itself in most images, and belongs to no directory.
    let mut parents = vec![u32::MAX; directories as usize];
    let mut directory_links = vec![2u32; directories as usize];
    let mut named = vec![0u32; (tree.ranges.end - directories) as usize];
    for directory in 0..directories {
        let mut previous: &[u8] = &[];
        for position in tree.entry_range(directory).unwrap_or_default() {
            if tree.entry_names.get32(&tree.packed, position) >= tree.names.len() {
                return Err(Fault::damaged("an entry has a name outside of the table of names"));
            }
            let entry = tree.entry(position);
            check_name(entry.name, previous)?;
            previous = entry.name;
            if entry.inode >= tree.ranges.end {
                return Err(Fault::damaged("an entry has an inode that is not there"));
            }
            if entry.inode >= directories {
                if let Some(count) = named.get_mut((entry.inode - directories) as usize) {
                    *count = count.saturating_add(1);
                }
                continue;
            }
            // One name for each directory and none for the root: what hangs below the root is a tree, without rings.
            let parent = parents
                .get_mut(entry.inode as usize)
                .filter(|parent| **parent == u32::MAX);
            match parent {
                Some(parent) if entry.inode != 0 => *parent = directory,
                _ => return Err(Fault::damaged("a directory has two names")),
            }
            if let Some(links) = directory_links.get_mut(directory as usize) {
                *links += 1;
            }
        }
    }
    if let Some(root) = parents.first_mut() {
        *root = 0;
    }
    let several = named.iter().zip(directories..).filter(|(count, _)| **count > 1);
    tree.links = several.map(|(&count, inode)| (inode, count)).collect::<HashMap<_, _>>();
    tree.parents = parents;
    tree.directory_links = directory_links;
    Ok(())
}

fn check_name(name: &[u8], previous: &[u8]) -> Result<(), Fault> {
    if name.is_empty()
        || name.len() > MAX_NAME
        || name == b"."
        || name == b".."
        || name.iter().any(|&byte| byte == b'/' || byte == 0)
    {
        return Err(Fault::damaged(format!(
            "it has a file of the impossible name \"{}\"",
            name.escape_ascii()
        )));
    }
    if name <= previous {
        return Err(Fault::damaged(
            "the names in a directory are not sorted, or one is there twice",
        ));
    }
    Ok(())
}

fn check_inodes(tree: &Tree) -> Result<(), Fault> {
    let (inodes, packed) = (&tree.inodes, &tree.packed);
    for inode in 0..tree.ranges.end {
        let within = |column: Column, table: &[u32]| (column.get32(packed, inode) as usize) < table.len();
        let owned = |column: Column, table: &[u32]| table.is_empty() || within(column, table);
        if !within(inodes.mode, &inodes.modes)
            || !owned(inodes.owner, &inodes.owners)
            || !owned(inodes.group, &inodes.groups)
        {
            return Err(Fault::damaged(
                "an inode has a mode or an owner outside of their tables",
            ));
        }
        let said = kind_of(inodes.raw_mode(packed, inode));
        let fits = if inode < tree.ranges.devices {
            said == tree.kind(inode)
        } else if inode < tree.ranges.others {
            matches!(said, Some(Kind::BlockDevice | Kind::CharacterDevice))
        } else {
            matches!(said, Some(Kind::Pipe | Kind::Socket))
        };
        if !fits {
            return Err(Fault::damaged("the mode of an inode is not of its kind"));
        }
    }
    Ok(())
}

fn check_targets(tree: &Tree) -> Result<(), Fault> {
    for row in 0..tree.target_numbers.len() {
        let number = tree.target_numbers.get32(&tree.packed, row);
        let target = tree.targets.get(&tree.packed, number);
        if number >= tree.targets.len() || target.len() > MAX_TARGET || target.contains(&0) {
            return Err(Fault::damaged("the target of a symlink is missing or impossible"));
        }
    }
    Ok(())
}
