//! What takes too long byte by byte in JavaScript: text and comparison.

use super::exports;
use crate::bytes::{Bytes, buffer};
use crate::text::{Text, bytes_of};
use rquickjs::{Coerced, Ctx, Result, String as JsString, Value};

exports! {
    "encode" => encode,
    "decode" => decode,
    "fromName" => from_name,
    "toName" => to_name,
    "fromLatin1" => from_latin1,
    "toLatin1" => to_latin1,
    "equal" => equal,
}

fn encode<'js>(ctx: Ctx<'js>, text: Coerced<JsString<'js>>) -> Result<Value<'js>> {
    let text = text.0.to_cstring()?;
    let bytes = bytes_of(&text);
    // A lone surrogate stands there as three bytes, each of which is no part of a character.
    let valid = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.to_vec(),
        Err(_) => replace_surrogates(bytes),
    };
    buffer(&ctx, valid)
}

/// WTF-8 as UTF-8, with U+FFFD for each lone surrogate.
fn replace_surrogates(text: &[u8]) -> Vec<u8> {
    let mut valid = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] == 0xed && text.get(at + 1).is_some_and(|second| *second >= 0xa0) {
            valid.extend("\u{fffd}".as_bytes());
            at += 3;
        } else {
            valid.push(text[at]);
            at += 1;
        }
    }
    valid
}

/// Text of UTF-8; if it is none, nothing (`fatal`), or text with replacement characters.
fn decode<'js>(ctx: Ctx<'js>, bytes: Bytes<'js>, fatal: bool) -> Result<Value<'js>> {
    match std::str::from_utf8(bytes.get()) {
        Ok(text) => Ok(JsString::from_str(ctx, text)?.into_value()),
        Err(_) if fatal => Ok(Value::new_undefined(ctx)),
        Err(_) => Ok(JsString::from_str(ctx, &String::from_utf8_lossy(bytes.get()))?.into_value()),
    }
}

fn from_name<'js>(ctx: Ctx<'js>, name: Text) -> Result<Value<'js>> {
    buffer(&ctx, name.0)
}

fn to_name(bytes: Bytes<'_>) -> Text {
    Text(bytes.get().to_vec())
}

/// The bytes of a string in which each character stands for one; higher bits of a character are lost.
fn from_latin1<'js>(ctx: Ctx<'js>, text: Coerced<String>) -> Result<Value<'js>> {
    buffer(&ctx, text.0.chars().map(|character| character as u8).collect())
}

fn to_latin1(bytes: Bytes<'_>) -> String {
    bytes.get().iter().map(|byte| char::from(*byte)).collect()
}

fn equal(left: Bytes<'_>, right: Bytes<'_>) -> bool {
    left.get() == right.get()
}

#[cfg(test)]
mod tests {
    use super::replace_surrogates;

    #[test]
    fn lone_surrogates_are_replaced_and_characters_are_not() {
        let text = [b"a\xed\xa0\x80".as_slice(), "퟿€".as_bytes(), b"\xed\xbf\xbf"].concat();
        assert_eq!(
            String::from_utf8(replace_surrogates(&text)).unwrap(),
            "a\u{fffd}퟿€\u{fffd}"
        );
    }
}
