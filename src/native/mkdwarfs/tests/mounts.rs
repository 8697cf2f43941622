//! Real mounts: a layer alone, and below an overlay, as root and in a user namespace.
//!
//! Each case runs this program again in namespaces of its own, so nothing can stay mounted.

mod common;

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use common::namespaces::{AS_ROOT, AS_USER, inside};
use common::{Scratch, make_node, noise, options, pack, plain_tree, set_mode};
use dwarfs_fuse::{Cache, Layer, MountOptions, Options, Serving, Source};

#[test]
fn layer_as_root() {
    inside("inside_layer", AS_ROOT);
}

#[test]
fn layer_in_user_namespace() {
    inside("inside_layer", AS_USER);
}

#[test]
fn overlay_as_root() {
    inside("inside_overlay", AS_ROOT);
}

#[test]
fn overlay_in_user_namespace() {
    inside("inside_overlay", AS_USER);
}

#[test]
fn forty_layers_are_small() {
    inside("inside_many_layers", AS_ROOT);
}

#[test]
fn served_from_outside_of_the_user_namespace() {
    let usable = Command::new("unshare")
        .args(AS_USER)
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success());
    if !usable {
        assert!(
            std::env::var_os("MUST_WORK").is_none(),
            "user namespaces do not work here"
        );
        eprintln!("skipped: user namespaces do not work here");
        return;
    }
    let scratch = Scratch::new("outside");
    let tree = scratch.folder("tree");
    overlay_tree(&tree);
    assert!(make_node(&tree.join("hidden"), libc::S_IFCHR, 0));
    let image = scratch.join("image");
    // An owner that does not exist in the namespace, so nothing could be changed without the option below.
    pack(&tree, &image, &["-l", "3", "--uid", "54321", "--gid", "54321"]);
    let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
    // SAFETY: the descriptor is ours and open; the flag makes the child inherit it.
    assert_eq!(unsafe { libc::fcntl(theirs.as_raw_fd(), libc::F_SETFD, 0) }, 0);
    let child = Command::new("unshare")
        .args(AS_USER)
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "inside_mounting_only",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("SOCKET", theirs.as_raw_fd().to_string())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
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
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
    // The namespace is gone, and the mount with it.
    serving.join().unwrap();
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_mounting_only() {
    let number = std::env::var("SOCKET").unwrap().parse().unwrap();
    // SAFETY: the parent left this descriptor open for us, and nothing else here uses it.
    let socket = unsafe { std::os::unix::net::UnixDatagram::from_raw_fd(number) };
    let base = overlay_base();
    let fuse = dwarfs_fuse::mount(&base.join("layer"), &MountOptions::default()).unwrap();
    send(&socket, &fuse);
    drop(fuse);
    assert_eq!(fs::metadata(base.join("layer/opened")).unwrap().uid(), 0);
    mount_overlay(&base, ",userxattr");
    change_everything(&base.join("merged"));
}

/// Bytes of one control message with one descriptor, well aligned.
#[repr(align(8))]
struct Control([u8; 64]);

/// A message of one byte, and a place for a descriptor.
fn message(byte: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: an all-zero header is a valid one without anything in it.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = byte;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: computes with a plain number.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(4) } as usize;
    message
}

fn send(socket: &std::os::unix::net::UnixDatagram, descriptor: &OwnedFd) {
    let (mut byte, mut control) = ([1u8], Control([0; 64]));
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let message = message(&mut part, &mut control);
    // SAFETY: the header points to live local values, and the control buffer has room for one descriptor.
    unsafe {
        let head = libc::CMSG_FIRSTHDR(&message);
        (*head).cmsg_level = libc::SOL_SOCKET;
        (*head).cmsg_type = libc::SCM_RIGHTS;
        (*head).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(head)
            .cast::<i32>()
            .write_unaligned(descriptor.as_raw_fd());
        assert_eq!(libc::sendmsg(socket.as_raw_fd(), &message, 0), 1);
    }
}

fn receive(socket: &std::os::unix::net::UnixDatagram) -> OwnedFd {
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .unwrap();
    let (mut byte, mut control) = ([0u8], Control([0; 64]));
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let mut message = message(&mut part, &mut control);
    // SAFETY: as in `send`; a descriptor that came with the message is new and ours.
    unsafe {
        assert_eq!(
            libc::recvmsg(socket.as_raw_fd(), &mut message, 0),
            1,
            "{}",
            std::io::Error::last_os_error()
        );
        let head = libc::CMSG_FIRSTHDR(&message);
        assert!(!head.is_null() && (*head).cmsg_type == libc::SCM_RIGHTS);
        OwnedFd::from_raw_fd(libc::CMSG_DATA(head).cast::<i32>().read_unaligned())
    }
}

/// Memory of this process in KiB, shared pages by their share.
fn memory() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
#[ignore = "runs in namespaces of its own, started by the tests above"]
fn inside_many_layers() {
    dwarfs_fuse::tune_allocator();
    let scratch = Scratch::new("many");
    let tree = scratch.folder("tree");
    plain_tree(&tree);
    let image = scratch.join("image");
    pack(&tree, &image, &["-l", "3"]);
    let cache = Cache::new(64 << 20);
    let before = memory();
    let source = Source {
        path: image,
        offset: 0,
        size: None,
    };
    let targets: Vec<_> = (0..40)
        .map(|number| scratch.folder(&format!("target{number}")))
        .collect();
    let servings: Vec<_> = targets
        .iter()
        .map(|target| {
            let layer = Layer::open(&source, &options(), cache.clone()).unwrap();
            layer
                .serve(dwarfs_fuse::mount(target, &MountOptions::default()).unwrap())
                .unwrap()
        })
        .collect();
    for target in &targets {
        assert!(fs::read(target.join("usr/lib/noise")).unwrap() == noise(300_000, 1));
    }
    let used = memory();
    // A while after the last read the blocks must be gone.
    std::thread::sleep(std::time::Duration::from_secs(11));
    let idle = memory();
    println!("before {before} KiB, after reading {used} KiB, idle {idle} KiB");
    assert!(
        idle + 10_000 < used,
        "the cache was not emptied: {used} KiB, then {idle} KiB"
    );
    assert!(idle < before + 40 * 500, "{} KiB for each layer", (idle - before) / 40);
    for target in &targets {
        unmount(target);
    }
    for serving in servings {
        serving.join().unwrap();
    }
}

fn mount_raw(source: &str, target: &Path, kind: &str, data: &str) {
    use std::ffi::CString;
    let target = CString::new(target.to_str().unwrap()).unwrap();
    let [source, kind, data] = [source, kind, data].map(|text| CString::new(text).unwrap());
    // SAFETY: all pointers are to strings that end with a zero byte and outlive the call.
    let result = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, data.as_ptr().cast()) };
    assert_eq!(
        result,
        0,
        "mounting {kind:?} with {data:?}: {}",
        std::io::Error::last_os_error()
    );
}

fn unmount(target: &Path) {
    let target = std::ffi::CString::new(target.to_str().unwrap()).unwrap();
    // SAFETY: the pointer is to a string that ends with a zero byte and outlives the call.
    let result = unsafe { libc::umount2(target.as_ptr(), 0) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

fn serve(image: &Path, target: &Path) -> Serving {
    let source = Source {
        path: image.to_owned(),
        offset: 0,
        size: None,
    };
    let layer = Layer::open(&source, &options(), Cache::new(64 << 20)).unwrap();
    let fuse = dwarfs_fuse::mount(target, &MountOptions::default()).unwrap();
    layer.serve(fuse).unwrap()
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

/// Names of the lower layer for the overlay's cases.
fn overlay_tree(root: &Path) {
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
    let is_user = std::env::var("USER_NAMESPACE").is_ok_and(|value| value == "1");
    mount_overlay(&base, if is_user { ",userxattr" } else { "" });
    change_everything(&base.join("merged"));
    unmount(&base.join("merged"));
    unmount(&base.join("layer"));
    serving.join().unwrap();
    unmount(&base);
}

/// A file system in memory, mounted where nobody else looks in this mount namespace, with the overlay's folders.
fn overlay_base() -> std::path::PathBuf {
    let base = Path::new("/mnt").to_owned();
    mount_raw("tmpfs", &base, "tmpfs", "");
    for name in ["layer", "upper", "work", "lowest", "merged"] {
        fs::create_dir(base.join(name)).unwrap();
    }
    fs::write(base.join("lowest/hidden"), "must not be seen").unwrap();
    fs::write(base.join("lowest/seen"), "lowest").unwrap();
    base
}

fn mount_overlay(base: &Path, more: &str) {
    let at = |name: &str| base.join(name).to_str().unwrap().to_owned();
    let lower = format!("{}:{}", at("layer"), at("lowest"));
    let data = format!("lowerdir={lower},upperdir={},workdir={}{more}", at("upper"), at("work"));
    mount_raw("overlay", &base.join("merged"), "overlay", &data);
}

fn change_everything(merged: &Path) {
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
