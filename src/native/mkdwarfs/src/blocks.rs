//! Contents one after the other in blocks, of which some may be shorter than the block size of the image: the format names a block
//! and a place in it for each piece of a file, and says nothing of how long blocks are.

use std::io::{Read, Write};

use dwarfs::section::SectionType;
use dwarfs_enc::metadata::Chunk;
use dwarfs_enc::section::{CompressParam, Writer};

use crate::holes::Piece;

pub struct Blocks<W> {
    writer: Writer<W>,
    compression: CompressParam,
    block: Vec<u8>,
    /// Bytes of a block, at most those of the image's block size.
    limit: u32,
}

impl<W: Write> Blocks<W> {
    pub fn new(writer: Writer<W>, compression: CompressParam, limit: u32) -> Self {
        Self {
            writer,
            compression,
            block: Vec::with_capacity(limit as usize),
            limit,
        }
    }

    /// Ends the block; the next ones have at most `limit` bytes.
    pub fn end_block(&mut self, limit: u32) -> Result<(), dwarfs_enc::Error> {
        self.limit = limit;
        if self.block.is_empty() {
            return Ok(());
        }
        self.writer
            .write_section(SectionType::BLOCK, self.compression, &self.block)?;
        self.block.clear();
        Ok(())
    }

    /// Stores all that can be read, and adds where it lies to `pieces`.
    pub fn put(&mut self, mut reader: impl Read, pieces: &mut Vec<Piece>) -> Result<(), dwarfs_enc::Error> {
        loop {
            if self.block.len() >= self.limit as usize {
                self.end_block(self.limit)?;
            }
            let offset = self.block.len();
            let room = self.limit as usize - offset;
            let read = reader.by_ref().take(room as u64).read_to_end(&mut self.block)?;
            if read > 0 {
                pieces.push(Piece::Stored(Chunk {
                    section_idx: self.writer.section_count(),
                    offset: offset as u32,
                    size: read as u32,
                }));
            }
            if read < room {
                return Ok(());
            }
        }
    }

    pub fn finish(mut self) -> Result<Writer<W>, dwarfs_enc::Error> {
        self.end_block(self.limit)?;
        Ok(self.writer)
    }
}
