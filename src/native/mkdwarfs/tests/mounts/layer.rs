//! A layer alone: everything in it is as it was in the tree that it was packed of.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use namespaces::inside;

use super::common::{Scratch, noise, pack, plain_tree};
use super::{AS_ROOT, AS_USER, serve, unmount};

#[test]
fn layer_as_root() {
    inside("layer::inside_layer", AS_ROOT);
}

#[test]
fn layer_in_user_namespace() {
    inside("layer::inside_layer", AS_USER);
}

fn compare(one: &Path, two: &Path) {
    let (first, second) = (fs::symlink_metadata(one).unwrap(), fs::symlink_metadata(two).unwrap());
    assert_eq!(first.mode(), second.mode(), "{one:?}");
    assert_eq!(
        (first.uid(), first.gid(), first.mtime()),
        (second.uid(), second.gid(), second.mtime()),
        "{one:?}"
    );
    assert_eq!(
        (first.nlink(), first.rdev()),
        (second.nlink(), second.rdev()),
        "{one:?}"
    );
    if first.is_file() {
        assert!(fs::read(one).unwrap() == fs::read(two).unwrap(), "{one:?}");
    }
    if first.is_symlink() {
        assert_eq!(fs::read_link(one).unwrap(), fs::read_link(two).unwrap());
    }
    if first.is_dir() {
        let list = |path: &Path| {
            let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
            let mut names: Vec<_> = entries
                .map(|entry| (entry.file_name(), entry.file_type().unwrap()))
                .collect();
            names.sort_by(|one, two| one.0.cmp(&two.0));
            names
        };
        let names = list(one);
        assert_eq!(names, list(two), "{one:?}");
        for (name, _) in names {
            compare(&one.join(&name), &two.join(&name));
        }
    }
}

#[test]
#[ignore = "runs in namespaces of its own, started by the tests above"]
fn inside_layer() {
    let scratch = Scratch::new("layer");
    let (tree, target) = (scratch.folder("tree"), scratch.folder("target"));
    plain_tree(&tree);
    let many = scratch.folder("tree/many");
    for number in 0..10_000 {
        fs::write(many.join(format!("file {number}")), "").unwrap();
    }
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "3", "--block-size-bits", "17"]);
    let serving = serve(&image, &target);
    for _ in 0..2 {
        compare(&tree, &target);
    }
    assert_eq!(
        fs::metadata(target.join("linked")).unwrap().ino(),
        fs::metadata(target.join("usr/lib/noise")).unwrap().ino()
    );
    assert!(fs::symlink_metadata(target.join("nothing here")).is_err());
    let error = fs::write(target.join("new"), "").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EROFS));
    // Several readers at once, each in small steps.
    let expected = noise(300_000, 1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(fs::read(target.join("usr/lib/noise-again")).unwrap() == expected));
        }
    });
    unmount(&target);
    serving.join().unwrap();
}
