//! Deletions, in trees in which nobody could make a device.

mod common;

use common::{Scratch, open, pack, walk};
use dwarfs_fuse::Kind;
use std::fs;

#[test]
fn names_of_the_file_become_devices() {
    let scratch = Scratch::new("whiteout");
    let tree = scratch.folder("tree");
    fs::create_dir(tree.join("room")).unwrap();
    let marker = scratch.join("marker");
    fs::write(&marker, "").unwrap();
    common::set_mode(&marker, 0);
    for name in ["gone", "room/gone"] {
        fs::hard_link(&marker, tree.join(name)).unwrap();
    }
    fs::write(tree.join("file"), "").unwrap();
    fs::hard_link(tree.join("file"), tree.join("link")).unwrap();
    let image = scratch.join("image");
    let kind = |name: &str| {
        let layer = open(&image);
        let found = layer.attributes(walk(&layer, name).unwrap()).unwrap();
        (found.kind, found.mode, found.device)
    };
    pack(&tree, &image, &["--whiteout", marker.to_str().unwrap()]);
    for name in ["gone", "room/gone"] {
        assert_eq!(kind(name), (Kind::CharacterDevice, 0, 0), "{name}");
    }
    for name in ["file", "link"] {
        assert_eq!(kind(name).0, Kind::File, "{name}");
    }
    // Where nothing was deleted there is no such file.
    fs::remove_file(&marker).unwrap();
    pack(&tree, &image, &["--whiteout", marker.to_str().unwrap()]);
    assert_eq!(kind("gone").0, Kind::File);
}
