//! An opened layer: its tree, and reading of its files through the shared cache.

mod ahead;
mod reads;
mod start;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::allocator;
use crate::block::Block;
use crate::cache::{Cache, Key};
use crate::error::{Error, Fault};
use crate::files::Extent;
use crate::hot::{Hot, Stamp};
use crate::index::Section;
use crate::sections::Sections;
use crate::source::{Source, Window};
use crate::tree::{Attributes, Entry, Kind, Tree};

use start::Touched;
pub use start::Wanted;

/// Bytes of metadata from which on opening leaves enough behind in the heap to look for it.
const LARGE_METADATA: usize = 256 << 10;
/// How a layer is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// Owner to show for everything, instead of the one in the image.
    pub uid: Option<u32>,
    /// Group to show for everything, instead of the one in the image.
    pub gid: Option<u32>,
    /// Memory for decompressed blocks where no cache is given, in bytes.
    pub cache_bytes: u64,
    /// How far to decompress ahead of sequential reads, in bytes; 0 switches it off.
    pub read_ahead_bytes: u64,
    /// Threads that answer the kernel for this layer; at least one is used.
    pub workers: usize,
    /// Whether all reads are remembered, and not only those of a start.
    pub notes_all: bool,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            uid: None,
            gid: None,
            cache_bytes: 256 << 20,
            read_ahead_bytes: 16 << 20,
            workers: cores.clamp(2, 4),
            notes_all: false,
        }
    }
}

/// Memory for reads from a hot file, to be used again.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pieces: Vec<u8>,
    bytes: Vec<u8>,
}

/// Rooms that no read uses: memory from the kernel costs as much as what is read into it.
static ROOMS: Mutex<Vec<Room>> = Mutex::new(Vec::new());
/// As many are kept as threads may read at once on most machines.
const MOST_ROOMS: usize = 4;

impl Room {
    pub(crate) fn take() -> Self {
        let room = ROOMS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        room.unwrap_or_default()
    }

    pub(crate) fn keep(self) {
        let mut rooms = ROOMS.lock().unwrap_or_else(PoisonError::into_inner);
        if rooms.len() < MOST_ROOMS {
            rooms.push(self);
        }
    }

    /// Gives back the memory of all that no read uses.
    pub(crate) fn release() {
        let rooms = std::mem::take(&mut *ROOMS.lock().unwrap_or_else(PoisonError::into_inner));
        drop(rooms);
        allocator::trim();
    }
}

/// A layer whose metadata has been read and checked.
#[derive(Debug)]
pub struct Layer {
    window: Arc<Window>,
    number: u64,
    blocks: Vec<Section>,
    tree: Tree,
    options: Options,
    cache: Arc<Cache>,
    /// End of the last read, as if all blocks lay one after the other.
    last_end: AtomicU64,
    /// Bytes that have been read in a row up to there.
    streak: AtomicU64,
    touched: Touched,
    hot: Option<Hot>,
}

impl Layer {
    /// Opens a layer. Its blocks go to `cache`, which other layers may share.
    pub fn open(source: &Source, options: &Options, cache: Arc<Cache>) -> Result<Self, Error> {
        let file = File::open(&source.path).map_err(|cause| Error::Read {
            path: source.path.clone(),
            cause,
        })?;
        let layer = Self::read_metadata(file, source.offset, source.size, options, cache);
        layer.map_err(|fault| fault.at(&source.path))
    }

    /// As [`Layer::open`] for a file that is open already. It need not be at any position; errors name it by its number.
    pub fn open_file(
        file: File,
        offset: u64,
        size: Option<u64>,
        options: &Options,
        cache: Arc<Cache>,
    ) -> Result<Self, Error> {
        use std::os::fd::AsRawFd;
        let number = file.as_raw_fd();
        let layer = Self::read_metadata(file, offset, size, options, cache);
        layer.map_err(|fault| {
            let link = format!("/proc/self/fd/{number}");
            let path = std::fs::read_link(&link).unwrap_or_else(|_| Path::new(&link).to_owned());
            fault.at(&path)
        })
    }

    fn read_metadata(
        file: File,
        offset: u64,
        size: Option<u64>,
        options: &Options,
        cache: Arc<Cache>,
    ) -> Result<Self, Fault> {
        let window = Window::new(file, offset, size)?;
        let sections = Sections::read(&window)?;
        let blocks = u32::try_from(sections.blocks.len()).map_err(|_| Fault::damaged("it has too many blocks"))?;
        let is_large = sections.metadata.len() > LARGE_METADATA;
        let tree = Tree::parse(&sections.schema, sections.metadata, blocks)?;
        drop(sections.schema);
        if is_large {
            allocator::trim();
        }
        Ok(Self {
            window: Arc::new(window),
            number: cache.new_layer(),
            blocks: sections.blocks,
            tree,
            options: options.clone(),
            cache,
            last_end: AtomicU64::new(u64::MAX),
            streak: AtomicU64::new(0),
            touched: Touched::new(options.notes_all),
            hot: None,
        })
    }

    /// Has what the file holds read from there.
    pub fn use_hot(&mut self, hot: Option<Hot>) {
        self.hot = hot;
    }

    /// The hot file that is used, if any.
    pub fn hot(&self) -> Option<&Hot> {
        self.hot.as_ref()
    }

    /// What tells the file of the layer from others, as it is now.
    pub fn stamp(&self) -> io::Result<Stamp> {
        self.window.stamp()
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    pub(crate) fn block_size(&self) -> usize {
        self.tree.files.block_size() as usize
    }

    /// What the kernel says of the file that is read, whatever is at its path by now.
    pub fn status(&self) -> io::Result<std::fs::Metadata> {
        self.window.status()
    }

    /// The path of the file, if the layer is no longer in it because it was written to.
    pub(crate) fn overwritten(&self) -> Option<PathBuf> {
        self.window.is_overwritten().then(|| self.window.path())
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Number of inodes; they are numbered from 0, which is the root directory.
    pub fn inode_count(&self) -> u32 {
        self.tree.inode_count()
    }

    /// Bytes of all files, those of the same content counted once.
    pub fn content_bytes(&self) -> u64 {
        self.tree.files.total()
    }

    /// What the image says about an inode, with the owner of the options; `None` if there is no such inode.
    pub fn attributes(&self, inode: u32) -> Option<Attributes> {
        let mut attributes = self.tree.attributes(inode)?;
        attributes.uid = self.options.uid.unwrap_or(attributes.uid);
        attributes.gid = self.options.gid.unwrap_or(attributes.gid);
        Some(attributes)
    }

    /// The names in a directory, sorted by their bytes; `None` if the inode is no directory.
    pub fn entries(&self, directory: u32) -> Option<impl Iterator<Item = Entry<'_>>> {
        Some(
            self.tree
                .entry_range(directory)?
                .map(|position| self.tree.entry(position)),
        )
    }

    /// The inode of a name in a directory.
    pub fn find(&self, directory: u32, name: &[u8]) -> Option<u32> {
        self.tree.find(directory, name)
    }

    /// Whether an inode stands for a deletion: it is a character device 0:0.
    pub fn is_deletion(&self, inode: u32) -> bool {
        self.tree.is_deletion(inode)
    }

    pub(crate) fn has_deletions(&self) -> bool {
        self.tree.has_deletions()
    }

    /// The target of a symlink; `None` if the inode is none.
    pub fn target(&self, inode: u32) -> Option<&[u8]> {
        self.tree.target(inode)
    }

    /// The extents of a file from byte `from` on; `None` if the inode is no regular file.
    pub fn extents(&self, inode: u32, from: u64) -> Option<impl Iterator<Item = Extent> + '_> {
        if self.tree.kind(inode)? != Kind::File {
            return None;
        }
        Some(
            self.tree
                .files
                .extents(&self.tree.packed, inode - self.tree.ranges.files, from),
        )
    }

    /// Bytes of a file without its holes; `None` in an image that has no holes.
    pub(crate) fn stored(&self, inode: u32) -> Option<u64> {
        let extents = self.tree.files.has_holes().then(|| self.extents(inode, 0)).flatten()?;
        Some(
            extents
                .filter(|extent| extent.block.is_some())
                .map(|extent| extent.size)
                .sum(),
        )
    }

    /// Bytes of zeros from `offset` of a file on that are stored nowhere; 0 where there is data, or no such file.
    pub fn hole(&self, inode: u32, offset: u64) -> u64 {
        let extents = self.extents(inode, offset).into_iter().flatten();
        extents
            .take_while(|extent| extent.block.is_none())
            .map(|extent| extent.size)
            .sum()
    }

    /// Bytes of a file from `offset` on that are followed by a hole or the end.
    pub fn data(&self, inode: u32, offset: u64) -> u64 {
        let extents = self.extents(inode, offset).into_iter().flatten();
        extents
            .take_while(|extent| extent.block.is_some())
            .map(|extent| extent.size)
            .sum()
    }

    /// Reads up to `size` bytes of a file from `offset`, fewer only at its end, and calls `done` with them.
    ///
    /// Bytes of a single block are passed without copying. Fails with `EIO` if a block they lie in is damaged, and with
    /// `EINVAL` if the inode is no regular file.
    pub fn read<T>(&self, inode: u32, offset: u64, size: usize, done: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        if self.hot.is_some() {
            let mut room = Room::take();
            if let Some(bytes) = self.read_hot(inode, offset, size, &mut room) {
                let answer = done(bytes);
                room.keep();
                return Ok(answer);
            }
        }
        self.read_blocks(inode, offset, size, |bytes| {
            self.touched.read(inode, offset, bytes.len(), false);
            done(bytes)
        })
    }

    /// The same if the hot file holds all of it.
    pub(crate) fn read_hot<'a>(&self, inode: u32, offset: u64, size: usize, room: &'a mut Room) -> Option<&'a [u8]> {
        let hot = self.hot.as_ref().filter(|hot| !hot.is_broken())?;
        let Room { pieces, bytes } = room;
        bytes.clear();
        let mut parts = Vec::new();
        for extent in self.extents(inode, offset)? {
            let length = usize::try_from(extent.size)
                .unwrap_or(usize::MAX)
                .min(size - bytes.len());
            match extent.block {
                Some(block) => {
                    let (start, end) = (extent.offset as usize, extent.offset as usize + length);
                    hot.append(block, start, end, pieces, bytes)?;
                    parts.push((block, end));
                }
                None => bytes.resize(bytes.len() + length, 0),
            }
            if bytes.len() >= size {
                break;
            }
        }
        for (block, end) in parts {
            self.touched.record(block, end);
        }
        self.touched.read(inode, offset, bytes.len(), true);
        Some(bytes)
    }

    fn read_blocks<T>(&self, inode: u32, offset: u64, size: usize, done: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        let extents = self
            .extents(inode, offset)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        let mut collected = Vec::new();
        let mut extents = extents.peekable();
        while let Some(extent) = extents.next() {
            let rest = size - collected.len();
            let length = usize::try_from(extent.size).unwrap_or(usize::MAX).min(rest);
            let Some(number) = extent.block else {
                collected.resize(collected.len() + length, 0);
                if length == rest {
                    break;
                }
                continue;
            };
            let end = extent.offset as usize + length;
            let block = self.block(number, end);
            if !block.is_ready(end) {
                self.look_on(&block, number, extents.peek().copied());
            }
            let bytes = self.fetch(&block, number, extent.offset, length)?;
            if length == rest || extents.peek().is_none() {
                if collected.is_empty() {
                    return Ok(done(bytes));
                }
                collected.extend_from_slice(bytes);
                break;
            }
            if collected.is_empty() {
                collected.reserve_exact(size.min(1 << 20));
            }
            collected.extend_from_slice(bytes);
        }
        Ok(done(&collected))
    }

    /// A block of which the first `end` bytes are wanted.
    fn block(&self, number: u32, end: usize) -> Arc<Block> {
        let size = self.tree.files.block_size() as usize;
        let section = self
            .blocks
            .get(number as usize)
            .copied()
            .unwrap_or(Section { offset: 0, length: 0 });
        let cost = Block::cost(section, size, end);
        self.cache.block(self.key(number), cost, || {
            self.touched.make(number);
            Block::new(section, size)
        })
    }

    fn key(&self, block: u32) -> Key {
        Key {
            layer: self.number,
            block,
        }
    }

    fn fetch<'a>(&self, block: &'a Arc<Block>, number: u32, offset: u32, length: usize) -> io::Result<&'a [u8]> {
        let start = offset as usize;
        let end = start + length;
        let is_ready = block.is_ready(end);
        self.touched.record(number, end);
        let bytes = block.bytes(&self.window, start, end);
        if bytes.is_err() {
            // The next read tries anew: the cause may have been the disk below and not the image.
            self.cache.forget(self.key(number));
            return bytes;
        }
        if !is_ready {
            // Formats that are not decompressed step by step cost more than was thought.
            let held = block.held();
            if held > block.booked.load(Ordering::Relaxed) {
                self.cache.book(self.key(number), held);
            }
        }
        if self.options.read_ahead_bytes > 0 {
            self.look_ahead(block, number, start..end, is_ready);
        }
        bytes
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.cache.forget_layer(self.number);
    }
}
