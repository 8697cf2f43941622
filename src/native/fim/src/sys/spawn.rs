//! Programs that are started without a copy of the process that starts them.

use super::{GROUP_SIGNALS, c_string, signal_set};
use std::ffi::{CString, OsString};
use std::io::{Error, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// What to start, and with what.
pub struct Spawn<'a> {
    pub file: &'a Path,
    /// Its name first.
    pub words: &'a [OsString],
    /// All of it.
    pub environment: &'a [(OsString, OsString)],
    pub standard: [BorrowedFd<'a>; 3],
    /// The terminal in whose foreground it is put.
    pub terminal: Option<BorrowedFd<'a>>,
}

impl Spawn<'_> {
    /// Starts it in a process group of its own, with no signal blocked and those of groups not ignored. The answer is its pid.
    /// The child borrows our memory until the program is there: the tables of a copy would take longer than the start.
    pub fn start(&self) -> Result<i32> {
        let file = c_string(self.file)?;
        let words = self.words.iter().map(c_string).collect::<Result<Vec<_>>>()?;
        let variables = self.environment.iter().map(|(name, value)| {
            c_string(OsString::from_vec(
                [name.as_encoded_bytes(), b"=", value.as_encoded_bytes()].concat(),
            ))
        });
        let environment = variables.collect::<Result<Vec<_>>>()?;
        let attributes = Attributes::new()?;
        let mut actions = Actions::new()?;
        if let Some(terminal) = self.terminal {
            actions.take_foreground(terminal)?;
        }
        for (number, descriptor) in self.standard.iter().enumerate() {
            actions.place(*descriptor, number as i32)?;
        }
        let mut pid = 0;
        // SAFETY: the lists end with null pointers; they, the texts they point to and both objects outlive the call.
        succeed(unsafe {
            libc::posix_spawn(
                &raw mut pid,
                file.as_ptr(),
                &raw const actions.0,
                &raw const attributes.0,
                pointers(&words).as_ptr(),
                pointers(&environment).as_ptr(),
            )
        })?;
        Ok(pid)
    }
}

fn pointers(texts: &[CString]) -> Vec<*mut libc::c_char> {
    let texts = texts.iter().map(|text| text.as_ptr().cast_mut());
    texts.chain([std::ptr::null_mut()]).collect()
}

/// These functions give the error itself.
fn succeed(error: i32) -> Result<()> {
    if error == 0 {
        Ok(())
    } else {
        Err(Error::from_raw_os_error(error))
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> Result<Attributes> {
        let mut own = MaybeUninit::uninit();
        // SAFETY: the object is made by the first call, and is ours alone; the sets are valid and are copied.
        unsafe {
            succeed(libc::posix_spawnattr_init(own.as_mut_ptr()))?;
            let mut own = Attributes(own.assume_init());
            let flags = libc::POSIX_SPAWN_SETPGROUP | libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
            succeed(libc::posix_spawnattr_setflags(&raw mut own.0, flags as libc::c_short))?;
            succeed(libc::posix_spawnattr_setpgroup(&raw mut own.0, 0))?;
            let (none, defaults) = (signal_set(&[]), signal_set(&GROUP_SIGNALS));
            succeed(libc::posix_spawnattr_setsigmask(&raw mut own.0, &raw const none))?;
            succeed(libc::posix_spawnattr_setsigdefault(&raw mut own.0, &raw const defaults))?;
            Ok(own)
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: it was made by `new` and nobody uses it any more.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

/// What the child does before it becomes the program, in this order.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> Result<Actions> {
        let mut own = MaybeUninit::uninit();
        // SAFETY: the call makes the object, and its answer is looked at first.
        unsafe {
            succeed(libc::posix_spawn_file_actions_init(own.as_mut_ptr()))?;
            Ok(Actions(own.assume_init()))
        }
    }

    fn take_foreground(&mut self, terminal: BorrowedFd<'_>) -> Result<()> {
        // SAFETY: the object was made by `new`; takes a plain number.
        succeed(unsafe { libc::posix_spawn_file_actions_addtcsetpgrp_np(&raw mut self.0, terminal.as_raw_fd()) })
    }

    fn place(&mut self, descriptor: BorrowedFd<'_>, number: i32) -> Result<()> {
        // SAFETY: the object was made by `new`; takes plain numbers.
        succeed(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut self.0, descriptor.as_raw_fd(), number) })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: it was made by `new` and nobody uses it any more.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    fn said(file: &str, words: &[&str]) -> String {
        let (output, input) = super::super::pipe().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let spawn = Spawn {
            file: Path::new(file),
            words: &words.iter().map(OsString::from).collect::<Vec<_>>(),
            environment: &[("A".into(), "b=c".into())],
            standard: [null.as_fd(), input.as_fd(), null.as_fd()],
            terminal: None,
        };
        let pid = spawn.start().unwrap();
        drop(input);
        let mut text = String::new();
        std::fs::File::from(output).read_to_string(&mut text).unwrap();
        assert_eq!(super::super::wait(pid, 0).map(|(ended, _)| ended), Some(pid));
        text
    }

    #[test]
    fn a_program_has_its_name_its_variables_and_a_group_of_its_own() {
        let script = "echo $0 $A; test $(ps -o pgid= -p $$) = $$ && echo leads";
        assert_eq!(said("/bin/sh", &["a name", "-c", script]), "a name b=c\nleads\n");
    }

    #[test]
    fn signals_are_as_a_program_expects_them() {
        super::super::dispose_signals(&[libc::SIGTTIN, libc::SIGTTOU], libc::SIG_IGN);
        super::super::mask_signals(libc::SIG_BLOCK, &[libc::SIGTERM]);
        // No shell: that would unblock them itself.
        let text = said("/bin/grep", &["grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"]);
        super::super::mask_signals(libc::SIG_UNBLOCK, &[libc::SIGTERM]);
        super::super::dispose_signals(&[libc::SIGTTIN, libc::SIGTTOU], libc::SIG_DFL);
        // The C library leaves two of its own ignored, 32 and 33, and takes them back where it needs them.
        let sets = text.lines().filter_map(|line| line.split_once(":\t"));
        let sets: Vec<u64> = sets
            .map(|(_, set)| u64::from_str_radix(set, 16).unwrap() & 0x7fff_ffff)
            .collect();
        assert_eq!(sets, [0, 0]);
    }

    #[test]
    fn what_is_not_there_or_cannot_be_run_gives_its_error() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let start = |file: &str| {
            let spawn = Spawn {
                file: Path::new(file),
                words: &["x".into()],
                environment: &[],
                standard: [null.as_fd(); 3],
                terminal: None,
            };
            spawn.start().map_err(|error| error.raw_os_error())
        };
        assert_eq!(start("/no/such"), Err(Some(libc::ENOENT)));
        assert_eq!(start("/etc"), Err(Some(libc::EACCES)));
        assert_eq!(start("/\0"), Err(Some(libc::EINVAL)));
    }
}
