//! Parts of files that are stored before all else: what a start reads. A block is decompressed up to the wanted byte, so a start whose
//! reads lie side by side decompresses little that it does not need.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::contents::Contents;
use crate::error::Error;
use crate::scan::{Kind, Node};

/// Bytes of a list.
const LIMIT: u64 = 16 << 20;
/// Parts begin and end with a page, which is what programs are loaded by.
const PAGE: u64 = 4096;
/// Parts that are closer together are joined: each piece of a file takes 12 bytes of metadata, and a read across it two blocks.
const GAP: u64 = 64 << 10;
/// Files of at most this size are stored whole.
const WHOLE: u64 = 128 << 10;

/// The parts of one file, in their order, none of which touch.
#[derive(Debug, Eq, PartialEq)]
pub struct First {
    /// Number of the node.
    pub node: usize,
    pub parts: Vec<Range<u64>>,
}

/// Reads a list of entries `OFFSET LENGTH PATH`, each ended by a zero byte. The files are in the order of their first entries. Names
/// that the tree has not are left out: it may have changed since the list was made.
pub fn read(list: &Path, nodes: &[Node], contents: &Contents) -> Result<Vec<First>, Error> {
    let failed = || Error::io(list, "read the list");
    let mut text = Vec::new();
    let file = File::open(list).map_err(failed())?;
    file.take(LIMIT + 1).read_to_end(&mut text).map_err(failed())?;
    if text.len() as u64 > LIMIT {
        return Err(Error::refused(list, "is longer than 16 MiB"));
    }
    let numbers: HashMap<&[u8], usize> = nodes
        .iter()
        .enumerate()
        .map(|(number, node)| (node.path.as_os_str().as_bytes(), number))
        .collect();
    let mut order: Vec<First> = Vec::new();
    let mut places: HashMap<usize, usize> = HashMap::new();
    for (position, entry) in text.split(|byte| *byte == 0).enumerate() {
        if entry.is_empty() {
            continue;
        }
        let Some((offset, length, path)) = parse(entry) else {
            let what = format!("entry {} is not OFFSET LENGTH PATH", position + 1);
            return Err(Error::refused(list, what));
        };
        let Some(node) = numbers.get(path).and_then(|&number| stored(number, nodes, contents)) else {
            continue;
        };
        let Some(part) = widened(offset, length, nodes[node].size) else {
            continue;
        };
        let place = *places.entry(node).or_insert_with(|| {
            order.push(First {
                node,
                parts: Vec::new(),
            });
            order.len() - 1
        });
        order[place].parts.push(part);
    }
    for file in &mut order {
        file.parts = joined(std::mem::take(&mut file.parts));
    }
    Ok(order)
}

fn parse(entry: &[u8]) -> Option<(u64, u64, &[u8])> {
    let mut fields = entry.splitn(3, |byte| *byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    Some((number()?, number()?, fields.next()?))
}

/// The node whose content is stored for that of a name.
fn stored(number: usize, nodes: &[Node], contents: &Contents) -> Option<usize> {
    let inode = match nodes.get(number)?.kind {
        Kind::HardLink(first) => first,
        _ => number,
    };
    let node = *contents.duplicates.get(&inode).unwrap_or(&inode);
    matches!(nodes.get(node)?.kind, Kind::File).then_some(node)
}

/// Whole pages of a file of this size; `None` where it has no such part.
fn widened(offset: u64, length: u64, size: u64) -> Option<Range<u64>> {
    if offset >= size || length == 0 {
        return None;
    }
    if size <= WHOLE {
        return Some(0..size);
    }
    let end = offset.saturating_add(length).min(size);
    Some(offset / PAGE * PAGE..end.next_multiple_of(PAGE).min(size))
}

fn joined(mut parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    parts.sort_unstable_by_key(|part| part.start);
    let mut all: Vec<Range<u64>> = Vec::new();
    for part in parts {
        match all.last_mut() {
            Some(last) if part.start <= last.end.saturating_add(GAP) => last.end = last.end.max(part.end),
            _ => all.push(part),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{GAP, WHOLE, joined, parse, widened};

    #[test]
    fn entries_are_two_numbers_and_a_path_of_any_bytes() {
        assert_eq!(parse(b"0 5 a b\xff"), Some((0, 5, b"a b\xff".as_slice())));
        for wrong in [b"".as_slice(), b"1", b"1 2", b"-1 2 x", b"1 x y", b"1  2 x"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn parts_are_whole_pages_within_the_file() {
        let size = WHOLE + 1000;
        assert_eq!(widened(5000, 1, size), Some(4096..8192));
        assert_eq!(widened(size - 1, u64::MAX, size), Some(WHOLE..size));
        assert_eq!(widened(size, 1, size), None);
        assert_eq!(widened(0, 0, size), None);
        assert_eq!(widened(5000, 1, 6000), Some(0..6000));
    }

    #[test]
    fn near_parts_are_joined() {
        let parts = vec![1 << 20..(1 << 20) + 1, 0..10, 5..20, 20 + GAP..21 + GAP];
        assert_eq!(joined(parts), [0..21 + GAP, 1 << 20..(1 << 20) + 1]);
    }
}
