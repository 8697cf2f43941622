//! What a child does between fork and exec.

use super::{Disposition, Ignored, block_signals, dispose_signals, mask_signals};
use nix::sys::signal::SigmaskHow;
use rustix::process::{self, Signal};
use rustix::process::{Gid, Uid};
use rustix::thread::{self, LinkNameSpaceType, move_into_link_name_space};
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Copies are above all numbers at which descriptors are placed.
const ABOVE: RawFd = 16;

/// One thing that it does.
#[derive(Clone, Copy)]
pub enum Step<'a> {
    /// Gives signals their default effect.
    Default(&'static [i32]),
    /// Has signals ignored, as the caller has had.
    Ignore(Ignored),
    /// Blocks no signal.
    Unblock,
    /// Blocks all signals but those of faults.
    Block,
    /// Leads a process group of its own.
    LeadGroup,
    /// Leads a session of its own, without a terminal.
    LeadSession,
    /// Gets a signal when the parent ends.
    SignalAtEndOfParent(Signal),
    EnterUserNamespace(BorrowedFd<'a>),
    /// As [`super::announce`], with a message for the socket.
    Announce(BorrowedFd<'a>, &'static [u8]),
    /// Becomes a user with its groups, and loses all capabilities.
    Become(&'a User),
    /// Has descriptors open at these numbers below 16, even where one stands at another's number.
    Place(&'a [(BorrowedFd<'a>, RawFd)]),
}

/// A user to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub uid: Uid,
    pub gid: Gid,
    /// Supplementary groups.
    pub groups: Vec<Gid>,
}

/// Starts a program whose process takes these steps first, in this order.
pub fn spawn(mut command: Command, steps: &[Step<'_>]) -> Result<Child> {
    let mut prepared: Vec<Prepared> = steps.iter().map(Prepared::from).collect();
    // SAFETY: they make system calls and allocate nothing, as it has to be in a copy of one of maybe many threads.
    unsafe { command.pre_exec(move || prepared.iter_mut().try_for_each(Prepared::take)) };
    command.spawn()
}

/// Becomes a program, after these steps. For a process that was made by `clone` for it. The answer is why it could not.
pub fn become_program(mut command: Command, steps: &[Step<'_>]) -> Error {
    match steps.iter().try_for_each(|step| Prepared::from(step).take()) {
        Ok(()) => command.exec(),
        Err(error) => error,
    }
}

/// A step with all that it needs, so that nothing is allocated when it is taken.
enum Prepared {
    Without(Step<'static>),
    EnterUserNamespace(BorrowedFd<'static>),
    Announce(BorrowedFd<'static>, &'static [u8]),
    Become(User),
    Place(Vec<Placed>),
}

struct Placed {
    descriptor: BorrowedFd<'static>,
    copy: Option<OwnedFd>,
    number: RawFd,
}

impl From<&Step<'_>> for Prepared {
    fn from(step: &Step<'_>) -> Prepared {
        // SAFETY: what is prepared ends in the function that has borrowed the descriptors, with the command that it belongs to.
        let keep = |descriptor: BorrowedFd<'_>| unsafe { BorrowedFd::borrow_raw(descriptor.as_raw_fd()) };
        Prepared::Without(match *step {
            Step::Announce(socket, message) => return Prepared::Announce(keep(socket), message),
            Step::EnterUserNamespace(namespace) => return Prepared::EnterUserNamespace(keep(namespace)),
            Step::Become(user) => return Prepared::Become(user.clone()),
            Step::Place(places) => {
                let places = places.iter().map(|(descriptor, number)| Placed {
                    descriptor: keep(*descriptor),
                    copy: None,
                    number: *number,
                });
                return Prepared::Place(places.collect());
            }
            Step::Default(signals) => Step::Default(signals),
            Step::Ignore(signals) => Step::Ignore(signals),
            Step::Unblock => Step::Unblock,
            Step::Block => Step::Block,
            Step::LeadGroup => Step::LeadGroup,
            Step::LeadSession => Step::LeadSession,
            Step::SignalAtEndOfParent(signal) => Step::SignalAtEndOfParent(signal),
        })
    }
}

impl Prepared {
    fn take(&mut self) -> Result<()> {
        match self {
            Prepared::Without(step) => match *step {
                Step::Default(signals) => dispose_signals(signals, Disposition::Default),
                Step::Ignore(signals) => signals.ignore(),
                Step::Unblock => mask_signals(SigmaskHow::SIG_SETMASK, &[]),
                Step::Block => block_signals(),
                Step::LeadGroup => process::setpgid(None, None)?,
                Step::LeadSession => drop(process::setsid()?),
                Step::SignalAtEndOfParent(signal) => process::set_parent_process_death_signal(Some(signal))?,
                // Prepared otherwise.
                Step::EnterUserNamespace(_) | Step::Announce(..) | Step::Become(_) | Step::Place(_) => {}
            },
            Prepared::EnterUserNamespace(users) => {
                move_into_link_name_space(*users, Some(LinkNameSpaceType::User))?;
            }
            Prepared::Announce(socket, message) => super::announce(*socket, message),
            Prepared::Become(user) => {
                thread::set_thread_groups(&user.groups)?;
                thread::set_thread_gid(user.gid)?;
                // The last one: it takes the right to do the others.
                thread::set_thread_uid(user.uid)?;
            }
            Prepared::Place(places) => {
                for place in places.iter_mut() {
                    place.copy = Some(rustix::io::fcntl_dupfd_cloexec(place.descriptor, ABOVE)?);
                }
                places.iter().try_for_each(Placed::put)?;
            }
        }
        Ok(())
    }
}

impl Placed {
    fn put(&self) -> Result<()> {
        let copy = self.copy.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        // SAFETY: what stood at the number belongs to a copy of the parent's state, which ends with the exec that follows.
        if unsafe { libc::dup2(copy, self.number) } < 0 {
            return Err(Error::last_os_error());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Seek, Write};
    use std::os::fd::AsFd;
    use std::process::Stdio;

    fn file(text: &str) -> File {
        let mut file = File::from(rustix::fs::memfd_create(c"text", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn a_child_has_its_descriptors_and_a_group_of_its_own() {
        let (one, other) = (file("one "), file("other "));
        let places = [(one.as_fd(), 14), (other.as_fd(), 15)];
        let script = "cat /dev/fd/15 /dev/fd/14; test $(ps -o pgid= -p $$) = $$ && echo leads";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let child = spawn(command, &[Step::LeadGroup, Step::Place(&places)]).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "other one leads\n");
    }

    #[test]
    fn a_child_blocks_all_but_faults() {
        // No shell: that would unblock them itself.
        let mut command = Command::new("/bin/grep");
        command.args(["^SigBlk:", "/proc/self/status"]).stdout(Stdio::piped());
        let output = spawn(command, &[Step::Block]).unwrap().wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let blocked = u64::from_str_radix(text.trim_start_matches("SigBlk:").trim(), 16).unwrap();
        let is_blocked = |signal: i32| blocked & (1 << (signal - 1)) != 0;
        assert_eq!([libc::SIGTERM, libc::SIGSEGV].map(is_blocked), [true, false]);
    }

    #[test]
    fn a_step_that_fails_is_the_error_of_the_start() {
        let null = File::open("/dev/null").unwrap();
        let error = spawn(Command::new("/bin/true"), &[Step::EnterUserNamespace(null.as_fd())]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}
