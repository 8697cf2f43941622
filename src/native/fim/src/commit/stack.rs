//! The layers that a commit goes on, or under: which names they have.

use crate::failure::{Context, Result};
use crate::names;
use dwarfs_fuse::{Attributes, Cache, Kind, Layer, Options, Source};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Memory for the blocks of layers of which only names are read.
const LITTLE: u64 = 1 << 20;

/// A DwarFS image in a file, in bytes.
#[derive(Clone, Debug, Deserialize)]
pub struct Place {
    #[serde(with = "names::path")]
    pub path: PathBuf,
    pub offset: u64,
    pub size: u64,
}

/// Opens a layer, whose blocks go to a cache that others may share.
pub fn open(path: &Path, offset: u64, size: Option<u64>, cache: Arc<Cache>) -> Result<Layer> {
    let source = Source {
        path: path.to_path_buf(),
        offset,
        size,
    };
    Layer::open(&source, &Options::default(), cache).context(|| "cannot open a layer".to_string())
}

/// Layers, opened when first asked.
pub struct Stack<'a> {
    places: &'a [Place],
    layers: Option<Vec<Layer>>,
}

impl<'a> Stack<'a> {
    pub fn new(places: &'a [Place]) -> Self {
        Self { places, layers: None }
    }

    fn layers(&mut self) -> Result<&[Layer]> {
        if self.layers.is_none() {
            let cache = Cache::new(LITTLE);
            let opened: Result<Vec<Layer>> = self
                .places
                .iter()
                .map(|place| open(&place.path, place.offset, Some(place.size), Arc::clone(&cache)))
                .collect();
            self.layers = Some(opened?);
        }
        Ok(self.layers.as_deref().unwrap_or_default())
    }

    /// All names that any of the layers has in a directory, those that it deletes left out.
    pub fn names(&mut self, directory: &Path) -> Result<BTreeSet<OsString>> {
        let mut names = BTreeSet::new();
        for layer in self.layers()? {
            let Found::Inode(inode) = find(layer, directory) else {
                continue;
            };
            for entry in layer.entries(inode).into_iter().flatten() {
                if !layer.is_deletion(entry.inode) {
                    names.insert(OsString::from_vec(entry.name.to_vec()));
                }
            }
        }
        Ok(names)
    }

    /// What the layers show at a path, if it is a directory.
    pub fn directory(&mut self, path: &Path) -> Result<Option<Attributes>> {
        for layer in self.layers()?.iter().rev() {
            match find(layer, path) {
                Found::Nothing => {}
                Found::Blocked => return Ok(None),
                Found::Inode(inode) => {
                    let found = layer.attributes(inode);
                    return Ok(found.filter(|found| found.kind == Kind::Directory));
                }
            }
        }
        Ok(None)
    }

    /// Whether any of the layers decides what is seen at a path: has or deletes it, or has no directory where it leads.
    pub fn covers(&mut self, path: &Path) -> Result<bool> {
        let covers = |layer: &Layer| !matches!(find(layer, path), Found::Nothing);
        Ok(self.layers()?.iter().any(covers))
    }

    /// As `covers`, for a directory: another directory in the same place lets it through.
    pub fn covers_directory(&mut self, path: &Path) -> Result<bool> {
        let covers = |layer: &Layer| match find(layer, path) {
            Found::Nothing => false,
            Found::Blocked => true,
            Found::Inode(inode) => kind(layer, inode) != Some(Kind::Directory),
        };
        Ok(self.layers()?.iter().any(covers))
    }
}

enum Found {
    Inode(u32),
    Nothing,
    /// Something on the way is no directory.
    Blocked,
}

fn kind(layer: &Layer, inode: u32) -> Option<Kind> {
    layer.attributes(inode).map(|attributes| attributes.kind)
}

fn find(layer: &Layer, path: &Path) -> Found {
    let mut inode = 0;
    for name in path {
        if kind(layer, inode) != Some(Kind::Directory) {
            return Found::Blocked;
        }
        match layer.find(inode, name.as_bytes()) {
            Some(next) => inode = next,
            None => return Found::Nothing,
        }
    }
    Found::Inode(inode)
}
