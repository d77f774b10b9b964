//! The known name that a mistyped one was probably meant to be.

/// Longer names are not compared.
const LONGEST: usize = 128;
const MOST_EDITS: usize = 3;
/// Known names that are compared with one name.
const COMPARED: usize = 1_000;

/// The known name that is closest to `name`, if one is close enough to be suggested.
///
/// Names that differ only in case and separators (`event_types`, `eventTypes`) count as equal.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let given = plain(name);
    // One edit in a short name, up to three in a longer one.
    let most = (given.len() / 3).clamp(1, MOST_EDITS);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known.into_iter().filter(|known| known.len() <= LONGEST).take(COMPARED) {
        if candidate.len().abs_diff(name.len()) > most + 2 || !shares_an_end(candidate, name) {
            continue;
        }
        let other = plain(candidate);
        if other.len().abs_diff(given.len()) > most {
            continue;
        }
        let distance = strsim::osa_distance(&given, &other);
        if distance <= most && distance < given.len() && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, name)| name)
}

/// Whether two names begin or end alike: most mistyped names do, and this costs nothing.
fn shares_an_end(one: &str, other: &str) -> bool {
    let alike = |one: Option<&u8>, other: Option<&u8>| match (one, other) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    };
    let (one, other) = (one.as_bytes(), other.as_bytes());
    alike(one.first(), other.first()) || alike(one.last(), other.last())
}

/// Without what people write differently: case, `_` and `-`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_has_the_closest_known_one() {
        let fields = ["url", "uid", "eventTypes", "filterTypes", "name", "disabled"];
        for (given, meant) in [
            ("filter_types", Some("filterTypes")),
            ("EventTypes", Some("eventTypes")),
            ("nam", Some("name")),
            ("desabled", Some("disabled")),
            ("eventTypse", Some("eventTypes")),
            ("color", None),
            ("endpointDisabler", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, fields), meant, "{given}");
        }
    }
}
