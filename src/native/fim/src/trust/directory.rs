//! A directory that is the caller's alone, as a descriptor. What is done in it names one entry at a time and follows no link, so
//! it needs no `openat2` and is the same on every kernel.

use super::walk::{self, Last, Make, close_to_others, judge};
use super::{Refusal, shown};
use crate::failure::{Context, Failure, Result};
use crate::sys;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// A FIFO would wait for its other end, and a terminal become ours.
const FILE: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);
/// Random names that are tried before a directory is taken to be full of them.
const MOST_NAMES: u32 = 100;

#[derive(Debug)]
pub struct Directory {
    descriptor: OwnedFd,
    /// For messages, and for system calls that take paths only. Nobody else can change where it leads.
    path: PathBuf,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Directory {
    /// The directory at a path of which every component is judged.
    pub fn trusted(path: &Path, last: Last, make: Make) -> std::result::Result<Directory, Refusal> {
        let node = walk::walk(path, last, make)?;
        Directory::reopen(&node, path)
            .map_err(|error| Refusal::new(format!("'{}' cannot be opened: {error}", shown(path))))
    }

    /// A directory that this program was given by another part of itself, which has judged what leads to it.
    pub fn given(path: &Path) -> Result<Directory> {
        let descriptor =
            rustix::fs::open(path, DIRECTORY, Mode::empty()).context(|| format!("cannot open '{}'", shown(path)))?;
        judge(&descriptor, path)?;
        Ok(Directory {
            descriptor,
            path: path.to_path_buf(),
        })
    }

    /// The same directory, open to read, from a descriptor that only names it.
    fn reopen(node: impl AsFd, path: &Path) -> io::Result<Directory> {
        let descriptor = rustix::fs::openat(node, ".", DIRECTORY, Mode::empty())?;
        Ok(Directory {
            descriptor,
            path: path.to_path_buf(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn try_clone(&self) -> io::Result<Directory> {
        Ok(Directory {
            descriptor: self.descriptor.try_clone()?,
            path: self.path.clone(),
        })
    }

    /// A directory in this one, which has to be the caller's alone too.
    pub fn enter(&self, name: impl AsRef<OsStr>) -> Result<Directory> {
        let path = self.path.join(name.as_ref());
        let descriptor = self
            .open_directory(name.as_ref())
            .context(|| format!("cannot open '{}'", shown(&path)))?;
        judge(&descriptor, &path)?;
        Ok(Directory { descriptor, path })
    }

    /// The same, made with exactly this mode if it is not there.
    pub fn enter_or_make(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Directory> {
        match self.make(&name, mode) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.enter(name),
            Err(error) => Err(self.failed("make", name.as_ref(), &error)),
            Ok(directory) => Ok(directory),
        }
    }

    /// Makes a directory with exactly this mode. Fails where there is something of that name.
    pub fn make(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<Directory> {
        let name = single(name.as_ref())?;
        let mode = Mode::from_bits_truncate(mode);
        rustix::fs::mkdirat(&self.descriptor, name, mode | Mode::RWXU)?;
        let descriptor = self.open_directory(name)?;
        close_to_others(&descriptor, mode)?;
        Ok(Directory {
            descriptor,
            path: self.path.join(name),
        })
    }

    /// Makes directories below a new one, outermost first, for the caller alone.
    pub fn make_rooms(&self, paths: &[&str]) -> io::Result<()> {
        for path in paths {
            rustix::fs::mkdirat(&self.descriptor, *path, Mode::RWXU)?;
        }
        Ok(())
    }

    fn open_directory(&self, name: &OsStr) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(
            &self.descriptor,
            single(name)?,
            DIRECTORY,
            Mode::empty(),
        )?)
    }

    /// Opens a regular file of the caller's to read.
    pub fn open(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        own(self.open_file(name.as_ref(), OFlags::RDONLY, 0)?)
    }

    /// Opens a regular file of the caller's to read and write.
    pub fn open_to_change(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        own(self.open_file(name.as_ref(), OFlags::RDWR, 0)?)
    }

    /// Opens a regular file of the caller's to read and write, made if it is not there.
    pub fn open_or_make(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<File> {
        own(self.open_file(name.as_ref(), OFlags::RDWR | OFlags::CREATE, mode)?)
    }

    /// A new file under a random name, which it loses when `place` gives it the right one.
    pub fn begin(&self, name: impl AsRef<OsStr>) -> io::Result<Unplaced<'_>> {
        let name = single(name.as_ref())?.to_os_string();
        for _ in 0..MOST_NAMES {
            let private = private_name(&name)?;
            match self.open_file(&private, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o600) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    return Ok(Unplaced {
                        directory: self,
                        file,
                        private: Some(private),
                        name,
                    });
                }
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Writes a file in one step: whoever reads it finds the whole of it, or what was there before.
    pub fn put(&self, name: impl AsRef<OsStr>, mode: u32, content: &[u8]) -> Result<()> {
        let put = || {
            let mut new = self.begin(name.as_ref())?;
            new.file.write_all(content)?;
            new.place(mode)
        };
        put().map_err(|error: io::Error| self.failed("write", name.as_ref(), &error))
    }

    fn open_file(&self, name: &OsStr, flags: OFlags, mode: u32) -> io::Result<File> {
        let mode = Mode::from_bits_truncate(mode);
        Ok(rustix::fs::openat(&self.descriptor, single(name)?, FILE | flags, mode)?.into())
    }

    /// At most `limit` bytes of a regular file of the caller's.
    pub fn read(&self, name: impl AsRef<OsStr>, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(name)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The entries, in no order.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.descriptor)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    pub fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> io::Result<()> {
        let (from, to) = (single(from.as_ref())?, single(to.as_ref())?);
        Ok(rustix::fs::renameat(&self.descriptor, from, &self.descriptor, to)?)
    }

    pub fn remove_file(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let name = single(name.as_ref())?;
        Ok(rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty())?)
    }

    /// Removes an entry with all that is in it, as far as it can be removed.
    pub fn remove(&self, name: impl AsRef<OsStr>) {
        if let Ok(name) = single(name.as_ref()) {
            let _ = sys::remove_tree_in(&self.descriptor, name);
        }
    }

    /// Whether there is an entry of this name, of whatever kind.
    pub fn has(&self, name: impl AsRef<OsStr>) -> bool {
        let looked = |name| rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW);
        single(name.as_ref()).is_ok_and(|name| looked(name).is_ok())
    }

    /// Whether an entry may be written to by the caller, and is on a file system that can be.
    pub fn is_writable(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let name = single(name.as_ref())?;
        sys::may_use(self.descriptor.as_fd(), name, Access::WRITE_OK | Access::EXEC_OK)
    }

    /// What the kernel says of an entry, also of one in a directory that was entered before. Links are not followed at its end.
    pub fn status(&self, path: impl AsRef<Path>) -> io::Result<rustix::fs::Stat> {
        Ok(rustix::fs::statat(
            &self.descriptor,
            path.as_ref(),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Gives a file of a neighbouring directory another name in this one, in the place of whatever has that name: a hard link, or
    /// a symbolic one where the file system has none.
    pub fn name_too(&self, name: impl AsRef<OsStr>, (room, file): (&Directory, &str)) -> io::Result<()> {
        let name = single(name.as_ref())?;
        let link =
            |name: &OsStr| match rustix::fs::linkat(&room.descriptor, file, &self.descriptor, name, AtFlags::empty()) {
                Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::MLINK) => {
                    let room = room.path.file_name().unwrap_or_default();
                    let target = Path::new("..").join(room).join(file);
                    rustix::fs::symlinkat(target, &self.descriptor, name)
                }
                result => result,
            };
        match link(name) {
            Err(Errno::EXIST) => {}
            result => return Ok(result?),
        }
        let (found, wanted) = (self.status(name)?, room.status(file)?);
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino) {
            return Ok(());
        }
        let private = private_name(name)?;
        link(&private)?;
        self.rename(&private, name)
    }

    fn failed(&self, what: &str, name: &OsStr, error: &io::Error) -> Failure {
        Failure(format!("cannot {what} '{}': {error}", shown(self.path.join(name))))
    }
}

/// A file that is being written, and goes if it is not placed.
pub struct Unplaced<'a> {
    directory: &'a Directory,
    pub file: File,
    private: Option<OsString>,
    name: OsString,
}

impl Unplaced<'_> {
    /// Gives the file its mode and its name, in the place of what had it before.
    pub fn place(mut self, mode: u32) -> io::Result<()> {
        rustix::fs::fchmod(&self.file, Mode::from_bits_truncate(mode))?;
        if let Some(private) = &self.private {
            self.directory.rename(private, &self.name)?;
        }
        self.private = None;
        Ok(())
    }
}

impl Drop for Unplaced<'_> {
    fn drop(&mut self) {
        if let Some(private) = &self.private {
            let _ = self.directory.remove_file(private);
        }
    }
}

/// Whether a name is one that `begin` has given.
pub fn is_unplaced(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let random = name
        .strip_prefix(b".")
        .and_then(|name| name.rsplitn(2, |byte| *byte == b'.').next());
    name.len() > 18 && random.is_some_and(|bits| bits.len() == 16 && bits.iter().all(u8::is_ascii_hexdigit))
}

/// A name that is one: nothing that leads elsewhere.
fn single(name: &OsStr) -> io::Result<&OsStr> {
    match name.as_encoded_bytes() {
        b"" | b"." | b".." => Err(Errno::INVAL.into()),
        bytes if bytes.contains(&b'/') => Err(Errno::INVAL.into()),
        _ => Ok(name),
    }
}

/// A file if it is a regular one of the caller's.
fn own(file: File) -> io::Result<File> {
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if found.uid() != geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to the user {}", found.uid())));
    }
    Ok(file)
}

/// A hidden name with 64 random bits.
fn private_name(name: &OsStr) -> io::Result<OsString> {
    let mut bits = [0; 8];
    let mut filled = 0;
    while filled < bits.len() {
        filled += rustix::rand::getrandom(&mut bits[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    let mut private = OsString::from(".");
    private.push(name);
    private.push(format!(".{:016x}", u64::from_ne_bytes(bits)));
    Ok(private)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A directory of the caller's that goes with the test.
    pub struct Scratch(pub PathBuf);

    impl Scratch {
        pub fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("fim-trust-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            super::super::remove(&self.0);
        }
    }

    #[test]
    fn no_link_is_followed_and_no_name_leads_elsewhere() {
        let scratch = Scratch::new("links");
        let outside = scratch.0.join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("file"), "kept").unwrap();
        std::fs::create_dir(scratch.0.join("inside")).unwrap();
        let inside = Directory::trusted(&scratch.0.join("inside"), Last::Own, Make::No).unwrap();
        symlink("../outside/file", scratch.0.join("inside/file")).unwrap();
        symlink("../outside/new", scratch.0.join("inside/new")).unwrap();
        symlink("../outside", scratch.0.join("inside/directory")).unwrap();
        assert!(inside.open("file").is_err());
        assert!(inside.open_or_make("file", 0o600).is_err());
        assert!(inside.open_or_make("new", 0o600).is_err());
        assert!(inside.enter("directory").is_err());
        assert!(inside.enter_or_make("directory", 0o700).is_err());
        for name in ["..", ".", "", "../outside/file", "/etc/passwd"] {
            assert!(inside.open(name).is_err(), "{name}");
            assert!(inside.open_or_make(name, 0o600).is_err(), "{name}");
            assert!(inside.make(name, 0o700).is_err(), "{name}");
            assert!(inside.put(name, 0o600, b"").is_err(), "{name}");
            inside.remove(name);
        }
        inside.put("file", 0o640, b"new").unwrap();
        inside.remove("directory");
        assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "kept");
        assert!(!outside.join("new").exists());
        let written = std::fs::symlink_metadata(scratch.0.join("inside/file")).unwrap();
        assert!(written.is_file());
        assert_eq!(written.mode() & 0o7777, 0o640);
        let mut names = inside.names().unwrap();
        names.sort();
        assert_eq!(names, ["file", "new"], "nothing else is left");
    }

    #[test]
    fn a_file_has_another_name_in_the_place_of_what_had_it() {
        let scratch = Scratch::new("names");
        let directory = Directory::trusted(&scratch.0, Last::Own, Make::No).unwrap();
        let (bin, sbin) = (
            directory.enter_or_make("bin", 0o700).unwrap(),
            directory.enter_or_make("sbin", 0o700).unwrap(),
        );
        let said = |name: &str| std::fs::read_to_string(scratch.0.join("sbin").join(name)).unwrap();
        bin.put("tool", 0o700, b"one").unwrap();
        sbin.put("taken", 0o700, b"something else").unwrap();
        symlink("/nowhere", scratch.0.join("sbin/leads")).unwrap();
        for name in ["new", "taken", "leads"] {
            sbin.name_too(name, (&bin, "tool")).unwrap();
            assert_eq!(said(name), "one");
            assert_eq!(sbin.status(name).unwrap().st_ino, bin.status("tool").unwrap().st_ino);
        }
        // The same name again, for a file in the place of the one before.
        bin.put("tool", 0o700, b"two").unwrap();
        sbin.name_too("new", (&bin, "tool")).unwrap();
        sbin.name_too("new", (&bin, "tool")).unwrap();
        assert_eq!((said("new").as_str(), said("taken").as_str()), ("two", "one"));
        assert!(sbin.name_too("../bin/tool", (&bin, "tool")).is_err());
        let mut names = sbin.names().unwrap();
        names.sort();
        assert_eq!(names, ["leads", "new", "taken"], "nothing else is left");
    }

    #[test]
    fn what_others_can_change_is_not_entered() {
        let scratch = Scratch::new("modes");
        let directory = Directory::trusted(&scratch.0, Last::Own, Make::No).unwrap();
        directory.make("open", 0o777).unwrap();
        assert!(directory.enter("open").unwrap_err().0.contains("other users can write"));
        directory.make("closed", 0o755).unwrap();
        assert!(directory.enter("closed").is_ok());
        std::fs::write(scratch.0.join("plain"), "").unwrap();
        assert!(directory.enter("plain").is_err());
        assert!(directory.open("closed").is_err());
    }
}
