//! Checks that several operations share.

use crate::refusal::FieldProblem;
use email_address::EmailAddress;
use std::collections::BTreeMap;
use std::str::FromStr;

/// The most entries of a list or map that a caller may give.
pub const LONGEST_LIST: usize = 1_000;
const LONGEST_METADATA: usize = 50;
const LONGEST_VALUE: usize = 4_096;

/// Gathers what is wrong, so that a caller learns all of it at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<FieldProblem>);

impl Problems {
    pub fn add(&mut self, field: &str, msg: impl Into<String>) {
        self.0.push(FieldProblem::value(field, msg));
    }

    pub fn check(&mut self, field: &str, result: Result<(), String>) {
        if let Err(msg) = result {
            self.add(field, msg);
        }
    }

    pub fn done(self) -> Result<(), crate::Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(crate::Refusal::Invalid(self.0)) }
    }
}

/// Whether a text has a character that not every database stores.
pub fn has_unstorable(text: &str) -> bool {
    text.contains('\0')
}

/// Says so of a text at this place.
pub fn unstorable(loc: Vec<String>) -> FieldProblem {
    let msg = "has the character \\u0000, which can't be stored; remove it";
    FieldProblem { loc, msg: msg.to_owned(), kind: "unstorable_text" }
}

/// A uid: 1 to 256 of letters, digits, `-`, `_` and `.`, and one that a URL can hold.
pub fn uid(uid: Option<&str>) -> Result<(), String> {
    match uid {
        None => Ok(()),
        Some("." | "..") => {
            Err("stands for a folder in a URL, so no path could lead here; add a letter or digit".into())
        }
        Some(uid) => name(uid, 256, ""),
    }
}

/// An event type's name: as a uid, and `/`.
pub fn event_type(text: &str) -> Result<(), String> {
    name(text, 256, "/")
}

pub fn is_event_type_name(text: &str) -> bool {
    event_type(text).is_ok()
}

pub fn name(text: &str, longest: usize, extra: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || extra.contains(c);
    if text.is_empty() || text.len() > longest {
        return Err(format!("has {} characters; 1 to {longest} are allowed", text.len()));
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(format!("{c:?} is not allowed; use letters, digits and any of \"-_.{extra}\"")),
        None => Ok(()),
    }
}

pub fn metadata(metadata: &BTreeMap<String, String>) -> Result<(), String> {
    if metadata.len() > LONGEST_METADATA {
        return Err(format!("has {} entries; at most {LONGEST_METADATA} are kept", metadata.len()));
    }
    match metadata.iter().find(|(key, value)| key.len() > 256 || value.len() > LONGEST_VALUE) {
        Some((key, _)) => {
            Err(format!("entry {key:?} is too long; keys have at most 256, values {LONGEST_VALUE} bytes"))
        }
        None => Ok(()),
    }
}

pub fn rate(rate: Option<u16>) -> Result<(), String> {
    if rate == Some(0) { Err("0 would send nothing; use at least 1, or null for no limit".into()) } else { Ok(()) }
}

/// A list of at most `longest`, without repetitions.
pub fn list(items: &[String], longest: usize) -> Result<(), String> {
    if items.len() > longest {
        return Err(format!("has {} entries; at most {longest} are allowed", items.len()));
    }
    let mut seen = std::collections::BTreeSet::new();
    match items.iter().find(|item| !seen.insert(item.as_str())) {
        Some(twice) => Err(format!("names {twice:?} twice")),
        None => Ok(()),
    }
}

/// Addresses that notices go to.
pub fn addresses(given: &[String], problems: &mut Problems) {
    problems.check("notifyEmails", list(given, 10));
    for (n, address) in given.iter().enumerate() {
        let checked = EmailAddress::from_str(address).map(drop);
        let plain = if address.contains('<') { Err("give the address alone, without a name".into()) } else { Ok(()) };
        let checked = checked.map_err(|error| format!("is not a mail address ({error})"));
        problems.check(&format!("notifyEmails.{n}"), plain.and(checked));
    }
}
