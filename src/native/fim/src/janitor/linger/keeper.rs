//! The side of the driver: who uses the layers, what others ask, and when the layers go.

use super::super::protocol::Place;
use super::super::server::{complain_to, complain_to_nobody};
use super::{Answer, DIRECTORY, FileState, Going, Question, Rest, Terms, all, groups, name};
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::packets;
use crate::sys::{self, Disposition};
use crate::trust::Directory;
use messages::{Done, Reply};
use nix::sys::signal::SigmaskHow;
use rustix::event::PollFlags;
use serde::Serialize;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether layers may stay that nobody uses.
const STEP: Duration = Duration::from_secs(1);
/// What ends a driver that nobody uses, as any process.
const ENDING: [i32; 2] = [libc::SIGHUP, libc::SIGTERM];
/// More connections than anybody needs.
const MOST_CLIENTS: usize = 256;

/// The layers of a driver that may outlive its instances.
pub struct Keeper {
    listener: OwnedFd,
    /// Where the socket is, and its device and inode: another may have taken its place.
    directory: PathBuf,
    name: OsString,
    socket: (u64, u64),
    clients: Vec<Client>,
    /// Where nothing is mounted but the layers. Absent as long as no instance has left.
    namespace: Option<OwnedFd>,
    terms: Terms,
    runtime: Option<(u64, u64)>,
    places: Vec<Place>,
    files: Vec<FileState>,
    unused_since: Option<Instant>,
}

struct Client {
    socket: OwnedFd,
    /// Whether it is an instance.
    is_user: bool,
}

/// What `Keeper::wait` has waited for.
#[derive(Eq, PartialEq)]
pub enum Waited {
    /// The holder that has started the driver says something.
    Holder,
    Nothing,
    /// The layers are to stay no longer.
    Over,
}

/// What comes of a question.
enum Answered {
    With(Value, Option<OwnedFd>),
    /// The layers go, and this is said after that.
    Over(Reply<Value>),
}

impl Keeper {
    /// Lets layers stay that are served, each with the state that its file had when it was opened. `stack` is the hash of what identifies
    /// them.
    pub fn new(
        application: &Path,
        stack: &str,
        terms: Terms,
        places: Vec<Place>,
        files: Vec<FileState>,
    ) -> Result<Keeper> {
        let directory = Directory::given(application)?.enter_or_make(DIRECTORY, 0o700)?;
        std::env::set_current_dir("/").context(|| "cannot leave the caller's directory".to_string())?;
        // They are blocked as long as the layers are in use.
        sys::dispose_signals(&ENDING, Disposition::Default);
        // What killed drivers have left.
        drop(all(application));
        let failed = || "cannot make the socket of the layers".to_string();
        // Under its final name there is never a socket on which nobody listens yet.
        let name = name(stack);
        let own = format!(".{name}.{}", std::process::id());
        let listener = sys::listen_at(directory.as_fd(), own.as_ref()).context(failed)?;
        let found = directory.status(&own).context(failed)?;
        let runtime = terms.runtime.as_deref().map(identity);
        let keeper = Keeper {
            listener,
            directory: directory.path().to_path_buf(),
            name: name.clone().into(),
            socket: (found.st_dev, found.st_ino),
            clients: Vec::new(),
            namespace: None,
            runtime: runtime.flatten(),
            terms,
            places,
            files,
            unused_since: None,
        };
        let named = match directory.has(&name) && is_heard(&directory, &name) {
            true => Err(Failure("the same layers are kept by another driver".to_string())),
            false => directory.rename(&own, &name).context(failed),
        };
        let named = named.and_then(|()| {
            keeper
                .reason()
                .map_or(Ok(()), |reason| Err(Failure(reason.to_string())))
        });
        if let Err(failure) = named {
            let _ = directory.remove_file(&own);
            return Err(failure);
        }
        Ok(keeper)
    }

    pub fn hold(&mut self, namespace: OwnedFd) {
        self.namespace = Some(namespace);
    }

    /// Waits until something happens. `holder` is the socket of the holder that has started this driver, as long as it is open.
    pub fn wait(&mut self, holder: Option<BorrowedFd<'_>>) -> Waited {
        let is_used = holder.is_some() || self.clients.iter().any(|client| client.is_user);
        let patience = match is_used {
            true => {
                self.work();
                -1
            }
            false => match self.rest() {
                Some(left) => left.min(STEP).as_millis() as i32 + 1,
                None => return Waited::Over,
            },
        };
        let mut watched = vec![
            holder.map(|holder| (holder, PollFlags::IN)),
            sys::readable(&self.listener),
        ];
        watched.extend(self.clients.iter().map(|client| sys::readable(&client.socket)));
        let Ok(events) = sys::poll_all(&watched, patience) else {
            return Waited::Over;
        };
        let mut ready = events.iter().map(|events| !events.is_empty());
        let holder_speaks = ready.next() == Some(true);
        let is_called = ready.next() == Some(true);
        let speaking: Vec<bool> = ready.collect();
        // Last first: who has gone is taken out.
        for (index, _) in speaking.iter().enumerate().rev().filter(|(_, speaks)| **speaks) {
            if self.serve(index) == Waited::Over {
                return Waited::Over;
            }
        }
        if is_called
            && let Ok(socket) = sys::accept(self.listener.as_fd())
            && self.clients.len() < MOST_CLIENTS
        {
            self.clients.push(Client { socket, is_user: false });
        }
        if holder_speaks { Waited::Holder } else { Waited::Nothing }
    }

    /// While an instance uses the layers.
    fn work(&mut self) {
        if self.unused_since.take().is_some() {
            sys::mask_signals(SigmaskHow::SIG_BLOCK, &ENDING);
        }
    }

    /// While nobody does: how long they may stay, if they may.
    fn rest(&mut self) -> Option<Duration> {
        if self.unused_since.is_none() {
            // The log is that of an instance that has ended.
            let _ = complain_to_nobody();
            // A session or a machine that ends must not wait for us. What came while the layers were in use takes effect here.
            sys::mask_signals(SigmaskHow::SIG_UNBLOCK, &ENDING);
        }
        let unused = self.unused_since.get_or_insert_with(Instant::now).elapsed();
        let left = Duration::from_secs(self.terms.seconds).checked_sub(unused)?;
        (self.namespace.is_some() && self.reason().is_none()).then_some(left)
    }

    /// Answers one question, or takes note that nobody asks any more.
    fn serve(&mut self, index: usize) -> Waited {
        let (question, descriptor) = match packets::receive(self.clients[index].socket.as_fd(), packets::LIMIT) {
            Ok(Some(received)) => received,
            Ok(None) => {
                self.clients.remove(index);
                return Waited::Nothing;
            }
            Err(error) => return self.reply(index, &Reply::<Done>::error(error), None),
        };
        let answered = question
            .parse()
            .context(|| "cannot understand the question".to_string())
            .and_then(|question| self.answer(index, question, descriptor));
        match answered {
            Ok(Answered::With(content, descriptor)) => self.reply(index, &Reply::ok(content), descriptor),
            Ok(Answered::Over(reply)) => {
                let client = self.clients.remove(index);
                self.end();
                let _ = packets::send(client.socket.as_fd(), &reply, None);
                Waited::Over
            }
            Err(failure) => self.reply(index, &Reply::<Done>::error(failure), None),
        }
    }

    /// Replies to a client, or forgets one who does not listen.
    fn reply(&mut self, index: usize, reply: &impl Serialize, descriptor: Option<OwnedFd>) -> Waited {
        let client = self.clients[index].socket.as_fd();
        if packets::send(client, reply, descriptor.as_ref().map(AsFd::as_fd)).is_err() {
            self.clients.remove(index);
        }
        Waited::Nothing
    }

    fn answer(&mut self, index: usize, question: Question, descriptor: Option<OwnedFd>) -> Result<Answered> {
        let nothing = Ok(Answered::With(json!({}), None));
        match question {
            Question::Join { layers, log } => {
                let Some(namespace) = &self.namespace else {
                    fail!("the instance that has mounted them has not ended")
                };
                if layers != self.places {
                    fail!("these are other layers")
                }
                if let Some(reason) = self.reason() {
                    // Now, so that whoever has asked can leave layers under this name.
                    return Ok(Answered::Over(Reply::from(Err::<Value, _>(reason))));
                }
                let failed = || "cannot share the layers".to_string();
                let namespace = namespace.try_clone().context(failed)?;
                let answer = Answer {
                    groups: groups(),
                    files: self.files.clone(),
                };
                let answer = serde_json::to_value(&answer).context(failed)?;
                complain_to(&log).context(failed)?;
                self.clients[index].is_user = true;
                Ok(Answered::With(answer, Some(namespace)))
            }
            Question::Stay(terms) => {
                self.runtime = terms.runtime.as_deref().and_then(identity);
                self.terms = terms;
                self.clients[index].is_user = true;
                nothing
            }
            Question::Hold {} => {
                let Some(namespace) = descriptor else {
                    fail!("no namespace to hold")
                };
                self.hold(namespace);
                nothing
            }
            Question::End { file } => {
                let is_in = |state: &FileState| file.is_none_or(|file| file == (state.device, state.inode));
                let goes = self.files.iter().any(is_in);
                let going = serde_json::to_value(Going { goes }).context(|| "cannot answer".to_string())?;
                Ok(if goes {
                    Answered::Over(Reply::ok(going))
                } else {
                    Answered::With(going, None)
                })
            }
            Question::Describe {} => {
                let Some(since) = self.unused_since.filter(|_| self.namespace.is_some()) else {
                    fail!("an instance uses them")
                };
                let left = self.terms.seconds.saturating_sub(since.elapsed().as_secs());
                let rest = serde_json::to_value(Rest { left }).context(|| "cannot answer".to_string())?;
                Ok(Answered::With(rest, None))
            }
        }
    }

    /// Why the layers cannot stay, if they cannot.
    fn reason(&self) -> Option<&'static str> {
        if identity(&self.directory.join(&self.name)) != Some(self.socket) {
            return Some("their socket is gone");
        }
        if let Some(runtime) = &self.terms.runtime
            && (self.runtime.is_none() || identity(runtime) != self.runtime)
        {
            return Some("the caller has logged out");
        }
        let is_as_before =
            |(place, known): (&Place, &FileState)| FileState::at(&place.path).is_some_and(|found| found == *known);
        if !self.places.iter().zip(&self.files).all(is_as_before) {
            return Some("the file of a layer was changed");
        }
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        is_scarce(&memory).then_some("the memory of the machine is scarce")
    }

    /// Gives the mount up, and the name.
    fn end(&mut self) {
        if identity(&self.directory.join(&self.name)) == Some(self.socket) {
            let _ = std::fs::remove_file(self.directory.join(&self.name));
        }
        self.namespace = None;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}

/// Device and inode of what has a name, itself and not where it leads.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Whether somebody listens at a socket.
fn is_heard(directory: &Directory, name: &str) -> bool {
    match sys::connect_at(directory.as_fd(), name.as_ref()) {
        Ok(_) => true,
        Err(error) => error.raw_os_error() == Some(libc::EAGAIN),
    }
}

/// Whether less than a tenth of the memory is at hand, by `/proc/meminfo`. Where that says nothing, it is not.
fn is_scarce(memory: &str) -> bool {
    let value = |name: &str| {
        let line = memory.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    let (Some(total), Some(available)) = (value("MemTotal:"), value("MemAvailable:")) else {
        return false;
    };
    available < total / 10
}

#[cfg(test)]
mod tests {
    use super::is_scarce;

    #[test]
    fn less_than_a_tenth_at_hand_is_scarce() {
        let says = |total: u64, available: u64| {
            is_scarce(&format!(
                "MemTotal:    {total} kB\nMemFree: 0 kB\nMemAvailable:  {available} kB\n"
            ))
        };
        assert!(says(1000, 99));
        assert!(!says(1000, 100));
        assert!(!is_scarce(""));
        assert!(!is_scarce("MemTotal: 1000 kB\n"));
        assert!(!is_scarce("MemTotal: x kB\nMemAvailable: 1 kB\n"));
    }
}
