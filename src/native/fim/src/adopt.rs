//! `fim adopt FROM TO`: gives a data directory another name, in one step, if no instance uses it and nothing has that name.
//!
//! Writes one word to standard output: `renamed`; `busy` while an instance runs, starts or ends on it; `taken` if `TO` exists;
//! `gone` if `FROM` does not, because somebody else was first. All of them exit with 0.

use crate::failure::{Context, EXIT_CODE, Result};
use crate::janitor::{have_alone, open_lock, take_turn};
use crate::sys;
use crate::trust::{Directory, Last, Make};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

/// Runs the applet; the result is its exit code.
pub fn command(args: &[OsString]) -> i32 {
    let [from, to] = args else {
        console::complain!("usage: fim adopt FROM TO");
        return EXIT_CODE;
    };
    match adopt(Path::new(from), Path::new(to)) {
        Ok(word) => {
            let _ = console::output(&format!("{word}\n"));
            0
        }
        Err(failure) => {
            console::complain!("{failure}");
            EXIT_CODE
        }
    }
}

fn adopt(from: &Path, to: &Path) -> Result<&'static str> {
    let failed = || format!("cannot rename '{}' to '{}'", from.display(), to.display());
    let data = match Directory::trusted(from, Last::Own, Make::No) {
        Err(refusal) if refusal.is_missing => return Ok("gone"),
        other => other.context(failed)?,
    };
    // Held until the name is changed: the lock belongs to the file, whatever its path. Without `work` nobody has run there.
    let _lock = if data.has("work") {
        let work = data.enter("work")?;
        let (lock, path) = open_lock(&work)?;
        if !take_turn(&lock).context(failed)? || !have_alone(&lock, &work).context(failed)? {
            return Ok("busy");
        }
        if !sys::is_still_at(&lock, &path) {
            return Ok("gone");
        }
        Some(lock)
    } else {
        None
    };
    match sys::rename_to_new(from, to) {
        Ok(()) => Ok("renamed"),
        Err(error) => match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => Ok("taken"),
            ErrorKind::NotFound => Ok("gone"),
            _ => Err(error).context(failed),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    /// A data directory with a lock in it, and a name that is free.
    fn place(name: &str) -> (std::path::PathBuf, std::path::PathBuf, std::path::PathBuf) {
        let root = std::env::temp_dir().join(format!("fim-adopt-{name}-{}", std::process::id()));
        let from = root.join("from");
        std::fs::create_dir_all(from.join("work")).unwrap();
        std::fs::write(from.join("file"), "kept").unwrap();
        (root.clone(), from, root.join("to"))
    }

    #[test]
    fn a_directory_that_nobody_uses_is_renamed_once() {
        let (root, from, to) = place("once");
        assert_eq!(adopt(&from, &to).unwrap(), "renamed");
        assert_eq!(std::fs::read_to_string(to.join("file")).unwrap(), "kept");
        assert_eq!(adopt(&from, &to).unwrap(), "gone");
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_directory_that_an_instance_uses_stays() {
        let (root, from, to) = place("used");
        let work = Directory::trusted(&from, Last::Own, Make::No)
            .unwrap()
            .enter("work")
            .unwrap();
        let (lock, _) = open_lock(&work).unwrap();
        for byte in [sys::LockByte(0), sys::LockByte(1)] {
            assert!(sys::lock(lock.as_fd(), byte, sys::Lock::Shared).unwrap());
            assert_eq!(adopt(&from, &to).unwrap(), "busy");
            assert!(from.exists() && !to.exists());
            assert!(sys::lock(lock.as_fd(), byte, sys::Lock::None).unwrap());
        }
        assert_eq!(adopt(&from, &to).unwrap(), "renamed");
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn what_has_the_name_already_is_not_replaced() {
        let (root, from, to) = place("taken");
        std::fs::create_dir(&to).unwrap();
        assert_eq!(adopt(&from, &to).unwrap(), "taken");
        assert!(from.join("file").exists());
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn of_two_at_once_one_wins() {
        let (root, from, to) = place("two");
        let words: Vec<_> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| adopt(&from, &to).unwrap())).collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(words.iter().filter(|word| **word == "renamed").count(), 1, "{words:?}");
        assert!(to.join("file").exists());
        std::fs::remove_dir_all(&root).unwrap();
    }
}
