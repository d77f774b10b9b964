//! What is wrong with a contract file, and where.

use std::fmt;
use std::ops::Range;

/// One problem of a file, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Problem {
    /// The problem at a byte range of `text`.
    pub fn at(text: &str, span: Range<usize>, message: impl Into<String>) -> Problem {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Problem {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }
}

/// The place in the file of a byte of a TOML string, whose quotes and escapes `span` covers.
pub fn inside(text: &str, span: Range<usize>, offset: usize) -> Range<usize> {
    let raw = text.get(span.clone()).unwrap_or_default();
    let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| raw.starts_with(quotes)).unwrap_or("");
    let mut at = quotes.len();
    if quotes.len() == 3 {
        // The line break right after the quotes is no part of the string.
        at += ["\r\n", "\n"].into_iter().find(|end| raw[at..].starts_with(end)).map_or(0, str::len);
    }
    let mut left = offset;
    while left > 0 {
        let rest = raw.get(at..).unwrap_or_default();
        let escaped = quotes.starts_with('"') && rest.starts_with('\\');
        let Some(c) = rest.chars().nth(usize::from(escaped)) else { break };
        let (written, meant) = match (escaped, c) {
            (true, 'u') => (6, char_length(rest.get(2..6))),
            (true, 'U') => (10, char_length(rest.get(2..10))),
            (true, 'x') => (4, char_length(rest.get(2..4))),
            // A line that goes on below: its end and the indentation after it mean nothing.
            (true, c) if c.is_whitespace() => (1 + rest[1..].len() - rest[1..].trim_start().len(), 0),
            (true, c) => (1 + c.len_utf8(), 1),
            (false, c) => (c.len_utf8(), c.len_utf8()),
        };
        if meant > left {
            break;
        }
        at += written;
        left -= meant;
    }
    let place = (span.start + at).min(span.end);
    place..place
}

/// How many bytes the character with this hexadecimal code takes.
fn char_length(code: Option<&str>) -> usize {
    let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
    code.and_then(char::from_u32).map_or(1, char::len_utf8)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}
