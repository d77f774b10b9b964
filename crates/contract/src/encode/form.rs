//! Forms as PHP's `http_build_query` writes them (RFC 1738).
//!
//! Spaces are `+`, brackets `%5B%5D`, booleans 1 and 0; null and empty lists are left out.

use super::out::Out;
use crate::render::RenderError;
use crate::tree::Tree;

pub fn write(tree: &Tree, out: &mut Out) -> Result<(), RenderError> {
    match tree {
        Tree::Map(_) | Tree::List(_) => node(tree, None, out),
        _ => return Err(RenderError::Body("a form's body must be an object".to_owned())),
    }
    Ok(())
}

/// `name` is escaped already: a name that many values share is escaped once.
fn node(tree: &Tree, name: Option<&str>, out: &mut Out) {
    if out.is_full() {
        return;
    }
    match tree {
        Tree::Null | Tree::Raw(_) => {}
        Tree::Bool(value) => pair(name, if *value { "1" } else { "0" }, out),
        Tree::Number(text) => pair(name, &number(text), out),
        Tree::Text(text) => pair(name, text, out),
        Tree::List(items) => {
            for (n, item) in items.iter().enumerate() {
                // Before the name is made, which may be long.
                if out.is_full() {
                    return;
                }
                node(item, Some(&nested(name, &n.to_string())), out);
            }
        }
        Tree::Map(pairs) => {
            for (key, value) in pairs {
                if out.is_full() {
                    return;
                }
                node(value, Some(&nested(name, key)), out);
            }
        }
    }
}

fn nested(name: Option<&str>, key: &str) -> String {
    let key = escape(key);
    name.map_or(key.clone(), |name| format!("{name}%5B{key}%5D"))
}

fn pair(name: Option<&str>, value: &str, out: &mut Out) {
    if !out.is_empty() {
        out.bytes(b"&");
    }
    out.text(name.unwrap_or_default());
    out.bytes(b"=");
    out.text(&escape(value));
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
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
    out
}

/// Integers as they are, however long; floats with 14 significant digits, as PHP's `precision` has
/// them (PHP 8.2's `http_build_query` does not use `serialize_precision`): an exponent when large or
/// small, no `.0`.
fn number(text: &str) -> String {
    if !text.contains(['.', 'e', 'E']) {
        return if text == "-0" { "0".to_owned() } else { text.to_owned() };
    }
    let Ok(value) = text.parse::<f64>() else { return text.to_owned() };
    if value.is_infinite() {
        return if value < 0.0 { "-INF" } else { "INF" }.to_owned();
    }
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
            ("1.5", "1.5"),
            ("0.30000000000000004", "0.3"),
            ("3.141592653589793", "3.1415926535898"),
            ("123456.789012345678", "123456.78901235"),
            ("1000000000000000.0", "1.0E+15"),
            ("100000000000000.0", "1.0E+14"),
            ("1e25", "1.0E+25"),
            ("0.0001", "0.0001"),
            ("0.00001", "1.0E-5"),
            ("1.0", "1"),
            ("-0.0", "-0"),
            ("-0", "0"),
            ("1.50", "1.5"),
            ("0.1", "0.1"),
            ("1e400", "INF"),
            ("20", "20"),
            // PHP would round it; digits that are an id must not change.
            ("12345678901234567890", "12345678901234567890"),
        ];
        for (json, php) in cases {
            assert_eq!(number(json), php, "{json}");
        }
    }

    /// A list's items share its name; the output's limit must hold while they are written.
    #[test]
    fn a_long_name_shared_by_many_ends_at_the_limit() {
        let tree = Tree::Map(vec![("k".repeat(1 << 20), Tree::List(vec![Tree::Bool(true); 100_000]))]);
        let mut out = Out::default();
        write(&tree, &mut out).unwrap();
        assert_eq!(out.finish(), Err(RenderError::TooLarge));
    }
}
