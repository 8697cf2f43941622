//! The kernel's overlay above a layer: whatever a program may change in it.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use namespaces::{inside, made_with};

use super::common::{Scratch, make_node, noise, pack, set_mode};
use super::{AS_ROOT, AS_USER, mount_raw, serve, unmount};

#[test]
fn overlay_as_root() {
    inside("overlay::inside_overlay", AS_ROOT);
}

#[test]
fn overlay_in_user_namespace() {
    inside("overlay::inside_overlay", AS_USER);
}

#[test]
#[ignore = "runs in namespaces of its own, started by the tests above"]
fn inside_overlay() {
    let scratch = Scratch::new("overlay");
    let tree = scratch.folder("tree");
    overlay_tree(&tree);
    // A whiteout can be made without privilege, since it opens no device.
    assert!(
        make_node(&tree.join("hidden"), libc::S_IFCHR, 0),
        "{}",
        std::io::Error::last_os_error()
    );
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "3", "--block-size-bits", "17"]);
    let base = overlay_base();
    let serving = serve(&image, &base.join("layer"));
    mount_overlay(&base, if made_with("-U") { ",userxattr" } else { "" });
    change_everything(&base.join("merged"));
    unmount(&base.join("merged"));
    unmount(&base.join("layer"));
    serving.join().unwrap();
    unmount(&base);
}

/// Names of the lower layer for the overlay's cases.
pub fn overlay_tree(root: &Path) {
    fs::create_dir_all(root.join("folder/below")).unwrap();
    fs::create_dir_all(root.join("cleared")).unwrap();
    fs::write(root.join("folder/below/file"), "below").unwrap();
    fs::write(root.join("cleared/file"), "").unwrap();
    for name in [
        "opened",
        "appended",
        "changed",
        "cut",
        "gone",
        "moved",
        "replaced",
        "created",
        "stable",
        "attributes",
    ] {
        fs::write(root.join(name), "lower\n").unwrap();
    }
    symlink("target", root.join("link")).unwrap();
    fs::write(root.join("hard"), "hard").unwrap();
    fs::hard_link(root.join("hard"), root.join("hard too")).unwrap();
    fs::write(root.join("program"), "#!/bin/sh\nexit 7\n").unwrap();
    set_mode(&root.join("program"), 0o755);
    assert!(make_node(&root.join("pipe"), libc::S_IFIFO | 0o600, 0));
    assert!(make_node(&root.join("socket"), libc::S_IFSOCK | 0o600, 0));
    fs::write(root.join("large"), noise(3_000_000, 8)).unwrap();
}

/// A file system in memory, mounted where nobody else looks in this mount namespace, with the overlay's folders.
pub fn overlay_base() -> std::path::PathBuf {
    let base = Path::new("/mnt").to_owned();
    mount_raw("tmpfs", &base, "tmpfs", "");
    for name in ["layer", "upper", "work", "lowest", "merged"] {
        fs::create_dir(base.join(name)).unwrap();
    }
    fs::write(base.join("lowest/hidden"), "must not be seen").unwrap();
    fs::write(base.join("lowest/seen"), "lowest").unwrap();
    base
}

pub fn mount_overlay(base: &Path, more: &str) {
    let at = |name: &str| base.join(name).to_str().unwrap().to_owned();
    let lower = format!("{}:{}", at("layer"), at("lowest"));
    let data = format!("lowerdir={lower},upperdir={},workdir={}{more}", at("upper"), at("work"));
    mount_raw("overlay", &base.join("merged"), "overlay", &data);
}

pub fn change_everything(merged: &Path) {
    use std::io::{Read, Seek, Write};
    let at = |name: &str| merged.join(name);
    assert!(!at("hidden").exists(), "the whiteout does not hide");
    assert_eq!(fs::read_to_string(at("seen")).unwrap(), "lowest");
    assert!(
        fs::read_dir(merged)
            .unwrap()
            .all(|entry| entry.unwrap().file_name() != "hidden")
    );

    fs::rename(at("link"), at("link moved")).unwrap();
    assert_eq!(fs::read_link(at("link moved")).unwrap(), Path::new("target"));

    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(at("opened"))
        .unwrap();
    file.write_all(b"L").unwrap();
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "Lower\n");
    fs::File::options()
        .append(true)
        .open(at("appended"))
        .unwrap()
        .write_all(b"more")
        .unwrap();
    assert_eq!(fs::read_to_string(at("appended")).unwrap(), "lower\nmore");
    let error = fs::File::options()
        .write(true)
        .create_new(true)
        .open(at("created"))
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
    fs::write(at("created"), "anew").unwrap();
    fs::File::options()
        .write(true)
        .open(at("cut"))
        .unwrap()
        .set_len(2)
        .unwrap();
    assert_eq!(fs::read_to_string(at("cut")).unwrap(), "lo");

    set_mode(&at("changed"), 0o4700);
    assert_eq!(fs::metadata(at("changed")).unwrap().mode() & 0o7777, 0o4700);
    std::os::unix::fs::lchown(at("changed"), Some(0), Some(0)).unwrap();
    std::os::unix::fs::lchown(at("link moved"), Some(0), Some(0)).unwrap();
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1234);
    fs::File::open(at("attributes")).unwrap().set_modified(time).unwrap();
    assert_eq!(fs::metadata(at("attributes")).unwrap().mtime(), 1234);

    fs::remove_file(at("gone")).unwrap();
    assert!(!at("gone").exists());
    fs::remove_dir_all(at("cleared")).unwrap();
    fs::create_dir(at("cleared")).unwrap();
    assert_eq!(fs::read_dir(at("cleared")).unwrap().count(), 0);
    fs::rename(at("moved"), at("replaced")).unwrap();
    fs::rename(at("folder/below/file"), at("folder/file")).unwrap();
    // Directories with a lower part cannot always be renamed; then the kernel says so and mv(1) copies.
    match fs::rename(at("folder"), at("folder moved")) {
        Ok(()) => assert_eq!(fs::read_to_string(at("folder moved/file")).unwrap(), "below"),
        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EXDEV)),
    }

    assert_eq!(fs::metadata(at("hard")).unwrap().nlink(), 2);
    fs::hard_link(at("hard"), at("hard three")).unwrap();
    assert_eq!(fs::read_to_string(at("hard three")).unwrap(), "hard");
    fs::rename(at("pipe"), at("pipe moved")).unwrap();
    assert!(fs::symlink_metadata(at("pipe moved")).unwrap().file_type().is_fifo());
    fs::rename(at("socket"), at("socket moved")).unwrap();

    let before = fs::metadata(at("stable")).unwrap().ino();
    fs::File::options()
        .append(true)
        .open(at("stable"))
        .unwrap()
        .write_all(b"x")
        .unwrap();
    assert_eq!(
        fs::metadata(at("stable")).unwrap().ino(),
        before,
        "the inode number changed with the first write"
    );

    assert_eq!(Command::new(at("program")).status().unwrap().code(), Some(7));
    assert!(fs::read(at("large")).unwrap() == noise(3_000_000, 8));
}
