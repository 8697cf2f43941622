//! Telling a name that is looked up to be the new one of its own file.
//!
//! For `rename("Foo", "foo")` the kernel looks up both names, and if they are one file it says that all is done and asks for
//! no change. Only if `foo` is not there it asks to rename. The question itself does not say what it is for; the thread that
//! asks does: it waits in `rename` with both names among its arguments.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use crate::caller::Caller;
use crate::fold::fold;

/// System calls that rename, by where they have their two paths; `renameat2` has flags as its fifth argument.
const CALLS: [(u64, usize, usize, bool); 6] = [
    (libc::SYS_renameat as u64, 1, 3, false),
    (libc::SYS_renameat2 as u64, 1, 3, true),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename as u64, 0, 1, false),
    #[cfg(not(target_arch = "x86_64"))]
    (libc::SYS_renameat as u64, 1, 3, false),
    // Those of 32-bit programs; as numbers of 64-bit calls they stand for some that look up nothing.
    (38, 0, 1, false),
    (302, 1, 3, false),
    (353, 1, 3, true),
];
const LONGEST_PATH: usize = 4096;
/// How often a thread is asked that is still on its way to sleep.
const ATTEMPTS: usize = 1000;

/// Whether the caller is about to give a file the name `name` that differs from its present one only in case.
pub(crate) fn is_renaming_to(caller: Caller, name: &[u8]) -> bool {
    caller.thread != 0 && paths(caller.thread).is_some_and(|(from, to)| changes_case_to(&from, &to, name))
}

/// The paths that a thread is renaming from and to.
fn paths(thread: u32) -> Option<(Vec<u8>, Vec<u8>)> {
    let arguments = waiting_in(thread)?;
    let (&call, arguments) = arguments.split_first()?;
    let (_, from, to, has_flags) = CALLS.iter().find(|(number, ..)| *number == call)?;
    if *has_flags && arguments.get(4)? & u64::from(libc::RENAME_EXCHANGE) != 0 {
        return None;
    }
    let memory = File::open(format!("/proc/{thread}/mem")).ok()?;
    let path = |index: usize| read_path(&memory, *arguments.get(index)?);
    Some((path(*from)?, path(*to)?))
}

/// The number of the system call that a thread waits in, and its arguments.
fn waiting_in(thread: u32) -> Option<Vec<u64>> {
    let mut file = File::open(format!("/proc/{thread}/syscall")).ok()?;
    for _ in 0..ATTEMPTS {
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        if !text.starts_with("running") {
            let mut words = text.split_ascii_whitespace();
            let number = words.next()?.parse().ok()?;
            let rest = words.map_while(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok());
            return Some(std::iter::once(number).chain(rest).collect());
        }
        std::thread::yield_now();
        file = File::open(format!("/proc/{thread}/syscall")).ok()?;
    }
    None
}

/// A path in the memory of a program, up to its zero byte. Read page by page: what follows may not be there.
fn read_path(memory: &File, address: u64) -> Option<Vec<u8>> {
    const PAGE: u64 = 4096;
    let mut path = Vec::new();
    while path.len() < LONGEST_PATH {
        let start = address.checked_add(path.len() as u64)?;
        let mut part = vec![0; usize::try_from(PAGE - start % PAGE).ok()?];
        let count = memory.read_at(&mut part, start).ok()?;
        let part = part.get(..count)?;
        if let Some(end) = part.iter().position(|&byte| byte == 0) {
            path.extend_from_slice(part.get(..end)?);
            return Some(path);
        }
        if count == 0 {
            return None;
        }
        path.extend_from_slice(part);
    }
    None
}

/// Whether a rename changes only the case of a last name, to `name`. Where a directory on the way has that name too, it
/// cannot be told which of both is looked up; then the answer is no.
fn changes_case_to(from: &[u8], to: &[u8], name: &[u8]) -> bool {
    let names = |path: &[u8]| -> Vec<Vec<u8>> {
        let parts = path.split(|&byte| byte == b'/');
        parts
            .filter(|part| !part.is_empty() && part != b".")
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (mut from, mut to) = (names(from), names(to));
    let (Some(old), Some(new)) = (from.pop(), to.pop()) else {
        return false;
    };
    let is_on_the_way = from.iter().chain(&to).any(|part| part == name);
    new == name && old != new && fold(&old) == fold(&new) && !is_on_the_way
}

#[cfg(test)]
mod tests {
    use super::changes_case_to;

    #[test]
    fn only_the_new_spelling_of_the_same_name_counts() {
        let is = |from: &str, to: &str, name: &str| changes_case_to(from.as_bytes(), to.as_bytes(), name.as_bytes());
        assert!(is("Foo", "foo", "foo"));
        assert!(is("/a/Foo/", "b/./foo//", "foo"));
        assert!(!is("Foo", "foo", "Foo"), "the old name is there");
        assert!(!is("foo", "foo", "foo"), "nothing changes");
        assert!(!is("bar", "foo", "foo"), "another file takes its place");
        assert!(
            !is("/foo/Foo", "/foo/foo", "foo"),
            "a directory on the way may be meant"
        );
        assert!(!is("", "foo", "foo") && !is("Foo", "/", "foo"));
    }
}
