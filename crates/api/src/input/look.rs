//! One pass over a body's bytes before it is read: fields that its operation does not know, lists in the place of
//! objects, and text that no database of ours stores.
//!
//! It builds nothing and skips payloads, so it costs little beside reading the body.

use super::place::{Place, shortened};
use super::shape::{Fields, Shape};
use postrider_accept::{FieldProblem, Warning, WarningCode, has_unstorable, nearest, unstorable};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Things of one kind that are reported of one body. All are counted.
pub const MOST: usize = 20;
/// Known names that a message lists.
const LISTED: usize = 40;
/// In the place of a number, see `serde_json`'s feature `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";

/// What one pass found.
#[derive(Debug, Default)]
pub struct Seen {
    pub unknown: Vec<Warning>,
    /// Unknown fields beyond those.
    pub more_unknown: usize,
    pub wrong: Vec<FieldProblem>,
}

/// Looks at a body. `Err`: it is not JSON.
pub fn look(bytes: &[u8], shape: &Shape) -> Result<Seen, serde_json::Error> {
    let mut seen = Seen::default();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Look { shape, place: Place::Body, seen: &mut seen }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(seen)
}

impl Seen {
    fn unknown(&mut self, place: &Place<'_>, name: &str, known: &[&Fields]) {
        if self.unknown.len() == MOST {
            self.more_unknown += 1;
            return;
        }
        let names: Vec<&str> = known.iter().flat_map(|fields| fields.names()).collect();
        let (msg, nearest) = not_known("field", name, &names);
        let loc = Place::Field(place, name).loc();
        self.unknown.push(Warning { loc, code: WarningCode::UnknownField, msg, nearest });
    }

    fn wrong(&mut self, place: &Place<'_>, msg: &str, kind: &'static str) {
        if self.wrong.len() < MOST {
            self.wrong.push(FieldProblem { loc: place.loc(), msg: msg.to_owned(), kind });
        }
    }

    fn text(&mut self, place: &Place<'_>, text: &str) {
        if has_unstorable(text) && self.wrong.len() < MOST {
            self.wrong.push(unstorable(place.loc()));
        }
    }
}

/// What to say of a name that is not known, and the one that was probably meant.
pub fn not_known(what: &str, name: &str, known: &[&str]) -> (String, Option<String>) {
    let found = nearest(name, known.iter().copied()).map(str::to_owned);
    let name = shortened(name);
    let hint = match &found {
        Some(found) => format!("did you mean {found:?}?"),
        None if known.is_empty() => format!("no {what} is known here"),
        None if known.len() <= LISTED => format!("known: {}", known.join(", ")),
        None => "see the API's documentation".to_owned(),
    };
    (format!("{name:?} is not a known {what}; {hint}"), found)
}

struct Look<'a, 'p> {
    shape: &'a Shape,
    place: Place<'p>,
    seen: &'a mut Seen,
}

/// A name, from the bytes where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'de>, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(name)))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(name.to_owned())))
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.shape {
            Shape::Any => IgnoredAny::deserialize(deserializer).map(drop),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Look<'_, '_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.seen.text(&self.place, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Shape::List(of) = self.shape else {
            if matches!(self.shape, Shape::Object(_) | Shape::Tagged(_) | Shape::Map(_)) {
                self.seen.wrong(&self.place, "must be an object, not a list", "wrong_type");
            }
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        let mut index = 0;
        loop {
            let place = Place::Item(&self.place, index);
            let next = Look { shape: &of.shape, place, seen: &mut *self.seen };
            if items.next_element_seed(next)?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = entries.next_key::<Key<'_>>()? {
            if name == NUMBER {
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            let place = Place::Field(&self.place, &name);
            let shape = match self.shape {
                Shape::Object(fields) => match fields.get(&name) {
                    Some(field) => &field.slot.shape,
                    None => {
                        if !fields.is_closed {
                            self.seen.unknown(&self.place, &name, &[fields]);
                        }
                        &Shape::Any
                    }
                },
                // Those are closed: what is unknown in them is found when they are read.
                Shape::Tagged(variants) => {
                    let found = variants.iter().find_map(|fields| fields.get(&name));
                    found.map_or(&Shape::Any, |field| &field.slot.shape)
                }
                Shape::Map(of) => {
                    self.seen.text(&place, &name);
                    &of.shape
                }
                _ => &Shape::Any,
            };
            entries.next_value_seed(Look { shape, place, seen: &mut *self.seen })?;
        }
        Ok(())
    }
}
