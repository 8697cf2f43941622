//! `fim-instance start`: a run in the background, and the process that keeps its log.
//!
//! Two processes: one waits until the program runs and ends, as the caller's own; the other one leaves the caller, starts the image
//! anew, writes down what the program writes, and ends after it. Neither the run nor that process has a descriptor, a terminal or
//! the directory of the caller.

use super::complain;
use super::log::{BACKGROUND, HELD, LOCK, Log};
use crate::fail;
use crate::failure::{Context, EXIT_CODE, Result};
use crate::janitor::is_name;
use crate::sys::{self, Disposition, Forked, Lock, Step};
use crate::trust::{Directory, Last, Make};
use rustix::process::WaitOptions;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Tells the boot program which descriptor it writes to when the program runs, and the name of the instance.
const VARIABLE: &str = "FIM_BACKGROUND";
/// That descriptor.
const STARTED: i32 = 11;
/// What the process in the background says to the one that waits.
const RUNS: u8 = b'r';
const ENDED: u8 = b'e';
/// Of what a run that did not start has said.
const TAIL: usize = 4096;
/// Logs of instances that have ended, the youngest, are kept.
const KEPT: usize = 16;
/// Pieces of output that are taken in before something else gets its turn.
const ROUND: usize = 64;
/// Names that are tried for one that has none.
const TRIES: usize = 1000;

/// What is asked for.
struct Asked<'a> {
    name: Option<String>,
    command: &'a [OsString],
}

/// `fim-instance start [--name NAME] [--] [COMMAND...]`. Prints the name of the instance.
pub fn start(instances: &Path, image: &Path, words: &[OsString]) -> i32 {
    // The caller's others: what goes on must not keep his locks and pipes.
    sys::close_all_but(&[]);
    let asked = match parse(words) {
        Ok(asked) => asked,
        Err(failure) => return complain(&[&failure.0, "Could not parse arguments"]),
    };
    match reserve(instances, &asked, image).and_then(|reserved| run(reserved, image, asked.command)) {
        Ok(code) => code,
        Err(failure) => complain(&[&failure.0, "Could not start an instance"]),
    }
}

/// Options come before the command, as the declaration in `src/cli/commands/Instance.ts` says.
fn parse(words: &[OsString]) -> Result<Asked<'_>> {
    let mut name = None;
    let mut rest = words;
    while let [word, behind @ ..] = rest {
        let (value, behind) = match word.as_bytes() {
            b"--" => {
                rest = behind;
                break;
            }
            b"--name" => match behind {
                [value, behind @ ..] => (value.as_os_str(), behind),
                [] => fail!("Option '--name' needs a value: name"),
            },
            bytes => match bytes.strip_prefix(b"--name=") {
                Some(value) => (OsStr::from_bytes(value), behind),
                None if bytes.starts_with(b"-") && bytes != b"-" => {
                    fail!("Unknown option '{}' of fim-instance start", console::shown(word))
                }
                None => break,
            },
        };
        match value.to_str().filter(|value| is_name(value)) {
            Some(value) => name = Some(value.to_string()),
            None => fail!(
                "'{}' cannot be the name of an instance: at most 64 letters, digits and '._-', no digit first",
                console::shown(value)
            ),
        }
        rest = behind;
    }
    Ok(Asked { name, command: rest })
}

/// A name that is taken as long as the lock is held.
struct Reserved {
    name: String,
    directory: Directory,
    lock: File,
}

fn reserve(instances: &Path, asked: &Asked<'_>, image: &Path) -> Result<Reserved> {
    let application = instances.parent().unwrap_or(Path::new("/"));
    let failed = || "there is no place for logs".to_string();
    let application = Directory::trusted(application, Last::Own, Make::No).context(failed)?;
    let names = application.enter_or_make(BACKGROUND, 0o700)?;
    sweep(&names);
    if let Some(name) = &asked.name {
        return match take(&names, name)? {
            Some(reserved) => Ok(reserved),
            None => fail!("An instance with the name '{name}' runs already; to stop it: fim-instance stop {name}"),
        };
    }
    let basis = basis_of(asked.command.first().map_or(image.as_os_str(), OsString::as_os_str));
    for number in 1..TRIES {
        let name = match number {
            1 => basis.clone(),
            number => format!("{basis}-{number}"),
        };
        if let Some(reserved) = take(&names, &name)? {
            return Ok(reserved);
        }
    }
    fail!("too many instances are called '{basis}'; name this one: fim-instance start --name NAME")
}

/// A name for an instance that has none, after its program or image.
fn basis_of(program: &OsStr) -> String {
    let file = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
    let file = file.strip_suffix(".flatimage").unwrap_or(&file);
    let allowed = file.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c));
    let basis: String = allowed.take(48).collect();
    if is_name(&basis) { basis } else { format!("app{basis}") }
}

/// Takes a name. `None` if it is taken.
fn take(names: &Directory, name: &str) -> Result<Option<Reserved>> {
    loop {
        let directory = names.enter_or_make(name, 0o700)?;
        let failed = || format!("cannot lock '{}'", directory.path().join(LOCK).display());
        let lock = directory.open_or_make(LOCK, 0o600).context(failed)?;
        if !sys::lock(lock.as_fd(), HELD, Lock::Exclusive).context(failed)? {
            return Ok(None);
        }
        // Somebody may have removed it before it was locked.
        if sys::is_still_at(&lock, &directory.path().join(LOCK)) {
            return Ok(Some(Reserved {
                name: name.to_string(),
                directory,
                lock,
            }));
        }
    }
}

/// Removes logs of instances that have ended, the oldest first.
fn sweep(names: &Directory) {
    let mut ended: Vec<(i64, OsString, File)> = Vec::new();
    for name in names.names().unwrap_or_default() {
        let Some(lock) = names.enter(&name).ok().and_then(|each| each.open_to_change(LOCK).ok()) else {
            continue;
        };
        let is_free = sys::lock(lock.as_fd(), HELD, Lock::Exclusive).unwrap_or(false);
        let changed = names
            .enter(&name)
            .ok()
            .and_then(|each| Some(each.open("log").ok()?.metadata().ok()?.mtime()));
        if is_free {
            ended.push((changed.unwrap_or(0), name, lock));
        }
    }
    ended.sort_by_key(|(changed, _, _)| std::cmp::Reverse(*changed));
    // Locked, so nobody begins one meanwhile.
    for (_, name, _lock) in ended.into_iter().skip(KEPT) {
        names.remove(&name);
    }
}

/// Starts the run and waits until its program runs. The answer is the exit code.
fn run(reserved: Reserved, image: &Path, command: &[OsString]) -> Result<i32> {
    let failed = || "cannot start a process in the background".to_string();
    let (reader, writer) = sys::pipe().context(failed)?;
    let Reserved { name, directory, lock } = reserved;
    let log = Log::begin(directory.try_clone().context(failed)?)?;
    match sys::clone(0).context(failed)? {
        Forked::Parent(_) => drop((writer, lock, log)),
        Forked::Child => {
            drop(reader);
            let kept = Keeper {
                log,
                lock,
                waiting: Some(writer),
            };
            std::process::exit(keep(kept, &name, image, command))
        }
    }
    let mut said = Vec::new();
    File::from(reader).read_to_end(&mut said).context(failed)?;
    match said[..] {
        [RUNS] => {
            // Whoever does not read the name has started it all the same.
            let _ = console::output(&format!("{name}\n"));
            Ok(0)
        }
        [ENDED, code] => {
            let _ = std::io::stderr().write_all(&Log::tail(&directory, TAIL));
            Ok(i32::from(code))
        }
        _ => fail!("the process that keeps the log has ended"),
    }
}

/// The process in the background.
struct Keeper {
    log: Log,
    /// Taken as long as it is open.
    lock: File,
    /// Who waits until the program runs.
    waiting: Option<OwnedFd>,
}

/// Starts the image anew and keeps its log, until it and all that has its output have ended.
fn keep(mut keeper: Keeper, name: &str, image: &Path, command: &[OsString]) -> i32 {
    let _ = rustix::thread::set_name(c"fim-log");
    match keeper.begin(name, image, command) {
        Ok((child, output, started)) => {
            keeper.attend(child, output, started);
            0
        }
        Err(failure) => {
            keeper.log.add(format!("E::{failure}\n").as_bytes());
            keeper.tell(&[ENDED, EXIT_CODE as u8]);
            EXIT_CODE
        }
    }
}

impl Keeper {
    fn begin(&mut self, name: &str, image: &Path, command: &[OsString]) -> Result<(i32, OwnedFd, OwnedFd)> {
        let failed = || "cannot leave the caller".to_string();
        // The run has the caller's directory until its program runs: paths may be relative to it.
        let null = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .context(failed)?;
        rustix::process::setsid().context(failed)?;
        sys::replace_standard([null.as_fd(); 3]).context(failed)?;
        sys::close_all_on_exec(3);
        let failed = || format!("cannot start '{}'", image.display());
        let (output, theirs) = sys::pipe().context(failed)?;
        let (started, tells) = sys::pipe().context(failed)?;
        let stream = || theirs.try_clone().map(Stdio::from).context(failed);
        let mut run = Command::new(image);
        if !command.is_empty() {
            run.args(["fim-exec", "--"]).args(command);
        }
        run.env(VARIABLE, format!("{STARTED},{name}"));
        run.stdin(Stdio::null()).stdout(stream()?).stderr(stream()?);
        let child = sys::spawn(run, &[Step::Place(&[(tells.as_fd(), STARTED)])]).context(failed)?;
        // Whatever ends the caller, or is sent to everything of his, must not end the log of a program that goes on.
        sys::block_signals();
        std::env::set_current_dir("/").context(failed)?;
        Ok((child.id() as i32, output, started))
    }

    fn attend(&mut self, child: i32, output: OwnedFd, started: OwnedFd) {
        let mut chunk = vec![0; 1 << 16];
        let (mut output, mut started) = (Some(output), Some(started));
        while output.is_some() || started.is_some() {
            let watched = [
                output.as_ref().and_then(sys::readable),
                started.as_ref().and_then(sys::readable),
            ];
            let Ok([has_output, has_news]) = sys::poll(watched, -1) else {
                return;
            };
            if has_output && let Some(pipe) = &output {
                match rustix::io::read(pipe, &mut chunk[..]) {
                    Ok(0) | Err(_) => output = None,
                    Ok(count) => self.log.add(&chunk[..count]),
                }
            }
            if has_news && let Some(pipe) = &started {
                let count = rustix::io::read(pipe, &mut chunk[..1]);
                started = None;
                match count {
                    Ok(1) => {
                        self.tell(&[RUNS]);
                        // From here on its end is nobody's to wait for.
                        sys::dispose_signals(&[libc::SIGCHLD], Disposition::Ignore);
                    }
                    _ => {
                        self.drain(output.as_ref(), &mut chunk);
                        let ended = sys::wait(child, WaitOptions::empty());
                        let code = ended.map_or(EXIT_CODE, |(_, status)| sys::exit_code(status));
                        self.tell(&[ENDED, u8::try_from(code).unwrap_or(u8::MAX)]);
                    }
                }
            }
        }
    }

    /// Takes in what a run that has failed has said, before that is told.
    fn drain(&mut self, output: Option<&OwnedFd>, chunk: &mut [u8]) {
        for _ in 0..ROUND {
            let is_there = sys::poll([output.and_then(sys::readable)], 0).is_ok_and(|[is_there]| is_there);
            match output
                .filter(|_| is_there)
                .map(|pipe| rustix::io::read(pipe, &mut *chunk))
            {
                Some(Ok(count)) if count > 0 => self.log.add(&chunk[..count]),
                _ => return,
            }
        }
    }

    /// Tells whoever waits, once.
    fn tell(&mut self, message: &[u8]) {
        if let Some(waiting) = self.waiting.take() {
            let _ = rustix::io::write(&waiting, message);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = sys::lock(self.lock.as_fd(), HELD, Lock::None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    fn parsed(words: &[&str]) -> std::result::Result<(Option<String>, Vec<String>), String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let asked = parse(&words).map_err(|Failure(text)| text)?;
        let command = asked.command.iter().map(|word| word.to_string_lossy().into_owned());
        Ok((asked.name, command.collect()))
    }

    #[test]
    fn options_come_before_the_command() {
        let web = Some("web".to_string());
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(parsed(&[]), Ok((None, vec![])));
        assert_eq!(
            parsed(&["--name", "web", "--", "--name"]),
            Ok((web.clone(), words(&["--name"])))
        );
        assert_eq!(
            parsed(&["--name=web", "sh", "--name=x"]),
            Ok((web, words(&["sh", "--name=x"])))
        );
        assert_eq!(parsed(&["sh", "--"]), Ok((None, words(&["sh", "--"]))));
        for wrong in [
            &["--name"][..],
            &["--name", "1"],
            &["--name="],
            &["--nam", "x"],
            &["-n"],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_instance_without_a_name_is_called_after_its_program() {
        for (program, name) in [
            ("/usr/bin/nginx", "nginx"),
            ("/a b/my app.flatimage", "myapp"),
            ("7z", "app7z"),
            ("\u{e4}", "app"),
            ("..", "app"),
        ] {
            assert_eq!(basis_of(OsStr::new(program)), name, "{program}");
        }
    }
}
