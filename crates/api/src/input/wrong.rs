//! What is wrong with a body that could not be read: each field, what it is, and what would be right.

use super::look::{MOST, not_known};
use super::place::{Place, shortened};
use super::shape::{Fields, Range, Shape, Slot};
use postrider_accept::{FieldProblem, nearest};
use serde_json::{Number, Value};

/// Values that a message lists.
const LISTED: usize = 40;

/// Everything that is wrong with `body`. `is_patch`: a `null` counts as a value.
pub fn wrong(body: &Value, shape: &Shape, is_patch: bool) -> Vec<FieldProblem> {
    let mut found = Found { problems: vec![], is_patch };
    found.value(&Place::Body, body, shape);
    found.problems
}

struct Found {
    problems: Vec<FieldProblem>,
    is_patch: bool,
}

impl Found {
    fn add(&mut self, place: &Place<'_>, kind: &'static str, msg: String) {
        if self.problems.len() < MOST {
            self.problems.push(FieldProblem { loc: place.loc(), msg, kind });
        }
    }

    fn slot(&mut self, place: &Place<'_>, value: &Value, slot: &Slot) {
        if !(value.is_null() && slot.is_nullable) {
            self.value(place, value, &slot.shape);
        }
    }

    fn value(&mut self, place: &Place<'_>, value: &Value, shape: &Shape) {
        match (shape, value) {
            (Shape::Any, _) | (Shape::Flag, Value::Bool(_)) => {}
            (Shape::Text(of), Value::String(text)) => self.text(place, text, of),
            (Shape::Number(range), Value::Number(number)) => self.number(place, number, range),
            (Shape::List(of), Value::Array(items)) => {
                items.iter().enumerate().for_each(|(n, item)| self.slot(&Place::Item(place, n), item, of));
            }
            (Shape::Map(of), Value::Object(entries)) => {
                entries.iter().for_each(|(name, item)| self.slot(&Place::Field(place, name), item, of));
            }
            (Shape::Object(fields), Value::Object(entries)) => self.object(place, entries, fields),
            (Shape::Tagged(variants), Value::Object(entries)) => self.tagged(place, entries, variants),
            _ => {
                let msg = format!("must be {}, not {}", kind_of(shape), described(value));
                self.add(place, "wrong_type", msg);
            }
        }
    }

    fn text(&mut self, place: &Place<'_>, text: &str, of: &[String]) {
        if of.is_empty() || of.iter().any(|known| known == text) {
            return;
        }
        let known: Vec<&str> = of.iter().map(String::as_str).collect();
        let meant = nearest(text, known.iter().copied());
        let meant = meant.map(|name| format!("did you mean {name:?}? ")).unwrap_or_default();
        let text = shortened(text);
        self.add(
            place,
            "unknown_value",
            format!("{text:?} is not a known value; {meant}use one of {}", quoted(&known)),
        );
    }

    fn number(&mut self, place: &Place<'_>, number: &Number, range: &Range) {
        let text = shortened(&number.to_string());
        let Ok(whole) = text.parse::<i128>() else {
            if range.is_whole {
                self.add(place, "wrong_type", format!("must be a whole number{}, not {text}", allowed(range)));
            }
            return;
        };
        if !range.of.is_empty() && !range.of.contains(&whole) {
            let of: Vec<String> = range.of.iter().map(i128::to_string).collect();
            self.add(place, "unknown_value", format!("{text} is not a known value; use one of {}", of.join(", ")));
        } else if range.least.is_some_and(|least| whole < least) || range.most.is_some_and(|most| whole > most) {
            self.add(place, "out_of_range", format!("{text} is out of range; use a number{}", allowed(range)));
        }
    }

    fn object(&mut self, place: &Place<'_>, entries: &serde_json::Map<String, Value>, fields: &Fields) {
        for field in &fields.all {
            let place = Place::Field(place, &field.name);
            match entries.get(&field.name) {
                None if field.is_required => {
                    self.add(&place, "missing", format!("is missing; give {}", kind_of(&field.slot.shape)));
                }
                // Most fields take `null` as "not given", whatever the document says.
                Some(Value::Null) if !field.is_required && !self.is_patch => {}
                Some(value) => self.slot(&place, value, &field.slot),
                None => {}
            }
        }
        if fields.is_closed {
            self.unknown(place, entries, fields);
        }
    }

    fn tagged(&mut self, place: &Place<'_>, entries: &serde_json::Map<String, Value>, variants: &[Fields]) {
        let tags: Vec<String> = variants.iter().flat_map(|fields| fields.tags()).cloned().collect();
        let place_of_tag = Place::Field(place, "type");
        let Some(tag) = entries.get("type") else {
            let known: Vec<&str> = tags.iter().map(String::as_str).collect();
            return self.add(&place_of_tag, "missing", format!("is missing; use one of {}", quoted(&known)));
        };
        let of_tag = |fields: &&Fields| tag.as_str().is_some_and(|tag| fields.tags().iter().any(|known| known == tag));
        match variants.iter().find(of_tag) {
            Some(fields) => {
                self.object(place, entries, fields);
                if !fields.is_closed {
                    self.unknown(place, entries, fields);
                }
            }
            None => self.value(&place_of_tag, tag, &Shape::Text(tags)),
        }
    }

    /// Fields that the operation refuses because it does not know them.
    fn unknown(&mut self, place: &Place<'_>, entries: &serde_json::Map<String, Value>, fields: &Fields) {
        let known: Vec<&str> = fields.names().collect();
        for name in entries.keys().filter(|name| fields.get(name).is_none()) {
            let (msg, _) = not_known("field", name, &known);
            self.add(&Place::Field(place, name), "unknown_field", msg);
        }
    }
}

fn quoted(names: &[&str]) -> String {
    let listed: Vec<String> = names.iter().take(LISTED).map(|name| format!("{name:?}")).collect();
    let more = if names.len() > LISTED { ", …" } else { "" };
    listed.join(", ") + more
}

fn allowed(range: &Range) -> String {
    match (range.least, range.most) {
        (Some(least), Some(most)) if most < i128::from(i64::MAX) => format!(" from {least} to {most}"),
        (Some(least), _) if least > i128::from(i64::MIN) => format!(" from {least}"),
        _ => String::new(),
    }
}

fn kind_of(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any => "a value",
        Shape::Text(_) => "a string",
        Shape::Number(range) if range.is_whole => "a whole number",
        Shape::Number(_) => "a number",
        Shape::Flag => "true or false",
        Shape::List(_) => "a list",
        Shape::Map(_) | Shape::Object(_) | Shape::Tagged(_) => "an object",
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {}", shortened(&number.to_string())),
        Value::String(text) => format!("the string {:?}", shortened(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
