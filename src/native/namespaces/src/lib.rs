//! For tests that mount: each runs its own program again in new namespaces, where one test that is ignored otherwise does
//! the work. So nothing can stay mounted.

use std::path::Path;
use std::process::{Command, Output};

/// The variable in which the test inside finds the options that its namespaces were made with.
const OPTIONS: &str = "NAMESPACES";

/// Runs the ignored test of this name in namespaces that `unshare` makes with these options. Fails unless it passes. Where
/// they cannot be made it is skipped.
pub fn inside(test: &str, options: &[&str]) {
    if are_usable(options) {
        expect_passed(&command(test, options).output().unwrap());
    }
}

/// Whether such namespaces can be made here, and FUSE file systems be mounted in them. If not, that is said, or with
/// `MUST_WORK` in the environment it is a failure.
pub fn are_usable(options: &[&str]) -> bool {
    let tried = Command::new("unshare").args(options).arg("true").output();
    let usable = tried.is_ok_and(|output| output.status.success()) && Path::new("/dev/fuse").exists();
    if !usable {
        let reason = format!("unshare {options:?} or /dev/fuse does not work here");
        assert!(std::env::var_os("MUST_WORK").is_none(), "{reason}");
        console::complain!("skipped: {reason}");
    }
    usable
}

/// The command by which the test runs in there.
pub fn command(test: &str, options: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env(OPTIONS, options.join(" "));
    command
}

/// Fails unless the test that had this output has run, and passed.
pub fn expect_passed(output: &Output) {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
}

/// In there: whether the namespaces were made with this option.
pub fn made_with(option: &str) -> bool {
    std::env::var(OPTIONS).is_ok_and(|options| options.split(' ').any(|one| one == option))
}
