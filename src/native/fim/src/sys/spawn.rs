//! Programs that are started without a copy of the process that starts them.

use super::{GROUP_SIGNALS, signal_set};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::unistd::Pid;
use std::ffi::{CString, OsStr, OsString};
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
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
        let words = self.words.iter().map(|word| terminated(word));
        let words = words.collect::<Result<Vec<_>>>()?;
        let variables = self.environment.iter().map(|(name, value)| {
            terminated(&OsString::from_vec(
                [name.as_encoded_bytes(), b"=", value.as_encoded_bytes()].concat(),
            ))
        });
        let environment = variables.collect::<Result<Vec<_>>>()?;
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(
            PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
        )?;
        attributes.set_pgroup(Pid::from_raw(0))?;
        attributes.set_sigmask(&SigSet::empty())?;
        attributes.set_sigdefault(&signal_set(&GROUP_SIGNALS))?;
        // What the child does before it becomes the program, in this order.
        let mut actions = PosixSpawnFileActions::init()?;
        if let Some(terminal) = self.terminal {
            take_foreground(&mut actions, terminal)?;
        }
        for (number, descriptor) in (0..).zip(self.standard) {
            actions.add_dup2(descriptor.as_raw_fd(), number)?;
        }
        Ok(posix_spawn(self.file, &actions, &attributes, &words, &environment)?.as_raw())
    }
}

/// A zero byte inside gives `EINVAL`.
fn terminated(text: &OsStr) -> Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| Error::from_raw_os_error(libc::EINVAL))
}

/// The one action that nix does not have.
fn take_foreground(actions: &mut PosixSpawnFileActions, terminal: BorrowedFd<'_>) -> Result<()> {
    let actions: *mut PosixSpawnFileActions = actions;
    // SAFETY: the type is that of the C library with another name (`repr(transparent)`), and was made by it; takes a plain number.
    match unsafe { libc::posix_spawn_file_actions_addtcsetpgrp_np(actions.cast(), terminal.as_raw_fd()) } {
        0 => Ok(()),
        error => Err(Error::from_raw_os_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Disposition;
    use super::*;
    use nix::sys::signal::SigmaskHow;
    use rustix::process::WaitOptions;
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
        assert_eq!(
            super::super::wait(pid, WaitOptions::empty()).map(|(ended, _)| ended),
            Some(pid)
        );
        text
    }

    #[test]
    fn a_program_has_its_name_its_variables_and_a_group_of_its_own() {
        let script = "echo $0 $A; test $(ps -o pgid= -p $$) = $$ && echo leads";
        assert_eq!(said("/bin/sh", &["a name", "-c", script]), "a name b=c\nleads\n");
    }

    #[test]
    fn signals_are_as_a_program_expects_them() {
        super::super::dispose_signals(&[libc::SIGTTIN, libc::SIGTTOU], Disposition::Ignore);
        super::super::mask_signals(SigmaskHow::SIG_BLOCK, &[libc::SIGTERM]);
        // No shell: that would unblock them itself.
        let text = said("/bin/grep", &["grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"]);
        super::super::mask_signals(SigmaskHow::SIG_UNBLOCK, &[libc::SIGTERM]);
        super::super::dispose_signals(&[libc::SIGTTIN, libc::SIGTTOU], Disposition::Default);
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
