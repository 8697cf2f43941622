//! What the last start has read of the layers, kept in `work/start` of the data directory: the driver has it decompressed for
//! the next one while that is still being prepared.
//!
//! It is a guess and no more: without it, or with a wrong one, every block is decompressed when somebody reads it.

use super::protocol::Place;
use crate::failure::{Context, Failure, Result};
use crate::trust::{Directory, shown};
use dwarfs_fuse::{Layer, Wanted};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// Its name in `work`.
pub const NAME: &str = "start";
/// Bytes of it that are read.
const LIMIT: u64 = 256 << 10;

/// Tells layers from others, from the text that identifies them.
pub fn hash(stack: &str) -> String {
    let mut hasher = DefaultHasher::new();
    stack.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The layers of a start, and what it has read of them.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Start {
    /// The hash of what identifies the layers.
    stack: String,
    /// How they were read; see `layers::Reading`.
    pub owner: Option<(u32, u32)>,
    pub cache_bytes: u64,
    /// Lowest first.
    layers: Vec<Read>,
}

/// A layer, and the blocks that were read of it, in the order of their first reads.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
struct Read {
    #[serde(flatten)]
    place: Place,
    blocks: Vec<Wanted>,
}

impl Start {
    /// What was kept of these layers by a start of this user, if anything.
    pub fn read(path: &Path, stack: &str) -> Option<Start> {
        Start::read_any(path).filter(|start| start.stack == stack)
    }

    /// What was kept of any layers, by a start of this user. Nothing that others can change is read.
    pub fn read_any(path: &Path) -> Option<Start> {
        let directory = Directory::given(path.parent()?).ok()?;
        let text = directory.read(path.file_name()?, LIMIT).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// What has been read so far of layers, which lie at `places`.
    pub fn of(layers: &[Layer], places: &[Place], stack: &str, owner: Option<(u32, u32)>, cache_bytes: u64) -> Start {
        let reads = layers.iter().zip(places).map(|(layer, place)| Read {
            place: place.clone(),
            blocks: layer.touched(),
        });
        Start {
            stack: stack.to_string(),
            owner,
            cache_bytes,
            layers: reads.collect(),
        }
    }

    /// Whether it is of these layers, read in this way.
    pub fn is_of(&self, stack: &str, owner: Option<(u32, u32)>, cache_bytes: u64) -> bool {
        (self.stack.as_str(), self.owner, self.cache_bytes) == (stack, owner, cache_bytes)
    }

    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.layers.iter().map(|read| &read.place)
    }

    /// The blocks of one layer.
    pub fn blocks(&self, layer: usize) -> &[Wanted] {
        self.layers.get(layer).map_or(&[], |read| &read.blocks)
    }

    /// Keeps it; who reads it meanwhile finds the one before.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).context(|| format!("cannot write '{}'", shown(path)))?;
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Failure(format!("'{}' is not a path of a file", shown(path))));
        };
        Directory::given(directory)?.put(name, 0o600, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Read, Start, hash};
    use std::os::unix::fs::DirBuilderExt;
    use std::path::PathBuf;

    /// A file that goes with the test, in a directory of its own.
    struct Kept(PathBuf);

    impl Kept {
        fn new(name: &str) -> Kept {
            let directory = std::env::temp_dir().join(format!("fim-start-{name}-{}", std::process::id()));
            std::fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
            Kept(directory.join("start"))
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            crate::trust::remove(self.0.parent().unwrap());
        }
    }

    fn read(offset: u64, blocks: &[(u32, u32)]) -> Read {
        let place = Place {
            path: "/some/image".into(),
            offset,
            size: 5,
        };
        Read {
            place,
            blocks: blocks.to_vec(),
        }
    }

    #[test]
    fn is_read_as_it_was_written() {
        let kept = Kept::new("kept");
        let start = Start {
            stack: hash("some layers"),
            owner: Some((0, 7)),
            cache_bytes: 1 << 40,
            layers: vec![read(1, &[(0, 4096), (7, u32::MAX)]), read(u64::MAX, &[])],
        };
        start.write(&kept.0).unwrap();
        assert!(Start::read(&kept.0, &start.stack).is_some_and(|read| read == start));
        assert!(Start::read_any(&kept.0).is_some_and(|read| read == start));
        assert_eq!(start.blocks(0), [(0, 4096), (7, u32::MAX)]);
        assert!(start.blocks(1).is_empty() && start.blocks(2).is_empty());
        assert!(Start::read(&kept.0, &hash("others")).is_none());
        assert!(start.is_of(&start.stack, Some((0, 7)), 1 << 40));
        for (owner, cache_bytes) in [(None, 1 << 40), (Some((0, 8)), 1 << 40), (Some((0, 7)), 1)] {
            assert!(!start.is_of(&start.stack, owner, cache_bytes));
        }
    }

    #[test]
    fn what_makes_no_sense_is_as_if_it_were_not_there() {
        let kept = Kept::new("senseless");
        let says = |blocks: &str| {
            let layer = format!("{{\"path\":\"/x\",\"offset\":1,\"size\":2,\"blocks\":{blocks}}}");
            format!("{{\"stack\":\"1\",\"owner\":null,\"cache_bytes\":1,\"layers\":[{layer}]}}")
        };
        assert!(Start::read(&kept.0, "1").is_none());
        std::fs::write(&kept.0, says("[[1,2]]")).unwrap();
        assert!(Start::read(&kept.0, "1").is_some());
        let long = says(&format!("[{}[0,1]]", "[0,1],".repeat(60_000)));
        for text in ["", "{}", &says("[[-1,2]]"), &says("[[1,2]]")[1..], "\u{0}", &long] {
            std::fs::write(&kept.0, text).unwrap();
            assert!(Start::read(&kept.0, "1").is_none(), "{text:.100}");
            assert!(Start::read_any(&kept.0).is_none(), "{text:.100}");
        }
    }
}
