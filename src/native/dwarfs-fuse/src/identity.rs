//! What an image is, told from its digests.

use std::fs::File;

use crate::error::{Error, Fault};
use crate::index::{self, HEADER_SIZE};
use crate::source::{Source, Window};

/// Longest section that is hashed: all of it is in memory meanwhile.
const LONGEST: u64 = 256 << 20;

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
        use dwarfs::zerocopy::IntoBytes;
        let window = Window::new(File::open(&self.path)?, self.offset, self.size)?;
        let mut all = Vec::new();
        for (section, kind) in index::places(&window)? {
            let header = index::header(&window, section, kind)?;
            all.extend_from_slice(&section.offset.to_le_bytes());
            all.extend_from_slice(header.as_bytes());
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
