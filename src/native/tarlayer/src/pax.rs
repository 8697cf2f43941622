//! Extended headers of POSIX archives: records of `LENGTH KEY=VALUE\n`. Values may hold any bytes, newlines too.

use crate::fail;
use crate::failure::Result;

/// What the extended header of one member says; what is not needed is not kept.
#[derive(Debug, Default)]
pub struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    /// Whole seconds.
    pub mtime: Option<i64>,
    /// Names of extended attributes.
    pub attributes: Vec<Vec<u8>>,
    pub sparse: Sparse,
}

/// What GNU tar says about holes in one of its three ways.
#[derive(Debug, Default)]
pub struct Sparse {
    pub major: Option<u64>,
    pub minor: Option<u64>,
    pub name: Option<Vec<u8>>,
    /// Size of the file with its holes.
    pub size: Option<u64>,
    /// Offsets and lengths in turn, where the header has them.
    pub map: Vec<u64>,
    pub is_sparse: bool,
}

/// Longest map in a header: each part takes some bytes of it.
const MOST_NUMBERS: usize = 1 << 20;

impl Pax {
    /// Takes in all records of a header.
    pub fn read(&mut self, mut rest: &[u8]) -> Result<()> {
        while !rest.is_empty() {
            let Some((record, after)) = split(rest) else {
                fail!("an extended header is damaged")
            };
            rest = after;
            let Some(at) = record.iter().position(|byte| *byte == b'=') else {
                fail!("an extended header is damaged")
            };
            self.take(&record[..at], &record[at + 1..])?;
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let text = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.mtime = Some(seconds(value)?),
            b"GNU.sparse.major" => self.sparse.major = Some(number(value)?),
            b"GNU.sparse.minor" => self.sparse.minor = Some(number(value)?),
            b"GNU.sparse.name" => self.sparse.name = text(),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.size = Some(number(value)?),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.sparse.push(number(value)?)?,
            b"GNU.sparse.map" => {
                for part in value.split(|byte| *byte == b',') {
                    self.sparse.push(number(part)?)?;
                }
            }
            _ => {
                for prefix in [&b"SCHILY.xattr."[..], b"LIBARCHIVE.xattr."] {
                    if let Some(name) = key.strip_prefix(prefix) {
                        self.attributes.push(name.to_vec());
                    }
                }
            }
        }
        self.sparse.is_sparse |= key.starts_with(b"GNU.sparse.");
        Ok(())
    }
}

impl Sparse {
    fn push(&mut self, number: u64) -> Result<()> {
        if self.map.len() >= MOST_NUMBERS {
            fail!("a sparse file has too many parts")
        }
        self.map.push(number);
        Ok(())
    }
}

/// The first record, without its length and newline, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    if length <= space + 1 || length > bytes.len() {
        return None;
    }
    let (record, rest) = bytes.split_at(length);
    Some((record[space + 1..].strip_suffix(b"\n")?, rest))
}

pub fn number(text: &[u8]) -> Result<u64> {
    let parsed = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    match parsed {
        Some(number) => Ok(number),
        None => fail!("'{}' in an extended header is no number", text.escape_ascii()),
    }
}

/// Rounded down, as the kernel does with what it cannot store.
fn seconds(text: &[u8]) -> Result<i64> {
    let parsed = str::from_utf8(text).ok().and_then(|text| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = whole.parse().ok()?;
        let is_below = whole.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
        Some(seconds.saturating_sub(is_below.into()))
    });
    match parsed {
        Some(seconds) => Ok(seconds),
        None => fail!("'{}' in an extended header is no time", text.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let body = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
        let mut length = body.len() + 1;
        while length.to_string().len() + body.len() != length {
            length += 1;
        }
        [length.to_string().as_bytes(), &body].concat()
    }

    #[test]
    fn values_may_hold_any_bytes() {
        let bytes = [
            record("path", b"a\nb=c\xff"),
            record("SCHILY.xattr.user.x", b"1\n2\0"),
            record("mtime", b"-1.5"),
            record("size", b"12"),
        ]
        .concat();
        let mut pax = Pax::default();
        pax.read(&bytes).unwrap();
        assert_eq!(pax.path.unwrap(), b"a\nb=c\xff");
        assert_eq!(pax.attributes, [b"user.x"]);
        assert_eq!((pax.mtime, pax.size), (Some(-2), Some(12)));
    }

    #[test]
    fn what_is_damaged_is_refused() {
        for bytes in [
            &b"11 path=a\n"[..],
            b"x path=a\n",
            b"10 path=ab",
            b"8 path a\n",
            b"2 ",
            b"99999999999999999999999 a=b\n",
            b"9 size=x\n\n",
        ] {
            assert!(
                Pax::default().read(bytes).is_err(),
                "{:?}",
                bytes.escape_ascii().to_string()
            );
        }
    }
}
