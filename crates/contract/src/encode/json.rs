//! Compact JSON with parts of the payload spliced in as they came.

use crate::tree::Tree;
use bytes::Bytes;

pub fn encode(tree: &Tree) -> Bytes {
    let mut out = Vec::new();
    write(tree, &mut out);
    Bytes::from(out)
}

fn write(tree: &Tree, out: &mut Vec<u8>) {
    match tree {
        Tree::Null => out.extend_from_slice(b"null"),
        Tree::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Tree::Number(text) => out.extend_from_slice(text.as_bytes()),
        Tree::Text(text) => write_text(text, out),
        Tree::Raw(raw) => out.extend_from_slice(raw),
        Tree::List(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Tree::Map(pairs) => {
            out.push(b'{');
            for (n, (key, value)) in pairs.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_text(key, out);
                out.push(b':');
                write(value, out);
            }
            out.push(b'}');
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // serde_json escapes as JSON.stringify does; a Vec takes whatever is written.
    let _ = serde_json::to_writer(out, text);
}
