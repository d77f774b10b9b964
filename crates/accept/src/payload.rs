//! Payloads: how deep JSON may be.

/// Levels of nesting that are taken. Deeper is nobody's event, and a danger to every parser after us.
pub const DEEPEST: usize = 128;

/// Whether valid JSON nests no deeper than [`DEEPEST`].
pub fn is_shallow(json: &[u8]) -> bool {
    !postrider_contract::is_deeper(json, DEEPEST)
}

#[cfg(test)]
mod tests {
    use super::*;

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
