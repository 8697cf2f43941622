//! Attributes of inodes beyond what the encoder's builder takes.
//!
//! The builder accepts only the nine permission bits of a mode. So each inode is handed to it with the number of its row
//! in a table as its owner, and afterwards the rows are put in where the numbers are. The tables that readers can
//! unpack are stored as differences, which compress far better.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use dwarfs::metadata::Metadata;
use dwarfs_enc::metadata::InodeMetadata;

use crate::error::Error;
use crate::scan::Attributes;

/// The rows of attributes in use.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<Attributes>,
    numbers: HashMap<Attributes, u32>,
}

impl Rows {
    /// What to hand to the builder for an inode with these attributes.
    pub fn inode(&mut self, attributes: Attributes) -> InodeMetadata {
        let next = self.rows.len() as u32;
        let number = match self.numbers.entry(attributes) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                self.rows.push(attributes);
                *entry.insert(next)
            }
        };
        let mut inode = InodeMetadata::new(0);
        inode.uid(number);
        inode
    }

    /// Puts the attributes into finished metadata, and packs its tables.
    pub fn apply(&self, metadata: &mut Metadata) -> Result<(), Error> {
        let lost = || Error::Encode("the attributes of an inode were lost".into());
        let base = self.rows.iter().map(|row| row.mtime).min().unwrap_or(0);
        let modes = Table::new(self.rows.iter().map(|row| row.mode));
        let owners = Table::new(self.rows.iter().map(|row| row.uid));
        let groups = Table::new(self.rows.iter().map(|row| row.gid));
        for inode in &mut metadata.inodes {
            let number = metadata.uids.get(inode.owner_index as usize).ok_or_else(lost)?;
            let row = self.rows.get(*number as usize).ok_or_else(lost)?;
            inode.mode_index = modes.position(row.mode);
            inode.owner_index = owners.position(row.uid);
            inode.group_index = groups.position(row.gid);
            inode.mtime_offset = row.mtime - base;
        }
        metadata.timestamp_base = base.into();
        metadata.modes = modes.sorted;
        metadata.uids = owners.sorted;
        metadata.gids = groups.sorted;
        pack(metadata);
        Ok(())
    }
}

struct Table {
    sorted: Vec<u32>,
}

impl Table {
    fn new(values: impl Iterator<Item = u32>) -> Self {
        let mut sorted: Vec<_> = values.collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self { sorted }
    }

    fn position(&self, value: u32) -> u32 {
        self.sorted.partition_point(|&other| other < value) as u32
    }
}

fn pack(metadata: &mut Metadata) {
    let mut last = 0;
    for first in &mut metadata.chunk_table {
        (last, *first) = (*first, *first - last);
    }
    last = 0;
    for directory in &mut metadata.directories {
        (last, directory.first_entry) = (directory.first_entry, directory.first_entry - last);
        directory.parent_entry = 0;
        directory.self_entry = 0;
    }
    let options = metadata.options.get_or_insert_default();
    options.packed_chunk_table = true;
    options.packed_directories = true;
}
