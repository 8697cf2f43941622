//! What an image is, told from its digests.

use std::fs::File;

use dwarfs::section::{Header, SectionType};

use crate::error::{Error, Fault};
use crate::hot::Key;
use crate::index::{self, HEADER_SIZE, Section};
use crate::layer::Layer;
use crate::source::{Source, Window};

/// Longest section that is hashed: all of it is in memory meanwhile.
const LONGEST: u64 = 256 << 20;

/// The headers of all sections of an image.
#[derive(Debug)]
pub struct Headers {
    /// Place and header of each section, one after the other.
    bytes: Vec<u8>,
    blocks: Vec<(Section, Header)>,
}

impl Headers {
    fn read(window: &Window) -> Result<Self, Fault> {
        let mut headers = Self {
            bytes: Vec::new(),
            blocks: Vec::new(),
        };
        for (section, kind) in index::places(window)? {
            let header = index::header(window, section, kind)?;
            append(&mut headers.bytes, section, &header);
            if kind == SectionType::BLOCK {
                headers.blocks.push((section, header));
            }
        }
        Ok(headers)
    }

    /// What tells the image from others.
    pub fn key(&self) -> Key {
        Key::of(&self.bytes)
    }

    pub(crate) fn block(&self, number: u32) -> Option<&(Section, Header)> {
        self.blocks.get(number as usize)
    }
}

impl Layer {
    /// Reads the headers of all sections of the layer.
    pub fn headers(&self) -> std::io::Result<Headers> {
        Headers::read(self.window()).map_err(|fault| match fault {
            Fault::Read(cause) => cause,
            Fault::Damaged(what) | Fault::Unsupported(what) => {
                std::io::Error::new(std::io::ErrorKind::InvalidData, what)
            }
        })
    }
}

impl Source {
    /// Place and header of each section, one after the other. A header holds a SHA-512/256 digest of its section, so equal
    /// bytes are equal images, as far as the digests are true: see [`Source::verify`].
    pub fn headers(&self) -> Result<Vec<u8>, Error> {
        self.visit(false).map_err(|fault| fault.at(&self.path))
    }

    /// Reads the whole image and compares each section with its SHA-512/256 digest. The answer is that of
    /// [`Source::headers`].
    pub fn verify(&self) -> Result<Vec<u8>, Error> {
        self.visit(true).map_err(|fault| fault.at(&self.path))
    }

    fn visit(&self, hashes: bool) -> Result<Vec<u8>, Fault> {
        use dwarfs::positioned_io::ReadAt;
        let window = Window::new(File::open(&self.path)?, self.offset, self.size)?;
        let mut all = Vec::new();
        for (section, kind) in index::places(&window)? {
            let header = index::header(&window, section, kind)?;
            append(&mut all, section, &header);
            if !hashes {
                continue;
            }
            let length = header.payload_size.get();
            if length > LONGEST {
                return Err(Fault::unsupported("one of its sections is larger than 256 MiB"));
            }
            let mut payload = vec![0; length as usize];
            window.read_exact_at(section.offset + HEADER_SIZE, &mut payload)?;
            header.validate_slow_checksum(&payload)?;
        }
        Ok(all)
    }
}

fn append(all: &mut Vec<u8>, section: Section, header: &Header) {
    use dwarfs::zerocopy::IntoBytes;
    all.extend_from_slice(&section.offset.to_le_bytes());
    all.extend_from_slice(header.as_bytes());
}
