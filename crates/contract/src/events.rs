//! Event types: a contract's catalogue, and how a subscription matches.
//!
//! A catalogue entry is a name, or a family: `{name}` stands for one segment (no dot), `{name...}`
//! for any rest. `message.create.request.channel.{channel}` holds `….telegram`.

/// The events of a contract.
#[derive(Clone, Debug, Default)]
pub struct Events {
    pub(crate) catalogue: Vec<String>,
    /// Entries that the catalogue's families hold and that are none of its events all the same.
    pub(crate) except: Vec<String>,
    pub(crate) open: bool,
    pub(crate) patterns: bool,
    pub(crate) always: Vec<String>,
    /// The latest last; empty: event types have no versions.
    pub(crate) versions: Vec<String>,
}

/// What a subscription's filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    /// One event type.
    Exact,
    /// `user.*`
    Pattern,
}

impl Events {
    /// Whether an endpoint may filter by this; `Err` says what is wrong and what would be right. Where
    /// any registered event type will do ([`Events::is_open`]), an exact name may still be unknown.
    pub fn check_filter(&self, filter: &str) -> Result<FilterKind, String> {
        let (filter, version) = self.split(filter);
        if let Some(version) = version.filter(|version| !self.versions.iter().any(|known| known == version)) {
            return Err(format!("{version:?} is not a version of it; there are {}", self.versions.join(", ")));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let name = filter.strip_suffix(".*").filter(|_| self.patterns);
        let plain = name.unwrap_or(filter);
        if plain.is_empty() || plain.len() > 256 {
            return Err("must have 1 to 256 characters".to_owned());
        }
        match plain.chars().find(|c| !allowed(*c)) {
            Some('*') if self.patterns => {
                Err(format!("{filter:?} has a * elsewhere than at its end; use a pattern like user.*"))
            }
            Some('*') => Err(format!("{filter:?} is a pattern, and this contract takes exact names only")),
            Some(c) => Err(format!("{c:?} is not allowed; use letters, digits and any of \"-_./\"")),
            None if name.is_some() => Ok(FilterKind::Pattern),
            None if self.open || self.in_catalogue(filter) => Ok(FilterKind::Exact),
            None => Err(format!("{filter:?} is not in the catalogue, which has {}", self.list().join(", "))),
        }
    }

    /// A filter's event type, and the version that it asks for.
    pub fn split<'a>(&self, filter: &'a str) -> (&'a str, Option<&'a str>) {
        match filter.split_once('@') {
            Some((name, version)) if !self.versions.is_empty() => (name, Some(version)),
            _ => (filter, None),
        }
    }

    /// The version in which a subscription gets an event: that of its filter, or the latest. `None` where there
    /// are no versions.
    pub fn version<'a>(&'a self, filters: &'a [String], event_type: &str) -> Option<&'a str> {
        let asked = filters.iter().map(|filter| self.split(filter)).find(|(name, _)| *name == event_type);
        asked.and_then(|(_, version)| version).or(self.versions.last().map(String::as_str))
    }

    /// Whether the contract itself knows the event type.
    pub fn in_catalogue(&self, event_type: &str) -> bool {
        let among = |entries: &[String]| entries.iter().any(|entry| is_of(entry, event_type));
        (among(&self.catalogue) && !among(&self.except)) || self.always.iter().any(|name| name == event_type)
    }

    /// Whether any registered event type can be subscribed to, not only the catalogue's.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether a subscription takes an event. No filters take every event.
    pub fn matches(&self, filters: &[String], event_type: &str) -> bool {
        filters.is_empty()
            || self.always.iter().any(|name| name == event_type)
            || filters.iter().any(|filter| self.filter_matches(filter, event_type))
    }

    fn filter_matches(&self, filter: &str, event_type: &str) -> bool {
        match filter.strip_suffix('*').filter(|prefix| self.patterns && prefix.ends_with('.')) {
            Some(prefix) => event_type.len() > prefix.len() && event_type.starts_with(prefix),
            None => self.split(filter).0 == event_type,
        }
    }

    /// The catalogue, for people.
    pub fn list(&self) -> Vec<String> {
        self.catalogue.iter().chain(&self.always).cloned().collect()
    }
}

/// Whether `event_type` is the entry, or of its family.
pub fn is_of(entry: &str, event_type: &str) -> bool {
    let Some((before, rest)) = entry.split_once('{') else { return entry == event_type };
    let Some((name, after)) = rest.split_once('}') else { return false };
    if event_type.len() < before.len() + after.len() {
        return false;
    }
    let Some(middle) = event_type.strip_prefix(before).and_then(|text| text.strip_suffix(after)) else { return false };
    let segment = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let rest = |c: char| segment(c) || c == '.';
    !middle.is_empty() && middle.chars().all(|c| if name.ends_with("...") { rest(c) } else { segment(c) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_hold_one_segment_or_any_rest() {
        assert!(is_of("a.{x}", "a.b") && !is_of("a.{x}", "a.b.c") && !is_of("a.{x}", "a."));
        assert!(is_of("e.{x...}", "e.typing.start") && !is_of("e.{x...}", "e"));
        assert!(is_of("{node}/created", "scenario_session/created") && !is_of("{node}/created", "/created"));
    }

    #[test]
    fn patterns_match_below_their_prefix_only_where_allowed() {
        let open = Events { patterns: true, open: true, ..Events::default() };
        let filters = vec!["user.*".to_owned()];
        assert!(open.matches(&filters, "user.created") && open.matches(&filters, "user.a.b"));
        assert!(
            !open.matches(&filters, "user")
                && !open.matches(&filters, "users.created")
                && !open.matches(&filters, "user.")
        );
        let exact = Events { always: vec!["automation".into()], ..Events::default() };
        assert!(!exact.matches(&filters, "user.created") && exact.matches(&filters, "automation"));
        assert!(exact.check_filter("user.*").unwrap_err().contains("exact names only"));
    }
}
