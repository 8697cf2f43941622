//! Names on a real mount: found in any case, kept as they were made, never two of one.

mod common;

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::Path;
use std::process::Command;

use common::{Mounted, Random, assert_no_pairs, code, inside, names, rename_with};

#[test]
fn any_case() {
    inside("inside_any_case");
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_any_case() {
    let mounted = Mounted::new();
    fs::create_dir_all(mounted.at("C/Program Files/App")).unwrap();
    fs::create_dir_all(mounted.at("c/PROGRAM FILES/app/Größe")).unwrap();
    fs::write(mounted.at("c/program files/APP/Data.TXT"), "one").unwrap();
    assert_eq!(fs::read(mounted.at("C/PROGRAM files/App/dATA.txt")).unwrap(), b"one");
    assert!(mounted.at("C/Program Files/App/GRÖẞE").exists() && !mounted.at("C/Program Files/App/GRÖSSE").exists());
    fs::write(mounted.at("c/program files/APP/DATA.txt"), "two").unwrap();
    assert_eq!(names(&mounted.below("C/Program Files/App")), ["Data.TXT", "Größe"]);
    assert_eq!(fs::read(mounted.below("C/Program Files/App/Data.TXT")).unwrap(), b"two");
    for attempt in [
        fs::create_dir(mounted.at("C/program files")),
        symlink("x", mounted.at("c/PROGRAM FILES")),
        File::create_new(mounted.at("C/program files/app/data.txt")).map(drop),
        fs::hard_link(
            mounted.at("C/program files/app/data.txt"),
            mounted.at("C/program files/app/DATA.TXT"),
        ),
    ] {
        assert_eq!(code(attempt), libc::EEXIST);
    }
    // The kernel remembers nothing that a change under another spelling makes untrue.
    File::create(mounted.at("A")).unwrap();
    assert!(mounted.at("A").exists() && mounted.at("a").exists() && !mounted.at("b").exists());
    fs::remove_file(mounted.at("a")).unwrap();
    assert!(!mounted.at("A").exists() && !mounted.at("a").exists());
    for _ in 0..3 {
        File::create_new(mounted.at("A")).unwrap();
        assert!(mounted.at("A").exists() && mounted.at("a").exists());
        fs::remove_file(mounted.at("a")).unwrap();
    }
    File::create(mounted.at("B")).unwrap();
    assert!(mounted.at("B").exists() && mounted.at("b").exists());
    fs::rename(mounted.at("b"), mounted.at("D")).unwrap();
    assert!(!mounted.at("B").exists() && mounted.at("d").exists());
    fs::create_dir(mounted.at("Dir")).unwrap();
    assert!(mounted.at("dir").is_dir());
    fs::remove_dir(mounted.at("DIR")).unwrap();
    assert!(!mounted.at("Dir").exists() && !mounted.at("dir").exists());
    // Byte by byte where it is no text.
    use std::os::unix::ffi::OsStrExt;
    let raw = |name: &'static [u8]| mounted.top.join(std::ffi::OsStr::from_bytes(name));
    File::create_new(raw(b"A\xff")).unwrap();
    File::create_new(raw(b"a\xff")).unwrap();
    File::create_new(mounted.at("É")).unwrap();
    File::create_new(mounted.at("E\u{301}")).unwrap();
    assert_eq!(code(File::create_new(mounted.at("é"))), libc::EEXIST);
    let long = "x".repeat(256);
    assert_eq!(code(File::create(mounted.at(&long))), libc::ENAMETOOLONG);
    assert_eq!(code(fs::metadata(mounted.at(&long))), libc::ENAMETOOLONG);
    assert_eq!(
        mounted
            .at("C/../c/./Program Files/..")
            .canonicalize()
            .unwrap()
            .file_name()
            .unwrap()
            .to_ascii_lowercase(),
        "c"
    );
}

#[test]
fn case_only_renames() {
    inside("inside_case_only_renames");
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_case_only_renames() {
    let mounted = Mounted::new();
    let only = |expected: &str| assert_eq!(names(&mounted.below), [expected]);
    for is_directory in [false, true] {
        if is_directory {
            fs::create_dir(mounted.at("Foo")).unwrap();
        } else {
            fs::write(mounted.at("Foo"), "content").unwrap();
        }
        let number = fs::metadata(mounted.at("Foo")).unwrap().ino();
        // With both spellings known to the kernel, as Wine does it.
        assert!(mounted.at("foo").exists());
        fs::rename(mounted.at("Foo"), mounted.at("foo")).unwrap();
        only("foo");
        fs::rename(mounted.at("FOO"), mounted.at("fOO")).unwrap();
        only("fOO");
        rename_with(&mounted.at("fOO"), &mounted.at("Foo"), libc::RENAME_NOREPLACE).unwrap();
        only("Foo");
        fs::rename(mounted.at("fOO"), mounted.at("Foo")).unwrap();
        rename_with(&mounted.at("Foo"), &mounted.at("FOO"), libc::RENAME_EXCHANGE).unwrap();
        only("Foo");
        let mut programs = vec![vec!["mv", "Foo", "fOo"]];
        if Command::new("busybox").arg("true").output().is_ok() {
            // Without `-T` it looks first, and would move a directory into what it takes for another one.
            programs.push(vec!["busybox", "mv", "-T", "fOo", "foO"]);
        }
        for words in programs {
            let output = Command::new(words[0])
                .args(&words[1..])
                .current_dir(&mounted.top)
                .output()
                .unwrap();
            assert!(output.status.success(), "{words:?} {output:?}");
            only(words[words.len() - 1]);
        }
        assert_eq!(fs::metadata(mounted.at("FOO")).unwrap().ino(), number);
        if is_directory {
            fs::remove_dir(mounted.at("foo")).unwrap();
        } else {
            assert_eq!(fs::read(mounted.at("foo")).unwrap(), b"content");
            fs::remove_file(mounted.at("foo")).unwrap();
        }
    }
    // Over another file of that name in another case: its place and the new spelling.
    fs::write(mounted.at("Config.ini"), "old").unwrap();
    fs::write(mounted.at("tmp"), "new").unwrap();
    assert_eq!(
        code(rename_with(
            &mounted.at("tmp"),
            &mounted.at("CONFIG.INI"),
            libc::RENAME_NOREPLACE
        )),
        libc::EEXIST
    );
    fs::rename(mounted.at("TMP"), mounted.at("CONFIG.ini")).unwrap();
    only("CONFIG.ini");
    assert_eq!(fs::read(mounted.at("config.ini")).unwrap(), b"new");
    fs::create_dir(mounted.at("x")).unwrap();
    rename_with(&mounted.at("X"), &mounted.at("config.INI"), libc::RENAME_EXCHANGE).unwrap();
    assert!(mounted.at("config.ini").is_dir() && mounted.at("X").is_file());
}

#[test]
fn pairs_below() {
    inside("inside_pairs_below");
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_pairs_below() {
    let prepare = |below: &Path| {
        for name in ["foo", "Foo", "fOO"] {
            fs::write(below.join(name), name).unwrap();
        }
        fs::write(below.join("target"), "t").unwrap();
        symlink("/proc/self/environ", below.join("outside")).unwrap();
    };
    let mounted = Mounted::with(prepare, None);
    for (asked, stored) in [
        ("foo", "foo"),
        ("fOO", "fOO"),
        ("Foo", "Foo"),
        ("FOO", "Foo"),
        ("foO", "Foo"),
    ] {
        assert_eq!(fs::read_to_string(mounted.at(asked)).unwrap(), stored, "{asked}");
    }
    assert_eq!(names(&mounted.top), ["Foo", "fOO", "foo", "outside", "target"]);
    fs::remove_file(mounted.at("FOO")).unwrap();
    assert_eq!(fs::read_to_string(mounted.at("Foo")).unwrap(), "fOO");
    fs::rename(mounted.at("target"), mounted.at("FOO")).unwrap();
    assert_eq!(names(&mounted.below), ["FOO", "foo", "outside"]);
    // What others change below is seen; the kernel and the server may take a second each.
    fs::write(mounted.below("Late"), "late").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !mounted.at("LATE").exists() {
        assert!(std::time::Instant::now() < deadline, "a change below was never seen");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(code(fs::create_dir(mounted.at("lATE"))), libc::EEXIST);
    assert_eq!(
        fs::read_link(mounted.at("OUTSIDE")).unwrap(),
        Path::new("/proc/self/environ")
    );
}

#[test]
fn eight_threads() {
    inside("inside_eight_threads");
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_eight_threads() {
    let mounted = Mounted::new();
    for directory in ["one", "Two"] {
        fs::create_dir(mounted.at(directory)).unwrap();
    }
    for round in 0..30 {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let mounted = &mounted;
                scope.spawn(move || make_and_remove(mounted, Random(round * 8 + thread + 1)));
            }
        });
        assert_no_pairs(&mounted.below);
    }
    for directory in ["one", "two"] {
        let listed = names(&mounted.at(directory));
        let stored = if directory == "two" { "Two" } else { directory };
        assert_eq!(listed, names(&mounted.below(stored)));
        for name in listed {
            assert!(
                fs::symlink_metadata(mounted.at(directory).join(name.to_uppercase())).is_ok(),
                "{name}"
            );
        }
    }
}

fn make_and_remove(mounted: &Mounted, mut random: Random) {
    for _ in 0..50 {
        let mut name = || {
            let directory = ["one", "ONE", "two", "Two"][random.below(4) as usize];
            let letters: String = (0..2).map(|_| ['a', 'A', 'b', 'B'][random.below(4) as usize]).collect();
            mounted.at(directory).join(letters)
        };
        let (one, other) = (name(), name());
        // Many fail, since others have been there before; that is what they are for.
        match random.below(7) {
            0 => drop(File::create_new(&one)),
            1 => drop(fs::create_dir(&one)),
            2 => drop(fs::remove_file(&one)),
            3 => drop(fs::remove_dir(&one)),
            4 => drop(fs::hard_link(&one, &other)),
            _ => drop(fs::rename(&one, &other)),
        }
    }
}

#[test]
fn ten_thousand_entries() {
    inside("inside_ten_thousand_entries");
}

#[test]
#[ignore = "runs in namespaces of its own, started by the test above"]
fn inside_ten_thousand_entries() {
    const COUNT: u64 = 10_000;
    let prepare = |below: &Path| {
        fs::create_dir(below.join("Many")).unwrap();
        for number in 0..COUNT {
            File::create(below.join(format!("Many/File{number}"))).unwrap();
        }
    };
    let mounted = Mounted::with(prepare, None);
    assert_eq!(names(&mounted.at("many")).len() as u64, COUNT);
    let before = mounted.listings();
    assert!(before <= 2, "{before} readings for one listing");
    for number in 0..COUNT {
        assert!(fs::symlink_metadata(mounted.at(&format!("MANY/FILE{number}"))).is_ok());
    }
    // A new reading only where the directory could have changed in between, which is asked by its times.
    let (read, looked) = (mounted.listings() - before, mounted.lookups());
    assert!(read <= 2, "{read} readings for {COUNT} names");
    assert!(looked <= 3 * COUNT, "{looked} questions for {COUNT} names");
    for number in 0..1000 {
        File::create_new(mounted.at(&format!("many/new{number}"))).unwrap();
        fs::remove_file(mounted.at(&format!("many/NEW{number}"))).unwrap();
    }
    assert!(mounted.listings() - before <= 3, "changes made it read again and again");
    let file = File::open(mounted.at("many")).unwrap();
    // Says that names ignore case, as ext4 does; Wine asks for it.
    let mut flags: libc::c_long = 0;
    // SAFETY: the kernel writes one number.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), 0x8008_6601, &raw mut flags) };
    assert_eq!((result, flags & 0x4000_0000), (0, 0x4000_0000));
    let unnamed = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(&mounted.top);
    assert_eq!(code(unnamed), libc::EOPNOTSUPP);
}
