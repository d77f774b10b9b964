//! Forms as PHP's `http_build_query` writes them (RFC 1738).
//!
//! Spaces are `+`, brackets `%5B%5D`, booleans 1 and 0; null and empty lists are left out.

use crate::tree::Tree;
use bytes::Bytes;

pub fn encode(tree: &Tree) -> Result<Bytes, String> {
    let mut out = String::new();
    match tree {
        Tree::Map(_) | Tree::List(_) => write(tree, "", &mut out),
        _ => return Err("a form's body must be an object".to_owned()),
    }
    Ok(Bytes::from(out))
}

fn write(tree: &Tree, name: &str, out: &mut String) {
    match tree {
        Tree::Null | Tree::Raw(_) => {}
        Tree::Bool(value) => pair(name, if *value { "1" } else { "0" }, out),
        Tree::Number(text) => pair(name, &number(text), out),
        Tree::Text(text) => pair(name, text, out),
        Tree::List(items) => {
            items.iter().enumerate().for_each(|(n, item)| write(item, &nested(name, &n.to_string()), out))
        }
        Tree::Map(pairs) => pairs.iter().for_each(|(key, value)| write(value, &nested(name, key), out)),
    }
}

fn nested(name: &str, key: &str) -> String {
    if name.is_empty() { key.to_owned() } else { format!("{name}[{key}]") }
}

fn pair(name: &str, value: &str, out: &mut String) {
    if !out.is_empty() {
        out.push('&');
    }
    escape(name, out);
    out.push('=');
    escape(value, out);
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

/// Integers as they are; floats with 14 significant digits, as PHP's `precision` has them: an
/// exponent when large or small, no `.0`.
fn number(text: &str) -> String {
    if !text.contains(['.', 'e', 'E']) {
        return text.to_owned();
    }
    let Ok(value) = text.parse::<f64>() else { return text.to_owned() };
    let scientific = format!("{value:.13e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = digits.trim_end_matches('0');
    if (-4..14).contains(&exponent) {
        let rounded: f64 = format!("{digits}0e{exponent}").parse().unwrap_or(value);
        return format!("{rounded}");
    }
    let digits = if digits.ends_with('.') { format!("{digits}0") } else { digits.to_owned() };
    format!("{digits}E{exponent:+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PHP 8.2 answers for `http_build_query(['a' => …])`.
    #[test]
    fn numbers_are_written_as_php_writes_them() {
        let cases = [
            ("1e14", "1.0E+14"),
            ("123456789012345.0", "1.2345678901234E+14"),
            ("1e25", "1.0E+25"),
            ("0.0001", "0.0001"),
            ("0.00001", "1.0E-5"),
            ("1.0", "1"),
            ("-0.0", "-0"),
            ("1.50", "1.5"),
            ("0.1", "0.1"),
            ("20", "20"),
            ("12345678901234567890", "12345678901234567890"),
        ];
        for (json, php) in cases {
            assert_eq!(number(json), php, "{json}");
        }
    }
}
