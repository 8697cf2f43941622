//! Strings that carry any bytes. Names of files, arguments and variables are bytes on Linux, and usually UTF-8. A byte that is no
//! part of a UTF-8 character becomes a lone surrogate, U+DC80 for 0x80 to U+DCFF for 0xFF, and that surrogate becomes the byte
//! again: Python does the same (PEP 383). Other lone surrogates have no bytes and become U+FFFD, as `TextEncoder` makes them.
//!
//! The engine takes and gives strings as UTF-8 in which a lone surrogate is a sequence of three bytes (WTF-8).

use rquickjs::{Ctx, FromJs, IntoJs, Result, String as JsString, Value};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The first of the two or three bytes of WTF-8 for U+D000 to U+DFFF.
const LEAD: u8 = 0xed;

/// Bytes as the engine takes them.
fn to_engine(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.extend(chunk.valid().as_bytes());
        for byte in chunk.invalid() {
            // The last six bits, below U+DC80 and U+DCC0.
            text.extend([LEAD, 0xb0 | (byte >> 6), 0x80 | (byte & 0x3f)]);
        }
    }
    text
}

/// What the engine gives as bytes.
fn from_engine(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == LEAD) {
        bytes.extend(&rest[..at]);
        let character = &rest[at..rest.len().min(at + 3)];
        match *character {
            [_, second @ 0xb2..=0xb3, third] => bytes.push((second << 6) | (third & 0x3f)),
            [_, 0xa0..=0xbf, _] => bytes.extend("\u{fffd}".as_bytes()),
            _ => bytes.extend(character),
        }
        rest = &rest[at + character.len()..];
    }
    bytes.extend(rest);
    bytes
}

/// A string of JavaScript as bytes.
pub struct Text(pub Vec<u8>);

impl Text {
    /// The same bytes as a string of the standard library.
    pub fn os(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// The same bytes as a path.
    pub fn path(&self) -> &Path {
        Path::new(self.os())
    }
}

impl AsRef<Path> for Text {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

impl From<OsString> for Text {
    fn from(text: OsString) -> Text {
        Text(text.into_vec())
    }
}

impl From<PathBuf> for Text {
    fn from(path: PathBuf) -> Text {
        path.into_os_string().into()
    }
}

/// What the engine gives for a string: UTF-8 but for lone surrogates, so not a `str`.
pub fn bytes_of<'a>(text: &'a rquickjs::CString<'_>) -> &'a [u8] {
    // SAFETY: the engine gives a pointer to so many bytes, which live as long as `text`.
    unsafe { std::slice::from_raw_parts(text.as_ptr().cast::<u8>(), text.len()) }
}

impl<'js> FromJs<'js> for Text {
    fn from_js(_: &Ctx<'js>, value: Value<'js>) -> Result<Text> {
        let kind = value.type_name();
        let string = value
            .into_string()
            .ok_or(rquickjs::Error::new_from_js(kind, "string"))?;
        let text = string.to_cstring()?;
        Ok(Text(from_engine(bytes_of(&text))))
    }
}

impl<'js> IntoJs<'js> for Text {
    fn into_js(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        if let Ok(text) = std::str::from_utf8(&self.0) {
            return Ok(JsString::from_str(ctx.clone(), text)?.into_value());
        }
        let text = to_engine(&self.0);
        // SAFETY: the engine reads so many bytes and decodes WTF-8 as it decodes UTF-8; the value is checked and then owned.
        unsafe {
            let raw = rquickjs::qjs::JS_NewStringLen(ctx.as_raw().as_ptr(), text.as_ptr().cast(), text.len() as _);
            if rquickjs::qjs::JS_IsException(raw) {
                return Err(rquickjs::Error::Exception);
            }
            Ok(Value::from_raw(ctx.clone(), raw))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Text, from_engine, to_engine};
    use rquickjs::{Context, Function, Runtime};

    /// Numbers that look random and are the same each time.
    fn numbers(mut state: u64) -> impl Iterator<Item = u64> {
        std::iter::from_fn(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Some(state)
        })
    }

    /// Bytes of which many are parts of characters, surrogates among them.
    fn samples() -> impl Iterator<Item = Vec<u8>> {
        let parts: [&[u8]; 12] = [
            b"a",
            b"/",
            "ä".as_bytes(),
            "€".as_bytes(),
            "😀".as_bytes(),
            b"\x80",
            b"\xff",
            b"\xed\xb2\x80",
            b"\xed\xa0\x80",
            b"\xed",
            b"\xe2\x82",
            b"\xf0\x9f\x98",
        ];
        let mut random = numbers(0x5eed_cafe_f00d_1234);
        (0..20_000).map(move |round| {
            let length = random.next().unwrap() % 9;
            (0..length)
                .flat_map(|_| {
                    let number = random.next().unwrap();
                    if round % 2 == 0 {
                        vec![number as u8]
                    } else {
                        parts[number as usize % parts.len()].to_vec()
                    }
                })
                .collect()
        })
    }

    #[test]
    fn any_bytes_come_back() {
        for bytes in samples() {
            assert_eq!(from_engine(&to_engine(&bytes)), bytes, "{bytes:02x?}");
        }
    }

    #[test]
    fn any_bytes_come_back_through_the_engine_with_the_characters_of_pep_383() {
        let runtime = Runtime::new().unwrap();
        Context::full(&runtime).unwrap().with(|ctx| {
            let echo = Function::new(ctx.clone(), |text: Text| text).unwrap();
            ctx.globals().set("echo", echo).unwrap();
            let units: Function = ctx
                .eval("(text) => Array.from({ length: text.length }, (_, index) => echo(text).charCodeAt(index))")
                .unwrap();
            for bytes in samples().take(4000) {
                let expected: Vec<u32> = bytes
                    .utf8_chunks()
                    .flat_map(|chunk| {
                        let valid: Vec<u16> = chunk.valid().encode_utf16().collect();
                        let invalid = chunk.invalid().iter().map(|byte| 0xdc00 + u32::from(*byte));
                        valid.into_iter().map(u32::from).chain(invalid).collect::<Vec<_>>()
                    })
                    .collect();
                assert_eq!(
                    units.call::<_, Vec<u32>>((Text(bytes.clone()),)).unwrap(),
                    expected,
                    "{bytes:02x?}"
                );
            }
        });
    }

    #[test]
    fn a_surrogate_without_a_byte_becomes_the_replacement_character() {
        let runtime = Runtime::new().unwrap();
        Context::full(&runtime).unwrap().with(|ctx| {
            let text: Text = ctx.eval(r"'a\ud800b\udc7fc\udd00d\udc80e\udcffé'").unwrap();
            assert_eq!(
                text.0,
                [
                    b"a\xef\xbf\xbdb\xef\xbf\xbdc\xef\xbf\xbdd\x80e\xff".as_slice(),
                    "é".as_bytes()
                ]
                .concat()
            );
        });
    }
}
