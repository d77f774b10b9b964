//! Compact JSON with parts of the payload spliced in as they came.

use super::out::Out;
use crate::tree::Tree;

pub fn write(tree: &Tree, out: &mut Out) {
    if out.is_full() {
        return;
    }
    match tree {
        Tree::Null => out.bytes(b"null"),
        Tree::Bool(value) => out.bytes(if *value { b"true" } else { b"false" }),
        Tree::Number(text) => out.text(text),
        Tree::Text(text) => write_text(text, out),
        Tree::Raw(raw) => out.bytes(raw),
        Tree::List(items) => {
            out.bytes(b"[");
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.bytes(b",");
                }
                write(item, out);
            }
            out.bytes(b"]");
        }
        Tree::Map(pairs) => {
            out.bytes(b"{");
            for (n, (key, value)) in pairs.iter().enumerate() {
                if n > 0 {
                    out.bytes(b",");
                }
                write_text(key, out);
                out.bytes(b":");
                write(value, out);
            }
            out.bytes(b"}");
        }
    }
}

/// With the escapes of `JSON.stringify`, which writes all other characters as they are.
pub fn write_text(text: &str, out: &mut Out) {
    out.bytes(b"\"");
    escape(text.as_bytes(), out);
    out.bytes(b"\"");
}

/// What stands between the quotes.
pub fn escape(text: &[u8], out: &mut Out) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\')) {
        out.bytes(&rest[..at]);
        match rest[at] {
            b'"' => out.bytes(b"\\\""),
            b'\\' => out.bytes(b"\\\\"),
            0x8 => out.bytes(b"\\b"),
            0xc => out.bytes(b"\\f"),
            b'\n' => out.bytes(b"\\n"),
            b'\r' => out.bytes(b"\\r"),
            b'\t' => out.bytes(b"\\t"),
            byte => out.text(&format!("\\u{byte:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.bytes(rest);
}
