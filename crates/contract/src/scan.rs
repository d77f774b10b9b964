//! JSON text, token by token.
//!
//! The payload is looked at in three ways: level by level ([`level`]), as a tree ([`tree`]) and again
//! as JavaScript would write it (`encode::canonical`). All three read it with this scanner. It is more
//! lenient than a parser of its own would have to be, since what is accepted was checked already, but
//! it never panics and never reads past the end. Unlike `serde_json` it takes lone surrogates
//! (`"\ud800"`), which JSON allows and some senders make.

use crate::tree::Tree;
use bytes::Bytes;
use std::collections::HashMap;

/// Levels of nesting that are read; the caller's limit is 128.
pub const DEEPEST: usize = 200;
/// From so many keys on, a map is quicker than a list.
pub const MANY: usize = 16;

/// A place in a text.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// One level of an object or an array, its values still raw.
pub enum Level {
    /// Neither of them.
    Scalar,
    Object(Vec<(String, Bytes)>),
    Array(Vec<Bytes>),
}

impl<'a> Scanner<'a> {
    pub fn new(bytes: &'a [u8]) -> Scanner<'a> {
        Scanner { bytes, at: 0 }
    }

    /// The next byte that is no white space, without taking it.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes the byte if it is next.
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// After an item: whether another follows, or else the closing byte, which is taken.
    pub fn more(&mut self, close: u8) -> Result<bool, String> {
        if self.take(b',') {
            return Ok(true);
        }
        if self.take(close) { Ok(false) } else { Err(self.wrong()) }
    }

    pub fn wrong(&self) -> String {
        format!("the payload is no JSON at byte {}", self.at)
    }

    /// The text between quotes, its escapes untouched.
    pub fn quoted(&mut self) -> Result<&'a [u8], String> {
        if !self.take(b'"') {
            return Err(self.wrong());
        }
        let start = self.at;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(&self.bytes[start..self.at - 1]);
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = self.bytes.len();
        Err(self.wrong())
    }

    /// A number or a word, up to what ends it.
    pub fn plain(&mut self) -> &'a [u8] {
        self.peek();
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\n' | b'\r'))
            .unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The bytes of a whole value.
    fn value(&mut self) -> Result<&'a [u8], String> {
        let first = self.peek();
        let start = self.at;
        match first {
            Some(b'"') => {
                self.quoted()?;
            }
            Some(b'{' | b'[') => self.nested()?,
            _ => {
                if self.plain().is_empty() {
                    return Err(self.wrong());
                }
            }
        }
        Ok(&self.bytes[start..self.at])
    }

    /// Passes an object or an array, counting brackets: no recursion, however deep it is.
    fn nested(&mut self) -> Result<(), String> {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.quoted()?;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth -= 1,
                Some(_) => {}
                None => return Err(self.wrong()),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

/// The entries of an object or the items of an array.
pub fn level(raw: &Bytes) -> Result<Level, String> {
    let mut scanner = Scanner::new(raw);
    if scanner.take(b'[') {
        let mut items = Vec::new();
        if !scanner.take(b']') {
            loop {
                items.push(raw.slice_ref(scanner.value()?));
                if !scanner.more(b']')? {
                    break;
                }
            }
        }
        return Ok(Level::Array(items));
    }
    if !scanner.take(b'{') {
        return Ok(Level::Scalar);
    }
    let mut entries = Entries::default();
    if !scanner.take(b'}') {
        loop {
            let key = text(scanner.quoted()?);
            if !scanner.take(b':') {
                return Err(scanner.wrong());
            }
            entries.insert(key, raw.slice_ref(scanner.value()?));
            if !scanner.more(b'}')? {
                break;
            }
        }
    }
    Ok(Level::Object(entries.list))
}

/// The whole as a tree, numbers as they were written.
pub fn tree(raw: &[u8]) -> Result<Tree, String> {
    read(&mut Scanner::new(raw), 0)
}

fn read(scanner: &mut Scanner<'_>, depth: usize) -> Result<Tree, String> {
    if depth > DEEPEST {
        return Err(format!("the payload is nested deeper than {DEEPEST} levels"));
    }
    match scanner.peek() {
        Some(b'"') => Ok(Tree::Text(text(scanner.quoted()?))),
        Some(b'[') => {
            scanner.take(b'[');
            let mut items = Vec::new();
            if !scanner.take(b']') {
                loop {
                    items.push(read(scanner, depth + 1)?);
                    if !scanner.more(b']')? {
                        break;
                    }
                }
            }
            Ok(Tree::List(items))
        }
        Some(b'{') => {
            scanner.take(b'{');
            let mut entries = Entries::default();
            if !scanner.take(b'}') {
                loop {
                    let key = text(scanner.quoted()?);
                    if !scanner.take(b':') {
                        return Err(scanner.wrong());
                    }
                    entries.insert(key, read(scanner, depth + 1)?);
                    if !scanner.more(b'}')? {
                        break;
                    }
                }
            }
            Ok(Tree::Map(entries.list))
        }
        _ => match scanner.plain() {
            b"null" => Ok(Tree::Null),
            b"true" => Ok(Tree::Bool(true)),
            b"false" => Ok(Tree::Bool(false)),
            number if number.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit()) => {
                Ok(Tree::Number(String::from_utf8_lossy(number).into_owned()))
            }
            _ => Err(scanner.wrong()),
        },
    }
}

/// Entries in their order; the last of equal keys counts, at the place of the first, as everywhere.
pub struct Entries<K, V> {
    pub list: Vec<(K, V)>,
    places: HashMap<K, usize>,
}

impl<K, V> Default for Entries<K, V> {
    fn default() -> Self {
        Entries { list: Vec::new(), places: HashMap::new() }
    }
}

impl<K: Clone + Eq + std::hash::Hash, V> Entries<K, V> {
    pub fn insert(&mut self, key: K, value: V) {
        let known = if self.list.len() < MANY {
            self.list.iter().position(|(known, _)| *known == key)
        } else {
            if self.places.is_empty() {
                self.places = self.list.iter().enumerate().map(|(n, (key, _))| (key.clone(), n)).collect();
            }
            self.places.get(&key).copied()
        };
        match known {
            Some(place) => self.list[place].1 = value,
            None => {
                if !self.places.is_empty() {
                    self.places.insert(key.clone(), self.list.len());
                }
                self.list.push((key, value));
            }
        }
    }
}

/// What stands between quotes as text; a lone surrogate becomes U+FFFD, since text can't hold it.
pub fn text(quoted: &[u8]) -> String {
    if !quoted.contains(&b'\\') {
        return String::from_utf8_lossy(quoted).into_owned();
    }
    let mut out = String::with_capacity(quoted.len());
    unescape(quoted, |part| match part {
        Part::Bytes(bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
        Part::Char(c) => out.push(c),
        Part::Surrogate(_) => out.push(char::REPLACEMENT_CHARACTER),
    });
    out
}

/// A piece of a text.
pub enum Part<'a> {
    /// UTF-8 as it stands.
    Bytes(&'a [u8]),
    /// What an escape means.
    Char(char),
    /// Half of a pair, alone.
    Surrogate(u16),
}

/// Hands out the pieces of what stands between quotes.
pub fn unescape<'a>(quoted: &'a [u8], mut part: impl FnMut(Part<'a>)) {
    let mut rest = quoted;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        if at > 0 {
            part(Part::Bytes(&rest[..at]));
        }
        rest = &rest[at + 1..];
        let Some((escape, after)) = rest.split_first() else { return };
        rest = after;
        let plain = match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = unit(rest);
                rest = rest.get(4..).unwrap_or_default();
                let low = rest.strip_prefix(b"\\u").map(self::unit);
                match (char::from_u32(u32::from(unit)), low) {
                    (Some(c), _) => part(Part::Char(c)),
                    (None, Some(low)) if unit < 0xdc00 && (0xdc00..0xe000).contains(&low) => {
                        let code = 0x10000 + ((u32::from(unit) - 0xd800) << 10) + (u32::from(low) - 0xdc00);
                        part(Part::Char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)));
                        rest = rest.get(6..).unwrap_or_default();
                    }
                    (None, _) => part(Part::Surrogate(unit)),
                }
                continue;
            }
            other => char::from(*other),
        };
        part(Part::Char(plain));
    }
    if !rest.is_empty() {
        part(Part::Bytes(rest));
    }
}

/// Four hexadecimal digits.
fn unit(digits: &[u8]) -> u16 {
    let digits = std::str::from_utf8(digits.get(..4).unwrap_or_default()).unwrap_or_default();
    u16::from_str_radix(digits, 16).unwrap_or(0xfffd)
}

/// Whether valid JSON nests deeper than so many levels. One pass, no recursion.
pub fn is_deeper(json: &[u8], levels: usize) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > levels {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_with_every_escape_and_lone_surrogates() {
        assert_eq!(text(br#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude80z"#), "a\"\\/\u{8}\u{c}\n\r\té🚀z");
        assert_eq!(text(br"\ud800x\udc00\ud800\u0041"), "\u{fffd}x\u{fffd}\u{fffd}A");
        assert_eq!(text(br"broken\u12"), "broken\u{fffd}");
    }

    #[test]
    fn the_last_of_equal_keys_counts_at_the_place_of_the_first() {
        let wide: String = (0..40).map(|n| format!("\"k{n}\":{n},")).collect();
        let raw = Bytes::from(format!("{{\"a\":1,{wide}\"b\":2,\"a\":3}}"));
        let Ok(Level::Object(entries)) = level(&raw) else { panic!("an object") };
        assert_eq!(entries.len(), 42);
        assert_eq!((entries[0].0.as_str(), &entries[0].1[..]), ("a", &b"3"[..]));
    }

    #[test]
    fn what_is_no_json_is_an_error_and_never_a_panic() {
        for wrong in ["", "{", "[", "[1", "{\"a\"", "{\"a\":", "{\"a\":1", "\"", "\"\\", "{]", "[1 2]", "nope", "{1:2}"]
        {
            assert!(tree(wrong.as_bytes()).is_err(), "{wrong}");
            let _ = level(&Bytes::copy_from_slice(wrong.as_bytes()));
        }
        assert!(tree("[".repeat(100_000).as_bytes()).unwrap_err().contains("deeper than 200"));
        let deep = Bytes::from("[".repeat(100_000) + &"]".repeat(100_000));
        assert!(matches!(level(&deep), Ok(Level::Array(items)) if items.len() == 1));
    }
}
