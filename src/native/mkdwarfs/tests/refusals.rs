//! Whatever cannot be packed faithfully ends the run, and leaves an older image alone.

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Scratch, mkdwarfs, noise};

/// Packs, which must fail with exit code 1 and without a trace; returns the message.
fn refuse(tree: &Path, scratch: &Scratch) -> String {
    let image = scratch.join("out/image");
    scratch.folder("out");
    fs::write(&image, "older image").unwrap();
    let output = mkdwarfs([
        "-i".as_ref(),
        tree.as_os_str(),
        "-o".as_ref(),
        image.as_os_str(),
        "-l".as_ref(),
        "1".as_ref(),
    ]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(fs::read(&image).unwrap(), b"older image");
    assert_eq!(
        fs::read_dir(scratch.join("out")).unwrap().count(),
        1,
        "something was left behind"
    );
    message
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn files_that_change() {
    let scratch = Scratch::new("change");
    let tree = scratch.folder("tree");
    fs::write(tree.join("steady"), noise(3_000_000, 1)).unwrap();
    let path = tree.join("growing");
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(b"begin").unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also when an assertion fails, or the scope would wait for the writer for ever.
        let _stop = StopAtEnd(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
            }
        });
        let message = refuse(&tree, &scratch);
        assert!(message.contains("growing") && message.contains("changed"), "{message}");
    });
}

#[test]
fn files_that_claim_another_size() {
    // A file of the kernel: its attributes say 4096 bytes, or none, and there are some.
    let kernel = Path::new("/sys/kernel/mm/transparent_hugepage");
    if !kernel.is_dir() {
        assert!(std::env::var_os("MUST_WORK").is_none(), "{kernel:?} is missing");
        console::complain!("skipped: {kernel:?} is missing");
        return;
    }
    let scratch = Scratch::new("claim");
    let message = refuse(kernel, &scratch);
    assert!(
        message.contains("changed while it was packed") || message.contains("cannot"),
        "{message}"
    );
}

#[test]
fn missing_input_and_output() {
    let scratch = Scratch::new("missing");
    let message = refuse(&scratch.join("not there"), &scratch);
    assert!(message.contains("not there"), "{message}");
    let tree = scratch.folder("tree");
    let output = mkdwarfs([
        "-i".as_ref(),
        tree.as_os_str(),
        "-o".as_ref(),
        scratch.join("no/such/folder").as_os_str(),
    ]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn output_in_the_input() {
    let scratch = Scratch::new("inside");
    let tree = scratch.folder("tree/below");
    let inside = tree.join("image");
    let output = mkdwarfs([
        "-i".as_ref(),
        scratch.join("tree").as_os_str(),
        "-o".as_ref(),
        inside.as_os_str(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("lie in the tree"));
    assert!(!inside.exists());
}

#[test]
fn wrong_arguments() {
    let wrong: [&[&str]; 8] = [
        &[],
        &["-i", "/tmp"],
        &["-i", "/tmp", "-o"],
        &["-i", "/tmp", "-o", "x", "-l", "10"],
        &["-i", "/tmp", "-o", "x", "--uid", "many"],
        &["-i", "/tmp", "-o", "x", "--progress", "maybe"],
        &["-i", "/tmp", "-o", "x", "--block-size-bits", "40"],
        &["--nonsense"],
    ];
    for arguments in wrong {
        let output = mkdwarfs(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    let help = mkdwarfs(["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("examples:"));
}

#[test]
fn signals_remove_the_unfinished_image() {
    let scratch = Scratch::new("signal");
    let (tree, out) = (scratch.folder("tree"), scratch.folder("out"));
    fs::write(tree.join("large"), noise(60_000_000, 5)).unwrap();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        fs::write(out.join("image"), "older").unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_mkdwarfs"))
            .args([
                "-i".as_ref(),
                tree.as_os_str(),
                "-o".as_ref(),
                out.join("image").as_os_str(),
                "-l".as_ref(),
                "9".as_ref(),
            ])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while fs::read_dir(&out).unwrap().count() < 2 {
            assert!(start.elapsed() < Duration::from_secs(20), "it never began to write");
            std::thread::sleep(Duration::from_millis(5));
        }
        // SAFETY: the child has not been waited for, so the number is still its own.
        assert_eq!(unsafe { libc::kill(child.id().cast_signed(), signal) }, 0);
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(signal));
        let left: Vec<_> = fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["image"]);
        assert_eq!(fs::read(out.join("image")).unwrap(), b"older");
    }
}
