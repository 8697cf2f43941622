//! What a file system can do, tried one after the other in a guest. One line for each operation: `yes NAME`, or `no NAME: why`.
//!
//! `operations DIRECTORY` works on what the layer below has there (see `test/support/Operations.ts`). `operations DIRECTORY
//! again` looks, after another start, at what is to last. `operations DIRECTORY hold` writes to a file and to a mapping of
//! another, and waits with both open until it is killed. Without any crate, so that the compiler alone can build it.

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Error, Read, Result, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

unsafe extern "C" {
    fn setxattr(path: *const c_char, name: *const c_char, value: *const c_void, size: usize, flags: c_int) -> c_int;
    fn getxattr(path: *const c_char, name: *const c_char, value: *mut c_void, size: usize) -> isize;
    fn mkfifo(path: *const c_char, mode: u32) -> c_int;
    fn linkat(old: c_int, path: *const c_char, new: c_int, target: *const c_char, flags: c_int) -> c_int;
    fn renameat2(old: c_int, path: *const c_char, new: c_int, target: *const c_char, flags: u32) -> c_int;
    fn mmap(at: *mut c_void, size: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    fn munmap(at: *mut c_void, size: usize) -> c_int;
    fn fallocate(fd: c_int, mode: c_int, offset: i64, length: i64) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

const HERE: c_int = -100;
const O_TMPFILE: i32 = 0o20200000;

fn c(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().to_str().expect("text")).expect("no zero byte")
}

fn check(result: impl Into<i64>) -> Result<()> {
    if result.into() < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

fn must(is_so: bool, what: &str) -> Result<()> {
    if is_so { Ok(()) } else { Err(Error::other(what)) }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path)
}

fn names(path: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path)? {
        all.push(entry?.file_name().to_string_lossy().into_owned());
    }
    all.sort();
    Ok(all)
}

fn set_attribute(path: &Path) -> Result<()> {
    let value = b"value";
    check(unsafe { setxattr(c(path).as_ptr(), c("user.probe").as_ptr(), value.as_ptr().cast(), value.len(), 0) })
}

fn has_attribute(path: &Path) -> Result<()> {
    let mut value = [0u8; 16];
    let size = unsafe { getxattr(c(path).as_ptr(), c("user.probe").as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    check(size as i64)?;
    must(&value[..size as usize] == b"value", "another value")
}

fn rename_with(from: &Path, to: &Path, flags: u32) -> Result<()> {
    check(unsafe { renameat2(HERE, c(from).as_ptr(), HERE, c(to).as_ptr(), flags) })
}

fn shared_map(path: &Path) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    if file.metadata()?.len() < 4096 {
        file.set_len(4096)?;
    }
    let map = unsafe { mmap(std::ptr::null_mut(), 4096, 3, 1, file.as_raw_fd(), 0) };
    if map as isize == -1 {
        return Err(Error::last_os_error());
    }
    unsafe {
        map.cast::<u8>().write_volatile(b'M');
        munmap(map, 4096);
    }
    file.sync_all()?;
    let mut byte = [0];
    File::open(path)?.read_exact_at(&mut byte, 0)?;
    must(&byte == b"M", "the file does not have what was written to the mapping")
}

fn hold(written: &Path, mapped: &Path) -> Result<()> {
    let mut file = File::create(written)?;
    file.write_all(b"written")?;
    fs::write(mapped, [b'-'; 4096])?;
    let other = OpenOptions::new().read(true).write(true).open(mapped)?;
    let map = unsafe { mmap(std::ptr::null_mut(), 4096, 3, 1, other.as_raw_fd(), 0) };
    if map as isize == -1 {
        return Err(Error::last_os_error());
    }
    unsafe { map.cast::<u8>().write_volatile(b'M') };
    println!("held");
    loop {
        std::thread::park();
    }
}

fn set_times(path: &Path, seconds: i64, nanoseconds: i64) -> Result<()> {
    let times = [[seconds, nanoseconds], [seconds, nanoseconds]];
    const UTIMENSAT: c_long = if cfg!(target_arch = "x86_64") { 280 } else { 88 };
    check(unsafe { syscall(UTIMENSAT, HERE as c_long, c(path).as_ptr(), times.as_ptr(), 0 as c_long) })
}

type Operation<'a> = (&'static str, Box<dyn Fn() -> Result<()> + 'a>);

fn first<'a>(at: &'a dyn Fn(&str) -> PathBuf) -> Vec<Operation<'a>> {
    vec![
        ("delete a file", Box::new(|| {
            fs::remove_file(at("gone"))?;
            must(!exists(&at("gone")) && !names(&at(""))?.contains(&"gone".into()), "it is still there")
        })),
        ("delete a tree and make it anew", Box::new(|| {
            fs::remove_dir_all(at("tree"))?;
            fs::create_dir(at("tree"))?;
            must(names(&at("tree"))?.is_empty(), "the old files are back")
        })),
        ("delete a name of 250 bytes", Box::new(|| {
            let path = at(&"n".repeat(250));
            fs::remove_file(&path)?;
            must(!exists(&path), "it is still there")
        })),
        ("rename a file", Box::new(|| {
            fs::rename(at("old"), at("renamed"))?;
            must(!exists(&at("old")) && text(&at("renamed"))? == "old\n", "not the same content")
        })),
        ("rename a directory made here", Box::new(|| {
            fs::create_dir(at("made"))?;
            fs::write(at("made/file"), "made\n")?;
            fs::rename(at("made"), at("moved"))?;
            must(text(&at("moved/file"))? == "made\n", "not the same content")
        })),
        ("rename a directory of a layer", Box::new(|| {
            fs::rename(at("layered"), at("carried"))?;
            must(!exists(&at("layered")) && text(&at("carried/sub/file"))? == "layered\n", "not the same content")
        })),
        ("rename a symbolic link of a layer", Box::new(|| {
            fs::rename(at("link"), at("link2"))?;
            must(!exists(&at("link")) && fs::read_link(at("link2"))? == Path::new("old"), "not the same target")
        })),
        ("rename without replacing", Box::new(|| {
            fs::write(at("one"), "one")?;
            fs::write(at("two"), "two")?;
            must(rename_with(&at("one"), &at("two"), 1).is_err(), "it replaced a file")?;
            rename_with(&at("one"), &at("three"), 1)
        })),
        ("exchange two names", Box::new(|| {
            fs::write(at("left"), "left")?;
            fs::write(at("right"), "right")?;
            rename_with(&at("left"), &at("right"), 2)?;
            must(text(&at("left"))? == "right", "they are as before")
        })),
        ("hard link to a file made here", Box::new(|| {
            fs::write(at("hard"), "hard\n")?;
            fs::hard_link(at("hard"), at("hard2"))?;
            fs::write(at("hard2"), "changed\n")?;
            must(text(&at("hard"))? == "changed\n" && fs::metadata(at("hard"))?.nlink() == 2, "two files")
        })),
        ("hard link to a file of a layer", Box::new(|| {
            fs::hard_link(at("linked"), at("linked2"))?;
            fs::write(at("linked2"), "changed\n")?;
            must(text(&at("linked"))? == "changed\n", "two files")
        })),
        ("hard links in a layer stay one file", Box::new(|| {
            fs::write(at("pair1"), "changed\n")?;
            must(text(&at("pair2"))? == "changed\n", "the other name has the old content")
        })),
        ("make a symbolic link", Box::new(|| {
            symlink("renamed", at("symbolic"))?;
            must(fs::read_link(at("symbolic"))? == Path::new("renamed"), "another target")
        })),
        ("make FIFOs", Box::new(|| check(unsafe { mkfifo(c(at("fifo")).as_ptr(), 0o600) }))),
        ("bind sockets", Box::new(|| std::os::unix::net::UnixListener::bind(at("socket")).map(drop))),
        ("change modes", Box::new(|| {
            fs::set_permissions(at("mode"), Permissions::from_mode(0o4710))?;
            must(fs::metadata(at("mode"))?.mode() & 0o7777 == 0o4710, "another mode")
        })),
        ("change times", Box::new(|| {
            set_times(&at("times"), 1_234_567_890, 123_456_789)?;
            let found = fs::metadata(at("times"))?;
            must((found.mtime(), found.mtime_nsec()) == (1_234_567_890, 123_456_789), "another time")
        })),
        ("change owners", Box::new(|| {
            std::os::unix::fs::chown(at("owner"), Some(1234), Some(1234))?;
            must(fs::metadata(at("owner"))?.uid() == 1234, "another owner")
        })),
        ("append and truncate", Box::new(|| {
            OpenOptions::new().append(true).open(at("append"))?.write_all(b"more\n")?;
            must(text(&at("append"))? == "append\nmore\n", "not the content")?;
            OpenOptions::new().write(true).open(at("append"))?.set_len(3)?;
            must(text(&at("append"))? == "app", "not cut")
        })),
        ("sparse files", Box::new(|| {
            let file = File::create(at("sparse"))?;
            file.write_all_at(b"end", 50_000_000)?;
            file.sync_all()?;
            let found = file.metadata()?;
            must(found.len() == 50_000_003 && found.blocks() < 1000, "it takes room")
        })),
        ("holes are found", Box::new(|| {
            let file = File::create(at("holes"))?;
            file.write_all_at(b"end", 50_000_000)?;
            const LSEEK: c_long = if cfg!(target_arch = "x86_64") { 8 } else { 62 };
            let data = unsafe { syscall(LSEEK, file.as_raw_fd() as c_long, 0 as c_long, 3 as c_long) };
            check(data as i64)?;
            must(data > 0, "the hole is data")
        })),
        ("reserve and punch", Box::new(|| {
            let file = File::create(at("reserve"))?;
            check(unsafe { fallocate(file.as_raw_fd(), 0, 0, 1 << 20) })?;
            check(unsafe { fallocate(file.as_raw_fd(), 3, 0, 1 << 16) })
        })),
        ("user attributes of a file made here", Box::new(|| {
            fs::write(at("attribute"), "")?;
            set_attribute(&at("attribute"))?;
            has_attribute(&at("attribute"))
        })),
        ("user attributes of a file of a layer", Box::new(|| {
            set_attribute(&at("attributed"))?;
            has_attribute(&at("attributed"))
        })),
        ("shared mapping of a file made here", Box::new(|| shared_map(&at("map")))),
        ("shared mapping of a file of a layer", Box::new(|| shared_map(&at("mapped")))),
        ("files without a name", Box::new(|| {
            let file = OpenOptions::new().write(true).custom_flags(O_TMPFILE).mode(0o600).open(at(""))?;
            (&file).write_all(b"nameless\n")?;
            let path = c(format!("/proc/self/fd/{}", file.as_raw_fd()));
            check(unsafe { linkat(HERE, path.as_ptr(), HERE, c(at("named")).as_ptr(), 0x400) })?;
            must(text(&at("named"))? == "nameless\n", "not the content")
        })),
        ("a deleted file that is open", Box::new(|| {
            let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(at("open"))?;
            fs::remove_file(at("open"))?;
            file.write_all(b"still\n")?;
            file.seek(SeekFrom::Start(0))?;
            let mut read = String::new();
            file.read_to_string(&mut read)?;
            must(read == "still\n" && names(&at(""))?.iter().all(|name| !name.starts_with(".fuse")), "not as on a disk")
        })),
        ("a reader sees what is written later", Box::new(|| {
            let mut reader = File::open(at("reader"))?;
            fs::write(at("reader"), "later\n")?;
            let mut read = String::new();
            reader.read_to_string(&mut read)?;
            must(read == "later\n", "it has the old file")
        })),
        ("inode numbers stay when a file is changed", Box::new(|| {
            let before = fs::metadata(at("inode"))?;
            fs::write(at("inode"), "changed\n")?;
            let after = fs::metadata(at("inode"))?;
            must((before.ino(), before.dev()) == (after.ino(), after.dev()), "another number")
        })),
        ("locks", Box::new(|| {
            let (one, two) = (File::create(at("lock"))?, File::open(at("lock"))?);
            one.lock()?;
            must(two.try_lock().is_err(), "two have it")
        })),
        ("a directory of 500 names", Box::new(|| {
            fs::create_dir(at("many"))?;
            for number in 0..500 {
                File::create(at(&format!("many/{number}")))?;
            }
            let mut all = names(&at("many"))?;
            all.dedup();
            must(all.len() == 500, "names are missing")
        })),
    ]
}

/// What is to be there after another start, where it could be made.
fn again<'a>(at: &'a dyn Fn(&str) -> PathBuf) -> Vec<Operation<'a>> {
    vec![
        ("deletions last", Box::new(|| {
            must(!exists(&at("gone")) && names(&at("tree"))?.is_empty(), "what was deleted is back")
        })),
        ("renames last", Box::new(|| {
            must(!exists(&at("old")) && text(&at("renamed"))? == "old\n" && text(&at("moved/file"))? == "made\n", "no")
        })),
        ("hard links last", Box::new(|| {
            must(fs::metadata(at("hard"))?.ino() == fs::metadata(at("hard2"))?.ino(), "two files")
        })),
        ("symbolic links last", Box::new(|| must(fs::read_link(at("symbolic"))? == Path::new("renamed"), "no"))),
        ("modes and times last", Box::new(|| {
            let times = fs::metadata(at("times"))?;
            let mode = fs::metadata(at("mode"))?.mode() & 0o7777;
            must(mode == 0o4710 && (times.mtime(), times.mtime_nsec()) == (1_234_567_890, 123_456_789), "no")
        })),
        ("holes last", Box::new(|| must(fs::metadata(at("sparse"))?.blocks() < 1000, "it takes room"))),
        ("user attributes last", Box::new(|| has_attribute(&at("attribute")))),
    ]
}

fn main() {
    let mut words = std::env::args().skip(1);
    let directory = words.next().expect("a directory");
    let at = |name: &str| Path::new(&directory).join(name);
    let operations = match words.next().as_deref() {
        None => first(&at),
        Some("hold") => return hold(&at("written"), &at("mapped-here")).expect("files to hold"),
        Some(_) => again(&at),
    };
    for (name, operation) in operations {
        match operation() {
            Ok(()) => println!("yes {name}"),
            Err(error) => println!("no {name}: {error}"),
        }
    }
}
