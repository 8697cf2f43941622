//! `fim merge`: one layer in the place of several that lie on one another.
//!
//! Replies to one request on standard input: with `pack` the packer makes the layer, which gets the merged tree through
//! pipes, with `verify` a layer is compared with that tree. The layers are read as they lie in their files: nothing is mounted or unpacked, so owners and devices are kept whoever does it.

mod serve;
mod tree;
mod verify;

use crate::commit::{LIMITS, Place, answer, open};
use crate::failure::{Context, EXIT_CODE, Result};
use crate::names;
use crate::sys;
use dwarfs_fuse::{Cache, Layer};
use messages::{Done, Reader, Reply};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::Deserialize;
use std::ffi::OsString;
use std::sync::Arc;
use tree::Tree;

/// Memory for the blocks of all layers.
const CACHE: u64 = 64 << 20;

/// `layers` are lowest first. The first `below` of them stay as they are, and what the new layer deletes of them it goes on deleting; those
/// behind are merged.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
enum Request {
    Pack {
        layers: Vec<Place>,
        below: usize,
        /// The packer and its arguments; it writes what is wrong and how far it is to standard error.
        #[serde(deserialize_with = "names::words::deserialize")]
        packer: Vec<OsString>,
    },
    /// Compares a layer.
    Verify {
        layers: Vec<Place>,
        below: usize,
        layer: Place,
    },
}

/// Runs the applet; the result is its exit code.
pub fn command() -> i32 {
    // Whoever asked may end at any time; what is begun here goes with the packer, and is of use to nobody else.
    if set_parent_process_death_signal(Some(Signal::KILL)).is_err() || sys::is_unread(std::io::stdout()) {
        return EXIT_CODE;
    }
    let result = perform();
    let code = if result.is_ok() { 0 } else { EXIT_CODE };
    answer(&Reply::from(result.map(|()| Done {})));
    code
}

fn perform() -> Result<()> {
    let failed = || "cannot read the request".to_string();
    let message = Reader::new(std::io::stdin().lock(), LIMITS).read().context(failed)?;
    let request: Request = message
        .unwrap_or_default()
        .parse()
        .context(|| "cannot understand the request".to_string())?;
    let cache = Cache::new(CACHE);
    let open_at = |place: &Place| open(&place.path, place.offset, Some(place.size), Arc::clone(&cache));
    let (Request::Pack { layers, below, .. } | Request::Verify { layers, below, .. }) = &request;
    let layers: Vec<Layer> = layers.iter().map(open_at).collect::<Result<_>>()?;
    let tree = Tree::merge(&layers, *below);
    match &request {
        Request::Pack { packer, .. } => serve::pack(&tree, packer),
        Request::Verify { layer, .. } => verify::verify(&tree, &open_at(layer)?),
    }
}
