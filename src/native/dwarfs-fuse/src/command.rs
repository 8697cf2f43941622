//! The driver as a command: mounts one image and serves it in the foreground.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fuser::{MountOption, Session, SessionUnmounter};
use nix::sys::signal::{SigSet, Signal};
use rustix::mount::UnmountFlags;

use crate::allocator::tune_allocator;
use crate::cache::Cache;
use crate::filesystem::LayerFilesystem;
use crate::layer::{Layer, Options};
use crate::mount::{MountOptions, mount};
use crate::serving::session_config;
use crate::source::Source;
use crate::view::View;

const HELP: &str = "\
usage: dwarfs IMAGE MOUNTPOINT [-f] [-o OPTION,OPTION...]

Mounts a dwarfs image read-only and serves it until it is unmounted (umount
MOUNTPOINT, or fusermount3 -u MOUNTPOINT) or the command is interrupted.

options:
  -f                     stay in the foreground (always so)
  -o offset=BYTES        where the image begins in the file (0)
  -o imagesize=BYTES     length of the image (up to the end of the file)
  -o uid=N, -o gid=N     owner and group to show for every file
  -o cachesize=SIZE      memory for decompressed data (256m)
  -o readahead=SIZE      how far to decompress ahead of reads (16m; 0: not)
  -o workers=N           threads that answer the kernel
  --help                 this text

SIZE is a number of bytes, or one with k, m or g after it.

examples:
  dwarfs root.dwarfs /mnt
  dwarfs app.flatimage /mnt -o offset=1048576,cachesize=512m
";

struct Arguments {
    source: Source,
    mountpoint: PathBuf,
    options: Options,
}

/// Runs the command with these arguments, the program's name not among them, and returns its exit code: 0 after an
/// orderly end, 1 if something failed, 2 if the arguments make no sense. Messages go to standard error.
pub fn command(arguments: &[OsString]) -> i32 {
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        let _ = console::output(HELP);
        return 0;
    }
    let arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(message) => {
            console::complain!("dwarfs: {message}");
            console::complain!("try: dwarfs --help");
            return 2;
        }
    };
    match run(&arguments) {
        Ok(()) => 0,
        Err(message) => {
            console::complain!("dwarfs: {message}");
            1
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    tune_allocator();
    let cache = Cache::new(arguments.options.cache_bytes);
    let layer = Layer::open(&arguments.source, &arguments.options, cache).map_err(|error| error.to_string())?;
    let target = &arguments.mountpoint;
    let cannot = |cause: io::Error| format!("{}: cannot mount: {cause}", target.display());
    let signals = block_signals();
    let options = MountOptions {
        source: arguments.source.path.display().to_string(),
        ..MountOptions::default()
    };
    match mount(target, &options) {
        Ok(fuse) => {
            let target = target.clone();
            unmount_on_signal(signals, move || unmount(&target));
            layer.serve(fuse).and_then(|serving| serving.join()).map_err(cannot)
        }
        Err(cause) if cause.raw_os_error() == Some(libc::EPERM) => {
            // Without the right to mount, the host's fusermount3 does it, if the host has one.
            let mut session = helped_session(layer, target).map_err(|cause| {
                format!(
                    "{}: cannot mount: {cause}; install fusermount3, or mount as root",
                    target.display()
                )
            })?;
            let mut unmounter: SessionUnmounter = session.unmount_callable();
            unmount_on_signal(signals, move || unmounter.unmount());
            session.run().map_err(cannot)
        }
        Err(cause) => Err(cannot(cause)),
    }
}

fn helped_session(layer: Layer, target: &Path) -> io::Result<Session<LayerFilesystem>> {
    let view = View::bare(layer);
    let mut config = session_config(&view).unwrap_or_default();
    // fusermount3 lets others in only where the host's administrator allows that.
    config.acl = fuser::SessionACL::Owner;
    config.mount_options = vec![
        MountOption::RO,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoAtime,
        MountOption::DefaultPermissions,
        MountOption::FSName("dwarfs".into()),
        MountOption::Subtype("dwarfs".into()),
    ];
    Session::new(LayerFilesystem::new(view.into(), None, None), target, &config)
}

/// Blocks the signals that ask for an end, in this thread and all it starts, so that one thread can wait for them.
fn block_signals() -> SigSet {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    let _ = signals.thread_block();
    signals
}

fn unmount_on_signal(signals: SigSet, mut unmount: impl FnMut() -> io::Result<()> + Send + 'static) {
    let wait = move || {
        loop {
            if signals.wait().is_ok()
                && let Err(cause) = unmount()
            {
                console::complain!("dwarfs: cannot unmount: {cause}");
            }
        }
    };
    // If there is no thread for it, the mount stays until it is unmounted by hand.
    let _ = std::thread::Builder::new()
        .name("dwarfs-signals".into())
        .stack_size(64 << 10)
        .spawn(wait);
}

fn unmount(target: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(target, UnmountFlags::DETACH)?)
}

fn parse(arguments: &[OsString]) -> Result<Arguments, String> {
    let mut paths = Vec::new();
    let mut source = Source {
        path: PathBuf::new(),
        offset: 0,
        size: None,
    };
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_bytes() {
            b"-f" => {}
            b"-o" => {
                let list = rest.next().ok_or("-o needs options after it")?;
                set_options(list, &mut source, &mut options)?;
            }
            [b'-', b'o', list @ ..] => set_options(OsStr::from_bytes(list), &mut source, &mut options)?,
            [b'-', _, ..] => return Err(format!("unknown option {}", argument.display())),
            _ => paths.push(argument),
        }
    }
    let [image, mountpoint] = paths.as_slice() else {
        return Err("an image and a mountpoint are needed".into());
    };
    source.path = PathBuf::from(image);
    Ok(Arguments {
        source,
        mountpoint: PathBuf::from(mountpoint),
        options,
    })
}

fn set_options(list: &OsStr, source: &mut Source, options: &mut Options) -> Result<(), String> {
    let list = list.to_str().ok_or("the options are not text")?;
    for option in list.split(',').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let number = || size(value).ok_or_else(|| format!("option {name} needs a number, not \"{value}\""));
        let id = || number().and_then(|id| u32::try_from(id).map_err(|_| format!("option {name} is too large")));
        match name {
            "offset" => source.offset = number()?,
            "imagesize" => source.size = Some(number()?),
            "uid" => options.uid = Some(id()?),
            "gid" => options.gid = Some(id()?),
            "cachesize" => options.cache_bytes = number()?,
            "readahead" => options.read_ahead_bytes = number()?,
            "workers" => options.workers = (id()?.clamp(1, 64)) as usize,
            // What mount(8) adds and what holds anyway.
            "ro" | "nodev" | "nosuid" | "noatime" | "allow_other" | "default_permissions" => {}
            _ => return Err(format!("unknown option -o {name}")),
        }
    }
    Ok(())
}

fn size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' | b'K' => (text.get(..text.len() - 1)?, 10),
        b'm' | b'M' => (text.get(..text.len() - 1)?, 20),
        b'g' | b'G' => (text.get(..text.len() - 1)?, 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << unit)
}
