//! Checks that several operations share.

use crate::refusal::FieldProblem;
use email_address::EmailAddress;
use postrider_store::Ids;
use std::collections::BTreeMap;
use std::str::FromStr;

/// The most entries of a list or map that a caller may give.
pub const LONGEST_LIST: usize = 1_000;
const LONGEST_METADATA: usize = 50;
const LONGEST_KEY: usize = 256;
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
///
/// One that begins as an id does could be taken for the id of something else, but for ids of other servers, which an
/// import gives as uids. `before`: the uid as it is, which may stay.
pub fn uid(ids: &Ids, uid: Option<&str>, before: Option<&str>) -> Result<(), String> {
    let prefix = uid.and_then(|uid| ids.looks_like_one(uid));
    match uid {
        None => Ok(()),
        Some(_) if uid == before => Ok(()),
        Some(_) if prefix.is_some() => {
            let prefix = prefix.unwrap_or_default();
            Err(format!("begins with {prefix:?}, as ids of this server do; choose another uid"))
        }
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
    let length = text.chars().count();
    if length == 0 || length > longest {
        return Err(format!("has {length} characters; 1 to {longest} are allowed"));
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
    let is_long = |(key, value): &(&String, &String)| is_longer(key, LONGEST_KEY) || is_longer(value, LONGEST_VALUE);
    match metadata.iter().find(is_long) {
        Some((key, _)) => {
            let key: String = key.chars().take(LONGEST_KEY).collect();
            Err(format!(
                "entry {key:?} is too long; a key has at most {LONGEST_KEY}, a value {LONGEST_VALUE} characters"
            ))
        }
        None => Ok(()),
    }
}

fn is_longer(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().count() > most
}

/// A text of at most so many characters.
pub fn at_most(text: &str, most: usize) -> Result<(), String> {
    match is_longer(text, most) {
        true => Err(format!("has {} characters; at most {most} are allowed", text.chars().count())),
        false => Ok(()),
    }
}

/// A name for people: not blank, of at most so many characters.
pub fn title(text: &str, most: usize) -> Result<(), String> {
    match text.trim().is_empty() {
        true => Err(format!("is blank; give 1 to {most} characters")),
        false => at_most(text, most),
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
        let checked = EmailAddress::from_str(address).map(drop).map_err(|_| ());
        let plain = if address.contains('<') { Err("give the address alone, without a name".into()) } else { Ok(()) };
        let wrong = |()| "is not a mail address; give one such as ops@example.com".to_owned();
        let checked = checked.map_err(wrong);
        problems.check(&format!("notifyEmails.{n}"), plain.and(checked));
    }
}
