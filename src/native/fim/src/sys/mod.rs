//! What system calls need around them: fallbacks for older kernels, rules about descriptors and signals, walks that follow no link. The
//! calls themselves are those of the standard library, of rustix, and where it has none, of nix.

mod attributes;
mod capabilities;
mod components;
mod descriptors;
mod elder;
mod ends;
mod fifos;
mod files;
mod listeners;
mod locks;
mod mounts;
mod polling;
mod prepare;
mod priority;
mod process;
mod process_directory;
mod refusals;
mod removal;
mod signals;
mod sockets;
mod spawn;
mod terminals;

pub use attributes::*;
pub use capabilities::*;
pub use components::*;
pub use descriptors::*;
pub use ends::*;
pub use fifos::*;
pub use files::*;
pub use listeners::*;
pub use locks::*;
pub use mounts::*;
pub use polling::*;
pub use prepare::*;
pub use priority::*;
pub use process::*;
pub use process_directory::*;
pub use refusals::*;
pub use removal::*;
pub use signals::*;
pub use sockets::*;
pub use spawn::*;
pub use terminals::*;
