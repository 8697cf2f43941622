//! Commands across the wall between guest and host.
//!
//! A caller makes a directory with FIFOs for one call and knocks at the daemon of the other side, which runs the command and
//! connects it. `docs/decisions/0008-portal.md` says why it is made this way, `docs/user/portal.md` what one sees of it.

mod asking;
mod call;
mod client;
mod command;
mod decided;
mod end;
mod follow;
mod guest;
mod host;
mod instance;
mod large;
mod message;
mod outbox;
mod pump;
mod request;
mod serve;
mod sweep;
mod terminal;

pub use guest::{Guest, command, shim};
pub use host::command as host_command;
pub use instance::execute;

/// Longest message, in bytes.
const LIMIT: usize = 8 << 20;
/// The kernel writes so many bytes into a FIFO in one piece. Longer messages go through a FIFO of their own.
const ATOMIC: usize = libc::PIPE_BUF;

/// Most commands at a time that one daemon runs.
const CALLS: usize = 256;
const BUSY: &str = "E::too many commands run across the portal already; try again when one has ended";
