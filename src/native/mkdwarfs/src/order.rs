//! The order in which contents are stored. Neighbours are compressed together, so like should lie beside like.
//!
//! The order of paths is kept. What lies in one directory is mostly alike, and also read together, so that a program
//! finds its files in few blocks. Ordering by file name extension instead changes the size of blocks up to 4 MiB by less
//! than one part in a hundred, for the worse, and scatters each program over the whole image.

use crate::scan::Node;

/// Sorts the numbers of nodes into the order of storing.
pub fn sort(nodes: &[Node], files: &mut [usize]) {
    files.sort_unstable_by(|&one, &two| nodes[one].path.cmp(&nodes[two].path));
}
