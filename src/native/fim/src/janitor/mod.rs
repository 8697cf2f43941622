//! Holds the mounts of one instance and cleans up after it, whatever happens to the boot program.
//!
//! Three processes of this program: the janitor, outside, which watches the boot program and removes the directories; the
//! holder, first process of the instance's namespaces, which mounts and runs; and the driver, outside, which serves the
//! layers. Each end is noticed by the closing of a descriptor, never by looking again and again.

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
mod start;
mod users;

use crate::failure::{Context, EXIT_CODE, Failure, Result};
use crate::streams;
use crate::sys::{self, Disposition, End, Forked, Watched};
use crate::trust::examine;
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
use mounts::{LINGERS, UNMOUNTS, WAIT};
pub use namespaces::map_users;
use namespaces::{Entered, enter};
pub use points::{Made, NAME as POINTS};
pub use protocol::Place;
use protocol::{Done, Open, Operation, answer};
pub use protocol::{from_bytes, to_bytes};
use requests::Requests;
use rustix::process::{Signal, WaitOptions, set_parent_process_death_signal};
use session::{Role, Session};
pub use session::{have_alone, open_lock, open_work, take_turn};
pub use start::NAME as START;
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
    let mut leaving = File::from(leaving);
    // Without `/proc` the end of the boot program, or of the pipe that the holder has, is all that can be waited for.
    let end = End::of(holder);
    let wait = |ends: [Watched<'_>; 2]| match &end {
        Ok(end) => end.poll(ends, -1).map(drop),
        Err(_) => sys::poll(ends, -1).map(drop),
    };
    let _ = wait([sys::readable(&leaving), sys::closed(&boot)]);
    let mut number = [0; 8];
    if sys::poll([sys::readable(&leaving)], 0).is_ok_and(|[asked]| asked) && leaving.read_exact(&mut number).is_ok() {
        let stop = leave(&instance).and_then(|()| {
            let failed = || "cannot receive signals".to_string();
            sys::signal_descriptor(&[libc::SIGTERM]).context(failed)
        });
        let reply = stop
            .as_ref()
            .map(|_| Done {})
            .map_err(|failure| Failure(failure.0.clone()));
        // Whether the boot program is still there to hear it makes no difference.
        let _ = answer(&mut answers, u64::from_le_bytes(number), reply);
        if let Ok(stop) = stop {
            let _ = wait([sys::readable(&leaving), sys::readable(&stop)]);
            // Asked to stop what lives on. The holder ends with it.
            if sys::next_signal(&stop).is_some() {
                let _ = sys::kill(holder, libc::SIGTERM);
                let _ = wait([sys::readable(&leaving), None]);
            }
        }
    }
    let mut said = hear(&farewell);
    let patience = || sys::poll([sys::closed(&farewell)], PATIENCE.as_millis() as i32);
    if said.contains(&WAIT) {
        let _ = patience();
    }
    let unmounts = said.contains(&UNMOUNTS);
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

/// Lets go of everything of the caller's that this process holds: his streams, his terminal and his directory.
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
    std::env::set_current_dir("/").context(|| "cannot leave the caller's directory".to_string())?;
    leave_caller()
}

/// A holder at work.
struct Started {
    holder: i32,
    /// Whether it has no namespaces.
    is_outside: bool,
    /// Readable once the holder has left the boot program.
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
    let (leaving, left) = sys::pipe().context(|| "cannot make a pipe".to_string())?;
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
                    leaving: left.into(),
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
