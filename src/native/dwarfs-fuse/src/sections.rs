//! The sections of an image: where each data block lies, and the two sections of metadata.

use dwarfs::section::{CompressAlgo, Header, SectionReader, SectionType};

use crate::error::Fault;
use crate::index::{self, HEADER_SIZE, Section};
use crate::source::Window;

const MAX_SCHEMA: usize = 1 << 20;
const MAX_METADATA: usize = 256 << 20;
/// Enough of a payload to see what it becomes.
const PREFIX: usize = 32;

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
        for (section, kind) in index::places(window)? {
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
}

fn read_whole(
    reader: &mut SectionReader<&Window>,
    section: Section,
    kind: SectionType,
    limit: usize,
) -> Result<Vec<u8>, Fault> {
    use dwarfs::positioned_io::ReadAt;
    let header = index::header(reader.get_ref(), section, kind)?;
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
