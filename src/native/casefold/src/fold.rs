//! Which names are the same when case is ignored.

use std::borrow::Cow;

use crate::table::RUNS;

/// The form of a name that is equal for all names that differ only in case.
///
/// Characters are folded one by one (Unicode's simple case folding), so `ß` and `SS` stay apart, and so do the composed and
/// the decomposed form of a letter. A name that is not UTF-8 has no characters and stays as it is.
pub(crate) fn fold(name: &[u8]) -> Cow<'_, [u8]> {
    if name.is_ascii() {
        return match name.iter().any(u8::is_ascii_uppercase) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
    }
    match std::str::from_utf8(name) {
        Ok(text) => Cow::Owned(text.chars().map(fold_character).collect::<String>().into_bytes()),
        Err(_) => Cow::Borrowed(name),
    }
}

fn fold_character(character: char) -> char {
    let code = u32::from(character);
    let position = RUNS.partition_point(|run| run.last < code);
    match RUNS.get(position) {
        Some(run) if run.first <= code && (code - run.first).is_multiple_of(run.step) => code
            .checked_add_signed(run.difference)
            .and_then(char::from_u32)
            .unwrap_or(character),
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::{fold, fold_character};

    fn same(one: &str, other: &str) -> bool {
        fold(one.as_bytes()) == fold(other.as_bytes())
    }

    #[test]
    fn every_character_folds_as_in_the_table_of_others() {
        for character in '\0'..=char::MAX {
            let expected = unicode_case_mapping::case_folded(character).map_or(u32::from(character), u32::from);
            assert_eq!(u32::from(fold_character(character)), expected, "{character:?}");
        }
    }

    #[test]
    fn samples_of_the_standard() {
        assert!(same("Program Files", "pROGRAM fILES"));
        assert!(same("ß", "ẞ"), "class S");
        assert!(!same("ß", "ss") && !same("ẞ", "SS"), "class F is not simple");
        assert!(same("Σ", "σ") && same("σ", "ς"), "all three sigmas");
        assert!(same("\u{212a}", "k") && same("\u{212a}", "K"), "the Kelvin sign");
        assert!(same("\u{212b}", "å"), "the Angstrom sign");
        assert!(!same("İ", "i") && !same("İ", "i\u{307}"), "class T and F");
        assert!(!same("I", "ı"), "not Turkish");
        assert!(same("Ǆ", "ǅ") && same("ǅ", "ǆ"), "titlecase");
        assert!(
            same("ᲀ", "в") && same("Ꭰ", "Ꭰ") && same("ꭰ", "Ꭰ"),
            "Cyrillic and Cherokee"
        );
        assert!(same("𐐀", "𐐨") && same("𞤀", "𞤢"), "beyond the basic plane");
    }

    #[test]
    fn composed_and_decomposed_letters_are_apart() {
        assert!(!same("é", "e\u{301}"));
        assert!(same("É", "é") && same("E\u{301}", "e\u{301}"));
    }

    #[test]
    fn names_that_are_not_text_are_compared_byte_by_byte() {
        assert_ne!(fold(b"A\xff"), fold(b"a\xff"));
        assert_eq!(fold(b"A\xff"), &b"A\xff"[..]);
        // A surrogate and an overlong form are no UTF-8 either.
        assert_ne!(fold(b"A\xed\xa0\x80"), fold(b"a\xed\xa0\x80"));
        assert_ne!(fold(b"A\xc0\x80"), fold(b"a\xc0\x80"));
    }
}
