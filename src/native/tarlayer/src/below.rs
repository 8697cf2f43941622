//! The layers below, as the kernel's overlay would show them.

use crate::fail;
use crate::failure::{Context, Result};
use dwarfs_fuse::{Attributes, Cache, Directories, Kind, Layer, Options, Seen, Source, look};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Memory for the blocks of all layers.
const CACHE: u64 = 32 << 20;
/// The kernel's limit.
const MOST_LINKS: u32 = 40;

pub struct Below {
    layers: Vec<Layer>,
}

impl Below {
    /// Opens layers, lowest first.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let cache = Cache::new(CACHE);
        let layers = paths.iter().map(|path| {
            let source = Source {
                path: path.clone(),
                offset: 0,
                size: None,
            };
            Layer::open(&source, &Options::default(), Arc::clone(&cache))
                .context(|| format!("cannot open the layer '{}'", console::shown(path)))
        });
        let layers = layers.collect::<Result<_>>()?;
        Ok(Self { layers })
    }

    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    pub fn root(&self) -> Directories {
        (0..self.layers.len()).rev().map(|layer| (layer, 0)).collect()
    }

    /// What is seen at a name, deletions not among it.
    pub fn look(&self, directories: &[(usize, u32)], name: &[u8]) -> Option<Seen> {
        look(&self.layers, directories, name).filter(|seen| !seen.is_whiteout)
    }

    /// The same with deletions of the lowest layer, which delete nothing.
    pub fn look_at_all(&self, directories: &[(usize, u32)], name: &[u8]) -> Option<Seen> {
        look(&self.layers, directories, name).filter(|seen| !seen.is_whiteout || seen.layer == 0)
    }

    pub fn layer(&self, number: usize) -> &Layer {
        &self.layers[number]
    }

    /// What a directory shows of itself: the uppermost layer that has it decides.
    pub fn attributes(&self, directories: &[(usize, u32)]) -> Option<Attributes> {
        let &(layer, inode) = directories.first()?;
        self.layers.get(layer)?.attributes(inode)
    }

    /// The names that are seen in a directory.
    pub fn names(&self, directories: &[(usize, u32)]) -> BTreeSet<Vec<u8>> {
        let mut names = self.all_names(directories);
        names.retain(|name| self.look(directories, name).is_some());
        names
    }

    /// All names that layers have in a directory.
    pub fn all_names(&self, directories: &[(usize, u32)]) -> BTreeSet<Vec<u8>> {
        let mut names = BTreeSet::new();
        for &(layer, inode) in directories {
            let entries = self.layers.get(layer).and_then(|layer| layer.entries(inode));
            names.extend(entries.into_iter().flatten().map(|entry| entry.name.to_vec()));
        }
        names
    }

    /// The content of a regular file, with links followed inside of the tree. `None` if there is none, or something else.
    pub fn read(&self, path: &[u8], limit: u64) -> Result<Option<Vec<u8>>> {
        let mut left: Vec<Vec<u8>> = components(path).rev().collect();
        let mut here: Vec<(Vec<u8>, Directories)> = Vec::new();
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == b".." {
                here.pop();
                continue;
            }
            let directories = here
                .last()
                .map_or_else(|| self.root(), |(_, directories)| directories.clone());
            let Some(seen) = self.look(&directories, &name) else {
                return Ok(None);
            };
            let layer = &self.layers[seen.layer];
            let Some(attributes) = layer.attributes(seen.inode) else {
                return Ok(None);
            };
            match attributes.kind {
                Kind::Directory => here.push((name, seen.directories)),
                Kind::Symlink => {
                    links += 1;
                    let target = layer.target(seen.inode).unwrap_or_default();
                    if links > MOST_LINKS {
                        return Ok(None);
                    }
                    if target.starts_with(b"/") {
                        here.clear();
                    }
                    left.extend(components(target).rev());
                }
                Kind::File if left.is_empty() => {
                    if attributes.size > limit {
                        fail!("'{}' has more than {limit} bytes", path.escape_ascii())
                    }
                    return content(layer, seen.inode, attributes.size).map(Some);
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/').map(<[u8]>::to_vec);
    parts
        .filter(|part| !part.is_empty() && part != b".")
        .collect::<Vec<_>>()
        .into_iter()
}

fn content(layer: &Layer, inode: u32, size: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size {
        let wanted = (size - bytes.len() as u64) as usize;
        let length = layer
            .read(inode, bytes.len() as u64, wanted, |piece| {
                bytes.extend_from_slice(piece);
                piece.len()
            })
            .context(|| "cannot read a file of a layer".to_string())?;
        if length == 0 {
            fail!("a file of a layer is shorter than it says")
        }
    }
    Ok(bytes)
}
