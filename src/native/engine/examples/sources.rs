//! Runs modules in a directory in place of the boot program, to test the platform. No image has this.

fn main() {
    let directory = std::env::args_os()
        .nth(1)
        .expect("usage: sources DIRECTORY [argument...]");
    std::process::exit(engine::run_sources(directory.into()))
}
