//! DwarFS layers as file systems: reads an image and answers the kernel's FUSE requests for it.
//!
//! One process serves many layers, as one file system in which they are merged. All of them share one [`Cache`] of decompressed blocks, so the memory bound is that of
//! the process and not of each layer. An image is never mapped nor read as a whole: its metadata is kept packed as it
//! lies in the image, and single blocks are read and decompressed, no further than somebody asked for.
//!
//! Images come from anywhere. Every number in them is checked before it is used as an index, a length or an address:
//! a damaged image makes [`Layer::open`] fail, or the reads of the damaged block, and never the process.

mod allocator;
mod block;
mod buffer;
mod cache;
mod command;
mod error;
mod fields;
mod files;
mod filesystem;
mod frozen;
mod hot;
mod identity;
mod index;
mod layer;
mod memory;
mod mount;
mod push;
mod readahead;
mod schema;
mod sections;
mod serving;
mod source;
mod stack;
mod strings;
mod tree;
mod validate;
mod view;

pub use allocator::tune_allocator;
pub use cache::Cache;
pub use command::command;
pub use error::Error;
pub use files::Extent;
pub use filesystem::OnOverwritten;
pub use hot::{FileRange, Filled, Hot, Key, SEALED, Stamp};
pub use identity::Headers;
pub use layer::{Layer, Options, Wanted};
pub use mount::{MountOptions, mount};
pub use serving::{Serving, serve_merged, serve_until_overwritten};
pub use source::Source;
pub use stack::{Directories, Seen, look};
pub use tree::{Attributes, Entry, Kind};
