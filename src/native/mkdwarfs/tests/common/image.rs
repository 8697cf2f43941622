//! Images taken apart into sections, and built of such.

use dwarfs::section::{CompressAlgo, Header, MagicVersion, SectionIndexEntry, SectionType};
use dwarfs::zerocopy::{FromBytes, IntoBytes};

pub const HEADER: usize = size_of::<Header>();

/// The sections of an image without its index: their type and decompressed content.
pub fn sections(image: &[u8]) -> Vec<(SectionType, Vec<u8>)> {
    let mut reader = dwarfs::section::SectionReader::new(image);
    let mut sections = Vec::new();
    let mut offset = 0;
    while offset < image.len() {
        let header = Header::read_from_bytes(&image[offset..offset + HEADER]).unwrap();
        if header.section_type != SectionType::SECTION_INDEX {
            let (_, content) = reader.read_section_at(offset as u64, 64 << 20).unwrap();
            sections.push((header.section_type, content));
        }
        offset += HEADER + header.payload_size.get() as usize;
    }
    sections
}

/// Builds an image of such sections, with right checksums and a right index.
pub fn assemble(sections: &[(SectionType, Vec<u8>)]) -> Vec<u8> {
    let built: Vec<_> = sections
        .iter()
        .zip(0..)
        .map(|((kind, content), number)| section(number, *kind, content))
        .collect();
    join(sections, &built)
}

/// Puts built sections one after the other, and an index after them.
pub fn join(sections: &[(SectionType, Vec<u8>)], built: &[Vec<u8>]) -> Vec<u8> {
    let mut image = Vec::new();
    let mut index = Vec::new();
    for ((kind, _), bytes) in sections.iter().zip(built) {
        index.push(SectionIndexEntry::new(*kind, image.len() as u64).unwrap());
        image.extend_from_slice(bytes);
    }
    index.push(SectionIndexEntry::new(SectionType::SECTION_INDEX, image.len() as u64).unwrap());
    image.extend(section(
        sections.len() as u32,
        SectionType::SECTION_INDEX,
        index.as_bytes(),
    ));
    image
}

/// A section that is not compressed, as it lies in an image.
pub fn section(number: u32, section_type: SectionType, content: &[u8]) -> Vec<u8> {
    packed_section(number, section_type, CompressAlgo::NONE, content)
}

/// A section with what its content was compressed to, and only that checksum which readers look at.
pub fn packed_section(number: u32, section_type: SectionType, compress_algo: CompressAlgo, content: &[u8]) -> Vec<u8> {
    let mut header = Header {
        magic_version: MagicVersion::LATEST,
        slow_hash: [0; 32],
        fast_hash: [0; 8],
        section_number: number.into(),
        section_type,
        compress_algo,
        payload_size: (content.len() as u64).into(),
    };
    header.fast_hash = header.calculate_fast_checksum(content).unwrap();
    [header.as_bytes(), content].concat()
}
