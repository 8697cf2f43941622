//! What an image does natively: two programs over one library. `launcher` is the head of every image and stands in it as it
//! is, so it holds nothing else; `fim` is unpacked by it as `bin/fim` and is whatever its first argument says.

pub mod adopt;
pub mod commit;
pub mod emulate;
pub mod failure;
pub mod guest;
pub mod hot;
pub mod instances;
pub mod janitor;
pub mod kept;
pub mod launcher;
pub mod merge;
mod names;
mod packets;
pub mod patch;
pub mod portal;
pub mod remove;
mod streams;
mod sys;
pub mod tied;
pub mod trust;

pub use sys::hear_of_children;
