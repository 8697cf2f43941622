//! What the last starts have read of the layers, kept in `work/start` of the data directory, for each program by itself: the
//! driver has it decompressed for the next start of it while that is still being prepared.
//!
//! It is a guess and no more: without it, or with a wrong one, every block is decompressed when somebody reads it.

use super::protocol::Place;
use crate::failure::{Context, Failure, Result};
use crate::names;
use crate::trust::{Directory, shown};
use dwarfs_fuse::{Layer, Wanted};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Its name in `work`.
pub const NAME: &str = "start";
/// Bytes of it that are read.
const LIMIT: u64 = 256 << 10;
/// Programs that are kept, and blocks of each, of all layers together: all of one fits into the limit.
const MOST_PROGRAMS: usize = 16;
const MOST_BLOCKS: usize = 8192;
/// Bytes of a program's name. Two that begin alike count as one.
const LONGEST_NAME: usize = 256;

/// Tells layers from others, from the text that identifies them.
pub fn hash(stack: &str) -> String {
    let mut hasher = DefaultHasher::new();
    stack.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What a program is kept under: the word by which the caller starts it, which is empty for the boot command of the image.
pub fn program(word: &OsStr) -> String {
    let bytes = word.as_encoded_bytes();
    String::from_utf8_lossy(bytes.get(..LONGEST_NAME).unwrap_or(bytes)).into_owned()
}

/// The layers of the last start, and what programs have read of them.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Starts {
    /// The hash of what identifies the layers.
    stack: String,
    /// How they were read; see `layers::Reading`.
    pub owner: Option<(u32, u32)>,
    pub cache_bytes: u64,
    /// Where the hot cache is; empty where there is none.
    #[serde(default, with = "names::paths")]
    pub hot: Vec<PathBuf>,
    /// Lowest first.
    layers: Vec<Place>,
    /// The one of which something new was learned last comes first.
    programs: Vec<Program>,
}

#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
struct Program {
    name: String,
    /// Blocks that had to be decompressed another time, since the cache could not keep them.
    again: u32,
    /// How much of what was read the hot cache held, in tenths.
    #[serde(default)]
    hot: u64,
    /// Of each layer the blocks that were read, in the order of their first reads.
    blocks: Vec<Vec<Wanted>>,
}

impl Starts {
    /// What was kept of these layers by starts of this user, if anything.
    pub fn read(path: &Path, stack: &str) -> Option<Starts> {
        Starts::read_any(path).filter(|starts| starts.stack == stack)
    }

    /// What was kept of any layers, by starts of this user. Nothing that others can change is read.
    pub fn read_any(path: &Path) -> Option<Starts> {
        let directory = Directory::given(path.parent()?).ok()?;
        let text = directory.read(path.file_name()?, LIMIT).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Of these layers, of which nothing was read yet.
    pub fn of(
        layers: &[Place],
        stack: &str,
        owner: Option<(u32, u32)>,
        cache_bytes: u64,
        hot: Option<&Path>,
    ) -> Starts {
        Starts {
            stack: stack.to_string(),
            owner,
            cache_bytes,
            hot: hot.into_iter().map(Path::to_path_buf).collect(),
            layers: layers.to_vec(),
            programs: Vec::new(),
        }
    }

    /// Whether it is of these layers, read in this way.
    pub fn is_of(&self, stack: &str, owner: Option<(u32, u32)>, cache_bytes: u64) -> bool {
        (self.stack.as_str(), self.owner, self.cache_bytes) == (stack, owner, cache_bytes)
    }

    /// Whether the hot cache was in this place, or there was none where none is given.
    pub fn is_hot_in(&self, directory: Option<&Path>) -> bool {
        self.hot.first().map(PathBuf::as_path) == directory
    }

    /// Notes where the hot cache is. Out: whether that is new.
    pub fn set_hot(&mut self, directory: Option<&Path>) -> bool {
        let is_new = !self.is_hot_in(directory);
        self.hot = directory.into_iter().map(Path::to_path_buf).collect();
        is_new
    }

    /// The hash of what identifies the layers.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.layers.iter()
    }

    /// The blocks of one layer that a program has read; `None` if nothing is known of it.
    pub fn blocks(&self, program: &str, layer: usize) -> Option<&[Wanted]> {
        let known = self.programs.iter().find(|known| known.name == program)?;
        known.blocks.get(layer).map(Vec::as_slice)
    }

    /// Takes in what a program has read so far of its layers, and where these lie. Out: whether any of that is new.
    pub fn learn(&mut self, program: &str, layers: &[Layer], places: &[Place]) -> bool {
        let have_moved = self.layers != places;
        if have_moved {
            self.layers = places.to_vec();
        }
        let again = layers
            .iter()
            .map(Layer::decompressed_again)
            .fold(0, u32::saturating_add);
        let sum = |all: (u64, u64), one: (u64, u64)| (all.0.saturating_add(one.0), all.1.saturating_add(one.1));
        let (read, missed) = layers.iter().map(Layer::start_bytes).fold((0, 0), sum);
        let hot = read.saturating_sub(missed).saturating_mul(10) / read.max(1);
        self.put(program, again, hot, layers.iter().map(Layer::touched)) || have_moved
    }

    fn put(&mut self, name: &str, again: u32, hot: u64, blocks: impl Iterator<Item = Vec<Wanted>>) -> bool {
        let mut room = MOST_BLOCKS;
        let blocks = blocks.map(|mut blocks| {
            blocks.truncate(room);
            room -= blocks.len();
            blocks
        });
        let new = Program {
            name: name.to_string(),
            again,
            hot,
            blocks: blocks.collect(),
        };
        if self.programs.contains(&new) {
            return false;
        }
        self.programs.retain(|known| known.name != name);
        self.programs.insert(0, new);
        self.programs.truncate(MOST_PROGRAMS);
        true
    }

    /// Keeps it; who reads it meanwhile finds the one before. Programs for which there is no room are forgotten.
    pub fn write(&mut self, path: &Path) -> Result<()> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Failure(format!("'{}' is not a path of a file", shown(path))));
        };
        let text = loop {
            let text = serde_json::to_vec(self).context(|| format!("cannot write '{}'", shown(path)))?;
            if text.len() as u64 <= LIMIT || self.programs.pop().is_none() {
                break text;
            }
        };
        Directory::given(directory)?.put(name, 0o600, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, MOST_BLOCKS, MOST_PROGRAMS, Place, Starts, hash, program};
    use dwarfs_fuse::Wanted;
    use std::ffi::OsStr;
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

    fn place(offset: u64) -> Place {
        Place {
            path: "/some/image".into(),
            offset,
            size: 5,
        }
    }

    fn starts() -> Starts {
        Starts::of(
            &[place(1), place(u64::MAX)],
            &hash("some layers"),
            Some((0, 7)),
            1 << 40,
            None,
        )
    }

    fn blocks(count: usize) -> Vec<Wanted> {
        (0..count).map(|number| (u32::MAX - number as u32, u32::MAX)).collect()
    }

    #[test]
    fn is_read_as_it_was_written() {
        let kept = Kept::new("kept");
        let mut starts = starts();
        let read = [vec![(0, 4096), (7, u32::MAX)], Vec::new()];
        assert!(starts.put("ls", 0, 0, read.clone().into_iter()));
        starts.write(&kept.0).unwrap();
        assert!(Starts::read(&kept.0, &starts.stack).is_some_and(|read| read == starts));
        assert!(Starts::read_any(&kept.0).is_some_and(|read| read == starts));
        assert_eq!(starts.blocks("ls", 0), Some(read[0].as_slice()));
        assert_eq!(starts.blocks("ls", 1), Some([].as_slice()));
        assert_eq!((starts.blocks("ls", 2), starts.blocks("cat", 0)), (None, None));
        assert!(Starts::read(&kept.0, &hash("others")).is_none());
        assert!(starts.is_of(&starts.stack, Some((0, 7)), 1 << 40));
        for (owner, cache_bytes) in [(None, 1 << 40), (Some((0, 8)), 1 << 40), (Some((0, 7)), 1)] {
            assert!(!starts.is_of(&starts.stack, owner, cache_bytes));
        }
    }

    #[test]
    fn each_program_is_kept_by_itself() {
        let mut starts = starts();
        let put = |starts: &mut Starts, name: &str, block| starts.put(name, 0, 0, [vec![(block, 1)]].into_iter());
        for (name, block) in [("ls", 1), ("cat", 2), ("", 3)] {
            assert!(put(&mut starts, name, block));
        }
        assert!(!put(&mut starts, "ls", 1), "nothing new");
        assert_eq!(starts.programs[0].name, "", "so it is where it was");
        assert!(put(&mut starts, "ls", 4));
        let of = |name: &str| starts.blocks(name, 0).unwrap()[0].0;
        assert_eq!(["ls", "cat", ""].map(of), [4, 2, 3]);
        assert_eq!(starts.programs[0].name, "ls");
        for number in 0..MOST_PROGRAMS - 1 {
            put(&mut starts, &format!("program {number}"), 1);
        }
        assert_eq!(starts.programs.len(), MOST_PROGRAMS);
        assert!(starts.blocks("ls", 0).is_some() && starts.blocks("cat", 0).is_none());
    }

    #[test]
    fn many_blocks_and_long_names_fit_into_the_limit() {
        let kept = Kept::new("many");
        let mut starts = starts();
        let long = program(OsStr::new(&"\u{1}\"".repeat(1000)));
        for name in ["first", "second", long.as_str()] {
            starts.put(
                name,
                u32::MAX,
                10,
                [blocks(MOST_BLOCKS - 1), blocks(MOST_BLOCKS)].into_iter(),
            );
            starts.write(&kept.0).unwrap();
            let read = Starts::read(&kept.0, &starts.stack).unwrap();
            assert_eq!(read.blocks(name, 0).unwrap().len(), MOST_BLOCKS - 1);
            assert_eq!(read.blocks(name, 1).unwrap().len(), 1);
        }
        assert!(std::fs::metadata(&kept.0).unwrap().len() <= LIMIT);
        assert!(starts.blocks("first", 0).is_none());
    }

    #[test]
    fn what_makes_no_sense_is_as_if_it_were_not_there() {
        let kept = Kept::new("senseless");
        let says = |blocks: &str| {
            let layer = "{\"path\":\"/x\",\"offset\":1,\"size\":2}";
            let program = format!("{{\"name\":\"ls\",\"again\":0,\"blocks\":[{blocks}]}}");
            let how = "\"stack\":\"1\",\"owner\":null,\"cache_bytes\":1";
            format!("{{{how},\"layers\":[{layer}],\"programs\":[{program}]}}")
        };
        assert!(Starts::read(&kept.0, "1").is_none());
        std::fs::write(&kept.0, says("[[1,2]]")).unwrap();
        assert!(Starts::read(&kept.0, "1").is_some());
        let long = says(&format!("[{}[0,1]]", "[0,1],".repeat(60_000)));
        for text in ["", "{}", &says("[[-1,2]]"), &says("[[1,2]]")[1..], "\u{0}", &long] {
            std::fs::write(&kept.0, text).unwrap();
            assert!(Starts::read(&kept.0, "1").is_none(), "{text:.100}");
            assert!(Starts::read_any(&kept.0).is_none(), "{text:.100}");
        }
    }
}
