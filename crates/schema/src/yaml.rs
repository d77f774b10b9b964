//! YAML, which people write by hand, read as JSON, which the rest of us works on.
//!
//! This is YAML 1.2: `no` and `on` are texts, and numbers keep all their digits. Anchors, aliases and merge
//! keys (`<<`) are followed. What JSON can't hold is refused: tags of somebody's own, keys that are lists or
//! maps, the same key twice, several documents.
//!
//! A small text can't become a large value: aliases copy a limited number of bytes, and values and levels
//! are counted with what aliases bring.

use granit_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Levels, as many as a JSON body may have.
const DEEPEST: usize = 128;
/// Values in one text.
const MOST_VALUES: usize = 1_000_000;
/// Bytes that are kept for aliases or copied by them, as [`Size`] counts them.
const MOST_COPIED: usize = 32 << 20;
/// What a value takes besides its text.
const VALUE_BYTES: usize = 64;

/// Reads one document.
///
/// # Errors
/// The first mistake, with its line.
pub fn parse(text: &str) -> Result<Value, String> {
    // A comment is nobody's value, and the parser keeps few of them.
    let options = granit_parser::options! { emit_comments: false };
    let mut reader = Reader::default();
    for step in Parser::new_from_str_with_options(text, options) {
        let (event, span) = step.map_err(|error| at(error.marker().line(), &error.info()))?;
        reader.take(event).map_err(|problem| at(span.start.line(), &problem))?;
    }
    reader.done.ok_or_else(|| "there is nothing in it".to_owned())
}

fn at(line: usize, problem: &str) -> String {
    format!("line {line}: {problem}")
}

/// Builds values from the parser's events.
#[derive(Default)]
struct Reader {
    /// Lists and maps whose end has not come yet, from the outside in.
    open: Vec<Open>,
    anchors: BTreeMap<usize, Value>,
    spent: Spent,
    done: Option<Value>,
}

struct Open {
    anchor: Option<usize>,
    so_far: SoFar,
}

enum SoFar {
    List(Vec<Value>),
    Map {
        entries: Map<String, Value>,
        /// The key whose value comes next.
        key: Option<Key>,
        /// What stood at `<<`.
        merged: Vec<Value>,
    },
}

enum Key {
    Name(String),
    Merge,
}

impl Reader {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        let anchor = event.anchor_id();
        match event {
            Event::DocumentStart(..) if self.done.is_some() => {
                Err("a second document begins here; give one alone".to_owned())
            }
            Event::Scalar(text, style, _, tag) => self.scalar(text, style, tag.as_deref(), anchor),
            Event::SequenceStart(_, _, tag) => self.begin(SoFar::List(Vec::new()), tag.as_deref(), anchor),
            Event::MappingStart(_, _, tag) => {
                let map = SoFar::Map { entries: Map::new(), key: None, merged: Vec::new() };
                self.begin(map, tag.as_deref(), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor),
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        anchor: Option<usize>,
    ) -> Result<(), String> {
        let is_plain = match tag {
            None => style == ScalarStyle::Plain,
            Some(tag) => match tag.core_suffix() {
                Some("str") => false,
                Some("null" | "bool" | "int" | "float") => true,
                _ => return Err(unknown(tag)),
            },
        };
        if self.is_at_key() {
            if let Some(anchor) = anchor {
                self.remember(anchor, &Value::String(text.to_string()))?;
            }
            let is_merge = is_plain && text == "<<";
            return self.key(if is_merge { Key::Merge } else { Key::Name(text.into_owned()) });
        }
        self.spent.values(1)?;
        self.put(if is_plain { plain(text) } else { Value::String(text.into_owned()) }, anchor)
    }

    fn begin(&mut self, so_far: SoFar, tag: Option<&Tag>, anchor: Option<usize>) -> Result<(), String> {
        if let Some(tag) = tag.filter(|tag| !matches!(tag.core_suffix(), Some("map" | "seq"))) {
            return Err(unknown(tag));
        }
        if self.open.len() >= DEEPEST {
            return Err(too_deep());
        }
        self.spent.values(1)?;
        self.open.push(Open { anchor, so_far });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(Open { anchor, so_far }) = self.open.pop() else { return Ok(()) };
        let value = match so_far {
            SoFar::List(items) => Value::Array(items),
            SoFar::Map { entries, merged, .. } => Value::Object(merge(entries, merged)?),
        };
        self.put(value, anchor)
    }

    fn alias(&mut self, anchor: usize) -> Result<(), String> {
        let Some(value) = self.anchors.get(&anchor) else {
            return Err("an alias stands within what it is an alias of, which would never end".to_owned());
        };
        let size = Size::of(value);
        if self.open.len() + size.levels > DEEPEST {
            return Err(too_deep());
        }
        self.spent.values(size.values)?;
        self.spent.copied(size.bytes)?;
        let value = value.clone();
        self.put(value, None)
    }

    fn is_at_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { so_far: SoFar::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, name: Key) -> Result<(), String> {
        if let Some(Open { so_far: SoFar::Map { entries, key, .. }, .. }) = self.open.last_mut() {
            if let Key::Name(name) = &name
                && entries.contains_key(name)
            {
                return Err(format!("the key {name:?} stands twice in the same map"));
            }
            *key = Some(name);
        }
        Ok(())
    }

    /// Puts a value where it belongs.
    fn put(&mut self, value: Value, anchor: Option<usize>) -> Result<(), String> {
        if let Some(anchor) = anchor {
            self.remember(anchor, &value)?;
        }
        match self.open.last_mut().map(|open| &mut open.so_far) {
            None => self.done = Some(value),
            Some(SoFar::List(items)) => items.push(value),
            Some(SoFar::Map { entries, key, merged }) => match key.take() {
                Some(Key::Name(name)) => drop(entries.insert(name, value)),
                Some(Key::Merge) => merged.push(value),
                None => return Err("a key must be a text that stands there itself".to_owned()),
            },
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, value: &Value) -> Result<(), String> {
        self.spent.copied(Size::of(value).bytes)?;
        self.anchors.insert(anchor, value.clone());
        Ok(())
    }
}

fn unknown(tag: &Tag) -> String {
    format!("the tag {} means nothing here; leave it out", tag.original())
}

fn too_deep() -> String {
    format!("nests deeper than {DEEPEST} levels")
}

/// A map with what stood at `<<`: its own keys win, and then the maps that were named first.
fn merge(mut entries: Map<String, Value>, merged: Vec<Value>) -> Result<Map<String, Value>, String> {
    let maps = merged.into_iter().flat_map(|value| match value {
        Value::Array(list) => list,
        other => vec![other],
    });
    for map in maps {
        let Value::Object(map) = map else { return Err("<< takes a map, or a list of maps".to_owned()) };
        for (key, value) in map {
            entries.entry(key).or_insert(value);
        }
    }
    Ok(entries)
}

/// What a text without quotes means: YAML 1.2's core schema. JSON has no infinities, so they stay texts.
fn plain(text: Cow<'_, str>) -> Value {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        other => match number(other) {
            Some(number) => Value::Number(number),
            None => Value::String(text.into_owned()),
        },
    }
}

/// A number as JSON writes it: YAML may leave out digits before and after the point, and write a `+`.
fn number(text: &str) -> Option<Number> {
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let number = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'));
            return number.map(Number::from);
        }
    }
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (minus, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = !(before.is_empty() && after.is_empty()) && is_digits(before) && is_digits(after);
    let has_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && is_digits(digits)
    });
    if !is_number || !has_exponent {
        return None;
    }
    let before = before.trim_start_matches('0');
    let mut json = format!("{minus}{}", if before.is_empty() { "0" } else { before });
    if !after.is_empty() {
        json.push('.');
        json.push_str(after);
    }
    if let Some(exponent) = exponent {
        json.push('e');
        json.push_str(exponent);
    }
    json.parse().ok()
}

/// How much a value is.
#[derive(Default)]
struct Size {
    values: usize,
    bytes: usize,
    levels: usize,
}

impl Size {
    fn of(value: &Value) -> Size {
        let mut size = match value {
            Value::String(text) => Size { bytes: text.len(), ..Size::default() },
            Value::Number(number) => Size { bytes: number.to_string().len(), ..Size::default() },
            Value::Array(items) => Size::around(items.iter()),
            Value::Object(map) => {
                let names: usize = map.keys().map(String::len).sum();
                let size = Size::around(map.values());
                Size { bytes: size.bytes + names, ..size }
            }
            Value::Null | Value::Bool(_) => Size::default(),
        };
        size.values += 1;
        size.bytes += VALUE_BYTES;
        size
    }

    /// What is in a list or map, one level up.
    fn around<'a>(parts: impl Iterator<Item = &'a Value>) -> Size {
        let mut all = Size { levels: 1, ..Size::default() };
        for part in parts.map(Size::of) {
            all.values += part.values;
            all.bytes += part.bytes;
            all.levels = all.levels.max(part.levels + 1);
        }
        all
    }
}

/// What was used of the limits.
#[derive(Default)]
struct Spent {
    values: usize,
    copied: usize,
}

impl Spent {
    fn values(&mut self, more: usize) -> Result<(), String> {
        self.values = self.values.saturating_add(more);
        if self.values > MOST_VALUES {
            return Err(format!("holds more than {MOST_VALUES} values"));
        }
        Ok(())
    }

    fn copied(&mut self, more: usize) -> Result<(), String> {
        self.copied = self.copied.saturating_add(more);
        if self.copied > MOST_COPIED {
            return Err(format!("anchors and aliases copy more than {MOST_COPIED} bytes; write out less by them"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        parse(text).unwrap()
    }

    fn wrong(text: &str) -> String {
        parse(text).unwrap_err()
    }

    #[test]
    fn yaml_is_read_as_json() {
        let lines = [
            "# A comment",
            "openapi: 3.1.0",
            "info:",
            "  title: 'A: B' # another",
            "  tags: [a, \"b\\n\"]",
            "empty:",
            "list:",
            "- 1",
            "- x: yes",
            "  y: |",
            "    two",
            "    lines",
            "",
        ];
        let wanted = json!({
            "openapi": "3.1.0", "info": {"title": "A: B", "tags": ["a", "b\n"]}, "empty": null,
            "list": [1, {"x": "yes", "y": "two\nlines\n"}]
        });
        assert_eq!(read(&lines.join("\n")), wanted);
        assert_eq!(read(r#"{"a": {"b": [1, true, null, "x"]}}"#), json!({"a": {"b": [1, true, null, "x"]}}));
        let commented = format!("{}a: 1\n", "# many\n".repeat(1_000));
        assert_eq!(read(&commented), json!({"a": 1}));
    }

    #[test]
    fn plain_texts_are_what_yaml_1_2_says() {
        for (text, wanted) in [
            ("~", "null"),
            ("Null", "null"),
            ("TRUE", "true"),
            ("no", r#""no""#),
            ("'1'", r#""1""#),
            ("2020-01-01", r#""2020-01-01""#),
            ("1.2.3", r#""1.2.3""#),
            (".", r#"".""#),
            ("1e", r#""1e""#),
            ("0x", r#""0x""#),
            (".inf", r#"".inf""#),
            ("007", "7"),
            ("0", "0"),
            ("-12", "-12"),
            ("+12", "12"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1.50", "1.50"),
            ("6.02E+23", "6.02e+23"),
            ("0o17", "15"),
            ("0xFF", "255"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("!!str 1", r#""1""#),
            ("!!int '1'", "1"),
        ] {
            let got = read(&format!("a: {text}"))["a"].to_string();
            assert_eq!(got, wanted, "{text}");
        }
    }

    #[test]
    fn keys_are_texts_as_they_are_written() {
        assert_eq!(read("200: a\ntrue: b\n'x y': c\n~: d"), json!({"200": "a", "true": "b", "x y": "c", "~": "d"}));
        assert_eq!(wrong("a: 1\nb: 2\na: 3"), "line 3: the key \"a\" stands twice in the same map");
        assert!(wrong("? [a, b]\n: 1").contains("a key must be a text"));
    }

    #[test]
    fn aliases_and_merge_keys_are_followed() {
        let maps = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\n";
        let all = read(&format!("{maps}this:\n  <<: [*base, *more]\n  a: 9\nagain: *base\n"));
        assert_eq!(all["this"], json!({"a": 9, "b": 2, "c": 4}));
        assert_eq!(all["again"], json!({"a": 1, "b": 2}));
        assert_eq!(read("&k key: &v 1\nother: *k"), json!({"key": 1, "other": "key"}));
        assert!(wrong("a: 1\nb: {<<: 1}").starts_with("line 2: << takes a map"));
        assert!(wrong("a: &a [1, *a]").contains("would never end"));
        assert!(wrong("a: *nobody").starts_with("line 1: "));
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..40 {
            let aliases = format!("*a{}, ", n - 1).repeat(10);
            bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
        }
        assert!(wrong(&bomb).contains("anchors and aliases copy more than"));
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), "*a, ".repeat(100));
        assert!(wrong(&long).contains("anchors and aliases copy more than"));
        // One within the other: each is copied where it stands.
        let nested = format!("{}x{}", (0..100).map(|n| format!("[&n{n} ")).collect::<String>(), "]".repeat(100));
        assert!(parse(&nested).is_ok());
    }

    #[test]
    fn levels_and_values_are_limited() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&deep(DEEPEST)).is_ok());
        assert_eq!(wrong(&deep(DEEPEST + 1)), "line 1: nests deeper than 128 levels");
        let by_alias = format!("a: &a {}\nb: {}*a{}", deep(100), "[".repeat(50), "]".repeat(50));
        assert_eq!(wrong(&by_alias), "line 2: nests deeper than 128 levels");
        let many = format!("[{}]", "1,".repeat(MOST_VALUES));
        assert!(wrong(&many).contains("holds more than 1000000 values"));
    }

    #[test]
    fn what_json_can_not_hold_is_refused_with_its_line() {
        assert_eq!(wrong("a: 1\nb: !include x.yaml"), "line 2: the tag !include means nothing here; leave it out");
        assert!(wrong("a: !!set {x, y}").contains("means nothing here"));
        assert_eq!(wrong("a: 1\n---\nb: 2"), "line 2: a second document begins here; give one alone");
        assert_eq!(wrong("# nothing"), "there is nothing in it");
        assert!(wrong("a: [1, 2").starts_with("line 1: "));
        assert!(wrong("a: 'no end").starts_with("line "));
    }
}
