//! Payloads: how deep JSON may be.

/// Levels of nesting that are taken. Deeper is nobody's event, and a danger to every parser after us.
pub const DEEPEST: usize = 128;

/// Whether valid JSON nests no deeper than [`DEEPEST`].
pub fn is_shallow(json: &[u8]) -> bool {
    !postrider_contract::is_deeper(json, DEEPEST)
}

/// What no payload may have: too many levels, or half of a surrogate pair.
///
/// `"\\ud83d"` alone is valid JSON by its grammar, but stands for no character: some parsers refuse it, others put
/// another character in its place. Filters, schemas, templates and receivers would read different payloads.
pub fn check(json: &[u8]) -> Result<(), String> {
    if !is_shallow(json) {
        return Err(format!("is nested deeper than {DEEPEST} levels"));
    }
    match lone_surrogate(json) {
        Some(at) => {
            let escape = String::from_utf8_lossy(json.get(at..at + 6).unwrap_or_default());
            Err(format!(
                "has the escape {escape} at byte {at}, half of a surrogate pair; write both halves, or neither"
            ))
        }
        None => Ok(()),
    }
}

/// Where in valid JSON the first escape is that is half of a surrogate pair.
fn lone_surrogate(json: &[u8]) -> Option<usize> {
    let unit = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    // Backslashes are in strings alone.
    while let Some(found) = json.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        let escape = at + found;
        at = match unit(escape) {
            Some(0xd800..=0xdbff) if matches!(unit(escape + 6), Some(0xdc00..=0xdfff)) => escape + 12,
            Some(0xd800..=0xdfff) => return Some(escape),
            Some(_) => escape + 6,
            None => escape + 2,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_surrogate_pair_is_found_and_nothing_else() {
        for (json, at) in [
            (r#"{"a":"x\ud83d"}"#, Some(7)),
            (r#"{"\udc00":1}"#, Some(2)),
            (r#"["\ud83d\ud83d\ude00"]"#, Some(2)),
            (r#"["\uD83D\uDE00 \u00e9"]"#, None),
            (r#"["\\ud83d"]"#, None),
            (r#"["\\\ud83d"]"#, Some(4)),
            (r#"["\n\"😀"]"#, None),
        ] {
            assert_eq!(lone_surrogate(json.as_bytes()), at, "{json}");
        }
    }

    #[test]
    fn depth_is_counted_outside_of_strings_only() {
        let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
        assert!(is_shallow(&nested(128)));
        assert!(!is_shallow(&nested(129)));
        let text = format!(r#"{{"a\"[": "{}"}}"#, "[".repeat(500));
        assert!(is_shallow(text.as_bytes()));
        assert!(!is_shallow(&[br#"{"\\":"#, nested(128).as_slice(), b"}"].concat()));
    }
}
