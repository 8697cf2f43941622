//! Where the sections of an image lie: as its index says, or from one header to the next.
//!
//! The dwarfs crate can tell too, but refuses images with sections of a kind that it does not know. Upstream passes over
//! those since version 0.7.3.

use dwarfs::positioned_io::ReadAt;
use dwarfs::section::{CompressAlgo, Header, MagicVersion, SectionIndexEntry, SectionType};
use dwarfs::zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::error::Fault;
use crate::source::Window;

pub(crate) const HEADER_SIZE: u64 = size_of::<Header>() as u64;
/// Minor versions of format 2 that are read. The last one is what upstream has announced; it differs by features, and those
/// are named in the metadata.
const MINOR_VERSIONS: std::ops::RangeInclusive<u8> = 3..=6;
/// Of a million sections; with blocks of 1 MiB an image of a TiB.
const MAX_SECTIONS: u64 = 1 << 20;
const ENTRY_SIZE: u64 = size_of::<SectionIndexEntry>() as u64;

/// Place of a section in the image, its header included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Where each section lies and what it is, in their order. The index is not among them if there is none.
pub(crate) fn places(window: &Window) -> Result<Vec<(Section, SectionType)>, Fault> {
    if window.size() < HEADER_SIZE {
        return Err(Fault::damaged("it is too short"));
    }
    // What begins like no image is called so, whatever its end looks like.
    header_at(window, 0)?;
    match read_index(window)? {
        Some(index) => from_index(window, &index),
        None => walk(window),
    }
}

/// Reads the header of a section and checks that it is what the index said.
pub(crate) fn header(window: &Window, section: Section, kind: SectionType) -> Result<Header, Fault> {
    let header = header_at(window, section.offset)?;
    if header.section_type != kind || header.payload_size.get() != section.length - HEADER_SIZE {
        return Err(Fault::damaged("a section is not what the index says"));
    }
    Ok(header)
}

fn header_at(window: &Window, offset: u64) -> Result<Header, Fault> {
    let mut header = Header::new_zeroed();
    window.read_exact_at(offset, header.as_mut_bytes())?;
    let MagicVersion { magic, major, minor } = header.magic_version;
    if magic != MagicVersion::MAGIC {
        return Err(Fault::damaged("a section does not begin like one"));
    }
    if major != 2 || !MINOR_VERSIONS.contains(&minor) {
        return Err(Fault::unsupported(format!(
            "it has version {major}.{minor} of the format, and those from 2.{} to 2.{} are known",
            MINOR_VERSIONS.start(),
            MINOR_VERSIONS.end()
        )));
    }
    Ok(header)
}

/// The index, which is the last section if there is one. Its own last entry says where it begins.
fn read_index(window: &Window) -> Result<Option<Vec<SectionIndexEntry>>, Fault> {
    let mut last = SectionIndexEntry::new_zeroed();
    window.read_exact_at(window.size() - ENTRY_SIZE, last.as_mut_bytes())?;
    let start = last.offset();
    let length = window
        .size()
        .checked_sub(start)
        .and_then(|rest| rest.checked_sub(HEADER_SIZE));
    let Some(length) = length.filter(|_| last.section_type() == SectionType::SECTION_INDEX) else {
        return Ok(None);
    };
    let Ok(header) = header_at(window, start) else {
        return Ok(None);
    };
    let is_index = header.section_type == SectionType::SECTION_INDEX
        && header.compress_algo == CompressAlgo::NONE
        && header.payload_size.get() == length;
    if !is_index || length % ENTRY_SIZE != 0 {
        return Ok(None);
    }
    if length / ENTRY_SIZE > MAX_SECTIONS {
        return Err(too_many());
    }
    let mut payload = vec![0; length as usize];
    window.read_exact_at(start + HEADER_SIZE, &mut payload)?;
    if header.validate_fast_checksum(&payload).is_err() {
        return Ok(None);
    }
    let entries = payload.chunks_exact(ENTRY_SIZE as usize);
    Ok(entries
        .map(|entry| SectionIndexEntry::read_from_bytes(entry).ok())
        .collect())
}

fn from_index(window: &Window, index: &[SectionIndexEntry]) -> Result<Vec<(Section, SectionType)>, Fault> {
    let mut places = Vec::with_capacity(index.len());
    for (number, entry) in index.iter().enumerate() {
        let offset = entry.offset();
        let end = index.get(number + 1).map_or(window.size(), |next| next.offset());
        let length = end.checked_sub(offset).filter(|&length| length >= HEADER_SIZE);
        let Some(length) = length.filter(|_| number != 0 || offset == 0) else {
            return Err(Fault::damaged("its sections overlap"));
        };
        places.push((Section { offset, length }, entry.section_type()));
    }
    Ok(places)
}

fn walk(window: &Window) -> Result<Vec<(Section, SectionType)>, Fault> {
    let mut places = Vec::new();
    let mut offset = 0;
    while offset < window.size() {
        if places.len() as u64 >= MAX_SECTIONS {
            return Err(too_many());
        }
        let header = header_at(window, offset)?;
        let length = header.payload_size.get().checked_add(HEADER_SIZE);
        let end = length
            .and_then(|length| length.checked_add(offset))
            .filter(|&end| end <= window.size());
        let (Some(length), Some(end)) = (length, end) else {
            return Err(Fault::damaged("it ends too early"));
        };
        places.push((Section { offset, length }, header.section_type));
        offset = end;
    }
    Ok(places)
}

fn too_many() -> Fault {
    Fault::unsupported("it has more than a million sections")
}
