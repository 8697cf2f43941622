//! The process that serves the layers of an instance.
//!
//! It lives outside the namespaces it serves: the kernel closes a FUSE connection when the last reference to its mount is
//! gone, and a server inside would be such a reference itself. So it needs no one to end it, and it can go on for other
//! instances that share the overlay after the one that started it has ended.

use super::guess::{self, Guess};
use super::linger::{FileState, Keeper, Terms, Waited};
use super::protocol::Place;
use super::server::{complain_to, leave_caller};
use super::start::Starts;
use crate::fail;
use crate::failure::{Context, EXIT_CODE, Failure, Result};
use crate::hot::{self, HotCache};
use crate::sys;
use crate::trust::Directory;
use crate::{names, packets};
use dwarfs_fuse::{Cache, Layer, Serving, Source};
use messages::Reply;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the driver complains of, in the directory of the instance that started it.
pub const DRIVER_LOG: &str = "logs/fuse/dwarfs.log";

/// What a holder tells it. Each but the first is answered by `Performed`.
#[derive(Deserialize, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Message {
    /// The janitor's, before there is a holder: open what is written down there already.
    Guess {
        #[serde(with = "names::path")]
        start: PathBuf,
    },
    Configure {
        owner: Option<(u32, u32)>,
        cache_bytes: u64,
        /// Where what starts read is kept decompressed, if it is.
        hot: Option<hot::Place>,
        /// The file that gets a list of what is read, if there is to be one; see `Driver::list_reads`.
        #[serde(with = "names::optional_path")]
        reads: Option<PathBuf>,
        /// The hash of what identifies the layers, and where it is kept what a start reads of them.
        stack: String,
        #[serde(with = "names::path")]
        start: PathBuf,
        #[serde(with = "names::path")]
        log: PathBuf,
    },
    Open(Place),
    /// Serve all that were opened, merged; the message carries a FUSE descriptor.
    Serve {},
    /// Keep what has been read so far for the next start.
    Remember {},
    /// Let the layers stay for a while after the last instance.
    Linger(Terms),
    /// The message carries a mount namespace in which nothing is mounted but the layers: hold it.
    Hold {},
    /// The guest is gone: end too.
    End {},
}

#[derive(Deserialize, Serialize)]
pub struct Performed {
    /// Whether it was done before it was asked for: a layer was open already.
    pub before: bool,
}

/// The only message that a holder gets without a request: a layer was overwritten.
#[derive(Serialize)]
struct Alarm {
    overwritten: bool,
}
/// How long a holder may take to end its guest.
const PATIENCE: Duration = Duration::from_secs(2);

/// The driver itself: serves what it is told through the socket, until none of it is mounted any more. The answer is its
/// exit code. For a new child with a single thread.
pub fn run(socket: &OwnedFd, program: &str) -> i32 {
    let mut socket = match leave_caller(c"fim-dwarfs", [socket.as_fd()]) {
        Ok([kept]) => Some(kept),
        Err(error) => {
            console::complain!("E::cannot detach the DwarFS driver: {error}");
            return EXIT_CODE;
        }
    };
    match answer_requests(&mut socket, program) {
        Ok(()) => 0,
        Err(failure) => {
            // There may be nobody to serve any more, and then no directory for the log either.
            let is_closed = |socket: &OwnedFd| sys::poll([sys::closed(socket)], 0).is_ok_and(|[closed]| closed);
            if !socket.as_ref().is_none_or(is_closed) {
                console::complain!("E::{failure}");
            }
            EXIT_CODE
        }
    }
}

/// Until the holder has closed its end, and the layers are to stay no longer.
fn answer_requests(holder: &mut Option<OwnedFd>, program: &str) -> Result<()> {
    let first = Arc::new(Mutex::new(holder.as_ref().and_then(|holder| holder.try_clone().ok())));
    let mut driver = Driver {
        holder: first,
        program: program.to_string(),
        ..Driver::default()
    };
    while holder.is_some() || driver.keeper.is_some() {
        if let Some(keeper) = &mut driver.keeper {
            match keeper.wait(holder.as_ref().map(AsFd::as_fd)) {
                Waited::Holder => {}
                Waited::Nothing => continue,
                Waited::Over => {
                    driver.keeper = None;
                    continue;
                }
            }
        }
        let Some(socket) = holder.as_ref().map(AsFd::as_fd) else {
            continue;
        };
        let received = packets::receive(socket, packets::LIMIT).context(|| "cannot hear the holder".to_string())?;
        let Some((packet, descriptor)) = received else {
            *holder = None;
            *locked(&driver.holder) = None;
            continue;
        };
        let message: Message = packet.parse().context(|| "cannot understand the holder".to_string())?;
        let is_answered = !matches!(message, Message::Guess { .. });
        let is_end = matches!(message, Message::Remember {});
        let performed = driver.perform(message, descriptor);
        if !is_answered {
            continue;
        }
        let reply = Reply::from(performed);
        packets::send(socket, &reply, None).context(|| "cannot answer the holder".to_string())?;
        if is_end {
            driver.keep_hot();
        }
    }
    match driver.serving {
        Some(serving) => serving.join().context(|| "the layers ended early".to_string()),
        None => Ok(()),
    }
}

const NOW: Performed = Performed { before: false };

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Driver {
    /// The first holder, to be told if a layer is overwritten.
    holder: Arc<Mutex<Option<OwnedFd>>>,
    /// What is started.
    program: String,
    owner: Option<(u32, u32)>,
    cache_bytes: u64,
    hot: Option<hot::Place>,
    reads: Option<PathBuf>,
    cache: Option<Arc<Cache>>,
    stack: String,
    start: PathBuf,
    /// What starts before have read.
    last: Option<Starts>,
    guess: Option<Guess>,
    /// Where the layers lie, lowest first.
    places: Vec<Place>,
    /// Those that are not served yet, lowest first.
    layers: Vec<Layer>,
    /// What was known of the file of each place when it was opened.
    files: Vec<FileState>,
    serving: Option<Serving>,
    /// Lets the layers stay.
    keeper: Option<Keeper>,
}

impl Driver {
    /// For when a layer was overwritten, which the log says. The holder ends its guest first, so that no program there has to deal
    /// with errors, and then us. Holders that have only joined notice that we end.
    fn alarm(&self) -> dwarfs_fuse::OnOverwritten {
        let holder = Arc::clone(&self.holder);
        Box::new(move || {
            let told = locked(&holder)
                .as_ref()
                .is_some_and(|holder| packets::send(holder.as_fd(), &Alarm { overwritten: true }, None).is_ok());
            if told {
                std::thread::sleep(PATIENCE);
            }
            std::process::exit(EXIT_CODE)
        })
    }

    fn perform(&mut self, message: Message, descriptor: Option<OwnedFd>) -> Result<Performed> {
        match message {
            Message::Guess { start } => {
                self.guess = Guess::open(&start, &self.program);
                Ok(NOW)
            }
            Message::Configure {
                owner,
                cache_bytes,
                hot,
                reads,
                stack,
                start,
                log,
            } => {
                complain_to(&log).context(|| format!("cannot write '{}'", log.display()))?;
                self.guess = self
                    .guess
                    .take()
                    .filter(|guess| guess.starts.is_of(&stack, owner, cache_bytes))
                    .filter(|guess| guess.starts.is_hot_in(hot.as_ref().map(|hot| hot.directory.as_path())))
                    .filter(|_| reads.is_none());
                self.last = match &self.guess {
                    Some(guess) => Some(guess.starts.clone()),
                    None => Starts::read(&start, &stack),
                };
                self.cache = Some(match &self.guess {
                    Some(guess) => Arc::clone(&guess.cache),
                    None => Cache::within_memory(cache_bytes),
                });
                (self.owner, self.cache_bytes) = (owner, cache_bytes);
                (self.stack, self.start, self.hot, self.reads) = (stack, start, hot, reads);
                Ok(NOW)
            }
            Message::Open(place) => {
                let (layer, performed) = match self.guess.as_mut().and_then(|guess| guess.take(&place)) {
                    Some(layer) => (layer, Performed { before: true }),
                    None => {
                        self.guess = None;
                        (self.open(&place)?, NOW)
                    }
                };
                let status = layer.status().context(|| "cannot look at a layer".to_string())?;
                self.files.push(FileState::of(&status));
                self.places.push(place);
                self.layers.push(layer);
                Ok(performed)
            }
            Message::Serve {} => {
                let Some(fuse) = descriptor else {
                    fail!("no descriptor to serve")
                };
                let layers = std::mem::take(&mut self.layers);
                let serving = dwarfs_fuse::serve_until_overwritten(layers, fuse, self.alarm());
                self.serving = Some(serving.context(|| "cannot serve the layers".to_string())?);
                Ok(NOW)
            }
            Message::Remember {} => {
                let layers = self.serving.as_ref().map_or(&[][..], Serving::layers);
                if let Some(path) = &self.reads {
                    list_reads(path, layers)?;
                }
                // Others may have learned something meanwhile.
                let is_of = |starts: &Starts| starts.is_of(&self.stack, self.owner, self.cache_bytes);
                let known = Starts::read(&self.start, &self.stack).filter(is_of);
                let hot = self.hot.as_ref().map(|hot| hot.directory.as_path());
                let none = || Starts::of(&self.places, &self.stack, self.owner, self.cache_bytes, hot);
                let mut starts = known.unwrap_or_else(none);
                if starts.set_hot(hot) | starts.learn(&self.program, layers, &self.places) {
                    starts.write(&self.start)?;
                }
                Ok(NOW)
            }
            Message::Linger(terms) => {
                let Some(application) = super::application().filter(|_| self.serving.is_some()) else {
                    fail!("there is nothing that could stay")
                };
                let (places, files) = (self.places.clone(), self.files.clone());
                self.keeper = Some(Keeper::new(&application, &self.stack, terms, places, files)?);
                Ok(NOW)
            }
            Message::End {} => std::process::exit(EXIT_CODE),
            Message::Hold {} => {
                let (Some(keeper), Some(namespace)) = (&mut self.keeper, descriptor) else {
                    fail!("the layers are not to stay")
                };
                keeper.hold(namespace);
                Ok(NOW)
            }
        }
    }

    /// Opens the next layer, and has decompressed what the last start has read of it.
    fn open(&self, place: &Place) -> Result<Layer> {
        let Some(cache) = &self.cache else {
            fail!("nothing is configured yet")
        };
        let source = Source {
            path: place.path.clone(),
            offset: place.offset,
            size: Some(place.size),
        };
        let options = guess::options(self.owner, self.cache_bytes, self.reads.is_some());
        let layer = Layer::open(&source, &options, Arc::clone(cache));
        let mut layer = layer.map_err(|error| Failure(error.to_string()))?;
        let hot = self.hot.as_ref().and_then(|hot| HotCache::open(&hot.directory));
        layer.use_hot(hot.and_then(|hot| hot.of(&layer)));
        // While the rest of the start is prepared there is time for it.
        let index = self.layers.len();
        let blocks = self.last.as_ref().and_then(|last| last.blocks(&self.program, index));
        guess::expect(&layer, index, blocks);
        Ok(layer)
    }

    /// Has what this start did not find in the hot cache put there, once nobody waits for it any more.
    fn keep_hot(&self) {
        let (Some(place), Some(serving)) = (&self.hot, &self.serving) else {
            return;
        };
        serving.layers().iter().for_each(hot::mark_used);
        let layers = self.places.iter().zip(serving.layers());
        let wanted: Vec<_> = layers
            .filter_map(|(place, layer)| hot::Wanted::of(place, layer))
            .collect();
        if !wanted.is_empty() {
            // Only time is lost without it.
            let _ = hot::start(place, wanted);
        }
    }
}

/// Writes what was read of layers: entries `LAYER OFFSET LENGTH PATH`, each ended by a zero byte, in the order of the layers, and of the first
/// reads of each. The lowest layer has the number 0, the path is relative to its root.
fn list_reads(path: &Path, layers: &[Layer]) -> Result<()> {
    let failed = || format!("cannot write '{}'", path.display());
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        fail!("{}", failed())
    };
    let mut list = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        for (offset, length, path) in layer.named_reads() {
            list.extend_from_slice(format!("{number} {offset} {length} ").as_bytes());
            list.extend_from_slice(&path);
            list.push(0);
        }
    }
    Directory::given(directory)?.put(name, 0o600, &list)
}
