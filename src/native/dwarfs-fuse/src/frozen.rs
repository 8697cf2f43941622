//! Reading numbers out of packed metadata, without unpacking it.
//!
//! The metadata keeps each table as rows of bit fields of just the width its largest value needs. Kept that way it is
//! several times smaller than as plain numbers, and opening a layer does not grow with it. A [`Column`] has been checked
//! against the metadata's length when it was made, and yields zero for what would lie outside.

use crate::error::Fault;
use crate::fields::frozen;
use crate::schema::{Field, Layout, Schema};

/// Bytes after the metadata proper, so that the last number can be loaded with one wide read.
const PADDING: usize = 16;

#[derive(Debug)]
pub(crate) struct Packed {
    bytes: Box<[u8]>,
    length: u64,
}

impl Packed {
    pub(crate) fn new(mut bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        bytes.reserve_exact(PADDING);
        bytes.extend_from_slice(&[0; PADDING]);
        Self {
            bytes: bytes.into_boxed_slice(),
            length,
        }
    }

    /// The `bits` bits (at most 64) at position `at`, little-endian.
    fn load(&self, at: u64, bits: u32) -> u64 {
        let word = usize::try_from(at / 8)
            .ok()
            .and_then(|start| self.bytes.get(start..)?.first_chunk::<16>());
        let Some(word) = word else {
            return 0;
        };
        let shifted = u128::from_le_bytes(*word) >> (at % 8);
        let value = shifted as u64;
        if bits >= 64 { value } else { value & ((1 << bits) - 1) }
    }

    /// Bytes that a checked place in the metadata refers to.
    pub(crate) fn slice(&self, start: u64, length: u64) -> Option<&[u8]> {
        let end = start.checked_add(length).filter(|&end| end <= self.length)?;
        self.bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}

/// One field of each row of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Column {
    first: u64,
    stride: u32,
    bits: u32,
    rows: u32,
}

impl Column {
    pub(crate) fn len(&self) -> u32 {
        self.rows
    }

    /// True if the rows take up no room, so that nothing in the metadata bounds their number.
    pub(crate) fn is_weightless(&self) -> bool {
        self.stride == 0
    }

    /// The number in a row; zero if there is no such row.
    pub(crate) fn get(&self, packed: &Packed, row: u32) -> u64 {
        if row >= self.rows || self.bits == 0 {
            return 0;
        }
        packed.load(self.first + u64::from(row) * u64::from(self.stride), self.bits)
    }

    /// As [`Column::get`] for a number that is an index or a size of 32 bits; wider ones become the largest.
    pub(crate) fn get32(&self, packed: &Packed, row: u32) -> u32 {
        u32::try_from(self.get(packed, row)).unwrap_or(u32::MAX)
    }
}

/// A value in the metadata: its layout, and where it begins.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    schema: &'a Schema,
    packed: &'a Packed,
    layout: Option<&'a Layout>,
    /// Start of the enclosing storage in bytes, which distances of collections count from.
    storage: u64,
    /// Bits from there.
    bits: u64,
}

impl<'a> Place<'a> {
    pub(crate) fn root(schema: &'a Schema, packed: &'a Packed) -> Self {
        Self {
            schema,
            packed,
            layout: schema.root(),
            storage: 0,
            bits: 0,
        }
    }

    fn described(self, id: i16) -> Option<(Field, &'a Layout)> {
        let field = self.layout?.field(id)?;
        Some((field, self.schema.layout(field)?))
    }

    /// A field of this value; one that is not in the schema reads as zero and as empty.
    pub(crate) fn field(self, id: i16) -> Self {
        match self.described(id) {
            Some((field, layout)) => Self {
                layout: Some(layout),
                bits: self.bits + u64::from(field.offset_bits),
                ..self
            },
            None => Self { layout: None, ..self },
        }
    }

    pub(crate) fn number(self) -> Result<u64, Fault> {
        let Some(layout) = self.layout else {
            return Ok(0);
        };
        let at = self.storage * 8 + self.bits;
        if layout.bits > 64 || at + u64::from(layout.bits) > self.packed.length * 8 {
            return Err(outside());
        }
        Ok(self.packed.load(at, layout.bits))
    }

    pub(crate) fn number32(self) -> Result<u32, Fault> {
        u32::try_from(self.number()?).map_err(|_| outside())
    }

    pub(crate) fn flag(self) -> Result<bool, Fault> {
        Ok(self.number()? & 1 != 0)
    }

    /// The value of an optional field, if it is set.
    pub(crate) fn optional(self) -> Result<Option<Self>, Fault> {
        Ok(if self.field(frozen::IS_SET).flag()? {
            Some(self.field(frozen::VALUE))
        } else {
            None
        })
    }

    /// Where a collection lies and how many items it has.
    fn collection(self) -> Result<(u64, u32), Fault> {
        let distance = self.field(frozen::DISTANCE).number32()?;
        let count = self.field(frozen::COUNT).number32()?;
        Ok((self.storage + u64::from(distance), count))
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], Fault> {
        let (start, length) = self.collection()?;
        self.packed.slice(start, length.into()).ok_or_else(outside)
    }

    /// Start and length of what [`Place::bytes`] yields, for [`Packed::slice`].
    pub(crate) fn bytes_range(self) -> Result<(u64, u64), Fault> {
        self.collection().map(|(start, length)| (start, length.into()))
    }

    /// The number of items of a list or a set.
    pub(crate) fn count(self) -> Result<u32, Fault> {
        self.collection().map(|(_, count)| count)
    }

    /// One field of each item of a list of structs.
    pub(crate) fn column(self, id: i16) -> Result<Column, Fault> {
        let item = self.described(3).map(|(_, layout)| layout);
        let field = item.and_then(|item| item.field(id));
        self.any_column(
            item,
            field.and_then(|field| Some((field.offset_bits, self.schema.layout(field)?))),
        )
    }

    /// The items of a list of numbers.
    pub(crate) fn numbers(self) -> Result<Column, Fault> {
        let item = self.described(3).map(|(_, layout)| layout);
        self.any_column(item, item.map(|item| (0, item)))
    }

    fn any_column(self, item: Option<&Layout>, value: Option<(u32, &Layout)>) -> Result<Column, Fault> {
        let (start, rows) = self.collection()?;
        let stride = item.map_or(0, |item| item.bits);
        let (offset, bits) = value.map_or((0, 0), |(offset, layout)| (offset, layout.bits));
        let length = u64::from(rows) * u64::from(stride);
        let inside = start
            .checked_mul(8)
            .and_then(|at| at.checked_add(length))
            .is_some_and(|end| end <= self.packed.length * 8);
        if !inside || bits > 64 || (stride != 0 && offset + bits > stride) {
            return Err(outside());
        }
        let bits = if stride == 0 { 0 } else { bits };
        Ok(Column {
            first: start * 8 + u64::from(offset),
            stride,
            bits,
            rows,
        })
    }

    /// The items of a list of byte strings; `None` if there is no such item.
    pub(crate) fn string(self, index: u32) -> Result<Option<&'a [u8]>, Fault> {
        let (start, rows) = self.collection()?;
        let Some((_, layout)) = self.described(3).filter(|_| index < rows) else {
            return Ok(None);
        };
        let bits = u64::from(index) * u64::from(layout.bits);
        Self {
            layout: Some(layout),
            storage: start,
            bits,
            ..self
        }
        .bytes()
        .map(Some)
    }
}

fn outside() -> Fault {
    Fault::damaged("its metadata points outside of itself")
}
