//! The tables of names and of symlink targets.

use dwarfs::fsst;

use crate::error::Fault;
use crate::fields::string_table;
use crate::frozen::{Packed, Place};

/// Decompressed text of a table at most; what lies in the metadata as it is has that bound already.
const MAX_TEXT: usize = 256 << 20;

/// Strings by number. The text stays in the packed metadata unless it is compressed there.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    text: Text,
    /// One more than there are strings, ascending, all within the text.
    offsets: Vec<u32>,
}

#[derive(Debug)]
enum Text {
    Packed { start: u64, length: u64 },
    Owned(Box<[u8]>),
}

impl Default for Text {
    fn default() -> Self {
        Self::Owned(Box::default())
    }
}

impl Strings {
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.offsets.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The string with this number, or an empty one if there is none.
    pub(crate) fn get<'a>(&'a self, packed: &'a Packed, number: u32) -> &'a [u8] {
        let text = match &self.text {
            Text::Packed { start, length } => packed.slice(*start, *length).unwrap_or_default(),
            Text::Owned(text) => text,
        };
        let number = number as usize;
        let range = self.offsets.get(number).zip(self.offsets.get(number + 1));
        range
            .and_then(|(&from, &to)| text.get(from as usize..to as usize))
            .unwrap_or_default()
    }

    /// Reads the table `compact` if it is set, else the list of single strings `loose` that older images have.
    pub(crate) fn parse(compact: Place<'_>, loose: Place<'_>, packed: &Packed) -> Result<Self, Fault> {
        match compact.optional()? {
            Some(table) => Self::parse_compact(table, packed),
            None => Self::parse_loose(loose),
        }
    }

    fn parse_loose(list: Place<'_>) -> Result<Self, Fault> {
        let mut text = Vec::new();
        let mut offsets = vec![0];
        for index in 0..list.count()? {
            let Some(string) = list.string(index)? else {
                return Err(damaged());
            };
            // Distances may point at the same bytes again and again.
            if text.len() + string.len() > MAX_TEXT || offsets.len() > MAX_TEXT / 8 {
                return Err(damaged());
            }
            text.extend_from_slice(string);
            offsets.push(text.len() as u32);
        }
        Ok(Self {
            text: Text::Owned(text.into_boxed_slice()),
            offsets,
        })
    }

    fn parse_compact(table: Place<'_>, packed: &Packed) -> Result<Self, Fault> {
        let buffer = table.field(string_table::BUFFER).bytes()?;
        let symbols = table
            .field(string_table::SYMTAB)
            .optional()?
            .map(Place::bytes)
            .transpose()?;
        let index = table.field(string_table::INDEX).numbers()?;
        let is_delta = table.field(string_table::PACKED_INDEX).flag()?;
        // No string that is used is empty, so there is a byte for each, and one position more at most.
        if index.len() as usize > buffer.len() + 1 {
            return Err(damaged());
        }
        let mut offsets = Vec::with_capacity(index.len() as usize + 1);
        if is_delta {
            // Lengths instead of positions; the first position, which is zero, is left out.
            let mut sum = 0u32;
            offsets.push(0);
            for row in 0..index.len() {
                sum = sum.checked_add(index.get32(packed, row)).ok_or_else(damaged)?;
                offsets.push(sum);
            }
        } else {
            offsets.extend((0..index.len()).map(|row| index.get32(packed, row)));
        }
        let within = offsets.last().is_none_or(|&last| last as usize <= buffer.len());
        if !offsets.is_sorted() || !within {
            return Err(damaged());
        }
        match symbols {
            Some(symbols) => Self::decode(buffer, symbols, &offsets),
            None => {
                let (start, length) = table.field(string_table::BUFFER).bytes_range()?;
                Ok(Self {
                    text: Text::Packed { start, length },
                    offsets,
                })
            }
        }
    }

    fn decode(buffer: &[u8], symbols: &[u8], offsets: &[u32]) -> Result<Self, Fault> {
        let decoder =
            fsst::Decoder::parse(symbols).map_err(|cause| Fault::damaged(format!("its symbol table: {cause}")))?;
        let mut text = Vec::new();
        let mut decoded = vec![0];
        for pair in offsets.windows(2) {
            let &[from, to] = pair else { continue };
            let code = buffer.get(from as usize..to as usize).ok_or_else(damaged)?;
            let start = text.len();
            text.resize(start + fsst::Decoder::max_decode_len(code.len()), 0);
            let room = text.get_mut(start..).ok_or_else(damaged)?;
            let length = decoder.decode_into(code, room).map_err(|_| damaged())?;
            text.truncate(start + length);
            if text.len() > MAX_TEXT {
                return Err(damaged());
            }
            decoded.push(text.len() as u32);
        }
        Ok(Self {
            text: Text::Owned(text.into_boxed_slice()),
            offsets: decoded,
        })
    }
}

fn damaged() -> Fault {
    Fault::damaged("its table of names makes no sense")
}
