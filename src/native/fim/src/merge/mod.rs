//! `fim merge`: one layer in the place of several that lie on one another.
//!
//! Reads one JSON object from standard input: with `pack` the packer makes the layer, which gets the merged tree through
//! pipes, with `verify` a layer is compared with that tree. Answers `{"ok":{}}` or `{"error":"…"}` on standard output. The layers are read as
//! they lie in their files: nothing is mounted or unpacked, so owners and devices are kept whoever does it.

mod serve;
mod tree;
mod verify;

use crate::commit::{Place, answer, open};
use crate::failure::{Context, EXIT_CODE, Result};
use crate::names;
use crate::sys;
use dwarfs_fuse::{Cache, Layer};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::Deserialize;
use serde_json::json;
use std::ffi::OsString;
use std::sync::Arc;
use tree::Tree;

/// Memory for the blocks of all layers.
const CACHE: u64 = 64 << 20;

#[derive(Deserialize)]
struct Request {
    /// Lowest first. The first `below` of them stay as they are, and what the new layer deletes of them it goes on deleting;
    /// those behind are merged.
    layers: Vec<Place>,
    below: usize,
    /// The packer and its arguments; it writes what is wrong and how far it is to standard error.
    #[serde(default, deserialize_with = "names::words::deserialize")]
    pack: Option<Vec<OsString>>,
    /// A layer to compare.
    verify: Option<Place>,
}

/// Runs the applet; the result is its exit code.
pub fn command() -> i32 {
    // Whoever asked may end at any time; what is begun here goes with the packer, and is of use to nobody else.
    if set_parent_process_death_signal(Some(Signal::KILL)).is_err() || sys::is_unread(std::io::stdout()) {
        return EXIT_CODE;
    }
    let result = perform();
    let code = if result.is_ok() { 0 } else { EXIT_CODE };
    answer(&match result {
        Ok(()) => json!({ "ok": {} }),
        Err(failure) => json!({ "error": failure.to_string() }),
    });
    code
}

fn perform() -> Result<()> {
    let text = std::io::read_to_string(std::io::stdin()).context(|| "cannot read the request".to_string())?;
    let request: Request = serde_json::from_str(&text).context(|| "the request makes no sense".to_string())?;
    let cache = Cache::new(CACHE);
    let open_at = |place: &Place| open(&place.path, place.offset, Some(place.size), Arc::clone(&cache));
    let layers: Vec<Layer> = request.layers.iter().map(open_at).collect::<Result<_>>()?;
    let tree = Tree::merge(&layers, request.below);
    if let Some(words) = &request.pack {
        serve::pack(&tree, words)?;
    }
    match &request.verify {
        Some(layer) => verify::verify(&tree, &open_at(layer)?),
        None => Ok(()),
    }
}
