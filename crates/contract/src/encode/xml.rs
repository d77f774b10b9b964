//! XML as Ruby on Rails' ActiveSupport writes a hash with `to_xml`.

use crate::tree::Tree;
use bytes::Bytes;

pub fn encode(tree: &Tree) -> Bytes {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    write(tree, if matches!(tree, Tree::List(_)) { "objects" } else { "hash" }, 0, &mut out);
    Bytes::from(out)
}

fn write(tree: &Tree, name: &str, depth: usize, out: &mut String) {
    let tag = escape(&name.replace('_', "-"));
    indent(depth, out);
    match tree {
        Tree::Null | Tree::Raw(_) => line(out, &format!("<{tag} nil=\"true\"/>")),
        Tree::Bool(value) => line(out, &format!("<{tag} type=\"boolean\">{value}</{tag}>")),
        Tree::Number(text) => {
            let kind = if text.contains(['.', 'e', 'E']) { "float" } else { "integer" };
            line(out, &format!("<{tag} type=\"{kind}\">{text}</{tag}>"));
        }
        Tree::Text(text) => line(out, &format!("<{tag}>{}</{tag}>", escape(text))),
        Tree::List(items) if items.is_empty() => line(out, &format!("<{tag} type=\"array\"/>")),
        Tree::List(items) => {
            line(out, &format!("<{tag} type=\"array\">"));
            let child = singular(name);
            items.iter().for_each(|item| write(item, &child, depth + 1, out));
            close(&tag, depth, out);
        }
        Tree::Map(pairs) => {
            line(out, &format!("<{tag}>"));
            pairs.iter().for_each(|(key, value)| write(value, key, depth + 1, out));
            close(&tag, depth, out);
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn close(tag: &str, depth: usize, out: &mut String) {
    indent(depth, out);
    line(out, &format!("</{tag}>"));
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Markup escaped; control characters that XML can't hold become `*`, as Builder does it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('*'),
            c => out.push(c),
        }
    }
    out
}

/// The name of one of a list's items, by the common English rules.
fn singular(plural: &str) -> String {
    const IRREGULAR: &[(&str, &str)] = &[
        ("people", "person"),
        ("children", "child"),
        ("men", "man"),
        ("data", "datum"),
        ("media", "medium"),
        ("mice", "mouse"),
    ];
    const UNCOUNTABLE: &[&str] = &["equipment", "information", "money", "species", "series", "news", "status"];
    if UNCOUNTABLE.contains(&plural) {
        return plural.to_owned();
    }
    if let Some((stem, one)) = IRREGULAR.iter().find_map(|(many, one)| Some((plural.strip_suffix(many)?, one))) {
        return format!("{stem}{one}");
    }
    let es = ["sses", "shes", "ches", "xes", "statuses", "aliases", "buses"];
    if let Some(stem) = plural.strip_suffix("ies").filter(|stem| !stem.is_empty() && !stem.ends_with("mov")) {
        format!("{stem}y")
    } else if es.iter().any(|ending| plural.ends_with(ending)) {
        plural[..plural.len() - 2].to_owned()
    } else {
        plural.strip_suffix('s').filter(|stem| !stem.ends_with('s')).unwrap_or(plural).to_owned()
    }
}
