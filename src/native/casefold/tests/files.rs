//! Everything but names: it passes through.

mod common;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use common::{Mounted, Random, c_path, code, inside, names};

#[test]
fn identity() {
    inside("inside_identity");
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_identity() {
    let mounted = Mounted::new();
    fs::create_dir_all(mounted.at("a/b")).unwrap();
    fs::write(mounted.at("a/b/file"), "one").unwrap();
    fs::hard_link(mounted.at("a/b/FILE"), mounted.at("other")).unwrap();
    let number = |path: &str| fs::metadata(mounted.at(path)).unwrap().ino();
    assert_eq!(number("a/b/file"), number("OTHER"));
    assert_eq!(fs::metadata(mounted.at("other")).unwrap().nlink(), 2);
    // One of the names goes, the file stays; then the last goes, and it stays for who has it open.
    let mut open = OpenOptions::new()
        .read(true)
        .write(true)
        .open(mounted.at("a/B/file"))
        .unwrap();
    fs::remove_file(mounted.at("a/b/File")).unwrap();
    assert_eq!(
        (number("other"), open.metadata().unwrap().nlink()),
        (open.metadata().unwrap().ino(), 1)
    );
    fs::set_permissions(mounted.at("other"), Permissions::from_mode(0o640)).unwrap();
    fs::remove_file(mounted.at("Other")).unwrap();
    open.write_all(b"more and more").unwrap();
    open.set_permissions(Permissions::from_mode(0o600)).unwrap();
    open.set_len(8).unwrap();
    let again = File::open(format!("/proc/self/fd/{}", open.as_raw_fd())).unwrap();
    let facts = again.metadata().unwrap();
    assert_eq!((facts.len(), facts.mode() & 0o777, facts.nlink()), (8, 0o600, 0));
    // A file goes on to be the same when a directory above gets another name or place.
    fs::write(mounted.at("a/b/kept"), "kept").unwrap();
    let mut kept = File::open(mounted.at("a/b/kept")).unwrap();
    fs::create_dir(mounted.at("c")).unwrap();
    fs::rename(mounted.at("A"), mounted.at("c/D")).unwrap();
    fs::create_dir_all(mounted.at("a/b")).unwrap();
    fs::write(mounted.at("a/b/kept"), "another").unwrap();
    fs::set_permissions(mounted.at("a/b/kept"), Permissions::from_mode(0o644)).unwrap();
    let mut text = String::new();
    kept.read_to_string(&mut text).unwrap();
    kept.set_permissions(Permissions::from_mode(0o604)).unwrap();
    assert_eq!(text, "kept");
    assert_eq!(fs::metadata(mounted.below("c/D/b/kept")).unwrap().mode() & 0o777, 0o604);
    assert_eq!(fs::metadata(mounted.below("a/b/kept")).unwrap().mode() & 0o777, 0o644);
}

#[test]
fn attributes() {
    inside("inside_attributes");
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_attributes() {
    let mounted = Mounted::new();
    fs::write(mounted.at("File"), "text").unwrap();
    symlink("File", mounted.at("Link")).unwrap();
    assert!(
        Command::new("touch")
            .args(["-h", "-d", "@-5.5"])
            .arg(mounted.at("link"))
            .status()
            .unwrap()
            .success()
    );
    let link = fs::symlink_metadata(mounted.below("Link")).unwrap();
    assert_eq!((link.mtime(), link.mtime_nsec()), (-6, 500_000_000));
    let seen = fs::symlink_metadata(mounted.at("Link")).unwrap();
    assert_eq!((seen.mtime(), seen.mtime_nsec()), (-6, 500_000_000));
    assert!(
        fs::metadata(mounted.below("File")).unwrap().mtime() > 0,
        "the link was followed"
    );
    let file = c_path(&mounted.at("FILE"));
    let mut value = [0u8; 16];
    // SAFETY: all pointers are to strings or buffers that outlive the calls, with their sizes.
    unsafe {
        let set = libc::setxattr(file.as_ptr(), c"user.note".as_ptr(), c"word".as_ptr().cast(), 4, 0);
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
        let get = |value: &mut [u8]| {
            libc::getxattr(
                file.as_ptr(),
                c"user.note".as_ptr(),
                value.as_mut_ptr().cast(),
                value.len(),
            )
        };
        assert_eq!((get(&mut []), get(&mut value[..3]), get(&mut value)), (4, -1, 4));
        assert_eq!(&value[..4], b"word");
        assert_eq!(libc::removexattr(file.as_ptr(), c"user.note".as_ptr()), 0);
        assert_eq!(get(&mut value), -1);
        assert_eq!(libc::mkfifo(c_path(&mounted.at("Pipe")).as_ptr(), 0o640), 0);
        let (mut above, mut below): (libc::statvfs, libc::statvfs) = (std::mem::zeroed(), std::mem::zeroed());
        libc::statvfs(c_path(&mounted.top).as_ptr(), &raw mut above);
        libc::statvfs(c_path(&mounted.below).as_ptr(), &raw mut below);
        assert_eq!(
            (above.f_blocks, above.f_files, above.f_namemax),
            (below.f_blocks, below.f_files, 255)
        );
    }
    assert_eq!(
        fs::metadata(mounted.below("Pipe")).unwrap().mode(),
        libc::S_IFIFO | 0o640
    );
    // Holes, copies within the file system, room in advance.
    let mut sparse = OpenOptions::new()
        .create_new(true)
        .read(true)
        .write(true)
        .open(mounted.at("Sparse"))
        .unwrap();
    sparse.write_at(b"end", 1 << 20).unwrap();
    // SAFETY: these take plain numbers.
    unsafe {
        assert_eq!(libc::lseek(sparse.as_raw_fd(), 0, libc::SEEK_DATA), 1 << 20);
        assert_eq!(
            libc::lseek(sparse.as_raw_fd(), 1 << 20, libc::SEEK_HOLE),
            (1 << 20) + 4096 - 4093
        );
        assert_eq!(libc::fallocate(sparse.as_raw_fd(), 0, 0, 3 << 20), 0);
        assert_eq!(
            libc::fallocate(
                sparse.as_raw_fd(),
                libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
                1 << 20,
                4096
            ),
            0
        );
    }
    assert_eq!(sparse.metadata().unwrap().len(), 3 << 20);
    sparse.seek(SeekFrom::Start(1 << 20)).unwrap();
    let mut bytes = [1; 3];
    sparse.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, [0; 3]);
    sparse.sync_all().unwrap();
    File::open(&mounted.top).unwrap().sync_all().unwrap();
    assert_eq!(fs::copy(mounted.at("sparse"), mounted.at("Copy")).unwrap(), 3 << 20);
    fs::OpenOptions::new()
        .append(true)
        .open(mounted.at("file"))
        .unwrap()
        .write_all(b" and more")
        .unwrap();
    assert_eq!(fs::read(mounted.below("File")).unwrap(), b"text and more");
}

#[test]
fn owners() {
    inside("inside_owners");
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_owners() {
    let mounted = Mounted::new();
    fs::set_permissions(&mounted.top, Permissions::from_mode(0o1777)).unwrap();
    fs::write(mounted.at("Secret"), "secret").unwrap();
    fs::set_permissions(mounted.at("Secret"), Permissions::from_mode(0o600)).unwrap();
    let script = "touch Mine; mkdir Dir; ln -s x Link; cat secret; rm SECRET; mv Mine mINE; echo done";
    let output = Command::new("setpriv")
        .args(["--reuid=1234", "--regid=4321", "--clear-groups", "sh", "-c", script])
        .current_dir(&mounted.top)
        .output()
        .unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("setpriv:") {
        return; // A user namespace with a single user.
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n", "{output:?}");
    for name in ["mINE", "Dir", "Link"] {
        let facts = fs::symlink_metadata(mounted.below(name)).unwrap();
        assert_eq!((facts.uid(), facts.gid()), (1234, 4321), "{name}");
    }
    assert_eq!(fs::metadata(mounted.below("Secret")).unwrap().uid(), 0);
    fs::write(mounted.at("later"), "").unwrap();
    assert_eq!(fs::metadata(mounted.below("later")).unwrap().uid(), 0);
}

#[test]
fn few_descriptors() {
    inside("inside_few_descriptors");
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_few_descriptors() {
    let mounted = Mounted::with(|_| (), Some(3));
    let descriptors = || names("/proc/self/fd".as_ref()).len();
    let start = descriptors();
    std::env::set_current_dir(&mounted.top).unwrap();
    for depth in 0..60 {
        fs::create_dir(format!("Level{depth}")).unwrap();
        fs::create_dir(format!("Beside{depth}")).unwrap();
        fs::write(format!("beside{depth}/file"), depth.to_string()).unwrap();
        std::env::set_current_dir(format!("LEVEL{depth}")).unwrap();
    }
    fs::write("deepest", "deep").unwrap();
    std::env::set_current_dir("/").unwrap();
    let path: String = (0..60).map(|depth| format!("level{depth}/")).collect();
    assert_eq!(fs::read(mounted.at(&format!("{path}DEEPEST"))).unwrap(), b"deep");
    fs::rename(mounted.at("level0"), mounted.at("renamed")).unwrap();
    let path = path.replacen("level0/", "Renamed/", 1);
    assert_eq!(fs::read(mounted.at(&format!("{path}DEEPEST"))).unwrap(), b"deep");
    assert_eq!(fs::read(mounted.at("BESIDE0/file")).unwrap(), b"0");
    assert!(
        descriptors() <= start + 8,
        "{} descriptors, {start} before",
        descriptors()
    );
    fs::remove_dir_all(mounted.at("renamed")).unwrap();
    assert_eq!(names(&mounted.below), ["Beside0"]);
    assert_eq!(code(fs::metadata(mounted.at("renamed"))), libc::ENOENT);
}

#[test]
fn random_operations() {
    inside("inside_random_operations");
}

/// Reads, writes, truncations and maps of one file by several names, compared with what memory says.
#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_random_operations() {
    const LARGEST: u64 = 300_000;
    let mounted = Mounted::new();
    let mut random = Random(20_250_101);
    let mut model: Vec<u8> = Vec::new();
    let spellings = ["Model.dat", "MODEL.DAT", "model.dat"];
    File::create(mounted.at(spellings[0])).unwrap();
    let open = |random: &mut Random| {
        let path = mounted.at(spellings[random.below(3) as usize]);
        OpenOptions::new().read(true).write(true).open(path).unwrap()
    };
    let mut files = [open(&mut random), open(&mut random)];
    for step in 0..6000 {
        let file = &files[random.below(2) as usize];
        let (offset, length) = (random.below(LARGEST), random.below(40_000) as usize);
        match random.below(8) {
            0..=2 => {
                let byte = step as u8;
                file.write_all_at(&vec![byte; length], offset).unwrap();
                let end = offset as usize + length;
                if length > 0 {
                    model.resize(model.len().max(end), 0);
                    model[offset as usize..end].fill(byte);
                }
            }
            3 => {
                file.set_len(offset).unwrap();
                model.resize(offset as usize, 0);
            }
            4 => files[random.below(2) as usize] = open(&mut random),
            5 if !model.is_empty() => map(file, &mut model, random.below(u64::MAX >> 1) as usize, step as u8),
            6 if step % 50 == 0 => {
                fs::rename(mounted.at("MODEL.dat"), mounted.at(spellings[random.below(3) as usize])).unwrap()
            }
            _ => {
                let mut bytes = vec![0; length];
                let mut done = 0;
                while done < length {
                    let count = file.read_at(&mut bytes[done..], offset + done as u64).unwrap();
                    if count == 0 {
                        break;
                    }
                    done += count;
                }
                let expected = model.get(offset as usize..).unwrap_or_default();
                let expected = &expected[..expected.len().min(length)];
                assert!(
                    bytes[..done] == *expected,
                    "step {step}: {done} bytes at {offset} differ"
                );
            }
        }
        let length = files[step % 2].metadata().unwrap().len();
        assert_eq!(length, model.len() as u64, "step {step}");
    }
    assert_eq!(names(&mounted.below).len(), 1);
    drop(files);
    assert!(fs::read(mounted.at("model.DAT")).unwrap() == model);
    assert!(fs::read(mounted.below(&names(&mounted.below)[0])).unwrap() == model);
}

/// Writes a few bytes through a shared mapping.
fn map(file: &File, model: &mut [u8], at: usize, byte: u8) {
    let at = at % model.len();
    let end = model.len().min(at + 100);
    // SAFETY: the mapping is as long as the file, which nobody truncates meanwhile, and is gone at the end.
    unsafe {
        let start = libc::mmap(
            std::ptr::null_mut(),
            model.len(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        assert_ne!(start, libc::MAP_FAILED);
        std::slice::from_raw_parts_mut(start.cast::<u8>(), model.len())[at..end].fill(byte);
        assert_eq!(libc::msync(start, model.len(), libc::MS_SYNC), 0);
        libc::munmap(start, model.len());
    }
    model[at..end].fill(byte);
}
