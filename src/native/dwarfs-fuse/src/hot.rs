//! What starts have read of a layer, decompressed, in one file beside the layer: a start then reads pages of that file instead of
//! decompressing blocks.
//!
//! The file is a cache and never trusted. Each piece has a BLAKE3 hash under the key of the layer, which binds it to the layer's
//! digest, the block, its place in the block and the format, and is compared when the piece is read. The first piece that differs
//! ends the use of the file and removes it, and the layer itself is read. Who writes such a file compares the block with its SHA-512/256
//! digest first, which is part of the key.

mod fill;
mod table;

use std::fmt;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

pub use fill::Filled;
pub use table::FileRange;
use table::{Entry, Table};

/// Bytes that are hashed together: so many that the hash runs at its full speed, and few enough that little is read in vain.
pub(crate) const PIECE: usize = 16 << 10;
pub(crate) const PAGE: u64 = 4096;
/// Pieces that were used last at the same time are one group, as far as there are groups.
const GROUPS: usize = 16;
/// The time of a group is written if it is older than this, in seconds.
const AGE: u64 = 60 * 60;

/// Tells a layer from all others: a hash of the place and the header of each section, which holds the digest of its bytes, and of
/// the format of hot files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Key(pub(crate) [u8; 32]);

impl Key {
    /// From what [`crate::Source::headers`] returns.
    pub fn of(headers: &[u8]) -> Self {
        Self(blake3::derive_key("flatimage hot cache 1", headers))
    }

    /// The name of the layer's file.
    pub fn name(&self) -> String {
        digits(&self.0)
    }

    /// The hash of a piece.
    fn hash(&self, (block, index): (u32, u16), content: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        // The place comes last: the content then begins where the hash is quickest.
        hasher.update(content);
        hasher.update(&block.to_le_bytes());
        hasher.update(&index.to_le_bytes());
        hasher.update(&(content.len() as u32).to_le_bytes());
        *hasher.finalize().as_bytes()
    }
}

fn digits(hash: &[u8; 32]) -> String {
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The file that a layer lies in, as it was at one time, and where in it: by this the key is found again without reading the layer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stamp([u8; 56]);

/// Bytes that a key is kept in, see [`Stamp::seal`].
pub const SEALED: usize = 64;

impl Stamp {
    pub(crate) fn of(file: &File, offset: u64, size: u64) -> std::io::Result<Self> {
        let found = file.metadata()?;
        let mut bytes = [0; 56];
        let numbers = [
            found.dev(),
            found.ino(),
            found.len(),
            found.ctime() as u64,
            found.ctime_nsec() as u64,
            offset,
            size,
        ];
        for (into, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            into.copy_from_slice(&number.to_le_bytes());
        }
        Ok(Self(bytes))
    }

    /// The name of a file that holds the key.
    pub fn name(&self) -> String {
        format!("at-{}", digits(blake3::hash(&self.0).as_bytes()))
    }

    /// The content of that file.
    pub fn seal(&self, key: &Key) -> Vec<u8> {
        [key.0, self.hash(key)].concat()
    }

    /// The key in such a file; `None` if it is not as it was written, or of another stamp.
    pub fn open(&self, sealed: &[u8]) -> Option<Key> {
        let (key, hash) = sealed.split_first_chunk::<32>()?;
        let key = Key(*key);
        (hash == self.hash(&key)).then_some(key)
    }

    fn hash(&self, key: &Key) -> [u8; 32] {
        *blake3::keyed_hash(&key.0, &self.0).as_bytes()
    }
}

/// An open hot file.
pub struct Hot {
    file: File,
    key: Key,
    table: Table,
    is_broken: AtomicBool,
    /// Called once when the file turns out to be broken.
    discard: Box<dyn Fn() + Send + Sync>,
    /// The groups that pieces were read of, one bit each.
    groups: AtomicU32,
    read: AtomicU64,
}

impl fmt::Debug for Hot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Hot")
            .field("pieces", &self.table.entries.len())
            .field("is_broken", &self.is_broken)
            .finish_non_exhaustive()
    }
}

impl Hot {
    /// Opens a file that is open to read and write. `discard` removes it, and is called here or later if anything in it is not as it
    /// was written; then it is not used.
    pub fn open(file: File, key: Key, discard: impl Fn() + Send + Sync + 'static) -> Option<Self> {
        let Some(table) = Table::read(&file, &key) else {
            discard();
            return None;
        };
        Some(Self {
            file,
            key,
            table,
            is_broken: AtomicBool::new(false),
            discard: Box::new(discard),
            groups: AtomicU32::new(0),
            read: AtomicU64::new(0),
        })
    }

    /// Bytes that were taken from it.
    pub fn read_bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    pub fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    /// Notes the time in the groups that were used, for what was used least recently to go first.
    pub fn mark_used(&self, now: u64) {
        let groups = self.groups.load(Ordering::Relaxed);
        for (group, used) in self.table.used.iter().enumerate() {
            if groups & 1 << group != 0 && used.abs_diff(now) > AGE {
                // Only a hint: without it the pieces seem to be older than they are.
                let _ = self.file.write_all_at(&now.to_le_bytes(), table::place_of_time(group));
            }
        }
    }

    /// The ranges of a file that starts read.
    pub(crate) fn ranges_of(&self, inode: u32) -> &[FileRange] {
        let ranges = &self.table.ranges;
        let start = ranges.partition_point(|range| range.inode < inode);
        let end = ranges.partition_point(|range| range.inode <= inode);
        ranges.get(start..end).unwrap_or_default()
    }

    pub(crate) fn has_ranges(&self) -> bool {
        !self.table.ranges.is_empty()
    }

    /// Whether any piece of a block is here.
    pub(crate) fn has_block(&self, block: u32) -> bool {
        let entries = &self.table.entries;
        let at = entries.partition_point(|entry| entry.block < block);
        !self.is_broken() && entries.get(at).is_some_and(|entry| entry.block == block)
    }

    fn entry(&self, place: (u32, u16)) -> Option<&Entry> {
        let entries = &self.table.entries;
        let at = entries.binary_search_by_key(&place, Entry::place).ok()?;
        entries.get(at)
    }

    /// Whether all of a part of a block is here.
    pub(crate) fn has(&self, block: u32, start: usize, end: usize) -> bool {
        let last = end.div_ceil(PIECE);
        !self.is_broken()
            && (start / PIECE..last).all(|index| {
                let entry = u16::try_from(index).ok().and_then(|index| self.entry((block, index)));
                entry.is_some_and(|entry| index * PIECE + entry.length as usize >= end.min((index + 1) * PIECE))
            })
    }

    /// Appends a part of a block that is here. `None`, with nothing appended, if it is not, or no longer what was written.
    /// `pieces` is room for what is read, to be used again.
    pub(crate) fn append(
        &self,
        block: u32,
        start: usize,
        end: usize,
        pieces: &mut Vec<u8>,
        into: &mut Vec<u8>,
    ) -> Option<()> {
        let before = into.len();
        let result = self.append_pieces(block, start, end, pieces, into);
        if result.is_none() {
            into.truncate(before);
        }
        result
    }

    fn append_pieces(
        &self,
        block: u32,
        start: usize,
        end: usize,
        pieces: &mut Vec<u8>,
        into: &mut Vec<u8>,
    ) -> Option<()> {
        if !self.has(block, start, end) {
            return None;
        }
        let mut index = start / PIECE;
        let last = end.div_ceil(PIECE);
        while index < last {
            let place = |index: usize| (block, index as u16);
            let first = self.entry(place(index))?;
            // What lies one after the other is read at once.
            let follows = |ahead: &usize| {
                let entry = self.entry(place(index + ahead));
                entry.is_some_and(|entry| entry.slot as usize == first.slot as usize + ahead)
            };
            let count = 1 + (1..last - index).take_while(follows).count();
            if pieces.len() < count * PIECE {
                pieces.resize(count * PIECE, 0);
            }
            let content = pieces.get_mut(..count * PIECE)?;
            let at = self.table.data + u64::from(first.slot) * PIECE as u64;
            if self.file.read_exact_at(content, at).is_err() {
                return self.condemn();
            }
            for (ahead, piece) in content.chunks_exact(PIECE).enumerate() {
                let entry = self.entry(place(index + ahead))?;
                let piece = piece.get(..entry.length as usize)?;
                if self.key.hash(entry.place(), piece) != entry.hash {
                    return self.condemn();
                }
                self.groups.fetch_or(1 << entry.group, Ordering::Relaxed);
                let base = (index + ahead) * PIECE;
                into.extend_from_slice(piece.get(start.saturating_sub(base)..(end - base).min(piece.len()))?);
            }
            index += count;
        }
        self.read.fetch_add((end - start) as u64, Ordering::Relaxed);
        Some(())
    }

    /// The file is not what was written: it is removed, and not used any more.
    fn condemn(&self) -> Option<()> {
        if !self.is_broken.swap(true, Ordering::Relaxed) {
            (self.discard)();
        }
        None
    }
}
