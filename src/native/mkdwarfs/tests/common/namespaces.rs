//! Tests that mount: each runs its program again in namespaces of its own, so nothing can stay mounted.

use std::path::Path;
use std::process::Command;

pub const AS_ROOT: &[&str] = &["-m"];
pub const AS_USER: &[&str] = &["-U", "-r", "-m"];

/// Runs one of the ignored tests of this program in new namespaces. Without the right to make them it is skipped.
pub fn inside(test: &str, namespaces: &[&str]) {
    let usable = Command::new("unshare")
        .args(namespaces)
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success());
    if !usable || !Path::new("/dev/fuse").exists() {
        assert!(
            std::env::var_os("MUST_WORK").is_none(),
            "unshare {namespaces:?} or /dev/fuse does not work here"
        );
        eprintln!("skipped: unshare {namespaces:?} or /dev/fuse does not work here");
        return;
    }
    let output = Command::new("unshare")
        .args(namespaces)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env("USER_NAMESPACE", if namespaces.contains(&"-U") { "1" } else { "" })
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
}
