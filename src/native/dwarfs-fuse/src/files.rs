//! Where the content of each file lies in the data blocks.

use std::collections::HashMap;

use crate::error::Fault;
use crate::fields::{chunk, fs_options, metadata};
use crate::frozen::{Column, Packed, Place};
use crate::validate;

/// Files of more pieces than this get a mark at each such number of pieces, so that finding an offset stays quick.
const PIECES_PER_MARK: u32 = 64;
/// Largest block this driver decompresses: the memory of a reader is a few of them.
const MAX_BLOCK_SIZE: u64 = 128 << 20;

/// Pieces of all files at most; bounds the time it takes to check them.
const MAX_PIECES: u32 = 1 << 27;

/// Offset of a hole whose size is in the table of large ones.
const LARGE_HOLE: u32 = u32::MAX;

/// A part of a file: `size` bytes from `offset` in the decompressed content of a data block, or as many zeros.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extent {
    /// Number of the data block, from 0; `None` is a hole, which is stored nowhere and reads as zeros.
    pub block: Option<u32>,
    pub offset: u32,
    pub size: u64,
}

#[derive(Debug)]
pub(crate) struct Files {
    blocks: Column,
    offsets: Column,
    sizes: Column,
    /// First piece of each content, and one more at the end.
    first_pieces: Vec<u32>,
    /// Files below this number have the content of that number.
    unique: u32,
    /// The content of each of the other files, counted from `unique`.
    shared: Vec<u32>,
    /// Content number to the file offsets of its pieces 0, 64, 128 and so on, and at last its size.
    marks: HashMap<u32, Box<[u64]>>,
    /// The number that stands for no block but a hole, and the sizes of holes that are too large for a piece.
    hole: Option<(u32, Column)>,
    block_size: u32,
    total: u64,
}

impl Files {
    pub(crate) fn parse(
        root: Place<'_>,
        options: Option<Place<'_>>,
        packed: &Packed,
        inodes: u32,
        blocks: u32,
    ) -> Result<Self, Fault> {
        let option = |id| options.map_or(Ok(false), |options: Place<'_>| options.field(id).flag());
        let block_size = root.field(metadata::BLOCK_SIZE).number()?;
        if block_size == 0 || !block_size.is_power_of_two() {
            return Err(Fault::damaged("its block size is no power of two"));
        }
        if block_size > MAX_BLOCK_SIZE {
            return Err(Fault::unsupported(format!(
                "its blocks of {} MiB are larger than 128 MiB",
                block_size >> 20
            )));
        }
        let pieces = root.field(metadata::CHUNKS);
        let table = root.field(metadata::CHUNK_TABLE).numbers()?;
        if table.len().saturating_sub(1) > inodes {
            return Err(wrong_length());
        }
        let first_pieces = validate::unpack(table, packed, option(fs_options::PACKED_CHUNK_TABLE)?)?;
        let shared = match root.field(metadata::SHARED_FILES_TABLE).optional()? {
            Some(list) => unpack_shared(
                list.numbers()?,
                packed,
                option(fs_options::PACKED_SHARED_FILES_TABLE)?,
                inodes,
            )?,
            None => Vec::new(),
        };
        let contents = u32::try_from(first_pieces.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let shared_contents = shared.last().map_or(Some(0), |last| last.checked_add(1));
        let unique = shared_contents
            .and_then(|shared| contents.checked_sub(shared))
            .ok_or_else(wrong_length)?;
        let mut files = Self {
            blocks: pieces.column(chunk::BLOCK)?,
            offsets: pieces.column(chunk::OFFSET)?,
            sizes: pieces.column(chunk::SIZE)?,
            first_pieces,
            unique,
            shared,
            marks: HashMap::new(),
            hole: holes(root)?,
            block_size: block_size as u32,
            total: 0,
        };
        files.check(packed, blocks)?;
        files.mark(packed, contents)?;
        Ok(files)
    }

    fn check(&self, packed: &Packed, blocks: u32) -> Result<(), Fault> {
        let count = self.blocks.len();
        if self.first_pieces.last().is_some_and(|&last| last > count) {
            return Err(wrong_length());
        }
        if count > MAX_PIECES || (self.blocks.is_weightless() && count > 1) {
            return Err(wrong_length());
        }
        for piece in 0..count {
            let extent = self.piece(packed, piece);
            let fits = match extent.block {
                Some(block) => block < blocks && u64::from(extent.offset) + extent.size <= u64::from(self.block_size),
                None => self.offsets.get32(packed, piece) != LARGE_HOLE || self.large_hole(packed, piece).is_some(),
            };
            if !fits {
                return Err(Fault::damaged("a file lies outside of the data blocks"));
            }
        }
        Ok(())
    }

    fn mark(&mut self, packed: &Packed, contents: u32) -> Result<(), Fault> {
        for content in 0..contents {
            let pieces = self.pieces(content);
            let is_long = pieces.len() > PIECES_PER_MARK as usize;
            let mut marks = Vec::new();
            let mut size = 0u64;
            for (number, piece) in pieces.enumerate() {
                if is_long && number % PIECES_PER_MARK as usize == 0 {
                    marks.push(size);
                }
                // A size that the kernel can hand on; holes claim any.
                size = size
                    .checked_add(self.piece(packed, piece).size)
                    .filter(|&size| size <= i64::MAX as u64)
                    .ok_or_else(|| Fault::damaged("a file is larger than any file can be"))?;
            }
            self.total = self.total.saturating_add(size);
            if is_long {
                marks.push(size);
                self.marks.insert(content, marks.into_boxed_slice());
            }
        }
        Ok(())
    }

    /// How many files there are.
    pub(crate) fn count(&self) -> u32 {
        self.unique + self.shared.len() as u32
    }

    pub(crate) fn has_holes(&self) -> bool {
        self.hole.is_some()
    }

    pub(crate) fn block_size(&self) -> u32 {
        self.block_size
    }

    /// Bytes of all different contents.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Size of a file in bytes, files being numbered from 0.
    pub(crate) fn size(&self, packed: &Packed, file: u32) -> u64 {
        let content = self.content(file);
        match self.marks.get(&content).and_then(|marks| marks.last()) {
            Some(&size) => size,
            None => self.pieces(content).map(|piece| self.piece(packed, piece).size).sum(),
        }
    }

    /// The extents of a file from byte `from` on, in order, up to its end.
    pub(crate) fn extents<'a>(&'a self, packed: &'a Packed, file: u32, from: u64) -> impl Iterator<Item = Extent> + 'a {
        let content = self.content(file);
        let mut pieces = self.pieces(content);
        let mut skip = from;
        if let Some(marks) = self.marks.get(&content) {
            let mark = marks.partition_point(|&offset| offset <= from).saturating_sub(1);
            skip -= marks.get(mark).copied().unwrap_or(0).min(from);
            let start = pieces
                .start
                .saturating_add((mark as u32).saturating_mul(PIECES_PER_MARK));
            pieces.start = start.min(pieces.end);
        }
        pieces.filter_map(move |piece| {
            let mut extent = self.piece(packed, piece);
            if skip >= extent.size {
                skip -= extent.size;
                return None;
            }
            extent.size -= skip;
            if extent.block.is_some() {
                // Less than the size of a block, which is a number of 32 bits.
                extent.offset += skip as u32;
            }
            skip = 0;
            Some(extent)
        })
    }

    fn content(&self, file: u32) -> u32 {
        match file.checked_sub(self.unique) {
            None => file,
            Some(shared) => self
                .shared
                .get(shared as usize)
                .map_or(u32::MAX, |content| content + self.unique),
        }
    }

    fn pieces(&self, content: u32) -> std::ops::Range<u32> {
        let content = content as usize;
        let range = self
            .first_pieces
            .get(content)
            .zip(content.checked_add(1).and_then(|next| self.first_pieces.get(next)));
        range.map_or(0..0, |(&from, &to)| from..to)
    }

    fn piece(&self, packed: &Packed, piece: u32) -> Extent {
        let (block, offset, size) = (
            self.blocks.get32(packed, piece),
            self.offsets.get32(packed, piece),
            self.sizes.get32(packed, piece),
        );
        if self.hole.is_none_or(|(hole, _)| hole != block) {
            return Extent {
                block: Some(block),
                offset,
                size: size.into(),
            };
        }
        let size = match offset {
            LARGE_HOLE => self.large_hole(packed, piece).unwrap_or(0),
            _ => u64::from(size) * u64::from(self.block_size) + u64::from(offset),
        };
        Extent {
            block: None,
            offset: 0,
            size,
        }
    }

    fn large_hole(&self, packed: &Packed, piece: u32) -> Option<u64> {
        let (_, sizes) = self.hole?;
        let row = self.sizes.get32(packed, piece);
        (row < sizes.len()).then(|| sizes.get(packed, row))
    }
}

/// How images with sparse files say that a piece is a hole; `None` if they have none.
fn holes(root: Place<'_>) -> Result<Option<(u32, Column)>, Fault> {
    let Some(hole) = root.field(metadata::HOLE_BLOCK_INDEX).optional()? else {
        return Ok(None);
    };
    let sizes = root
        .field(metadata::LARGE_HOLE_SIZE)
        .optional()?
        .map(Place::numbers)
        .transpose()?;
    Ok(Some((hole.number32()?, sizes.unwrap_or_default())))
}

/// The packed form says for each shared content how many more than two files have it.
fn unpack_shared(column: Column, packed: &Packed, is_packed: bool, inodes: u32) -> Result<Vec<u32>, Fault> {
    if column.len() > inodes {
        return Err(wrong_length());
    }
    let mut shared = Vec::new();
    for row in 0..column.len() {
        let number = column.get32(packed, row);
        if !is_packed {
            shared.push(number);
            continue;
        }
        let files = number
            .checked_add(2)
            .filter(|&files| files <= inodes && shared.len() + files as usize <= inodes as usize);
        let files = files.ok_or_else(wrong_length)?;
        shared.extend(std::iter::repeat_n(row, files as usize));
    }
    if !shared.is_sorted() {
        return Err(wrong_length());
    }
    Ok(shared)
}

fn wrong_length() -> Fault {
    Fault::damaged("its table of files has the wrong length")
}
