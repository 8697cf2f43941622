//! Text on standard output and standard error. What the standard library has for that panics where it cannot be written, because
//! the reader is gone or the disk is full, and the exit code is lost or what is served with it. The lints of the workspace forbid it.
//!
//! Names come from images, archives and guests, and may hold what moves a cursor or forges a line: they are escaped here.

mod progress;

pub use progress::{Mode, Progress};

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{Result, Write, stderr, stdout};
use std::os::unix::ffi::OsStrExt;

/// Prints one line on standard error, in one piece, with everything escaped that is not text. It is lost if it cannot be written.
#[macro_export]
macro_rules! complain {
    ($($part:tt)*) => { $crate::error(&format!("{}\n", $crate::line(&format!($($part)*)))) };
}

/// Puts text on standard error as it is, or loses it.
pub fn error(text: &str) {
    let _ = stderr().write_all(text.as_bytes());
}

/// Puts text on standard output as it is, all of it or with an error.
pub fn output(text: &str) -> Result<()> {
    let mut stdout = stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Whether a terminal shows a character as itself: no control character, no end of a line, and nothing that turns the direction of
/// the text around it.
fn is_text(character: char) -> bool {
    !(character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        ))
}

/// Text as one line.
pub fn line(text: &str) -> String {
    if text.chars().all(is_text) {
        return text.to_string();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        push(&mut shown, character);
    }
    shown
}

fn push(shown: &mut String, character: char) {
    if is_text(character) {
        shown.push(character);
    } else if u32::from(character) < 0x80 {
        let _ = write!(shown, "{}", (character as u8).escape_ascii());
    } else {
        let _ = write!(shown, "{}", character.escape_unicode());
    }
}

/// A name or a path as part of a line. Bytes that are no text are shown as `\xNN`.
pub fn shown(name: impl AsRef<OsStr>) -> String {
    let mut shown = String::new();
    for chunk in name.as_ref().as_bytes().utf8_chunks() {
        chunk.valid().chars().for_each(|character| push(&mut shown, character));
        let _ = write!(shown, "{}", chunk.invalid().escape_ascii());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{line, shown};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn nothing_moves_a_cursor_or_ends_a_line() {
        assert_eq!(line("plain äß ☃ text"), "plain äß ☃ text");
        assert_eq!(line("a\x1b[2Jb\nc\rd\te\x07\x7f"), "a\\x1b[2Jb\\nc\\rd\\te\\x07\\x7f");
        assert_eq!(line("c1\u{9b}31m \u{202e}gpj.exe"), "c1\\u{9b}31m \\u{202e}gpj.exe");
    }

    #[test]
    fn bytes_that_are_no_text_are_told() {
        let name = OsStr::from_bytes(b"ok-\xff\xc3(\xe2\x80\xae\n\xc3\xa4");
        assert_eq!(shown(name), "ok-\\xff\\xc3(\\u{202e}\\n\u{e4}");
    }
}
