//! Holds the mounts of one instance and cleans up after it, whatever happens to the boot program.
//!
//! Three processes of this program: the janitor, outside, which watches the boot program and removes the directories; the
//! holder, first process of the instance's namespaces, which mounts and runs; and the driver, outside, which serves the
//! layers. Each end is noticed by the closing of a descriptor, never by looking again and again.

mod about;
mod cache;
mod casefold;
mod driver;
mod early;
mod extract;
mod guess;
mod holder;
mod instance;
mod layers;
mod linger;
mod locate;
mod mounts;
mod namespaces;
mod outside;
mod overlay;
mod points;
mod portal;
mod process;
mod protocol;
mod record;
mod requests;
mod run;
mod server;
mod session;
mod shield;
mod start;
mod users;

use crate::failure::{Context, EXIT_CODE, Failure, Result};
use crate::streams;
use crate::sys::{self, Disposition, End, Forked, Watched};
use crate::trust::examine;
pub use about::{About, is_name};
use cache::TreePlaces;
use driver::DRIVER_LOG;
use early::Early;
pub use guess::open_regular;
use holder::Holder;
use instance::Instance;
pub use instance::{Living, living, stop_signal, sweep_instances};
use layers::Layers;
use linger::Lent;
pub use linger::{Line, VARIABLE as LINGER, all as lingering, release};
use mounts::{LINGERS, SERVES, UNMOUNTS, WAIT};
pub use namespaces::map_users;
use namespaces::{Entered, enter};
use nix::sys::signalfd::SignalFd;
pub use points::{Made, NAME as POINTS};
pub use protocol::Place;
use protocol::{Done, Open, Operation, answer};
pub use protocol::{from_bytes, to_bytes};
use requests::Requests;
use rustix::process::{Signal, WaitOptions, set_parent_process_death_signal};
use session::{Role, Session};
pub use session::{have_alone, open_lock, open_work, take_turn};
use shield::{QUIET, Shield};
pub use start::NAME as START;
use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Requests come in here, replies go out there. 0, 1 and 2 are the guest's.
pub const REQUESTS: i32 = 3;
pub const REPLIES: i32 = 4;

/// How long a holder may take to end a guest whose files a program serves.
const PATIENCE: Duration = Duration::from_secs(5);

/// In front of an image and its reserved offset, of which tools are to be unpacked.
pub const REST: &str = "--rest";

/// `fim janitor [--rest IMAGE OFFSET] [PROGRAM [FILE]...]`. The program is what is started, empty for the boot command. Each file may
/// be where starts have written down what they have read of their layers, best first.
pub fn command(arguments: &[OsString]) -> i32 {
    let _ = rustix::thread::set_name(c"fim-janitor");
    // The caller's others: what lives on must not keep his locks and pipes.
    sys::close_all_but(&[REQUESTS, REPLIES]);
    sys::close_all_on_exec(3);
    // The boot program decides what follows from them: whatever the process group is sent must not end its janitor.
    sys::dispose_signals(&sys::GROUP_SIGNALS, Disposition::Ignore);
    sys::block_signals();
    let words = match arguments {
        [option, image, offset, words @ ..] if option == REST => {
            unpack_rest(image, offset);
            words
        }
        words => words,
    };
    let (program, starts) = match words {
        [program, starts @ ..] => (start::program(program), starts),
        [] => (String::new(), words),
    };
    // The boot program opened both for us.
    let (Ok(requests), Ok(replies)) = (sys::inherited(REQUESTS), sys::inherited(REPLIES)) else {
        console::complain!("E::the janitor has no connection to the boot program");
        return EXIT_CODE;
    };
    let (requests, mut replies) = (File::from(requests), File::from(replies));
    let mut requests = Requests::new(requests);
    // Here, because every way to start a program in the sandbox passes here, and it gets our streams.
    let streams = streams::check();
    // While the runtime is loading there is time for what nobody has asked for yet.
    let early = Early::make(program, if streams.is_ok() { starts } else { &[] });
    let result = loop {
        break match requests.next() {
            Ok(Some(request)) => match (request.operation, &streams) {
                (_, Err(failure)) => answer::<Done>(&mut replies, request.id, Err(Failure(failure.0.clone()))),
                (Operation::Examine { path, purpose }, Ok(())) => {
                    match answer(&mut replies, request.id, Ok(examine(&path, purpose))) {
                        Ok(()) => continue,
                        Err(failure) => Err(failure),
                    }
                }
                (Operation::Open(open), Ok(())) => keep(request.id, &open, early, requests, replies),
                (_, Ok(())) => answer::<Done>(
                    &mut replies,
                    request.id,
                    Err(Failure("the first request must be 'open'".to_string())),
                ),
            },
            Ok(None) => Ok(()),
            Err(failure) => Err(failure),
        };
    };
    match result {
        Ok(()) => 0,
        Err(failure) => {
            console::complain!("E::{failure}");
            EXIT_CODE
        }
    }
}

/// Has the rest of the tools unpacked, by a process that may live longer than this one and holds nothing of the caller's. Where it
/// cannot be started the next start tries it again. Only for a process with a single thread.
fn unpack_rest(image: &OsStr, offset: &OsStr) {
    // A child of a child is nobody's here to wait for, when it ends.
    if let Ok(Forked::Parent(child)) = sys::clone(0) {
        sys::wait(child, WaitOptions::empty());
        return;
    }
    if let (Ok(Forked::Child), Some(application)) = (sys::clone(0), application()) {
        let mut command = Command::new(application.join("bin/fim"));
        command.arg("unpack").args([image, offset]).arg(application);
        command.env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let _ = command.exec();
    }
    std::process::exit(EXIT_CODE)
}

/// The application directory, from which this program runs as `bin/fim`.
pub fn application() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.parent()?.to_path_buf())
}

/// Makes the instance, waits for its end and removes it.
fn keep(id: u64, open: &Open, mut early: Early, requests: Requests, mut replies: File) -> Result<()> {
    let boot = requests.watch().context(|| "cannot copy a descriptor".to_string())?;
    let instance = match Instance::make(&open.instance, open.pid) {
        Ok(instance) => instance,
        Err(failure) => return answer::<Done>(&mut replies, id, Err(failure)),
    };
    // All paths are absolute, and what stays must not keep a directory of the caller in use. The holder is a copy of this process.
    let _ = std::env::set_current_dir("/");
    let is_abandoned = || sys::poll([sys::closed(&boot)], 0).is_ok_and(|[closed]| closed);
    let result = Session::decide(open, is_abandoned);
    let mut session = match result {
        Ok(session) => session,
        Err(failure) => {
            instance.remove();
            return answer::<Done>(&mut replies, id, Err(failure));
        }
    };
    if let Some(lent) = borrow(open, &session, early.line.take()) {
        session.role = Role::Lent(lent);
    }
    let mut answers = replies.try_clone().context(|| "cannot copy a descriptor".to_string())?;
    let Started {
        holder,
        is_outside,
        farewell,
        leaving,
    } = match start_holder(id, open, &mut session, early, requests, replies) {
        Ok(started) => started,
        Err(failure) => {
            session.leave();
            instance.remove();
            return answer::<Done>(&mut answers, id, Err(failure));
        }
    };
    instance.sweep();
    // Without `/proc` the end of the boot program, or of the pipe that the holder has, is all that can be waited for.
    let end = End::of(holder);
    let shield = Shield::raise(&instance.directory);
    let owner = Cell::new(open.pid);
    let wait = |[first, second, third, fourth]: [Watched<'_>; 4]| {
        let mut is_hit = false;
        loop {
            let watched = [first, second, third, fourth, shield.watched()];
            let patience = if is_hit { QUIET } else { -1 };
            let (ready, has_ended) = match &end {
                Ok(end) => end.poll(watched, patience)?,
                Err(_) => sys::poll(watched, patience).map(|ready| (ready, false))?,
            };
            let [one, two, three, four, is_touched] = ready;
            if one || two || three || four || has_ended {
                return Ok(([one, two, three, four], has_ended));
            }
            if is_touched {
                is_hit |= shield.is_hit();
            } else if std::mem::take(&mut is_hit) {
                shield.restore(&instance, owner.get());
            }
        }
    };
    let server = session.served_by().and_then(|(pid, _)| End::of(pid).ok());
    let left = attend(&leaving, &boot, server.as_ref(), wait);
    sys::take_back_foreground();
    if let Some(number) = left {
        let signals = leave(&instance).and_then(|()| {
            owner.set(std::process::id());
            let failed = || "cannot receive signals".to_string();
            sys::every_signal().context(failed)
        });
        let reply = signals
            .as_ref()
            .map(|_| Done {})
            .map_err(|failure| Failure(failure.0.clone()));
        // Whether the boot program is still there to hear it makes no difference.
        let _ = answer(&mut answers, number, reply);
        if let Ok(signals) = signals {
            pass_on_signals(&signals, &leaving, wait, holder);
        }
    }
    let mut said = hear(&farewell);
    let patience = || sys::poll([sys::closed(&farewell)], PATIENCE.as_millis() as i32);
    if said.contains(&WAIT) && !said.contains(&SERVES) {
        // Until its guest has ended.
        let _ = sys::poll([sys::readable(&farewell)], PATIENCE.as_millis() as i32);
        said.extend(hear(&farewell));
    }
    let mut answers = Some(answers);
    if said.contains(&SERVES) {
        session.retire();
        if !session.is_alone() && instance.serve(std::process::id()).and_then(|()| leave_caller()).is_ok() {
            session.allow_others();
            answers = None;
            session.wait_until_alone();
        }
    }
    let unmounts = said.contains(&UNMOUNTS) && !said.contains(&SERVES);
    if !unmounts {
        let _ = sys::kill(holder, libc::SIGKILL);
    }
    session.retire();
    if is_outside {
        // The programs that served these mounts go with the holder.
        sys::wait(holder, WaitOptions::empty());
        outside::unmount_below(&instance.directory);
    }
    let condemned = instance.condemn();
    session.allow_others();
    // Both holders of the replies have now let go, which tells the boot program that the instance is gone. What follows
    // is work on a directory and namespaces that nobody can find any more, and takes some milliseconds.
    drop(answers);
    if unmounts {
        let _ = patience();
        let _ = sys::kill(holder, libc::SIGKILL);
    }
    condemned.remove();
    sys::wait(holder, WaitOptions::empty());
    // A driver that other instances still use goes on without us.
    said.extend(hear(&farewell));
    if session.leave() && !said.contains(&LINGERS) {
        while sys::wait(-1, WaitOptions::empty()).is_some() {}
    }
    Ok(())
}

/// Waits for one of four descriptors, or the end of the holder.
trait Wait: Fn([Watched<'_>; 4]) -> std::io::Result<([bool; 4], bool)> {}
impl<F: Fn([Watched<'_>; 4]) -> std::io::Result<([bool; 4], bool)>> Wait for F {}

/// Waits until the boot program or the holder has ended, or the boot program is left; then the answer is the number of the request.
/// Meanwhile answers what only a process of the caller's process group can. `server` is the holder of another instance whose programs
/// serve the files of this one.
fn attend(leaving: &OwnedFd, boot: &File, server: Option<&End>, wait: impl Wait) -> Option<u64> {
    let mut listener: Option<OwnedFd> = None;
    loop {
        let watched = [
            sys::readable(leaving),
            sys::closed(boot),
            listener.as_ref().and_then(sys::readable),
            server.and_then(End::watched),
        ];
        let ([is_told, is_closed, is_asked, is_unserved], has_ended) = wait(watched).ok()?;
        if is_unserved {
            console::complain!("E::the instance that served the files of this one was killed");
            return None;
        }
        if is_asked
            && let Some(asking) = &listener
            && sys::answer_foreground(asking).is_err()
        {
            listener = None;
        }
        if is_told {
            match sys::receive(leaving.as_fd(), 8) {
                Ok((_, Some(descriptor))) => listener = Some(descriptor),
                Ok((number, None)) => return number.try_into().ok().map(u64::from_le_bytes),
                Err(_) => return None,
            }
        } else if is_closed || has_ended {
            return None;
        }
    }
}

/// Passes signals on to the holder, for what the program has left running, until that ends.
fn pass_on_signals(signals: &SignalFd, leaving: &OwnedFd, wait: impl Wait, holder: i32) {
    // The socket closes with the holder.
    while let Ok(([false, ..], false)) = wait([sys::closed(leaving), sys::readable(signals), None, None]) {
        while let Some(signal) = sys::next_signal(signals) {
            if signal.ssi_signo != libc::SIGCHLD as u32 {
                let _ = sys::kill(holder, signal.ssi_signo as i32);
            }
        }
    }
}

/// Layers that an instance before has left mounted, if they may be used and are those of this one.
fn borrow(open: &Open, session: &Session, line: Option<Line>) -> Option<Lent> {
    let layers = open.lingering.as_ref()?;
    if !linger::may_join() || !matches!(session.role, Role::First) {
        return None;
    }
    let line = line.or_else(|| linger::find(&application()?, &open.stack))?;
    line.join(layers, open.instance.join(DRIVER_LOG)).ok()
}

/// What a holder has said, without waiting.
fn hear(pipe: &OwnedFd) -> Vec<u8> {
    let mut said = vec![0; 16];
    let is_ready = sys::poll([sys::readable(pipe)], 0).is_ok_and(|[ready]| ready);
    let count = is_ready.then(|| rustix::io::read(pipe, &mut said[..]).unwrap_or(0));
    said.truncate(count.unwrap_or(0));
    said
}

/// Lets go of everything of the caller's that this process holds: his streams and his terminal. His directory it has left at once.
fn leave_caller() -> Result<()> {
    let failed = || "cannot leave the caller".to_string();
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .context(failed)?;
    sys::replace_standard([null.as_fd(); 3]).context(failed)?;
    let _ = rustix::process::setsid();
    Ok(())
}

/// What the program has left running lives on as this instance, which is the janitor's from here on.
fn leave(instance: &Instance) -> Result<()> {
    instance.give(std::process::id())?;
    leave_caller()
}

/// A holder at work.
struct Started {
    holder: i32,
    /// Whether it has no namespaces.
    is_outside: bool,
    /// What the holder says while it lives, see `Holder::leaving`.
    leaving: OwnedFd,
    /// What the holder says about its end, see `mounts`; closed when it has let go of everything.
    farewell: OwnedFd,
}

/// Forks the holder, which itself never returns.
fn start_holder(
    id: u64,
    open: &Open,
    session: &mut Session,
    early: Early,
    requests: Requests,
    replies: File,
) -> Result<Started> {
    // A driver that is not needed ends here: the holder must not keep its socket.
    let mut layers = match (&session.role, early.layers) {
        (Role::First, Some(layers)) => layers,
        (Role::First, None) => Layers::serve(&early.program)?,
        (Role::Joined { driver, .. }, _) => driver.map_or_else(|| Ok(Layers::unserved()), Layers::shared)?,
        (Role::Lent(lent), _) => {
            let line = lent.line.try_clone();
            Layers::lent(line.context(|| "cannot copy a descriptor".to_string())?)?
        }
    };
    let tree_places = TreePlaces::judge(&open.trees);
    let (reader, writer) = sys::pipe().context(|| "cannot make a pipe".to_string())?;
    let (farewell, last_word) = sys::pipe().context(|| "cannot make a pipe".to_string())?;
    let (leaving, left) = sys::socket_pair().context(|| "cannot make a socket".to_string())?;
    let mut entered = enter(&session.role);
    if entered.is_err() && matches!(session.role, Role::Lent(_)) {
        // A kernel or a filter without the calls for it: the layers are mounted anew.
        session.role = Role::First;
        layers = Layers::serve(&early.program)?;
        entered = enter(&session.role);
    }
    let Entered {
        forked,
        own_users,
        outside,
        lent,
    } = match entered {
        Ok(entered) => entered,
        Err(failure) => {
            layers.dismiss();
            return Err(failure);
        }
    };
    let is_outside = outside.is_some();
    let holder = match forked {
        Forked::Parent(holder) => holder,
        Forked::Child => {
            drop((writer, farewell, leaving));
            let held = begin(reader).and_then(|outside_pid| {
                let mut holder = Holder {
                    open,
                    session,
                    layers,
                    own_users,
                    outside,
                    lent,
                    own_layers: None,
                    users: early.users,
                    outside_pid,
                    servers: Vec::new(),
                    tree_places: &tree_places,
                    trees: Vec::new(),
                    tree_locks: Vec::new(),
                    replies,
                    last_word: last_word.into(),
                    leaving: left,
                };
                holder.prepare(id)?;
                holder.serve(requests)
            });
            let code = match held {
                Ok(()) => 0,
                Err(failure) => {
                    console::complain!("E::{failure}");
                    EXIT_CODE
                }
            };
            std::process::exit(code)
        }
    };
    let is_new = own_users && matches!(session.role, Role::First);
    let mapped = if is_new { map_users(holder) } else { Ok(()) };
    let begun = mapped.and_then(|()| {
        let number = holder.to_le_bytes();
        File::from(writer)
            .write_all(&number)
            .context(|| "the holder has ended".to_string())
    });
    if begun.is_err() {
        let _ = sys::kill(holder, libc::SIGKILL);
        sys::wait(holder, WaitOptions::empty());
    }
    begun.map(|()| Started {
        holder,
        is_outside,
        farewell,
        leaving,
    })
}

/// The holder's first steps: waits until its users are there, and learns its pid as others see it.
fn begin(start: OwnedFd) -> Result<i32> {
    let _ = rustix::thread::set_name(c"fim-holder");
    set_parent_process_death_signal(Some(Signal::KILL)).context(|| "cannot watch the janitor".to_string())?;
    let mut number = [0; 4];
    // Ends without a number when the janitor has ended before it could write one.
    File::from(start)
        .read_exact(&mut number)
        .context(|| "the janitor has ended".to_string())?;
    Ok(i32::from_le_bytes(number))
}
