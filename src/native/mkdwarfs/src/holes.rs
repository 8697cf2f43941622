//! Sparse files. Large holes are not read and not stored: the format has a block number that means "zeros", which upstream reads since
//! version 0.14. The `dwarfs` crate does not know the two tables for it, so they are added to the metadata here.

use std::fs::File;
use std::io;

use dwarfs::metadata::{DenseMap, Metadata, Schema, SchemaField, SchemaLayout};
use dwarfs_enc::metadata::Chunk;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::error::Error;

/// Smaller holes are stored as zeros: they compress well, and most programs that leave them mean nothing by it.
pub const LEAST: u64 = 1 << 20;
/// One piece of a file says at most so many bytes of hole: 2³² blocks of 64 KiB, the smallest, are 2⁴⁸ bytes.
const MOST: u64 = 1 << 47;
/// Stands for a hole until the number of blocks is known.
const PLACEHOLDER: u32 = u32::MAX;

/// Fields of the metadata, by number.
const LISTS: std::ops::RangeInclusive<usize> = 1..=11;
const OPTIONAL_LISTS: [usize; 4] = [17, 19, 20, 22];
const TEXTS: [usize; 2] = [24, 25];
const FEATURES: usize = 27;
const HOLE_BLOCK: usize = 34;
const FEATURE: &[u8] = b"sparsefiles";

/// A part of a file, with its length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Segment {
    Data(u64),
    Hole(u64),
}

/// Where a part of a file lies in the image.
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    Stored(Chunk),
    Hole(u64),
}

/// The part of a file that begins at `offset`; holes below [`LEAST`] count as data. File systems without holes say that all is data.
pub fn segment_at(file: &File, offset: u64, size: u64) -> io::Result<Segment> {
    let data = seek(file, SeekFrom::Data(offset))?.unwrap_or(size).min(size);
    if data - offset >= LEAST {
        return Ok(Segment::Hole(data - offset));
    }
    let mut end = data;
    while end < size {
        let hole = seek(file, SeekFrom::Hole(end))?.unwrap_or(size).min(size);
        let next = seek(file, SeekFrom::Data(hole))?.unwrap_or(size).min(size);
        if next - hole >= LEAST {
            return Ok(Segment::Data(hole - offset));
        }
        end = next.max(end + 1);
    }
    Ok(Segment::Data(size - offset))
}

/// `None` where there is no more data behind the offset.
fn seek(file: &File, to: SeekFrom) -> io::Result<Option<u64>> {
    match (rustix::fs::seek(file, to), to) {
        (Ok(found), SeekFrom::Data(offset) | SeekFrom::Hole(offset)) => Ok(Some(found.max(offset))),
        (Err(Errno::NXIO), _) => Ok(None),
        // No such thing here: all is data.
        (Err(Errno::INVAL), SeekFrom::Data(offset)) => Ok(Some(offset)),
        (Err(Errno::INVAL), _) => Ok(None),
        (found, _) => Ok(Some(found?)),
    }
}

/// Pieces as the encoder takes them. The sizes of holes are noted in `holes`, in the order in which they are to be put in later.
pub fn chunks(pieces: &[Piece], holes: &mut Vec<u64>) -> Vec<Chunk> {
    let mut chunks = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Stored(chunk) => chunks.push(*chunk),
            Piece::Hole(size) => {
                let mut left = *size;
                while left > 0 {
                    let part = left.min(MOST);
                    holes.push(part);
                    chunks.push(Chunk {
                        section_idx: PLACEHOLDER,
                        offset: 0,
                        size: 1,
                    });
                    left -= part;
                }
            }
        }
    }
    chunks
}

/// The schema and the bytes of finished metadata, with its holes. `block` is the number that no data block has.
pub fn encode(mut metadata: Metadata, holes: &[u64], block: u32) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let block_size = u64::from(metadata.block_size);
    let mut sizes = holes.iter();
    for chunk in metadata.chunks.iter_mut().filter(|chunk| chunk.block == PLACEHOLDER) {
        let size = sizes.next().copied().unwrap_or(0);
        chunk.block = block;
        chunk.offset = (size % block_size) as u32;
        chunk.size = (size / block_size) as u32;
    }
    let failed = |cause| Error::Encode(format!("{cause}"));
    let (mut schema, mut bytes) = metadata.to_schema_and_bytes().map_err(failed)?;
    if !holes.is_empty() {
        bytes = Root::extend(&mut schema, &bytes, block)?;
    }
    Ok((schema.to_bytes().map_err(failed)?, bytes))
}

/// The root of the metadata with room for more fields.
///
/// The root lies at the start of the bytes, its fields within 4 KiB of that, and the data of all lists behind it, at distances from the
/// start. So new fields need room at the start, and each distance in the root then has to be larger: it is written anew, in 32 bits,
/// while everything else of the root stays as it is behind the new room.
struct Root<'a> {
    schema: &'a mut Schema,
    old: &'a [u8],
    /// What comes before the old root.
    new: Vec<u8>,
    /// Bytes that come before the old root, once all is there.
    room: usize,
}

/// A layout and where a value with it begins, in bits.
#[derive(Clone, Copy)]
struct Value {
    layout: i16,
    at: usize,
}

/// Room before the old root: 4 bytes for each distance, and the new fields.
const ROOM: usize = 256;

impl<'a> Root<'a> {
    fn extend(schema: &'a mut Schema, old: &'a [u8], block: u32) -> Result<Vec<u8>, Error> {
        let mut root = Root {
            schema,
            old,
            new: Vec::with_capacity(ROOM),
            room: ROOM,
        };
        let number = root.schema.root_layout;
        let fields = root.layout(number)?.fields.0.clone();
        let mut moved = Vec::new();
        for (id, field) in fields.into_iter().enumerate() {
            let Some(field) = field else { continue };
            let value = Value {
                layout: field.layout_id,
                at: bits(&field),
            };
            let value = match id {
                id if LISTS.contains(&id) => root.list(value)?,
                id if OPTIONAL_LISTS.contains(&id) => root.optional(value, Self::list)?,
                id if TEXTS.contains(&id) => root.optional(value, Self::texts)?,
                _ => Value {
                    at: value.at + root.room * 8,
                    ..value
                },
            };
            moved.push((id, value));
        }
        moved.push((HOLE_BLOCK, root.hole_block(block)));
        moved.push((FEATURES, root.features()));
        let Root { schema, new, room, .. } = root;
        if new.len() > room {
            return Err(Error::Encode("the metadata has no room for sparse files".into()));
        }
        let layout = layout_of(moved, 0)?;
        if let Some(Some(root)) = schema.layouts.0.get_mut(number as usize) {
            root.fields = layout.fields;
            root.size += room as i32;
            root.bits = i16::try_from(i32::from(root.bits) + room as i32 * 8).map_err(|_| too_large())?;
        }
        let mut bytes = new;
        bytes.resize(room, 0);
        bytes.extend_from_slice(old);
        // The list of features has one text: a distance from the list, a length, and what it says.
        bytes.extend(8_u32.to_le_bytes());
        bytes.extend((FEATURE.len() as u32).to_le_bytes());
        bytes.extend(FEATURE);
        Ok(bytes)
    }

    fn layout(&self, number: i16) -> Result<&SchemaLayout, Error> {
        let layout = self.schema.layouts.0.get(number as usize).and_then(Option::as_ref);
        layout.ok_or_else(|| Error::Encode("the metadata has a field without a layout".into()))
    }

    fn field(&self, value: Value, id: usize) -> Result<Option<Value>, Error> {
        let field = self.layout(value.layout)?.fields.0.get(id).and_then(Option::as_ref);
        Ok(field.map(|field| Value {
            layout: field.layout_id,
            at: value.at + bits(field),
        }))
    }

    fn add(&mut self, fields: Vec<(usize, Value)>, base: usize) -> Result<Value, Error> {
        let layout = layout_of(fields, base)?;
        self.schema.layouts.0.push(Some(layout));
        Ok(Value {
            layout: (self.schema.layouts.0.len() - 1) as i16,
            at: base,
        })
    }

    fn plain(&mut self, bits: i16) -> i16 {
        let mut layout = SchemaLayout::default();
        (layout.bits, layout.size) = (bits, (i32::from(bits) + 7) / 8);
        self.schema.layouts.0.push(Some(layout));
        (self.schema.layouts.0.len() - 1) as i16
    }

    /// A place for 32 bits in the new part.
    fn put(&mut self, number: u32) -> Value {
        let at = self.new.len() * 8;
        self.new.extend(number.to_le_bytes());
        Value {
            layout: self.plain(32),
            at,
        }
    }

    /// Distance, count and item.
    fn list(&mut self, value: Value) -> Result<Value, Error> {
        let distance = match self.field(value, 1)? {
            Some(distance) => self.number(distance)?,
            None => 0,
        };
        let moved = self.put(distance + self.room as u32);
        let mut fields = vec![(1, moved)];
        if let Some(count) = self.field(value, 2)? {
            fields.push((2, self.behind(count)));
        }
        if let Some(item) = self.field(value, 3)? {
            fields.push((3, Value { at: moved.at, ..item }));
        }
        self.add(fields, moved.at)
    }

    /// Whether it is there, and what.
    fn optional(&mut self, value: Value, inner: fn(&mut Self, Value) -> Result<Value, Error>) -> Result<Value, Error> {
        let (Some(flag), Some(content)) = (self.field(value, 1)?, self.field(value, 2)?) else {
            return Ok(self.behind(value));
        };
        let content = inner(self, content)?;
        let flag = self.behind(flag);
        self.add(vec![(1, flag), (2, content)], content.at)
    }

    /// All characters, how they are packed, where each text begins, and how that is packed.
    fn texts(&mut self, value: Value) -> Result<Value, Error> {
        let mut fields = Vec::new();
        if let Some(characters) = self.field(value, 1)? {
            fields.push((1, self.list(characters)?));
        }
        if let Some(symbols) = self.field(value, 2)? {
            fields.push((2, self.optional(symbols, Self::list)?));
        }
        if let Some(index) = self.field(value, 3)? {
            fields.push((3, self.list(index)?));
        }
        if let Some(packed) = self.field(value, 4)? {
            fields.push((4, self.behind(packed)));
        }
        let base = fields.iter().map(|(_, value)| value.at).min().unwrap_or(0);
        self.add(fields, base)
    }

    /// A value of the old root that stays as it is.
    fn behind(&self, value: Value) -> Value {
        Value {
            at: value.at + self.room * 8,
            ..value
        }
    }

    fn number(&self, value: Value) -> Result<u32, Error> {
        let width = self.layout(value.layout)?.bits as usize;
        let bit = |index: usize| {
            let at = value.at + index;
            let byte = self.old.get(at / 8).copied().unwrap_or(0);
            u32::from(byte >> (at % 8) & 1)
        };
        if width > 32 {
            return Err(too_large());
        }
        Ok((0..width)
            .map(|index| bit(index) << index)
            .fold(0, |all, bit| all | bit))
    }

    fn flag(&mut self) -> Value {
        let at = self.new.len() * 8;
        self.new.push(1);
        Value {
            layout: self.plain(1),
            at,
        }
    }

    fn hole_block(&mut self, block: u32) -> Value {
        let flag = self.flag();
        let number = self.put(block);
        self.own(vec![(1, flag), (2, number)], flag.at)
    }

    fn features(&mut self) -> Value {
        let flag = self.flag();
        let [byte, long] = [8, 32].map(|bits| self.plain(bits));
        let mut list = |item| {
            let at = |layout, at| Value { layout, at };
            self.own(vec![(1, at(long, 0)), (2, at(long, 32)), (3, at(item, 0))], 0)
                .layout
        };
        let text = list(byte);
        let texts = list(text);
        if let Some(Some(text)) = self.schema.layouts.0.get_mut(text as usize) {
            (text.bits, text.size) = (64, 8);
        }
        let content = Value {
            layout: texts,
            at: self.new.len() * 8,
        };
        let distance = (self.room + self.old.len()) as u32;
        self.new.extend(distance.to_le_bytes());
        self.new.extend(1_u32.to_le_bytes());
        self.own(vec![(1, flag), (2, content)], flag.at)
    }

    /// Of offsets that are small for sure.
    fn own(&mut self, fields: Vec<(usize, Value)>, base: usize) -> Value {
        let layout = layout_of(fields, base).unwrap_or_default();
        self.schema.layouts.0.push(Some(layout));
        Value {
            layout: (self.schema.layouts.0.len() - 1) as i16,
            at: base,
        }
    }
}

/// A layout of values that a value at `base` is made of. Offsets are bits if negative, and bytes otherwise.
fn layout_of(fields: Vec<(usize, Value)>, base: usize) -> Result<SchemaLayout, Error> {
    let mut layout = SchemaLayout::default();
    for (id, value) in fields {
        let mut field = SchemaField::default();
        field.layout_id = value.layout;
        let offset = value.at - base;
        let offset = i16::try_from(offset).map_err(|_| too_large())?;
        field.offset = if offset % 8 == 0 { offset / 8 } else { -offset };
        put(&mut layout.fields, id, field);
    }
    Ok(layout)
}

fn bits(field: &SchemaField) -> usize {
    let offset = usize::from(field.offset.unsigned_abs());
    if field.offset < 0 { offset } else { offset * 8 }
}

fn put<T>(map: &mut DenseMap<T>, index: usize, value: T) {
    if map.0.len() <= index {
        map.0.resize_with(index + 1, || None);
    }
    map.0[index] = Some(value);
}

fn too_large() -> Error {
    Error::Encode("the metadata is too large for sparse files".into())
}
