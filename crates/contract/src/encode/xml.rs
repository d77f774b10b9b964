//! XML as Ruby on Rails' ActiveSupport writes a hash with `to_xml`.

use super::out::Out;
use super::singular::singular;
use crate::tree::Tree;

pub fn write(tree: &Tree, out: &mut Out) {
    out.text("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    node(tree, root(tree), 0, out);
}

/// A list is named by the class of its items where they have one in common.
fn root(tree: &Tree) -> &'static str {
    let Tree::List(items) = tree else { return "hash" };
    let class = |item: &Tree| match item {
        Tree::Text(_) => "strings",
        Tree::Number(text) if is_float(text) => "floats",
        Tree::Number(_) => "integers",
        Tree::List(_) => "arrays",
        Tree::Bool(true) => "true-classes",
        Tree::Bool(false) => "false-classes",
        Tree::Null | Tree::Raw(_) => "nil-classes",
        Tree::Map(_) => "objects",
    };
    let Some(first) = items.first().map(class) else { return "nil-classes" };
    if items.iter().all(|item| class(item) == first) { first } else { "objects" }
}

fn node(tree: &Tree, name: &str, depth: usize, out: &mut Out) {
    if out.is_full() {
        return;
    }
    let name = dasherize(name);
    indent(depth, out);
    match tree {
        Tree::Null | Tree::Raw(_) => parts(&["<", &name, " nil=\"true\"/>\n"], out),
        Tree::Bool(value) => {
            let text = if *value { "true" } else { "false" };
            parts(&["<", &name, " type=\"boolean\">", text, "</", &name, ">\n"], out);
        }
        Tree::Number(text) if is_float(text) => {
            parts(&["<", &name, " type=\"float\">", &float(text), "</", &name, ">\n"], out);
        }
        Tree::Number(text) => {
            let text = if text == "-0" { "0" } else { text };
            parts(&["<", &name, " type=\"integer\">", text, "</", &name, ">\n"], out);
        }
        Tree::Text(text) => parts(&["<", &name, ">", &escape(text), "</", &name, ">\n"], out),
        Tree::List(items) if items.is_empty() => parts(&["<", &name, " type=\"array\"/>\n"], out),
        Tree::List(items) => {
            parts(&["<", &name, " type=\"array\">\n"], out);
            let child = singular(&name);
            items.iter().for_each(|item| node(item, &child, depth + 1, out));
            indent(depth, out);
            parts(&["</", &name, ">\n"], out);
        }
        Tree::Map(pairs) => {
            parts(&["<", &name, ">\n"], out);
            pairs.iter().for_each(|(key, value)| node(value, key, depth + 1, out));
            indent(depth, out);
            parts(&["</", &name, ">\n"], out);
        }
    }
}

fn parts(parts: &[&str], out: &mut Out) {
    parts.iter().for_each(|part| out.text(part));
}

fn indent(depth: usize, out: &mut Out) {
    (0..depth).for_each(|_| out.text("  "));
}

/// `a_b` is `a-b`; underscores around a name stay. What no name in XML may hold becomes `_`, so that a key
/// can't write markup, and one comes before what no name may begin with, so that any parser reads it. (Rails
/// writes both as they are, and nobody reads them.)
fn dasherize(key: &str) -> String {
    let key = key.trim();
    let middle = key.trim_matches('_');
    let left = key.len() - key.trim_start_matches('_').len();
    let right = if middle.is_empty() { 0 } else { key.len() - key.trim_end_matches('_').len() };
    let middle = middle.chars().map(|c| if matches!(c, '_' | ' ') { '-' } else { c });
    let middle: String = middle.map(|c| if may_follow(c) { c } else { '_' }).collect();
    let name = format!("{}{middle}{}", "_".repeat(left), "_".repeat(right));
    if name.starts_with(may_begin) { name } else { format!("_{name}") }
}

/// A name's first character, by XML 1.0; but for `:`, which would need a namespace.
fn may_begin(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// One of its others.
fn may_follow(c: char) -> bool {
    may_begin(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// Markup escaped; characters that XML can't hold become U+FFFD, as Ruby's Builder does it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

fn is_float(text: &str) -> bool {
    text.contains(['.', 'e', 'E'])
}

/// As Ruby prints a float: the shortest digits, an exponent of two digits below 0.0001 and from 1e16.
fn float(text: &str) -> String {
    let value: f64 = text.parse().unwrap_or(f64::INFINITY);
    if value.is_infinite() {
        return if text.starts_with('-') { "-Infinity" } else { "Infinity" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return format!("{value:?}");
    }
    let digits = if digits.contains('.') { digits.to_owned() } else { format!("{digits}.0") };
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(json: &str) -> String {
        let mut out = Out::default();
        write(&crate::scan::tree(json.as_bytes()).unwrap(), &mut out);
        let text = String::from_utf8(out.finish().unwrap().to_vec()).unwrap();
        text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap().to_owned()
    }

    #[test]
    fn lists_of_scalars_and_lists_name_their_items_in_the_singular() {
        let tags = "<hash>\n  <tags type=\"array\">\n    <tag>x</tag>\n    <tag type=\"integer\">1</tag>\n    \
                    <tag nil=\"true\"/>\n  </tags>\n</hash>\n";
        assert_eq!(xml(r#"{"tags":["x",1,null]}"#), tags);
        let rows = "<hash>\n  <rows type=\"array\">\n    <row type=\"array\">\n      <row type=\"boolean\">true</row>\n    \
                    </row>\n  </rows>\n</hash>\n";
        assert_eq!(xml(r#"{"rows":[[true]]}"#), rows);
        assert_eq!(xml(r#"["a"]"#), "<strings type=\"array\">\n  <string>a</string>\n</strings>\n");
        assert_eq!(xml(r#"[{}]"#), "<objects type=\"array\">\n  <object>\n  </object>\n</objects>\n");
        assert_eq!(xml("[]"), "<nil-classes type=\"array\"/>\n");
    }

    #[test]
    fn names_and_texts_can_hold_no_markup() {
        assert_eq!(xml(r#"{"_a_b_":""}"#), "<hash>\n  <_a-b_></_a-b_>\n</hash>\n");
        assert_eq!(xml(r#"{"a b":"<&>\u0001\""}"#), "<hash>\n  <a-b>&lt;&amp;&gt;\u{fffd}\"</a-b>\n</hash>\n");
        assert_eq!(xml(r#"{"a><b":1}"#), "<hash>\n  <a__b type=\"integer\">1</a__b>\n</hash>\n");
    }

    #[test]
    fn floats_are_written_as_ruby_writes_them() {
        for (json, ruby) in [
            ("1.50", "1.5"),
            ("1.0", "1.0"),
            ("1e3", "1000.0"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1.0e+16"),
            ("1.25e25", "1.25e+25"),
            ("0.0001", "0.0001"),
            ("0.00001", "1.0e-05"),
            ("-0.0", "-0.0"),
        ] {
            assert_eq!(float(json), ruby, "{json}");
        }
    }
}
