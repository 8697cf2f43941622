//! Names and link targets of any bytes, through an encoder that takes text.
//!
//! DwarFS stores names as bytes. The encoder's builder takes only text, and compares it only for equality. So each byte is handed to
//! it as the character of that number, and afterwards the string tables get the bytes back.

use dwarfs::metadata::{Metadata, StringTable};

use crate::error::Error;

/// What to hand to the builder for these bytes. Different bytes give different texts.
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Puts the bytes into finished metadata.
pub fn apply(metadata: &mut Metadata) -> Result<(), Error> {
    for table in [&mut metadata.compact_names, &mut metadata.compact_symlinks]
        .into_iter()
        .flatten()
    {
        restore(table).ok_or_else(|| Error::Encode("a name was lost".into()))?;
    }
    Ok(())
}

/// The table is as the builder writes it: the texts in a row, and for each its length in bytes.
fn restore(table: &mut StringTable) -> Option<()> {
    let mut buffer = Vec::with_capacity(table.buffer.len());
    let mut rest: &[u8] = &table.buffer;
    for length in &mut table.index {
        let text;
        (text, rest) = rest.split_at_checked(*length as usize)?;
        let before = buffer.len();
        for character in str::from_utf8(text).ok()?.chars() {
            buffer.push(u8::try_from(character).ok()?);
        }
        *length = (buffer.len() - before) as u32;
    }
    if !rest.is_empty() {
        return None;
    }
    table.buffer = buffer.into();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let names = [
            &b"plain"[..],
            &[0xff, 0xfe],
            b"",
            "käse".as_bytes(),
            &(1..=255).collect::<Vec<u8>>(),
        ];
        let texts: Vec<_> = names.iter().map(|name| text(name)).collect();
        let mut table = StringTable::default();
        table.buffer = texts.concat().into();
        table.index = texts.iter().map(|text| text.len() as u32).collect();
        restore(&mut table).unwrap();
        assert_eq!(table.buffer, names.concat());
        let lengths: Vec<_> = names.iter().map(|name| name.len() as u32).collect();
        assert_eq!(table.index, lengths);
    }

    #[test]
    fn a_table_of_another_form_is_refused() {
        let mut table = StringTable::default();
        table.buffer = "ab".into();
        table.index = vec![1];
        assert!(restore(&mut table).is_none());
        table.index = vec![3];
        assert!(restore(&mut table).is_none());
    }
}
