//! The members of a tar archive: POSIX with extended headers, GNU with long names and holes, and the oldest forms. `tar` decodes the
//! fields of a header; the walk is our own, because contents are read later and in another order, names may hold newlines, and there
//! are three ways to describe holes.

use crate::fail;
use crate::failure::{Context, Result};
use crate::pax::{self, Pax};
use crate::plain::Plain;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use tar::{GnuExtSparseHeader, Header};

const BLOCK: u64 = 512;
/// Longest extended header and longest list of holes, in bytes.
const MOST_EXTENDED: u64 = 4 << 20;
/// Longest name of GNU's kind. The kernel takes 4095 bytes.
const LONGEST_NAME: u64 = 64 << 10;
/// Most parts of a sparse file.
const MOST_PARTS: usize = 1 << 20;

/// A part of a file that is stored: the rest are holes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part {
    /// In the file.
    pub offset: u64,
    pub length: u64,
    /// In the archive.
    pub position: u64,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    Directory,
    File {
        size: u64,
        parts: Vec<Part>,
    },
    /// Its target.
    Symlink(Vec<u8>),
    /// Another name of the member with this path.
    HardLink(Vec<u8>),
    BlockDevice(u64),
    CharacterDevice(u64),
    Pipe,
}

#[derive(Debug)]
pub struct Member {
    pub path: Vec<u8>,
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: u32,
    /// Names of its extended attributes.
    pub attributes: Vec<Vec<u8>>,
}

/// Calls `each` with every member, in the order of the archive.
pub fn read(archive: &Plain, mut each: impl FnMut(Member) -> Result<()>) -> Result<()> {
    let mut walk = Walk {
        archive,
        position: 0,
        pax: Pax::default(),
        path: None,
        link: None,
    };
    while let Some(block) = walk.header()? {
        if let Some(member) = walk.member(&block)? {
            each(member)?;
        }
    }
    Ok(())
}

struct Walk<'a> {
    archive: &'a Plain,
    position: u64,
    /// What headers before that of the member said about it.
    pax: Pax,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Walk<'_> {
    fn block(&mut self) -> Result<[u8; BLOCK as usize]> {
        let mut block = [0; BLOCK as usize];
        self.fill(self.position, &mut block)?;
        self.position += BLOCK;
        Ok(block)
    }

    fn fill(&self, position: u64, into: &mut [u8]) -> Result<()> {
        if position.saturating_add(into.len() as u64) > self.archive.size {
            fail!("the archive ends in the middle of a member")
        }
        let read = self.archive.file.read_exact_at(into, position);
        read.context(|| "cannot read the archive".to_string())
    }

    /// The next header; `None` at the end.
    fn header(&mut self) -> Result<Option<[u8; BLOCK as usize]>> {
        if self.position == self.archive.size {
            return Ok(None);
        }
        let block = self.block()?;
        if block.iter().any(|byte| *byte != 0) {
            return Ok(Some(block));
        }
        if self.position < self.archive.size && self.block()?.iter().any(|byte| *byte != 0) {
            fail!("the archive has a header that is not valid")
        }
        Ok(None)
    }

    fn content(&mut self, size: u64, limit: u64, what: &str) -> Result<Vec<u8>> {
        if size > limit {
            fail!("{what} has {size} bytes, more than {limit}")
        }
        let mut bytes = vec![0; size as usize];
        self.fill(self.position, &mut bytes)?;
        self.skip(size)?;
        Ok(bytes)
    }

    /// Goes on behind a content of this size.
    fn skip(&mut self, size: u64) -> Result<()> {
        let end = self.position.checked_add(size);
        match end.and_then(|end| end.checked_next_multiple_of(BLOCK)) {
            // The last member may lack the zeros up to the end of its block.
            Some(next) if self.position + size <= self.archive.size => {
                self.position = next.min(self.archive.size);
                Ok(())
            }
            _ => fail!("the archive ends in the middle of a member"),
        }
    }

    /// `None` for a header that only says something about the next one.
    fn member(&mut self, block: &[u8; BLOCK as usize]) -> Result<Option<Member>> {
        let header = Header::from_byte_slice(block);
        check_sum(block, header)?;
        let size = header
            .entry_size()
            .context(|| "the size of a member is not valid".to_string())?;
        match block[156] {
            b'x' | b'X' => {
                let bytes = self.content(size, MOST_EXTENDED, "an extended header")?;
                self.pax.read(&bytes)?;
                return Ok(None);
            }
            // About the archive as a whole, or about nothing that is kept.
            b'g' | b'V' => {
                self.skip(size)?;
                return Ok(None);
            }
            b'L' => {
                self.path = Some(until_zero(self.content(size, LONGEST_NAME, "a name")?));
                return Ok(None);
            }
            b'K' => {
                self.link = Some(until_zero(self.content(size, LONGEST_NAME, "the target of a link")?));
                return Ok(None);
            }
            _ => {}
        }
        let mut pax = std::mem::take(&mut self.pax);
        let long = (self.path.take(), self.link.take());
        let path = pax.sparse.name.take().or(pax.path.take()).or(long.0);
        let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
        let shown = console::shown(std::ffi::OsStr::from_bytes(&path));
        let link = pax.link.take().or(long.1);
        let link = || link.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        let kind = match block[156] {
            // The oldest archives have no letter for directories.
            0 | b'0' | b'7' if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' => self.file(&pax, pax.size.unwrap_or(size))?,
            b'S' => self.gnu_sparse(header, pax.size.unwrap_or(size))?,
            b'1' => Kind::HardLink(link().unwrap_or_default()),
            b'2' => Kind::Symlink(link().unwrap_or_default()),
            b'3' => Kind::CharacterDevice(device(header, &shown)?),
            b'4' => Kind::BlockDevice(device(header, &shown)?),
            b'5' => Kind::Directory,
            b'6' => Kind::Pipe,
            other => fail!("'{shown}' is of the unknown type '{}'", other.escape_ascii()),
        };
        let failed = || format!("a number of '{shown}' is not valid");
        let id = |pax: Option<u64>, field: std::io::Result<u64>| -> Result<u32> {
            let id = pax.map_or(field, Ok).context(failed)?;
            match u32::try_from(id) {
                Ok(id) if id < u32::MAX => Ok(id),
                _ => fail!("the owner {id} of '{shown}' is not a valid one"),
            }
        };
        let mtime = match pax.mtime {
            Some(seconds) => seconds,
            None => i64::try_from(header.mtime().context(failed)?).unwrap_or(i64::MAX),
        };
        Ok(Some(Member {
            mode: header.mode().context(failed)? & 0o7777,
            uid: id(pax.uid, header.uid())?,
            gid: id(pax.gid, header.gid())?,
            mtime: mtime.clamp(0, u32::MAX.into()) as u32,
            attributes: pax.attributes,
            path,
            kind,
        }))
    }

    /// A regular file, with holes if its extended header describes some.
    fn file(&mut self, pax: &Pax, stored: u64) -> Result<Kind> {
        let sparse = &pax.sparse;
        if !sparse.is_sparse {
            let part = Part {
                offset: 0,
                length: stored,
                position: self.position,
            };
            self.skip(stored)?;
            let parts = if stored == 0 { Vec::new() } else { vec![part] };
            return Ok(Kind::File { size: stored, parts });
        }
        let Some(size) = sparse.size else {
            fail!("a sparse file does not say its size")
        };
        if (sparse.major, sparse.minor) == (Some(1), Some(0)) {
            let start = self.position;
            let map = self.stored_map(stored)?;
            let used = self.position - start;
            return self.sparse(size, &map, stored - used.min(stored));
        }
        if sparse.major.unwrap_or(0) != 0 {
            fail!("a sparse file is of an unknown version")
        }
        self.sparse(size, &sparse.map, stored)
    }

    /// The map that comes before the content: a count, then offsets and lengths, a line each.
    fn stored_map(&mut self, stored: u64) -> Result<Vec<u64>> {
        let end = self.position.saturating_add(stored);
        let mut numbers: Vec<u64> = Vec::new();
        let mut digits = Vec::new();
        loop {
            if self.position >= end {
                fail!("the map of a sparse file is damaged")
            }
            for byte in self.block()? {
                if byte != b'\n' {
                    // Zeros fill the last block, behind all numbers.
                    digits.push(byte);
                    if digits.len() > 20 && !is_complete(&numbers) {
                        fail!("the map of a sparse file is damaged")
                    }
                    continue;
                }
                if is_complete(&numbers) {
                    continue;
                }
                numbers.push(pax::number(&digits)?);
                digits.clear();
                if numbers[0] as usize > MOST_PARTS {
                    fail!("a sparse file has too many parts")
                }
            }
            if is_complete(&numbers) {
                return Ok(numbers.split_off(1));
            }
            if digits.len() > 20 {
                fail!("the map of a sparse file is damaged")
            }
        }
    }

    /// A file of GNU's own kind: four parts in the header, others in blocks behind it.
    fn gnu_sparse(&mut self, header: &Header, stored: u64) -> Result<Kind> {
        let Some(gnu) = header.as_gnu() else {
            fail!("a sparse file has a header of another kind")
        };
        let failed = || "the map of a sparse file is damaged".to_string();
        let mut map = Vec::new();
        let mut add = |parts: &[tar::GnuSparseHeader]| -> Result<()> {
            for part in parts.iter().filter(|part| !part.is_empty()) {
                map.push(part.offset().context(failed)?);
                map.push(part.length().context(failed)?);
            }
            if map.len() > 2 * MOST_PARTS {
                fail!("a sparse file has too many parts")
            }
            Ok(())
        };
        add(&gnu.sparse)?;
        let mut has_more = gnu.is_extended();
        while has_more {
            let mut block = GnuExtSparseHeader::new();
            block.as_mut_bytes().copy_from_slice(&self.block()?);
            add(block.sparse())?;
            has_more = block.is_extended();
        }
        let size = gnu.real_size().context(failed)?;
        self.sparse(size, &map, stored)
    }

    /// A file of this size whose parts lie one behind the other from here on.
    fn sparse(&mut self, size: u64, map: &[u64], stored: u64) -> Result<Kind> {
        let mut parts = Vec::with_capacity(map.len() / 2);
        let (mut end, mut position) = (0, self.position);
        for pair in map.chunks(2) {
            let &[offset, length] = pair else {
                fail!("the map of a sparse file is damaged")
            };
            let after = offset
                .checked_add(length)
                .filter(|after| offset >= end && *after <= size);
            let (Some(after), Some(next)) = (after, position.checked_add(length)) else {
                fail!("the parts of a sparse file overlap, or lie behind its end")
            };
            if length > 0 {
                parts.push(Part {
                    offset,
                    length,
                    position,
                });
            }
            (end, position) = (after, next);
        }
        if position - self.position != stored {
            fail!("the parts of a sparse file have another size than its content")
        }
        self.skip(stored)?;
        Ok(Kind::File { size, parts })
    }
}

fn is_complete(numbers: &[u64]) -> bool {
    numbers
        .first()
        .is_some_and(|count| (numbers.len() - 1) as u64 >= count.saturating_mul(2))
}

fn until_zero(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    bytes
}

fn check_sum(block: &[u8; BLOCK as usize], header: &Header) -> Result<()> {
    let sum = |of: fn(u8) -> i64| -> i64 {
        let bytes = block.iter().enumerate();
        bytes
            .map(|(index, byte)| of(if (148..156).contains(&index) { b' ' } else { *byte }))
            .sum()
    };
    let said = header
        .cksum()
        .context(|| "the archive has a header that is not valid".to_string())?;
    // Old programs have added signed bytes.
    if [sum(i64::from), sum(|byte| i64::from(byte.cast_signed()))].contains(&said.into()) {
        return Ok(());
    }
    fail!("the archive has a header that is not valid: its checksum is wrong")
}

fn device(header: &Header, shown: &str) -> Result<u64> {
    let failed = || format!("the numbers of the device '{shown}' are not valid");
    let major = header.device_major().context(failed)?.unwrap_or(0);
    let minor = header.device_minor().context(failed)?.unwrap_or(0);
    Ok(rustix::fs::makedev(major, minor))
}
