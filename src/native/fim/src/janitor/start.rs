//! What the last start has read of the layers, kept in `work/start` of the data directory: the driver has it decompressed for
//! the next one while that is still being prepared.
//!
//! It is a guess and no more: without it, or with a wrong one, every block is decompressed when somebody reads it.

use crate::failure::{Context, Result};
use dwarfs_fuse::{Layer, Wanted};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Its name in `work`.
pub const NAME: &str = "start";
/// Bytes of it that are read.
const LIMIT: u64 = 64 << 10;

/// Tells layers from others, from the text that identifies them.
pub fn hash(stack: &str) -> String {
    let mut hasher = DefaultHasher::new();
    stack.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The blocks of each layer, lowest first, in the order in which they were read.
#[derive(Deserialize, Eq, PartialEq, Serialize)]
pub struct Start {
    /// The hash of what identifies the layers.
    stack: String,
    blocks: Vec<Vec<Wanted>>,
}

impl Start {
    /// What was kept of these layers, if anything.
    pub fn read(path: &Path, stack: &str) -> Option<Start> {
        let mut text = Vec::new();
        let mut options = OpenOptions::new();
        // Nothing else belongs there, but a FIFO would wait for a writer.
        let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
        file.take(LIMIT).read_to_end(&mut text).ok()?;
        let start: Start = serde_json::from_slice(&text).ok()?;
        (start.stack == stack).then_some(start)
    }

    /// What has been read of layers so far.
    pub fn of(layers: &[Layer], stack: &str) -> Start {
        Start {
            stack: stack.to_string(),
            blocks: layers.iter().map(Layer::touched).collect(),
        }
    }

    /// The blocks of one layer.
    pub fn blocks(&self, layer: usize) -> &[Wanted] {
        self.blocks.get(layer).map_or(&[], Vec::as_slice)
    }

    /// Keeps it; who reads it meanwhile finds the one before.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = || format!("cannot write '{}'", path.display());
        let text = serde_json::to_vec(self).context(failed)?;
        let part = path.with_extension("part");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(&part)
            .and_then(|mut file| file.write_all(&text))
            .context(failed)?;
        std::fs::rename(&part, path).context(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Start, hash};
    use std::path::PathBuf;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            Place(std::env::temp_dir().join(format!("fim-start-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn is_read_as_it_was_written() {
        let place = Place::new("kept");
        let start = Start {
            stack: hash("some layers"),
            blocks: vec![vec![(0, 4096), (7, u32::MAX)], Vec::new()],
        };
        start.write(&place.0).unwrap();
        assert!(Start::read(&place.0, &start.stack).is_some_and(|read| read == start));
        assert_eq!(start.blocks(0), [(0, 4096), (7, u32::MAX)]);
        assert!(start.blocks(1).is_empty() && start.blocks(2).is_empty());
        assert!(Start::read(&place.0, &hash("others")).is_none());
    }

    #[test]
    fn what_makes_no_sense_is_as_if_it_were_not_there() {
        let place = Place::new("senseless");
        assert!(Start::read(&place.0, "1").is_none());
        for text in [
            "",
            "{}",
            "{\"stack\":\"1\",\"blocks\":[[[-1,2]]]}",
            "{\"stack\":\"1\",\"blocks\":",
            "\u{0}",
        ] {
            std::fs::write(&place.0, text).unwrap();
            assert!(Start::read(&place.0, "1").is_none(), "{text}");
        }
        let long = format!("{{\"stack\":\"1\",\"blocks\":[[{}[0,1]]]}}", "[0,1],".repeat(20_000));
        std::fs::write(&place.0, long).unwrap();
        assert!(Start::read(&place.0, "1").is_none());
    }
}
