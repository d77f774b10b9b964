//! JSON that `JSON.stringify(JSON.parse(body))` leaves as it is.
//!
//! A receiver that verifies the text it made again from what it parsed gets the same bytes: numbers
//! as JavaScript prints them, keys that look like array indexes first, in their order, the last of
//! equal keys at the place of the first, lone surrogates as escapes.

use super::json;
use super::out::Out;
use crate::render::RenderError;
use crate::scan::{self, DEEPEST, Entries, Part, Scanner};
use crate::tree::Tree;

pub fn write(tree: &Tree, out: &mut Out) -> Result<(), RenderError> {
    if out.is_full() {
        return Ok(());
    }
    match tree {
        Tree::Number(text) => number(text.as_bytes(), out),
        Tree::Raw(raw) => again(&mut Scanner::new(raw), 0, out).map_err(RenderError::Body)?,
        Tree::List(items) => {
            out.bytes(b"[");
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.bytes(b",");
                }
                write(item, out)?;
            }
            out.bytes(b"]");
        }
        Tree::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().collect();
            // Stable: other keys keep their order behind the indexes.
            pairs.sort_by_key(|(key, _)| array_index(key.as_bytes()));
            out.bytes(b"{");
            for (n, (key, value)) in pairs.into_iter().enumerate() {
                if n > 0 {
                    out.bytes(b",");
                }
                json::write_text(key, out);
                out.bytes(b":");
                write(value, out)?;
            }
            out.bytes(b"}");
        }
        other => json::write(other, out),
    }
    Ok(())
}

/// Part of the payload, read and written again in one pass.
fn again(scanner: &mut Scanner<'_>, depth: usize, out: &mut Out) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("the payload is nested deeper than {DEEPEST} levels"));
    }
    match scanner.peek() {
        Some(b'"') => text(scanner.quoted()?, out),
        Some(b'[') => {
            scanner.take(b'[');
            out.bytes(b"[");
            if !scanner.take(b']') {
                loop {
                    again(scanner, depth + 1, out)?;
                    if !scanner.more(b']')? {
                        break;
                    }
                    out.bytes(b",");
                }
            }
            out.bytes(b"]");
        }
        Some(b'{') => object(scanner, depth, out)?,
        _ => match scanner.plain() {
            word @ (b"null" | b"true" | b"false") => out.bytes(word),
            digits if digits.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit()) => number(digits, out),
            _ => return Err(scanner.wrong()),
        },
    }
    Ok(())
}

/// Equal keys can be spelled in several ways, so keys are compared as they are written out.
fn object(scanner: &mut Scanner<'_>, depth: usize, out: &mut Out) -> Result<(), String> {
    scanner.take(b'{');
    let mut entries: Entries<Vec<u8>, Vec<u8>> = Entries::default();
    if !scanner.take(b'}') {
        loop {
            let mut key = Out::default();
            text(scanner.quoted()?, &mut key);
            if !scanner.take(b':') {
                return Err(scanner.wrong());
            }
            let mut value = Out::default();
            again(scanner, depth + 1, &mut value)?;
            let written = |out: Out| out.finish().map(Vec::from).map_err(|error| error.to_string());
            entries.insert(written(key)?, written(value)?);
            if !scanner.more(b'}')? {
                break;
            }
        }
    }
    let unquoted = |key: &[u8]| array_index(key.get(1..key.len().saturating_sub(1)).unwrap_or_default());
    entries.list.sort_by_key(|(key, _)| unquoted(key));
    out.bytes(b"{");
    for (n, (key, value)) in entries.list.iter().enumerate() {
        if n > 0 {
            out.bytes(b",");
        }
        out.bytes(key);
        out.bytes(b":");
        out.bytes(value);
    }
    out.bytes(b"}");
    Ok(())
}

fn text(quoted: &[u8], out: &mut Out) {
    out.bytes(b"\"");
    scan::unescape(quoted, |part| match part {
        Part::Bytes(bytes) => json::escape(bytes, out),
        Part::Char(c) => json::escape(c.encode_utf8(&mut [0; 4]).as_bytes(), out),
        Part::Surrogate(unit) => out.text(&format!("\\u{unit:04x}")),
    });
    out.bytes(b"\"");
}

fn number(digits: &[u8], out: &mut Out) {
    let value = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<f64>().ok());
    match value.filter(|value| value.is_finite()) {
        Some(value) => out.text(ryu_js::Buffer::new().format_finite(value)),
        // As JavaScript does with what is too large for it.
        None => out.bytes(b"null"),
    }
}

/// The key as an array index (0 to 2³²-2), as JavaScript defines it; other keys come after all.
fn array_index(key: &[u8]) -> u64 {
    let plain = matches!(key, [b'0'] | [b'1'..=b'9', ..]) && key.len() <= 10 && key.iter().all(u8::is_ascii_digit);
    let index = std::str::from_utf8(key).ok().filter(|_| plain).and_then(|key| key.parse::<u64>().ok());
    index.filter(|index| *index < u64::from(u32::MAX)).unwrap_or(u64::MAX)
}
