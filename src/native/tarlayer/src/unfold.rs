//! The files of an archive that holds a container: written under numbers, so that no name in it leads anywhere.

use crate::fail;
use crate::failure::{Context, Result};
use crate::members::{self, Kind, Part};
use crate::plain::Plain;
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// A container has a file for each layer and some documents.
const MOST_MEMBERS: usize = 20_000;
const PIECE: u64 = 1 << 20;

/// Writes the contents, and returns each name with the file that has its content, or with the target of a link.
pub fn unfold(archive: &Plain, into: &Path) -> Result<Vec<Value>> {
    let mut listed = Vec::new();
    members::read(archive, |member| {
        if listed.len() >= MOST_MEMBERS {
            fail!("it has more than {MOST_MEMBERS} members: it is the archive of a tree, not of a container")
        }
        let name = String::from_utf8_lossy(&member.path);
        match &member.kind {
            Kind::File { size, parts } => {
                let file = listed.len().to_string();
                write(archive, *size, parts, &into.join(&file))?;
                listed.push(json!({ "name": name, "file": file }));
            }
            Kind::Symlink(target) => {
                listed.push(json!({ "name": name, "link": String::from_utf8_lossy(target) }));
            }
            // It counts from the root, not from the directory of the link.
            Kind::HardLink(target) => {
                listed.push(json!({ "name": name, "link": format!("/{}", String::from_utf8_lossy(target)) }));
            }
            _ => listed.push(json!({ "name": name })),
        }
        Ok(())
    })?;
    Ok(listed)
}

fn write(archive: &Plain, size: u64, parts: &[Part], path: &Path) -> Result<()> {
    let failed = || format!("cannot write '{}'", console::shown(path));
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .context(failed)?;
    file.set_len(size).context(failed)?;
    let mut buffer = vec![0; PIECE as usize];
    for part in parts {
        let mut done = 0;
        while done < part.length {
            let wanted = (part.length - done).min(PIECE) as usize;
            let read = archive.file.read_exact_at(&mut buffer[..wanted], part.position + done);
            read.context(|| "cannot read the archive".to_string())?;
            file.write_all_at(&buffer[..wanted], part.offset + done)
                .context(failed)?;
            done += wanted as u64;
        }
    }
    Ok(())
}
