//! A layer mounted in a user namespace and served by a process outside of it.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use dwarfs_fuse::{Cache, Layer, MountOptions, Options, Source};

use super::AS_USER;
use super::common::{Scratch, make_node, options, pack};
use super::overlay::{change_everything, mount_overlay, overlay_base, overlay_tree};
use super::passing::{receive, send};

#[test]
fn served_from_outside_of_the_user_namespace() {
    if !namespaces::are_usable(AS_USER) {
        return;
    }
    let scratch = Scratch::new("outside");
    let tree = scratch.folder("tree");
    overlay_tree(&tree);
    assert!(make_node(&tree.join("hidden"), libc::S_IFCHR, 0));
    let image = scratch.join("image");
    // An owner that does not exist in the namespace, so nothing could be changed without the option below.
    pack(&tree, &image, &["-l", "3", "--uid", "54321", "--gid", "54321"]);
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    // SAFETY: the descriptor is ours and open; the flag makes the child inherit it.
    assert_eq!(unsafe { libc::fcntl(theirs.as_raw_fd(), libc::F_SETFD, 0) }, 0);
    let child = namespaces::command("outside::inside_mounting_only", AS_USER)
        .env("SOCKET", theirs.as_raw_fd().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(theirs);
    let fuse = receive(&ours);
    let source = Source {
        path: image,
        offset: 0,
        size: None,
    };
    let options = Options {
        uid: Some(0),
        gid: Some(0),
        ..options()
    };
    let serving = Layer::open(&source, &options, Cache::new(64 << 20))
        .unwrap()
        .serve(fuse)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    namespaces::expect_passed(&output);
    // The namespace is gone, and the mount with it.
    serving.join().unwrap();
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_mounting_only() {
    let number = std::env::var("SOCKET").unwrap().parse().unwrap();
    // SAFETY: the parent left this descriptor open for us, and nothing else here uses it.
    let socket = unsafe { UnixDatagram::from_raw_fd(number) };
    let base = overlay_base();
    let fuse = dwarfs_fuse::mount(&base.join("layer"), &MountOptions::default()).unwrap();
    send(&socket, &fuse);
    drop(fuse);
    assert_eq!(fs::metadata(base.join("layer/opened")).unwrap().uid(), 0);
    mount_overlay(&base, ",userxattr");
    change_everything(&base.join("merged"));
}
