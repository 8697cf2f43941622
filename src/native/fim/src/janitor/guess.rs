//! Layers that are opened before the boot program says which: those of the last start, while the runtime is still loading. If it
//! then asks for the same, they are there, and what that start has read of them is decompressed; otherwise they are opened as if
//! nothing had been guessed.

use super::protocol::Place;
use super::record;
use super::session::open_work;
use super::start::Starts;
use crate::hot::HotCache;
use crate::sys::same_file;
use dwarfs_fuse::{Cache, Layer, Options, Wanted};
use std::collections::VecDeque;
use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Memory that is taken for a guess at most, in bytes.
const LARGEST_CACHE: u64 = 1 << 30;

pub struct Guess {
    pub starts: Starts,
    pub cache: Arc<Cache>,
    /// Lowest first, with what tells its file from others.
    layers: VecDeque<(Place, File, Layer)>,
}

/// Of the files that may hold what the last start has read the one to guess by: the first that is there, if it is ours and nothing
/// runs on that data directory, whose layers would be taken.
pub fn choose(candidates: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let open = |path: &PathBuf| {
        let data = path.parent().filter(|work| work.ends_with("work"))?.parent()?;
        let work = open_work(data).ok()?;
        work.has(path.file_name()?).then_some(work)
    };
    let (start, work) = candidates.into_iter().find_map(|path| {
        let work = open(&path)?;
        Some((path, work))
    })?;
    let is_in_use = record::is_any_in(&work);
    (!is_in_use).then_some(start)
}

impl Guess {
    /// Opens the layers that the file `start` names, and has decompressed what `program` has read of them by it.
    pub fn open(start: &Path, program: &str) -> Option<Guess> {
        let starts = Starts::read_any(start)?;
        let cache = Cache::within_memory(starts.cache_bytes.min(LARGEST_CACHE));
        let options = options(starts.owner, starts.cache_bytes, false);
        let hot = starts.hot.first().and_then(|hot| HotCache::open(hot));
        let mut layers = VecDeque::new();
        for (index, place) in starts.places().enumerate() {
            let file = open_regular(&place.path)?;
            let shown = file.try_clone().ok()?;
            let layer = Layer::open_file(file, place.offset, Some(place.size), &options, Arc::clone(&cache));
            let mut layer = layer.ok()?;
            layer.use_hot(hot.as_ref().and_then(|hot| hot.of(&layer)));
            expect(&layer, index, starts.blocks(program, index));
            layers.push_back((place.clone(), shown, layer));
        }
        Some(Guess { starts, cache, layers })
    }

    /// The next layer, lowest first, if it is this one, and its file still the one at that path.
    pub fn take(&mut self, place: &Place) -> Option<Layer> {
        let (known, file, layer) = self.layers.pop_front()?;
        let is_same = known == *place && same_file(&file.metadata().ok()?, &std::fs::metadata(&place.path).ok()?);
        is_same.then_some(layer)
    }
}

/// Has decompressed what a start will read of a layer: `blocks`, or if nothing is known of it, what nearly every start reads of the
/// lowest layer, which is the system.
pub fn expect(layer: &Layer, index: usize, blocks: Option<&[Wanted]>) {
    match blocks {
        Some(blocks) => layer.expect(blocks),
        None if index == 0 => layer.expect_start(),
        None => {}
    }
}

/// How layers are read.
pub fn options(owner: Option<(u32, u32)>, cache_bytes: u64, notes_all: bool) -> Options {
    Options {
        uid: owner.map(|(uid, _)| uid),
        gid: owner.map(|(_, gid)| gid),
        cache_bytes,
        notes_all,
        ..Options::default()
    }
}

/// Looked at before it is opened, because opening a device can do something, and a FIFO waits for a writer.
pub fn open_regular(path: &Path) -> Option<File> {
    let known = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    same_file(&known, &file.metadata().ok()?).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::{Guess, choose};
    use crate::janitor::protocol::Place;
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::DirBuilderExt;
    use std::path::{Path, PathBuf};

    const IMAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../mkdwarfs/tests/upstream/zstd.dwarfs");

    /// A directory that goes with the test, with a layer and a file that says what was read of it.
    struct Kept {
        data: PathBuf,
        /// The directory `work` of a data directory.
        directory: PathBuf,
        place: Place,
    }

    impl Kept {
        fn new(name: &str) -> Kept {
            let data = std::env::temp_dir().join(format!("fim-guess-{name}-{}", std::process::id()));
            let directory = data.join("work");
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&directory)
                .unwrap();
            let path = directory.join("layer");
            let size = fs::copy(IMAGE, &path).unwrap();
            let place = Place { path, offset: 0, size };
            let kept = Kept { data, directory, place };
            kept.say(&kept.place);
            kept
        }

        fn start(&self) -> PathBuf {
            self.directory.join("start")
        }

        fn say(&self, place: &Place) {
            let program = serde_json::json!({ "name": "ls", "again": 0, "blocks": [[[0, 4096]]] });
            let text = serde_json::json!({
                "stack": "1", "owner": null, "cache_bytes": 1 << 20, "layers": [place], "programs": [program]
            });
            fs::write(self.start(), text.to_string()).unwrap();
        }

        fn open(&self) -> Option<Guess> {
            Guess::open(&self.start(), "ls")
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.data);
        }
    }

    #[test]
    fn a_layer_that_is_asked_for_is_there_and_its_blocks_are_decompressed() {
        let kept = Kept::new("there");
        let mut guess = kept.open().unwrap();
        assert!(format!("{:?}", guess.cache).contains("blocks: 1"), "{:?}", guess.cache);
        assert!(guess.take(&kept.place).is_some());
        assert!(guess.take(&kept.place).is_none(), "there is one layer");
    }

    #[test]
    fn another_layer_is_not_given_for_it() {
        let kept = Kept::new("other");
        let Place { path, offset, size } = kept.place.clone();
        for (path, offset, size) in [
            (IMAGE.into(), offset, size),
            (path.clone(), offset + 1, size),
            (path, offset, size - 1),
        ] {
            let other = Place { path, offset, size };
            assert!(kept.open().unwrap().take(&other).is_none());
        }
        let mut guess = kept.open().unwrap();
        let replacement = kept.directory.join("new");
        fs::copy(IMAGE, &replacement).unwrap();
        fs::rename(&replacement, &kept.place.path).unwrap();
        assert!(guess.take(&kept.place).is_none(), "the file was replaced");
        fs::remove_file(&kept.place.path).unwrap();
        assert!(kept.open().is_none());
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let kept = Kept::new("special");
        let directory = fs::File::open(&kept.directory).unwrap();
        let fifo = kept.directory.join("fifo");
        crate::sys::make_fifo_at(directory.as_fd(), "fifo").unwrap();
        for path in [fifo.as_path(), Path::new("/dev/null"), kept.directory.as_path()] {
            kept.say(&Place {
                path: path.into(),
                ..kept.place.clone()
            });
            assert!(kept.open().is_none(), "{path:?}");
        }
        fs::remove_file(kept.start()).unwrap();
        crate::sys::make_fifo_at(directory.as_fd(), "start").unwrap();
        assert!(kept.open().is_none());
    }

    #[test]
    fn nothing_is_guessed_beside_an_instance_that_runs() {
        let kept = Kept::new("beside");
        let missing = kept.data.join("missing/start");
        let candidates = || [missing.clone(), kept.start()].into_iter();
        assert_eq!(choose(candidates()), Some(kept.start()));
        assert_eq!(choose([missing.clone()].into_iter()), None);
        let record = r#"{"holder":1,"start":1,"stack":"1","merged":"/","lasts":true}"#;
        fs::write(kept.directory.join("7.holder"), record).unwrap();
        assert_eq!(choose(candidates()), None);
    }
}
