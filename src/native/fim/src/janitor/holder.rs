//! The first process of an instance's namespaces. It mounts, starts the sandbox and reaps. When it ends, the kernel takes
//! down every mount and every process inside, whatever state they are in.

use super::cache::{self, TreeCache};
use super::casefold;
use super::driver::{DRIVER_LOG, Layers};
use super::locate::locate;
use super::outside::Outside;
use super::overlay;
use super::protocol::{
    self, Content, Done, Ended, Event, Layer, Located, Mounted, Open, Opened, Operation, Request, Signalled, Unpacked,
    answer,
};
use super::requests::Requests;
use super::run::Program;
use super::session::{Overlay, Role, Session};
use crate::fail;
use crate::failure::{Context, Failure, Result};
use crate::sys;
use dwarfs_fuse::MountOptions;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A signal of the terminal reaches this process and the boot program at the same time; the boot program's question about
/// it arrives within this time.
const TERMINAL_RECENT: Duration = Duration::from_millis(500);
/// Where the merged root is, in the directory of the instance.
const MERGED: &str = "mount";
const WATCHED: [i32; 4] = [libc::SIGCHLD, libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP];

pub struct Holder<'a> {
    pub open: &'a Open,
    pub session: &'a Session,
    pub layers: Layers,
    /// Whether this is a user namespace of our own, with the caller as its only user.
    pub own_users: bool,
    /// Where there are no namespaces, what takes their place.
    pub outside: Option<Outside>,
    /// Our pid as processes outside see it; our own `/proc` shows only the inside.
    pub outside_pid: i32,
    /// The processes that serve the overlay and what is above it, where it is not the kernel.
    pub servers: Vec<i32>,
    /// The trees of layers that are unpacked, and what keeps others from removing them.
    pub trees: Vec<PathBuf>,
    pub tree_locks: Vec<File>,
    pub replies: File,
    /// Something in it asks the janitor not to kill us while we end.
    pub last_word: File,
}

struct Running {
    id: u64,
    program: Program,
}

impl Holder<'_> {
    /// Prepares the namespaces and answers the request that asked for them.
    pub fn prepare(&mut self, id: u64) -> Result<()> {
        let opened = Opened {
            holder: self.outside_pid,
            shared: self.is_joined(),
            own_users: self.own_users,
            outside: self.outside.as_ref().map(|outside| protocol::Outside {
                bwrap: outside.bwrap.clone(),
                reason: outside.reason.clone(),
            }),
        };
        let result = self.isolate().map(|()| opened);
        let failed = result.is_err();
        answer(&mut self.replies, id, result)?;
        if failed {
            fail!("the namespaces could not be prepared")
        }
        Ok(())
    }

    /// Whether another instance has mounted everything.
    fn is_joined(&self) -> bool {
        matches!(self.session.role, Role::Joined { .. })
    }

    /// Mounts of the host still come in, ours do not go out, and `/proc` shows our processes.
    fn isolate(&mut self) -> Result<()> {
        if self.outside.is_some() {
            return Ok(());
        }
        let none = OsStr::new("");
        sys::mount(none, Path::new("/"), "", libc::MS_SLAVE | libc::MS_REC, none)
            .context(|| "cannot make the mount namespace private ('/' has to be a mount point)".to_string())?;
        let proc_flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        sys::mount(OsStr::new("proc"), Path::new("/proc"), "proc", proc_flags, none).context(|| {
            "cannot mount /proc for the new process namespace; the host may hide parts of /proc".to_string()
        })?;
        if let Role::Joined { merged, trees, .. } = &self.session.role {
            self.tree_locks = cache::share(trees)?;
            self.trees.clone_from(trees);
            let target = self.open.instance.join("mount");
            sys::mount(merged.as_os_str(), &target, "", libc::MS_BIND, none)
                .context(|| format!("cannot bind the running overlay '{}'", merged.display()))?;
            self.settle(true)?;
        }
        Ok(())
    }

    /// Answers requests until the boot program closes its end.
    pub fn serve(mut self, mut requests: Requests) -> Result<()> {
        sys::mask_signals(libc::SIG_BLOCK, &WATCHED);
        let signals = sys::signal_descriptor(&WATCHED).context(|| "cannot receive signals".to_string())?;
        let mut running: Option<Running> = None;
        let mut terminal_signal: Option<Instant> = None;
        // What was sent before there is a program to get it.
        let mut early: Vec<i32> = Vec::new();
        loop {
            let patience = if requests.is_buffered() { 0 } else { -1 };
            let announcement = running
                .as_ref()
                .map_or(-1, |running| running.program.state_descriptor());
            let watched = [
                requests.descriptor(),
                signals.as_raw_fd(),
                announcement,
                self.layers.end_descriptor(),
            ]
            .map(|fd| (fd, libc::POLLIN));
            let [request_waits, _, announced, driver_ended] =
                sys::poll(watched, patience).context(|| "cannot wait".to_string())?;
            // Without it every file of the guest fails, so the guest ends too.
            if driver_ended {
                fail!("the DwarFS driver has ended")
            }
            while let Some(signal) = sys::next_signal(signals.as_fd()) {
                let number = signal.ssi_signo as i32;
                if number == libc::SIGCHLD || signal.ssi_code != libc::SI_KERNEL {
                    continue;
                }
                terminal_signal = Some(Instant::now());
                // What the program is not there to get from the terminal itself, it gets from us.
                match running.as_mut() {
                    Some(running) if !running.program.hears_terminal() => running.program.signal(number),
                    Some(_) => {}
                    None => early.push(number),
                }
            }
            if announced
                && let Some(running) = running.as_mut()
                && running.program.hear()
            {
                protocol::tell(&mut self.replies, running.id, Event::Stopped)?;
            }
            while let Some((pid, status)) = sys::wait(-1, libc::WNOHANG) {
                if self.servers.contains(&pid) {
                    fail!("the overlay's file system has ended")
                }
                if let Some(ended) = running.take_if(|running| running.program.child == pid) {
                    self.report(ended, status)?;
                }
            }
            if !request_waits && !requests.is_buffered() {
                continue;
            }
            let Some(Request { id, operation }) = requests.next()? else {
                if let Some(running) = running.filter(|_| !self.servers.is_empty()) {
                    end_before_servers(running.program);
                }
                return Ok(());
            };
            match operation {
                Operation::Run(run) if running.is_none() => match Program::start(&run) {
                    Ok(mut program) => {
                        early.drain(..).for_each(|signal| program.signal(signal));
                        running = Some(Running { id, program });
                    }
                    Err(failure) => answer::<Ended>(&mut self.replies, id, Err(failure))?,
                },
                Operation::Signal { signal, spare_terminal } => {
                    let spared = spare_terminal && terminal_signal.is_some_and(|at| at.elapsed() < TERMINAL_RECENT);
                    match running.as_mut() {
                        _ if spared => {}
                        Some(running) => running.program.signal(signal),
                        None => early.push(signal),
                    }
                    answer(&mut self.replies, id, Ok(Signalled { spared }))?;
                }
                operation => self.perform(id, operation)?,
            }
        }
    }

    fn report(&mut self, mut ended: Running, status: i32) -> Result<()> {
        let said = std::fs::read_to_string(self.open.instance.join(DRIVER_LOG)).unwrap_or_default();
        let ended_as = Ended {
            code: sys::exit_code(status),
            started: ended.program.has_started(),
            damage: said.lines().next().map(str::to_string),
        };
        answer(&mut self.replies, ended.id, Ok(ended_as))
    }

    fn perform(&mut self, id: u64, operation: Operation) -> Result<()> {
        let done = |result: Result<()>| result.map(|()| Done {});
        match operation {
            Operation::MountLayers {
                layers,
                cache_bytes,
                trees,
            } => {
                let result = self.mount_layers(&layers, cache_bytes, &trees);
                answer(&mut self.replies, id, result.map(|unpacked| Mounted { unpacked }))
            }
            Operation::MountOverlay {} => {
                let result = self.mount_overlay();
                answer(&mut self.replies, id, done(result))
            }
            Operation::ServeOverlay { argv, casefold } => {
                let result = self.serve_overlay(&argv, casefold);
                answer(&mut self.replies, id, done(result))
            }
            Operation::MakeFifos { paths } => {
                let result = paths.iter().try_for_each(|path| {
                    let path = self.open.instance.join(path);
                    sys::make_fifo(&path, 0o600).context(|| format!("cannot make the FIFO '{}'", path.display()))
                });
                answer(&mut self.replies, id, done(result))
            }
            Operation::ReadRoot { path, limit } => {
                let result = self.read_root(&path, limit).map(|content| Content { content });
                answer(&mut self.replies, id, result)
            }
            Operation::LocateRoot { paths, covered } => {
                let result = self.merged_root().map(|root| Located {
                    paths: locate(root.as_fd(), &paths, &covered),
                });
                answer(&mut self.replies, id, result)
            }
            Operation::Open(_) | Operation::Run(_) | Operation::Signal { .. } => answer::<Done>(
                &mut self.replies,
                id,
                Err(Failure("this cannot be asked now".to_string())),
            ),
        }
    }

    /// The answer says why the layers are unpacked, if they are.
    fn mount_layers(&mut self, layers: &[Layer], cache_bytes: u64, trees: &[PathBuf]) -> Result<Option<Unpacked>> {
        // Those of a shared overlay are mounted already.
        if self.is_joined() {
            return Ok(None);
        }
        let owner = match (&self.outside, self.own_users) {
            (Some(_), _) => Some((sys::effective_uid(), sys::effective_gid())),
            (None, true) => Some((0, 0)),
            (None, false) => None,
        };
        self.layers.open(layers, cache_bytes, owner)?;
        let target = self.layer_target(0)?;
        let fuse = match &self.outside {
            Some(outside) => outside.mount(&target)?,
            None => match dwarfs_fuse::mount(&target, &MountOptions::default()) {
                Ok(fuse) => fuse,
                Err(error) => return self.bind_trees(layers, trees, refusal(&error)).map(Some),
            },
        };
        self.layers.attach(fuse.as_fd())?;
        Ok(None)
    }

    /// For a host that does not let us mount layers, which is why the driver goes.
    fn bind_trees(&mut self, layers: &[Layer], candidates: &[PathBuf], reason: String) -> Result<Unpacked> {
        self.layers = Layers::unserved();
        let cache = TreeCache::open(candidates, !self.own_users)
            .and_then(|cache| Ok((cache.trees(layers)?, cache)))
            .context(|| format!("layers can neither be mounted ({reason}) nor unpacked"));
        let (unpacked, cache) = cache?;
        let mut missing_devices = 0;
        for (index, tree) in unpacked.into_iter().enumerate() {
            let target = self.layer_target(index)?;
            let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_RDONLY;
            sys::bind(&tree.tree, &target, flags).context(|| format!("cannot bind '{}'", tree.tree.display()))?;
            missing_devices += tree.missing_devices;
            self.trees.push(tree.tree);
            self.tree_locks.push(tree.lock);
        }
        Ok(Unpacked {
            reason,
            directory: cache.path().to_path_buf(),
            missing_devices,
        })
    }

    fn layer_target(&self, index: usize) -> Result<PathBuf> {
        let target = self.open.instance.join("layers").join(index.to_string());
        std::fs::create_dir_all(&target).context(|| format!("cannot make '{}'", target.display()))?;
        Ok(target)
    }

    /// The kernel takes all paths of an overlay in one page, so they are said relative to the instance, where the data
    /// directory is bound to a short name; this also spares escaping whatever the path of an image may hold.
    fn mount_overlay(&mut self) -> Result<()> {
        if self.is_joined() {
            return Ok(());
        }
        if self.outside.is_some() {
            fail!("the kernel's overlay needs a user namespace")
        }
        self.prepare_overlay()?;
        // Each tree of a layer that is unpacked, or one mount of all layers.
        let lowers = self.trees.len().max(1);
        let lower: Vec<String> = (0..lowers).rev().map(|index| format!("layers/{index}")).collect();
        let own = if self.own_users { ",userxattr" } else { "" };
        let name = self.open.name();
        let options = format!(
            "lowerdir={},upperdir=data/data,workdir=data/work/{name}{own}",
            lower.join(":")
        );
        let flags = libc::MS_NOSUID | libc::MS_NODEV;
        sys::mount(
            OsStr::new("overlay"),
            Path::new(MERGED),
            "overlay",
            flags,
            OsStr::new(&options),
        )
        .context(|| "the kernel refused the overlay".to_string())?;
        self.settle(true)
    }

    fn serve_overlay(&mut self, argv: &[String], ignore_case: bool) -> Result<()> {
        if ignore_case && self.outside.is_some() {
            fail!("names that ignore case need a user namespace")
        }
        if !self.trees.is_empty() {
            fail!("it needs FUSE")
        }
        self.prepare_overlay()?;
        self.last_word
            .write_all(b"+")
            .context(|| "the janitor has ended".to_string())?;
        let log = self.open.instance.join("logs/fuse/overlay.log");
        self.servers.push(overlay::serve(argv, Path::new(MERGED), &log)?);
        if ignore_case {
            let log = self.open.instance.join("logs/fuse/casefold.log");
            let server = casefold::serve(Path::new(MERGED), Path::new("data/data"), &log)?;
            self.servers.push(server);
        }
        self.settle(false)
    }

    /// Goes to the directory of the instance, and makes there what an overlay needs: `data` and a work directory.
    fn prepare_overlay(&self) -> Result<()> {
        let failed = || "cannot prepare the overlay".to_string();
        std::env::set_current_dir(&self.open.instance).context(failed)?;
        let work = self.session.work_of(&self.open.name());
        std::fs::create_dir_all(&work).context(|| format!("cannot make the work directory '{}'", work.display()))?;
        // Bound already where another type of overlay was tried before.
        if !Path::new("data/data").exists() {
            if self.outside.is_some() {
                return std::os::unix::fs::symlink(&self.open.data, "data").context(failed);
            }
            std::fs::create_dir_all("data").context(failed)?;
            let none = OsStr::new("");
            sys::mount(self.open.data.as_os_str(), Path::new("data"), "", libc::MS_BIND, none).context(failed)?;
        }
        Ok(())
    }

    fn settle(&self, lasts: bool) -> Result<()> {
        let merged = self.open.instance.join(MERGED);
        let overlay = Overlay {
            merged: &merged,
            lasts,
            driver: self.layers.driver,
            trees: &self.trees,
        };
        self.session.settle(self.outside_pid, &self.open.stack, &overlay)
    }

    fn merged_root(&self) -> Result<File> {
        File::open(self.open.instance.join(MERGED)).context(|| "cannot open the merged root".to_string())
    }

    fn read_root(&self, path: &Path, limit: u64) -> Result<Option<String>> {
        let root = self.merged_root()?;
        let relative = path.strip_prefix("/").unwrap_or(path);
        let Ok(descriptor) = sys::open_in_root(root.as_fd(), relative) else {
            return Ok(None);
        };
        let file = File::from(descriptor);
        let failed = || format!("cannot read '{}' of the merged root", path.display());
        if !file.metadata().context(failed)?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).context(failed)?;
        Ok(Some(protocol::from_bytes(&bytes)))
    }
}

/// Ends a guest while its files are still served: what it has changed in a mapping, and not written yet, is written when it
/// ends, and is lost if nobody takes it then.
fn end_before_servers(mut program: Program) {
    program.signal(libc::SIGKILL);
    if let Ok(ended) = sys::process_descriptor(program.child) {
        let _ = sys::poll([(ended.as_raw_fd(), libc::POLLIN)], -1);
    }
}

/// Why a FUSE file system could not be mounted.
fn refusal(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT) => "there is no /dev/fuse".to_string(),
        Some(libc::ENODEV | libc::ENXIO) => "the kernel has no FUSE".to_string(),
        Some(libc::EINVAL) => "/dev/fuse is not the device of FUSE".to_string(),
        _ => format!("/dev/fuse cannot be used: {error}"),
    }
}
