//! The file system as a program of its own, to be tried on any directory: `casefold BELOW TARGET`. Serves until it is unmounted.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

fn main() -> std::io::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).map(std::path::PathBuf::from).collect();
    let [below, target] = arguments.as_slice() else {
        return Err(std::io::Error::other("usage: casefold BELOW TARGET"));
    };
    let directory = || {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(below)
    };
    let (root, space) = (directory()?.into(), directory()?.into());
    let mounting = dwarfs_fuse::MountOptions {
        source: "casefold".into(),
        read_only: false,
        ..dwarfs_fuse::MountOptions::default()
    };
    let fuse = dwarfs_fuse::mount(target, &mounting)?;
    let options = casefold::Options {
        root,
        space,
        threads: 4,
        directories: None,
    };
    casefold::serve(fuse, options)?.join()
}
