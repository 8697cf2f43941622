//! Writing a hot file: what one start has read, and what the file before held.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use dwarfs::positioned_io::ReadAt;
use dwarfs::section::{Header, SectionReader};

use super::table::{Entry, FileRange, MOST_RANGES, Table, capacity, data_after};
use super::{GROUPS, Hot, PAGE, PIECE};
use crate::error::Fault;
use crate::identity::Headers;
use crate::index::HEADER_SIZE;
use crate::layer::Layer;
use crate::sections::content_size;

/// What a file holds, once it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Filled {
    pub bytes: u64,
    /// How many pieces were decompressed for it.
    pub new: usize,
}

/// A piece that is to be in the file, and when it was used last.
struct Wanted {
    place: (u32, u16),
    used: u64,
    old: Option<Entry>,
}

impl Layer {
    /// Whether any of these ranges is not in the file of the layer.
    pub fn is_hot(&self, hot: &Hot, ranges: &[FileRange]) -> bool {
        let parts = ranges.iter().flat_map(|range| self.parts(*range));
        parts.into_iter().all(|(block, start, end)| hot.has(block, start, end))
    }

    /// How many bytes [`Layer::write_hot`] writes at most.
    pub fn hot_bytes(&self, old: Option<&Hot>, ranges: &[FileRange], limit: u64) -> u64 {
        let most_ranges = ranges.len() + old.map_or(0, |old| old.table.ranges.len());
        let pieces = self.wanted(old, ranges, 0).len().min(capacity(limit, most_ranges));
        data_after(pieces, most_ranges) + (pieces * PIECE) as u64
    }

    /// Writes a new hot file to `file`, of at most `limit` bytes: what these ranges hold, in their order, and then what `old` has, the
    /// most recently used first. Every block is compared with its digest in `headers`, which are those of this layer. `now` is in
    /// seconds since 1970. Fails with the layer's errors, and with those of writing.
    pub fn write_hot(
        &self,
        headers: &Headers,
        file: &File,
        old: Option<&Hot>,
        ranges: &[FileRange],
        limit: u64,
        now: u64,
    ) -> io::Result<Filled> {
        let mut wanted = self.wanted(old, ranges, now);
        wanted.truncate(capacity(
            limit,
            ranges.len() + old.map_or(0, |old| old.table.ranges.len()),
        ));
        let times = groups(&wanted);
        let kept: HashSet<_> = wanted.iter().map(|wanted| wanted.place).collect();
        let ranges = self.kept_ranges(old, ranges, &kept);
        let data = data_after(wanted.len(), ranges.len());
        let mut table = Table {
            data,
            ranges,
            ..Table::default()
        };
        for (group, time) in table.used.iter_mut().zip(&times) {
            *group = *time;
        }
        let key = headers.key();
        let mut new = 0;
        let mut current: Option<(u32, Vec<u8>)> = None;
        let mut room = vec![0; PIECE];
        let mut pieces = Vec::new();
        for Wanted {
            place,
            used,
            old: known,
        } in wanted
        {
            let mut content = Vec::with_capacity(PIECE);
            let (block, index) = place;
            let start = usize::from(index) * PIECE;
            let copied = known
                .and_then(|entry| old?.append(block, start, start + entry.length as usize, &mut pieces, &mut content));
            if copied.is_none() {
                if current.as_ref().is_none_or(|(number, _)| *number != block) {
                    current = Some((block, self.content(block, headers).map_err(broken)?));
                }
                let all = current.as_ref().map_or(&[][..], |(_, all)| all.as_slice());
                let Some(part) = all
                    .get(start..all.len().min(start + PIECE))
                    .filter(|part| !part.is_empty())
                else {
                    continue;
                };
                content.extend_from_slice(part);
                new += 1;
            }
            let slot = table.entries.len() as u32;
            room.fill(0);
            room.get_mut(..content.len())
                .ok_or(io::ErrorKind::InvalidData)?
                .copy_from_slice(&content);
            file.write_all_at(&room, data + u64::from(slot) * PIECE as u64)?;
            let group = times.iter().position(|time| *time <= used).unwrap_or(GROUPS - 1);
            table.entries.push(Entry {
                block,
                index,
                group: group.min(GROUPS - 1) as u16,
                length: content.len() as u32,
                slot,
                hash: key.hash(place, &content),
            });
        }
        let bytes = data + (table.entries.len() * PIECE) as u64;
        table.entries.sort_unstable_by_key(Entry::place);
        file.write_all_at(&table.encode(&key), 0)?;
        Ok(Filled { bytes, new })
    }

    /// The parts of blocks that a range of a file lies in.
    fn parts(&self, range: FileRange) -> Vec<(u32, usize, usize)> {
        let mut rest = u64::from(range.pages) * PAGE;
        let mut parts = Vec::new();
        let extents = self.extents(range.inode, u64::from(range.page) * PAGE);
        for extent in extents.into_iter().flatten() {
            let length = extent.size.min(rest);
            if let Some(block) = extent.block {
                let start = extent.offset as usize;
                parts.push((block, start, start + length as usize));
            }
            rest -= length;
            if rest == 0 {
                break;
            }
        }
        parts
    }

    /// What is to be in the file, each piece once. The new pieces of a block are together: it is decompressed once.
    fn wanted(&self, old: Option<&Hot>, ranges: &[FileRange], now: u64) -> Vec<Wanted> {
        let mut order = Vec::new();
        let mut blocks: HashMap<u32, Vec<u16>> = HashMap::new();
        for (block, start, end) in ranges.iter().flat_map(|range| self.parts(*range)) {
            let pieces = blocks.entry(block).or_insert_with(|| {
                order.push(block);
                Vec::new()
            });
            pieces.extend((start / PIECE..end.div_ceil(PIECE)).filter_map(|index| u16::try_from(index).ok()));
        }
        let mut wanted = Vec::new();
        let mut seen = HashSet::new();
        for block in order {
            let mut pieces = blocks.remove(&block).unwrap_or_default();
            pieces.sort_unstable();
            for index in pieces {
                let place = (block, index);
                if seen.insert(place) {
                    let old = old.and_then(|old| old.entry(place)).copied();
                    wanted.push(Wanted { place, used: now, old });
                }
            }
        }
        if let Some(hot) = old {
            let mut entries: Vec<&Entry> = hot.table.entries.iter().collect();
            let used = |entry: &Entry| {
                hot.table
                    .used
                    .get(usize::from(entry.group))
                    .copied()
                    .unwrap_or(0)
                    .min(now)
            };
            entries.sort_by_key(|entry| (std::cmp::Reverse(used(entry)), entry.slot));
            for entry in entries {
                if seen.insert(entry.place()) {
                    wanted.push(Wanted {
                        place: entry.place(),
                        used: used(entry),
                        old: Some(*entry),
                    });
                }
            }
        }
        wanted
    }

    /// The old and the new ranges of files, joined, of which everything is kept.
    fn kept_ranges(&self, old: Option<&Hot>, ranges: &[FileRange], kept: &HashSet<(u32, u16)>) -> Vec<FileRange> {
        let mut all: Vec<FileRange> = old.map_or_else(Vec::new, |old| old.table.ranges.clone());
        all.extend_from_slice(ranges);
        all.sort_unstable();
        let mut joined: Vec<FileRange> = Vec::new();
        for range in all {
            match joined.last_mut() {
                Some(last) if last.inode == range.inode && range.page <= last.page + last.pages => {
                    last.pages = last.pages.max(range.page + range.pages - last.page);
                }
                _ => joined.push(range),
            }
        }
        joined.retain(|range| {
            self.parts(*range).into_iter().all(|(block, start, end)| {
                (start / PIECE..end.div_ceil(PIECE)).all(|index| kept.contains(&(block, index as u16)))
            })
        });
        joined.truncate(MOST_RANGES);
        joined
    }

    /// All of a block, compared with its digest.
    fn content(&self, number: u32, headers: &Headers) -> Result<Vec<u8>, Fault> {
        let (section, header) = headers
            .block(number)
            .ok_or_else(|| Fault::damaged("a block is missing"))?;
        let limit = self.block_size();
        let length = usize::try_from(header.payload_size.get()).unwrap_or(usize::MAX);
        if length == 0 || length > limit.saturating_add(4096) {
            return Err(Fault::damaged("a data block has an impossible size"));
        }
        let mut payload = vec![0; length];
        self.window()
            .read_exact_at(section.offset + HEADER_SIZE, &mut payload)?;
        header.validate_slow_checksum(&payload)?;
        let size = content_size(header, &payload, limit)?;
        if size == 0 || size > limit {
            return Err(Fault::damaged("a data block is larger than the block size"));
        }
        decompress(header, &payload, size)
    }
}

fn decompress(header: &Header, payload: &[u8], size: usize) -> Result<Vec<u8>, Fault> {
    let mut content = vec![0; size.max(payload.len())];
    let size = SectionReader::new(payload).read_payload_at_into(header, 0, &mut content)?;
    content.truncate(size);
    Ok(content)
}

/// The times of groups, the latest first: the last one stands for all that are older.
fn groups(wanted: &[Wanted]) -> Vec<u64> {
    let mut times: Vec<u64> = wanted.iter().map(|wanted| wanted.used).collect();
    times.sort_unstable_by_key(|time| std::cmp::Reverse(*time));
    times.dedup();
    times.truncate(GROUPS);
    times
}

fn broken(fault: Fault) -> io::Error {
    match fault {
        Fault::Read(cause) => cause,
        Fault::Damaged(what) | Fault::Unsupported(what) => io::Error::new(io::ErrorKind::InvalidData, what),
    }
}
