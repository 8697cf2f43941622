//! A file system in which names ignore case, above a directory in which they do not.
//!
//! It keeps names as they were made, passes everything else through, and sees to it that no two names of a directory differ
//! only in case. Names are compared by the simple case folding of Unicode 16; see `fold`.
//!
//! What the kernel may remember is chosen so that two spellings of one name never contradict each other. The kernel has one
//! entry for each spelling of a file, and would not know that removing `a` removes `A`; so it asks again for files each
//! time, and never remembers that a name does not exist. Of a directory it has one entry at most, whatever the spelling,
//! and may remember that for a second.
//!
//! Files below are reached by descriptors of their directories and single names. Symlinks below are never followed.

mod answers;
mod attributes;
mod caller;
mod content;
mod entries;
mod filesystem;
mod fold;
mod handles;
mod inodes;
mod listing;
mod lower;
mod lower_names;
mod names;
mod node;
mod rename;
mod rename_target;
mod serve;
mod table;

pub use lower::Counters;
pub use serve::{Options, Serving, serve};
