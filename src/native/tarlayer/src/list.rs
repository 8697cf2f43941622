//! What layers show, a line for each name.

use crate::below::Below;
use dwarfs_fuse::{Attributes, Kind};
use std::collections::HashMap;
use std::io::{Result, Write};

/// Prints the tree, names in a directory in the order of their bytes.
pub fn list(below: &Below, to: &mut impl Write) -> Result<()> {
    let root = below.root();
    let Some(attributes) = below.attributes(&root) else {
        return Ok(());
    };
    line(to, "/", &attributes, b"")?;
    // First name of each inode.
    let mut links: HashMap<(usize, u32), String> = HashMap::new();
    let names = below.all_names(&root).into_iter();
    let mut open = vec![(String::new(), root, names)];
    while let Some((path, directories, names)) = open.last_mut() {
        let Some(name) = names.next() else {
            open.pop();
            continue;
        };
        let Some(seen) = below.look_at_all(directories, &name) else {
            continue;
        };
        let path = format!("{path}/{}", name.escape_ascii());
        let layer = below.layer(seen.layer);
        let Some(attributes) = layer.attributes(seen.inode) else {
            continue;
        };
        if attributes.kind == Kind::Directory {
            line(to, &path, &attributes, b"")?;
            let names = below.all_names(&seen.directories).into_iter();
            open.push((path, seen.directories, names));
            continue;
        }
        match links.get(&(seen.layer, seen.inode)) {
            Some(first) => writeln!(to, "= {path} -> {first}")?,
            None => {
                let target = layer.target(seen.inode).unwrap_or_default();
                line(to, &path, &attributes, target)?;
                links.insert((seen.layer, seen.inode), path);
            }
        }
    }
    Ok(())
}

fn line(to: &mut impl Write, path: &str, attributes: &Attributes, target: &[u8]) -> Result<()> {
    let letter = match attributes.kind {
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::File => '-',
        Kind::BlockDevice => 'b',
        Kind::CharacterDevice => 'c',
        Kind::Pipe => 'p',
        Kind::Socket => 's',
    };
    let Attributes {
        device,
        gid,
        mode,
        modified,
        size,
        uid,
        ..
    } = attributes;
    let detail = match attributes.kind {
        Kind::File => format!("{size} "),
        Kind::BlockDevice | Kind::CharacterDevice => {
            format!("{}:{} ", rustix::fs::major(*device), rustix::fs::minor(*device))
        }
        _ => String::new(),
    };
    let target = match attributes.kind {
        Kind::Symlink => format!(" -> {}", target.escape_ascii()),
        _ => String::new(),
    };
    writeln!(to, "{letter} {mode:o} {uid}:{gid} {modified} {detail}{path}{target}")
}
