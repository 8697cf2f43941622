//! The schema section: how the fields of the metadata lie in it, bit by bit.
//!
//! It is a Thrift compact-protocol struct. Only the few types that occur in it are read; unknown fields are skipped.
//! Every loop consumes input, and nesting is bounded, so a forged schema costs neither time nor stack.

use std::collections::HashMap;

use crate::error::Fault;
use crate::fields::schema as fields;

const MAX_DEPTH: u32 = 8;
const MAX_LAYOUTS: usize = 4096;

/// How a value lies in memory: as a number of `bits`, or made of fields.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) bits: u32,
    fields: HashMap<i16, Field>,
}

/// A field of a layout: which layout it has, and how many bits after the start of its owner it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Field {
    layout: i16,
    pub(crate) offset_bits: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Schema {
    layouts: HashMap<i16, Layout>,
    root: i16,
}

impl Layout {
    pub(crate) fn field(&self, id: i16) -> Option<Field> {
        self.fields.get(&id).copied()
    }
}

impl Schema {
    pub(crate) fn root(&self) -> Option<&Layout> {
        self.layouts.get(&self.root)
    }

    /// The layout of a field; `None` is a value that takes no room and is zero.
    pub(crate) fn layout(&self, field: Field) -> Option<&Layout> {
        self.layouts.get(&field.layout)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut input = Input { rest: bytes };
        let mut schema = Self::default();
        let mut version = 0;
        let mut last = 0;
        while let Some((id, kind)) = input.field(&mut last)? {
            match (id, kind) {
                fields::LAYOUTS => input.map(|input, id, kind| {
                    if kind != Kind::Struct || schema.layouts.len() >= MAX_LAYOUTS {
                        return Err(damaged());
                    }
                    let layout = input.layout()?;
                    schema.layouts.insert(id, layout);
                    Ok(())
                })?,
                fields::ROOT_LAYOUT => schema.root = small(input.number()?)?,
                fields::FILE_VERSION => version = input.number()?,
                _ => input.skip(kind, 0)?,
            }
        }
        if version != 1 {
            return Err(Fault::unsupported(format!("its metadata schema has version {version}")));
        }
        if schema.root().is_none() {
            return Err(damaged());
        }
        Ok(schema)
    }
}

fn damaged() -> Fault {
    Fault::damaged("its metadata schema makes no sense")
}

fn small(number: i32) -> Result<i16, Fault> {
    i16::try_from(number).map_err(|_| damaged())
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Kind {
    True,
    False,
    Number,
    Text,
    Map,
    Struct,
}

impl Kind {
    fn parse(tag: u8) -> Result<Self, Fault> {
        match tag {
            1 => Ok(Self::True),
            2 => Ok(Self::False),
            4..=6 => Ok(Self::Number),
            8 => Ok(Self::Text),
            11 => Ok(Self::Map),
            12 => Ok(Self::Struct),
            _ => Err(damaged()),
        }
    }
}

struct Input<'a> {
    rest: &'a [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> Result<u8, Fault> {
        let (&first, rest) = self.rest.split_first().ok_or_else(damaged)?;
        self.rest = rest;
        Ok(first)
    }

    fn unsigned(&mut self) -> Result<u32, Fault> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| damaged());
            }
        }
        Err(damaged())
    }

    fn number(&mut self) -> Result<i32, Fault> {
        let zigzag = self.unsigned()?;
        Ok((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()))
    }

    /// The next field of a struct, or `None` at its end.
    fn field(&mut self, last: &mut i16) -> Result<Option<(i16, Kind)>, Fault> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let id = match head >> 4 {
            0 => small(self.number()?)?,
            delta => last.checked_add(i16::from(delta)).ok_or_else(damaged)?,
        };
        *last = id;
        Ok(Some((id, Kind::parse(head & 15)?)))
    }

    /// A map with small numbers as keys; `value` reads each value, given its key and kind.
    fn map(&mut self, mut value: impl FnMut(&mut Self, i16, Kind) -> Result<(), Fault>) -> Result<(), Fault> {
        let length = self.unsigned()?;
        if length == 0 {
            return Ok(());
        }
        let kinds = self.byte()?;
        if Kind::parse(kinds >> 4)? != Kind::Number {
            return Err(damaged());
        }
        let kind = Kind::parse(kinds & 15)?;
        for _ in 0..length {
            let key = small(self.number()?)?;
            value(self, key, kind)?;
        }
        Ok(())
    }

    fn skip(&mut self, kind: Kind, depth: u32) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(damaged());
        }
        match kind {
            Kind::True | Kind::False => Ok(()),
            Kind::Number => self.number().map(drop),
            Kind::Text => {
                let length = self.unsigned()? as usize;
                self.rest = self.rest.get(length..).ok_or_else(damaged)?;
                Ok(())
            }
            Kind::Map => self.map(|input, _, kind| match kind {
                // Inside a collection a truth value takes a byte of its own.
                Kind::True | Kind::False => input.byte().map(drop),
                kind => input.skip(kind, depth + 1),
            }),
            Kind::Struct => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth + 1)?;
                }
                Ok(())
            }
        }
    }

    fn layout(&mut self) -> Result<Layout, Fault> {
        let mut layout = Layout::default();
        let mut last = 0;
        while let Some((id, kind)) = self.field(&mut last)? {
            match (id, kind) {
                fields::LAYOUT_BITS => layout.bits = u32::try_from(self.number()?).map_err(|_| damaged())?,
                fields::LAYOUT_FIELDS => self.map(|input, id, kind| {
                    if kind != Kind::Struct {
                        return Err(damaged());
                    }
                    let field = input.layout_field()?;
                    layout.fields.insert(id, field);
                    Ok(())
                })?,
                _ => self.skip(kind, 0)?,
            }
        }
        if layout.fields.is_empty() && layout.bits > 64 {
            return Err(damaged());
        }
        Ok(layout)
    }

    fn layout_field(&mut self) -> Result<Field, Fault> {
        let mut field = Field::default();
        let mut last = 0;
        while let Some((id, kind)) = self.field(&mut last)? {
            match (id, kind) {
                fields::FIELD_LAYOUT_ID => field.layout = small(self.number()?)?,
                fields::FIELD_OFFSET => {
                    // Bytes if positive, bits if negative.
                    let offset = small(self.number()?)?;
                    let units = u32::from(offset.unsigned_abs());
                    field.offset_bits = if offset < 0 { units } else { units * 8 };
                }
                _ => self.skip(kind, 0)?,
            }
        }
        Ok(field)
    }
}
