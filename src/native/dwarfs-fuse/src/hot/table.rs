//! The beginning of a hot file: what it holds, and where. All numbers are little-endian.
//!
//! ```text
//!    0  8   magic, with the version of the format
//!    8  32  the layer's key
//!   40  4   number of pieces
//!   44  4   number of file ranges
//!   48  4   where the pieces begin, in pages of 4096 bytes
//!   52  4   zero
//!   56  32  hash of the 56 bytes before and of the table, under the key
//!  128  128 when each of 16 groups of pieces was used last, in seconds since 1970; only a hint, and not hashed
//! 4096      the table: pieces of 48 bytes by their place in the layer, then file ranges of 12 bytes by inode and page
//! ```
//!
//! The pieces follow, 16 KiB each, in the order in which starts read them.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{GROUPS, Key, PAGE, PIECE};

const MAGIC: [u8; 8] = *b"FIMHOT\0\x01";
const HEAD: usize = 4096;
const HASHED: usize = 56;
const USED: usize = 128;
const ENTRY: usize = 48;
const RANGE: usize = 12;
/// 1 GiB of content.
const MOST_PIECES: usize = 1 << 16;
pub(super) const MOST_RANGES: usize = 1 << 16;

/// Part of the content of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) block: u32,
    /// Which piece of the block.
    pub(super) index: u16,
    pub(super) group: u16,
    /// Fewer bytes than a piece at the end of a block.
    pub(super) length: u32,
    /// Where it is in the file.
    pub(super) slot: u32,
    pub(super) hash: [u8; 32],
}

impl Entry {
    pub(super) fn place(&self) -> (u32, u16) {
        (self.block, self.index)
    }
}

/// Pages of a file that a start reads.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct FileRange {
    pub inode: u32,
    /// The first, in units of 4096 bytes.
    pub page: u32,
    pub pages: u32,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) used: [u64; GROUPS],
    /// Where pieces begin in the file.
    pub(super) data: u64,
    pub(super) entries: Vec<Entry>,
    pub(super) ranges: Vec<FileRange>,
}

/// Where pieces begin behind a table of so many entries.
pub(super) fn data_after(pieces: usize, ranges: usize) -> u64 {
    ((HEAD + pieces * ENTRY + ranges * RANGE) as u64).next_multiple_of(PAGE)
}

/// How many pieces fit into so many bytes beside the table.
pub(super) fn capacity(bytes: u64, ranges: usize) -> usize {
    let rest = bytes.saturating_sub(data_after(0, ranges.min(MOST_RANGES)) + PAGE);
    usize::try_from(rest / (PIECE + ENTRY) as u64)
        .unwrap_or(usize::MAX)
        .min(MOST_PIECES)
}

/// Where the time of a group is written.
pub(super) fn place_of_time(group: usize) -> u64 {
    (USED + group * 8) as u64
}

impl Table {
    /// The bytes before the first piece. `entries` and `ranges` have to be sorted.
    pub(super) fn encode(&self, key: &Key) -> Vec<u8> {
        let mut table = Vec::with_capacity(self.entries.len() * ENTRY + self.ranges.len() * RANGE);
        for entry in &self.entries {
            table.extend_from_slice(&entry.block.to_le_bytes());
            table.extend_from_slice(&entry.index.to_le_bytes());
            table.extend_from_slice(&entry.group.to_le_bytes());
            table.extend_from_slice(&entry.length.to_le_bytes());
            table.extend_from_slice(&entry.slot.to_le_bytes());
            table.extend_from_slice(&entry.hash);
        }
        for range in &self.ranges {
            for number in [range.inode, range.page, range.pages] {
                table.extend_from_slice(&number.to_le_bytes());
            }
        }
        let mut bytes = Vec::with_capacity(self.data as usize);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&key.0);
        for number in [self.entries.len(), self.ranges.len(), (self.data / PAGE) as usize, 0] {
            bytes.extend_from_slice(&(number as u32).to_le_bytes());
        }
        let hash = hash(key, &bytes, &table);
        bytes.extend_from_slice(&hash);
        bytes.resize(USED, 0);
        for time in self.used {
            bytes.extend_from_slice(&time.to_le_bytes());
        }
        bytes.resize(HEAD, 0);
        bytes.extend_from_slice(&table);
        bytes.resize(self.data as usize, 0);
        bytes
    }

    /// Reads and checks the beginning of a file. `None` if anything in it is not as this program writes it for this layer.
    pub(super) fn read(file: &File, key: &Key) -> Option<Table> {
        let length = file.metadata().ok()?.len();
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0).ok()?;
        let number = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?) as usize);
        let (pieces, ranges, data) = (number(40)?, number(44)?, number(48)? as u64 * PAGE);
        let is_ours = head.starts_with(&MAGIC) && head.get(8..40)? == key.0;
        let is_possible = pieces <= MOST_PIECES
            && ranges <= MOST_RANGES
            && data >= data_after(pieces, ranges)
            && data <= data_after(MOST_PIECES, MOST_RANGES)
            && data.checked_add((pieces * PIECE) as u64)? == length;
        if !is_ours || !is_possible {
            return None;
        }
        let mut table = vec![0; pieces * ENTRY + ranges * RANGE];
        file.read_exact_at(&mut table, HEAD as u64).ok()?;
        if head.get(HASHED..HASHED + 32)? != hash(key, head.get(..HASHED)?, &table) {
            return None;
        }
        let mut used = [0; GROUPS];
        for (group, time) in used.iter_mut().enumerate() {
            *time = u64::from_le_bytes(*head.get(USED + group * 8..)?.first_chunk()?);
        }
        let (entries, rest) = table.split_at_checked(pieces * ENTRY)?;
        let entries: Option<Vec<Entry>> = entries.chunks_exact(ENTRY).map(entry).collect();
        let ranges: Option<Vec<FileRange>> = rest.chunks_exact(RANGE).map(range).collect();
        let table = Table {
            used,
            data,
            entries: entries?,
            ranges: ranges?,
        };
        table.is_sound().then_some(table)
    }

    /// The hash says that this program has written the table; this, that what it says leads nowhere else all the same.
    fn is_sound(&self) -> bool {
        let slots = self.entries.len() as u32;
        let fits = |entry: &Entry| {
            entry.slot < slots && (1..=PIECE as u32).contains(&entry.length) && usize::from(entry.group) < GROUPS
        };
        self.entries.iter().all(fits)
            && self.entries.is_sorted_by(|left, right| left.place() < right.place())
            && self.ranges.is_sorted()
            && self
                .ranges
                .iter()
                .all(|range| range.page.checked_add(range.pages).is_some())
    }
}

fn hash(key: &Key, head: &[u8], table: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    *hasher.update(head).update(table).finalize().as_bytes()
}

fn entry(bytes: &[u8]) -> Option<Entry> {
    Some(Entry {
        block: u32::from_le_bytes(*bytes.first_chunk()?),
        index: u16::from_le_bytes(*bytes.get(4..)?.first_chunk()?),
        group: u16::from_le_bytes(*bytes.get(6..)?.first_chunk()?),
        length: u32::from_le_bytes(*bytes.get(8..)?.first_chunk()?),
        slot: u32::from_le_bytes(*bytes.get(12..)?.first_chunk()?),
        hash: *bytes.get(16..)?.first_chunk()?,
    })
}

fn range(bytes: &[u8]) -> Option<FileRange> {
    Some(FileRange {
        inode: u32::from_le_bytes(*bytes.first_chunk()?),
        page: u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?),
        pages: u32::from_le_bytes(*bytes.get(8..)?.first_chunk()?),
    })
}
