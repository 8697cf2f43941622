//! Layers that lie on one another, as the kernel's overlay would merge them.
//!
//! The uppermost layer that has a name decides. Directories let those below through, until something else stands there. A
//! character device 0:0 deletes the name; no layer can say that a directory is opaque.

use crate::layer::Layer;
use crate::tree::Kind;

/// One directory in several layers, the uppermost first: numbers of layers, and their inodes.
pub type Directories = Vec<(usize, u32)>;

/// What layers show at a name.
#[derive(Debug)]
pub struct Seen {
    /// The layer that decides, and its inode.
    pub layer: usize,
    pub inode: u32,
    pub is_whiteout: bool,
    /// All that is merged, if it is a directory.
    pub directories: Directories,
    /// Whether something that is no directory lies below it.
    pub is_cut_off: bool,
}

/// Looks a name up in a directory that some of the layers, lowest first, have. `None` if none of them says anything of it.
pub fn look(layers: &[Layer], directories: &[(usize, u32)], name: &[u8]) -> Option<Seen> {
    let mut seen: Option<Seen> = None;
    for &(number, directory) in directories {
        let Some((layer, inode)) = layers
            .get(number)
            .and_then(|layer| Some((layer, layer.find(directory, name)?)))
        else {
            continue;
        };
        let seen = seen.get_or_insert_with(|| Seen {
            layer: number,
            inode,
            is_whiteout: layer.is_deletion(inode),
            directories: Vec::new(),
            is_cut_off: false,
        });
        if layer.tree().kind(inode) != Some(Kind::Directory) {
            seen.is_cut_off = true;
            break;
        }
        seen.directories.push((number, inode));
    }
    seen
}
