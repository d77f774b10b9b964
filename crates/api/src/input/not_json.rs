//! Errors for bodies that are not JSON: the position, and what was found there.

use crate::error::ApiError;
use axum::http::StatusCode;

/// What is wrong with `bytes`, which `error` could not be read as JSON. `content_type`: what the request said it is.
pub fn not_json(bytes: &[u8], error: &serde_json::Error, content_type: Option<&str>) -> ApiError {
    let what = match std::str::from_utf8(bytes) {
        _ if bytes.iter().all(u8::is_ascii_whitespace) => "the body is empty; send JSON".to_owned(),
        Err(error) => not_utf8(bytes, error.valid_up_to()),
        Ok(text) => format!("the body is not JSON: {}", reason(text, error)),
    };
    let is_json = |kind: &str| kind.contains("json");
    let hint = match content_type {
        Some(kind) if !is_json(kind) => format!(" (its content type is {kind:?}; send application/json)"),
        _ => String::new(),
    };
    ApiError::plain(StatusCode::BAD_REQUEST, "bad_json", what + &hint)
}

fn not_utf8(bytes: &[u8], at: usize) -> String {
    let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
    let begin = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&bytes[begin..at]).chars().count() + 1;
    let byte = bytes.get(at).copied().unwrap_or_default();
    format!("the body is not UTF-8: byte 0x{byte:02x} at line {line}, column {column}")
}

fn reason(text: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return format!("it ends at line {}, column {}, in the middle of a value", error.line(), error.column());
    }
    let found = what_is_at(text, error.line(), error.column());
    // The parser's own words are not for callers; they say which of these it is.
    let words = error.to_string();
    let what = match () {
        () if words.starts_with("recursion limit") => "values are nested too deep".to_owned(),
        () if words.starts_with("trailing characters") => format!("{found} follows the end of the value"),
        () if words.starts_with("trailing comma") => "a comma precedes a closing bracket".to_owned(),
        () if words.starts_with("control character") => {
            "a string holds a control character; write it as an escape such as \\n".to_owned()
        }
        () if words.contains("surrogate") || words.contains("hex escape") || words.contains("unicode code point") => {
            "a \\u escape is half of a surrogate pair; write both halves".to_owned()
        }
        () if words.starts_with("invalid escape") => "a string holds an unknown escape".to_owned(),
        () if words.starts_with("key must be a string") => format!("a field's name must be a string, found {found}"),
        () if words.starts_with("invalid number") || words.starts_with("number out of range") => {
            "a number is malformed".to_owned()
        }
        () => format!("unexpected {found}"),
    };
    format!("{what} at line {}, column {}", error.line(), error.column())
}

/// The character at a line and column, both from 1; the column counts bytes.
fn what_is_at(text: &str, line: usize, column: usize) -> String {
    let line = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let at = line.char_indices().take_while(|(start, _)| *start < column.max(1)).last();
    at.map_or("end of line".to_owned(), |(_, c)| format!("{c:?}"))
}
