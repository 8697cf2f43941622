//! Notes of what was unpacked: what the kernel says of each tool, so that a warm start sees whether all are as they were.

use super::image::{Image, Tool};
use super::place::MARK;
use crate::failure::{Context, Result};
use crate::trust::Directory;
use rustix::process::geteuid;
use std::fmt::Write as _;

/// A line for each tool, in the order of the tool table: empty for one that is not in place yet.
pub const NAME: &str = "tools.noted";
/// Longest note, in bytes.
const NOTE_LIMIT: u64 = 128;
/// More tools than any tool table has: a note of each is longer than what the table itself says of it.
const MOST_TOOLS: u64 = 1 << 13;

/// Whether the application directory is that of the image.
pub fn is_marked(image: &Image, application: &Directory) -> bool {
    let limit = image.table_bytes.len() as u64 + 1;
    application
        .read(MARK, limit)
        .is_ok_and(|table| table == image.table_bytes)
}

/// Numbers of the tools that are not in place: all, as long as the copy of the tool table is not there.
pub fn missing(image: &Image, application: &Directory) -> Vec<usize> {
    let tools = &image.table.tools;
    let is_marked = is_marked(image, application);
    let noted = application
        .read(NAME, (tools.len() as u64 + 1) * NOTE_LIMIT)
        .unwrap_or_default();
    let noted = String::from_utf8_lossy(&noted);
    let mut lines = noted.lines();
    let device = application.status(".").map_or(0, |found| found.st_dev);
    let is_missing = |tool: &Tool| {
        let line = lines.next();
        !is_marked || line.is_none() || note(application, tool, device).as_deref() != line
    };
    let is_missing: Vec<bool> = tools.iter().map(is_missing).collect();
    (0..tools.len()).filter(|index| is_missing[*index]).collect()
}

/// Whether every tool was in place when the last was noted.
pub fn are_complete(application: &Directory) -> bool {
    let noted = application.read(NAME, MOST_TOOLS * NOTE_LIMIT).unwrap_or_default();
    !noted.is_empty() && String::from_utf8_lossy(&noted).lines().all(|line| !line.is_empty())
}

/// Notes of all tools, which have just been unpacked or compared.
pub fn of(image: &Image, application: &Directory) -> Result<String> {
    let device = application
        .status(".")
        .context(|| "cannot look at the tools".to_string())?
        .st_dev;
    let mut text = String::new();
    for tool in &image.table.tools {
        // One that somebody has changed meanwhile is unpacked by the next start.
        let _ = writeln!(text, "{}", note(application, tool, device).unwrap_or_default());
    }
    Ok(text)
}

/// What tells a tool from any other file, and from itself after a change. The numbers of devices differ from one boot to the next,
/// so all that is asked of a tool's is that it is its directory's. `None` where the tool cannot be right.
fn note(application: &Directory, tool: &Tool, device: u64) -> Option<String> {
    let found = application.status(&tool.path).ok()?;
    let is_right = found.st_mode == libc::S_IFREG | tool.mode
        && found.st_size as u64 == tool.size
        && found.st_uid == geteuid().as_raw()
        && found.st_dev == device;
    is_right.then(|| {
        format!(
            "{} {} {} {}",
            found.st_ino, found.st_ctime, found.st_ctime_nsec, found.st_size
        )
    })
}
