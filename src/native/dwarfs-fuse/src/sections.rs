//! The sections of an image: where each data block lies, and the two sections of metadata.

use dwarfs::section::{CompressAlgo, Header, SectionReader, SectionType};

use crate::error::Fault;
use crate::source::Window;

pub(crate) const HEADER_SIZE: u64 = size_of::<Header>() as u64;
/// An index of a million sections; with blocks of 1 MiB an image of a TiB.
const MAX_INDEX: usize = 8 << 20;
const MAX_SCHEMA: usize = 1 << 20;
const MAX_METADATA: usize = 256 << 20;
/// Enough of a payload to see what it becomes.
const PREFIX: usize = 32;

/// Place of a section in the image, its header included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

#[derive(Debug)]
pub(crate) struct Sections {
    pub(crate) blocks: Vec<Section>,
    pub(crate) schema: Vec<u8>,
    pub(crate) metadata: Vec<u8>,
}

impl Sections {
    /// Finds all sections and reads those of metadata. Data blocks are looked at only when they are needed.
    pub(crate) fn read(window: &Window) -> Result<Self, Fault> {
        let mut reader = SectionReader::new(window);
        let mut blocks = Vec::new();
        let mut metadata = None;
        let mut schema = None;
        for (section, kind) in Self::places(window)? {
            match kind {
                SectionType::BLOCK => blocks.push(section),
                SectionType::METADATA_V2 if metadata.is_none() => metadata = Some(section),
                SectionType::METADATA_V2_SCHEMA if schema.is_none() => schema = Some(section),
                SectionType::METADATA_V2 | SectionType::METADATA_V2_SCHEMA => {
                    return Err(Fault::damaged("it has metadata twice"));
                }
                _ => {}
            }
        }
        let (Some(schema), Some(metadata)) = (schema, metadata) else {
            return Err(Fault::damaged("it has no metadata"));
        };
        blocks.shrink_to_fit();
        Ok(Self {
            blocks,
            schema: read_whole(&mut reader, schema, SectionType::METADATA_V2_SCHEMA, MAX_SCHEMA)?,
            metadata: read_whole(&mut reader, metadata, SectionType::METADATA_V2, MAX_METADATA)?,
        })
    }

    /// Where each section lies and what it is, in their order, as the index says or, without one, the sections themselves.
    pub(crate) fn places(window: &Window) -> Result<Vec<(Section, SectionType)>, Fault> {
        let mut reader = SectionReader::new(window);
        let size = window.size();
        if size < HEADER_SIZE {
            return Err(Fault::damaged("it is too short"));
        }
        let index = match reader.read_section_index(size, MAX_INDEX)? {
            Some((_, index)) => index,
            None => reader.build_section_index(size, MAX_INDEX)?,
        };
        let mut places = Vec::with_capacity(index.len());
        for (number, entry) in index.iter().enumerate() {
            let offset = entry.offset();
            let end = index.get(number + 1).map_or(size, |next| next.offset());
            let length = end.checked_sub(offset).filter(|&length| length >= HEADER_SIZE);
            let Some(length) = length.filter(|_| number != 0 || offset == 0) else {
                return Err(Fault::damaged("its sections overlap"));
            };
            places.push((Section { offset, length }, entry.section_type()));
        }
        Ok(places)
    }
}

/// Reads the header of a section and checks that it is what the index said.
pub(crate) fn header(
    reader: &mut SectionReader<&Window>,
    section: Section,
    kind: SectionType,
) -> Result<Header, Fault> {
    let header = reader.read_header_at(section.offset)?;
    if header.section_type != kind || header.payload_size.get() != section.length - HEADER_SIZE {
        return Err(Fault::damaged("a section is not what the index says"));
    }
    Ok(header)
}

fn read_whole(
    reader: &mut SectionReader<&Window>,
    section: Section,
    kind: SectionType,
    limit: usize,
) -> Result<Vec<u8>, Fault> {
    use dwarfs::positioned_io::ReadAt;
    let header = header(reader, section, kind)?;
    let start = section.offset + HEADER_SIZE;
    let mut prefix = [0; PREFIX];
    let length = reader.get_ref().read_at(start, &mut prefix)?;
    let size = content_size(&header, prefix.get(..length).unwrap_or_default(), limit)?;
    let payload = usize::try_from(header.payload_size.get()).unwrap_or(usize::MAX);
    if size.max(payload) > limit {
        return Err(Fault::damaged(format!(
            "its metadata is larger than {} MiB",
            limit >> 20
        )));
    }
    let mut content = vec![0; size.max(payload)];
    let length = reader.read_payload_at_into(&header, start, &mut content)?;
    content.truncate(length);
    content.shrink_to_fit();
    Ok(content)
}

/// How large the content of a section becomes at most, judged from the first bytes of its payload.
///
/// Formats that do not say so get `limit`; what is said is not compared with it.
pub(crate) fn content_size(header: &Header, prefix: &[u8], limit: usize) -> Result<usize, Fault> {
    let said = match header.compress_algo {
        CompressAlgo::NONE => Some(header.payload_size.get()),
        CompressAlgo::ZSTD => zstd_safe::get_frame_content_size(prefix)
            .map_err(|_| Fault::damaged("a section does not begin like zstd data"))?,
        CompressAlgo::LZ4 | CompressAlgo::LZ4HC => {
            let size = prefix.first_chunk::<4>().map(|size| i32::from_le_bytes(*size));
            Some(
                size.and_then(|size| u64::try_from(size).ok())
                    .ok_or_else(|| Fault::damaged("a section is cut off"))?,
            )
        }
        CompressAlgo::LZMA => None,
        other => return Err(Fault::unsupported(format!("it is compressed with {other:?}"))),
    };
    Ok(said.map_or(limit, |size| usize::try_from(size).unwrap_or(usize::MAX)))
}
