//! The driver as a program of its own, for measurements; `fim` serves layers by the library.

fn main() {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    std::process::exit(dwarfs_fuse::command(&arguments));
}
