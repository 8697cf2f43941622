//! A data directory: judged, and made if need be, with what belongs in it.

use super::walk::{Last, Make, is_there};
use super::{Directory, Refusal, shown};
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is in a data directory, and with which mode it is made. The guest sees the mode of `data` as that of its `/`.
const ROOMS: [(&str, u32); 4] = [("data", 0o755), ("work", 0o700), ("layers", 0o700), ("tmp", 0o700)];

/// `f_type` of file systems that keep neither links nor owners, so nothing that a guest writes: FAT, exFAT, NTFS, HFS+.
const SIMPLE: [u64; 6] = [0x4d44, 0x2011_bab0, 0x5346_544e, 0x7366_746e, 0x482b, 0x4244];

/// The answer for one directory.
#[derive(Serialize)]
pub struct Judged {
    /// Whether it can be used.
    pub usable: bool,
    /// Whether the caller has to be told that it is passed over: others can change it and there is something, or it would be the
    /// right place but for its file system.
    pub notable: bool,
    /// Why it cannot be used, and what to type to change that.
    pub reason: Option<String>,
    pub remedy: Option<String>,
}

/// What a directory is for.
#[derive(Clone, Copy, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A directory that is there is looked into.
    Find,
    /// A data directory that is there is used. Missing directories in it are made.
    Rooms,
    /// A data directory is made.
    Make,
    /// Something is made in a directory, or where it will be.
    Place,
}

/// Judges the directory `path`.
pub fn examine(path: &Path, purpose: Purpose) -> Judged {
    let judged = match purpose {
        Purpose::Find => Directory::trusted(path, Last::Own, Make::No),
        Purpose::Rooms => Directory::trusted(path, Last::Own, Make::No).and_then(make_rooms),
        Purpose::Make => Directory::trusted(path, Last::Own, Make::Private).and_then(make_rooms),
        Purpose::Place => place(path),
    };
    match judged {
        Ok(_) => Judged {
            usable: true,
            notable: false,
            reason: None,
            remedy: None,
        },
        Err(refusal) => Judged {
            usable: false,
            notable: refusal.is_unfit || (refusal.is_unsafe && purpose != Purpose::Place && is_there(path)),
            reason: Some(refusal.reason),
            remedy: refusal.remedy,
        },
    }
}

/// The directory, or the innermost one that is there of those that lead to it.
fn place(path: &Path) -> Result<Directory, Refusal> {
    let mut found = Directory::trusted(path, Last::Passage, Make::No);
    for above in path.ancestors().skip(1) {
        match &found {
            Err(refusal) if refusal.is_missing => found = Directory::trusted(above, Last::Passage, Make::No),
            _ => break,
        }
    }
    let found = found?;
    keeps_files(&found)?;
    Ok(found)
}

/// Makes what a data directory lacks.
fn make_rooms(data: Directory) -> Result<Directory, Refusal> {
    keeps_files(&data)?;
    for (name, mode) in ROOMS {
        let is_needed = name == "data" || name == "work";
        match data.is_writable(name) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                make_room(&data, name, mode)?;
            }
            Err(error) if is_needed => {
                let path = data.path().join(name);
                return Err(Refusal::new(format!(
                    "'{}' cannot be written to: {error}",
                    shown(&path)
                )));
            }
            _ => {}
        }
        // The modes of the upper directory are the guest's, and nobody but the guest follows what is in it.
        if name != "data" {
            data.enter(name)
                .map_err(|Failure(reason)| Refusal::danger(reason, None))?;
        }
    }
    Ok(data)
}

fn make_room(data: &Directory, name: &str, mode: u32) -> Result<(), Refusal> {
    match data.make(name, mode) {
        Ok(_) => Ok(()),
        // Another start was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            let path = data.path().join(name);
            Err(Refusal::new(format!("'{}' cannot be made: {error}", shown(&path))))
        }
    }
}

/// Whether a file system keeps what a guest writes.
fn keeps_files(directory: &Directory) -> Result<(), Refusal> {
    let found = rustix::fs::fstatfs(directory);
    let kind = found.map_or(0, |found| (found.f_type as u64) & 0xffff_ffff);
    if SIMPLE.contains(&kind) {
        let path = shown(directory.path());
        return Err(Refusal {
            is_unfit: true,
            ..Refusal::new(format!(
                "'{path}' is on a file system without links and owners, such as FAT"
            ))
        });
    }
    Ok(())
}
