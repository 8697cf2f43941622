//! Digests of bytes that come in pieces.

use super::exports;
use crate::bytes::{Bytes, buffer};
use crate::failure::throw;
use rquickjs::{Ctx, Result, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512_256};
use std::cell::RefCell;
use std::collections::HashMap;

exports! {
    "hashStart" => start,
    "hashUpdate" => update,
    "hashEnd" => end,
}

enum Hash {
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512_256(Sha512_256),
}

thread_local! {
    /// Those that were started and not ended, by their numbers, and the next number.
    static RUNNING: RefCell<(HashMap<u32, Hash>, u32)> = RefCell::default();
}

/// Returns the number by which JavaScript names it, until it ends it.
fn start(ctx: Ctx<'_>, algorithm: String) -> Result<u32> {
    let hash = match algorithm.as_str() {
        "sha1" => Hash::Sha1(Sha1::new()),
        "sha256" => Hash::Sha256(Sha256::new()),
        "sha512-256" => Hash::Sha512_256(Sha512_256::new()),
        _ => return Err(throw(&ctx, libc::EINVAL)),
    };
    Ok(RUNNING.with_borrow_mut(|(hashes, next)| {
        *next += 1;
        hashes.insert(*next, hash);
        *next
    }))
}

fn update(ctx: Ctx<'_>, number: u32, bytes: Bytes<'_>) -> Result<()> {
    RUNNING.with_borrow_mut(|(hashes, _)| {
        match hashes.get_mut(&number) {
            Some(Hash::Sha1(hash)) => hash.update(bytes.get()),
            Some(Hash::Sha256(hash)) => hash.update(bytes.get()),
            Some(Hash::Sha512_256(hash)) => hash.update(bytes.get()),
            None => return Err(throw(&ctx, libc::EINVAL)),
        }
        Ok(())
    })
}

fn end<'js>(ctx: Ctx<'js>, number: u32) -> Result<Value<'js>> {
    let digest = match RUNNING.with_borrow_mut(|(hashes, _)| hashes.remove(&number)) {
        Some(Hash::Sha1(hash)) => hash.finalize().to_vec(),
        Some(Hash::Sha256(hash)) => hash.finalize().to_vec(),
        Some(Hash::Sha512_256(hash)) => hash.finalize().to_vec(),
        None => return Err(throw(&ctx, libc::EINVAL)),
    };
    buffer(&ctx, digest)
}
