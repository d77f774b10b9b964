//! What a schema says at one place of the payload, with all that holds together with it there.

use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ptr;

/// Schemas, listed values and looks for a property.
pub const MOST_STEPS: usize = 1_000_000;
/// Schemas that hold together at one place.
const MOST_PARTS: usize = 1_000;
const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
pub const OBJECT: u8 = 4;
pub const ARRAY: u8 = 8;
const STRING: u8 = 16;
const INTEGER: u8 = 32;
/// A number that is no integer.
const FRACTION: u8 = 64;
const NUMBER: u8 = INTEGER | FRACTION;
const ANY: u8 = NULL | BOOLEAN | OBJECT | ARRAY | STRING | NUMBER;

/// One schema of those that hold together.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    rules: &'a Map<String, Value>,
    /// Null is right whatever the rules say.
    or_null: bool,
}

/// Tells parts apart, not what is in them.
pub type PartId = (*const Map<String, Value>, bool);
/// Two schemas that are compared.
pub type Pair = (Vec<PartId>, Vec<PartId>);

impl<'a> Part<'a> {
    fn id(&self) -> PartId {
        (ptr::from_ref(self.rules), self.or_null)
    }

    fn types(&self) -> u8 {
        let named = match self.rules.get("type") {
            Some(Value::String(name)) => bits(name),
            Some(Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).fold(0, |types, name| types | bits(name))
            }
            _ => ANY,
        };
        if self.or_null { named | NULL } else { named }
    }

    /// The values that are listed, if any are.
    fn values(&self) -> Option<Vec<&'a Value>> {
        static NOTHING: Value = Value::Null;
        let rules = self.rules;
        let mut values = match (rules.get("const"), rules.get("enum")) {
            (Some(one), _) => vec![one],
            (None, Some(Value::Array(list))) => list.iter().collect(),
            _ => return None,
        };
        if self.or_null && !values.contains(&&NOTHING) {
            values.push(&NOTHING);
        }
        Some(values)
    }
}

/// The types that a name stands for; a name that JSON Schema doesn't know says nothing.
fn bits(name: &str) -> u8 {
    match name {
        "null" => NULL,
        "boolean" => BOOLEAN,
        "object" => OBJECT,
        "array" => ARRAY,
        "string" => STRING,
        "integer" => INTEGER,
        "number" => NUMBER,
        _ => ANY,
    }
}

pub fn words(types: u8) -> String {
    const WORDS: [(&str, u8); 4] = [("object", OBJECT), ("array", ARRAY), ("string", STRING), ("boolean", BOOLEAN)];
    if types == ANY {
        return "any value".to_owned();
    }
    let number = match types & NUMBER {
        0 => None,
        INTEGER => Some("integer"),
        _ => Some("number"),
    };
    let null = (types & NULL != 0).then_some("null");
    let others = WORDS.iter().filter(|(_, bit)| types & bit != 0).map(|(word, _)| *word);
    let all: Vec<&str> = others.chain(number).chain(null).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" or ") }
}

/// A schema with all that holds together with it: what it refers to, its `allOf`, and so on inwards.
#[derive(Default)]
pub struct Shape<'a> {
    pub parts: Vec<Part<'a>>,
    /// Lists of which one alternative holds.
    pub alternatives: Vec<&'a Vec<Value>>,
    /// References that lead nowhere in this document.
    pub outside: Vec<&'a str>,
    pub types: u8,
}

impl<'a> Shape<'a> {
    pub fn of(schemas: &[&'a Value], root: &'a Value, steps: &mut usize) -> Shape<'a> {
        let mut shape = Shape::gather(schemas, root, steps);
        for list in shape.alternatives.clone() {
            let any_of_them = list.iter().fold(0, |types, one| types | Shape::gather(&[one], root, steps).types);
            shape.types &= any_of_them;
        }
        shape
    }

    /// The parts, each once: so a schema that contains itself comes to an end.
    pub fn gather(schemas: &[&'a Value], root: &'a Value, steps: &mut usize) -> Shape<'a> {
        let mut shape = Shape::default();
        let mut seen = HashSet::new();
        let mut waiting: VecDeque<(&'a Value, bool)> = schemas.iter().map(|schema| (*schema, false)).collect();
        while let Some((schema, or_null)) = waiting.pop_front() {
            *steps += if shape.parts.len() < MOST_PARTS { 1 } else { MOST_STEPS };
            if *steps > MOST_STEPS {
                break;
            }
            let Some(rules) = schema.as_object() else { continue };
            let or_null = or_null || rules.get("nullable") == Some(&Value::Bool(true));
            let part = Part { rules, or_null };
            if rules.is_empty() || !seen.insert(part.id()) {
                continue;
            }
            shape.parts.push(part);
            if let Some(reference) = rules.get("$ref").and_then(Value::as_str) {
                match pointer(reference).and_then(|pointer| root.pointer(&pointer)) {
                    Some(target) => waiting.push_back((target, or_null)),
                    None => shape.outside.push(reference),
                }
            }
            let all_of = rules.get("allOf").and_then(Value::as_array);
            waiting.extend(all_of.into_iter().flatten().map(|one| (one, or_null)));
            for list in ["anyOf", "oneOf"].iter().filter_map(|keyword| rules.get(*keyword)?.as_array()) {
                match this_or_null(list) {
                    Some(this) => waiting.push_back((this, true)),
                    None => shape.alternatives.push(list),
                }
            }
        }
        shape.types = shape.parts.iter().fold(ANY, |types, part| types & part.types());
        shape
    }

    pub fn ids(&self) -> Vec<PartId> {
        self.parts.iter().map(Part::id).collect()
    }

    /// What the parts say under a keyword. `false` is what holds where nothing is said.
    pub fn said(&self, keyword: &str) -> Vec<&'a Value> {
        let said = self.parts.iter().filter_map(|part| part.rules.get(keyword));
        said.filter(|value| **value != Value::Bool(false)).collect()
    }

    /// The schemas under a keyword that holds one.
    pub fn inner(&self, keyword: &str) -> Vec<&'a Value> {
        self.said(keyword).into_iter().filter(|value| value.is_object()).collect()
    }

    /// `items` as older schemas have it: a schema for each place in a list.
    pub fn tuples(&self) -> Vec<&'a Value> {
        self.said("items").into_iter().filter(|value| value.is_array()).collect()
    }

    pub fn property_maps(&self) -> impl Iterator<Item = &'a Map<String, Value>> {
        self.parts.iter().filter_map(|part| part.rules.get("properties")?.as_object())
    }

    /// The properties that are described, each once.
    pub fn names(&self) -> Vec<&'a str> {
        let mut seen = HashSet::new();
        let described = self.property_maps().flatten().filter(|(_, schema)| **schema != Value::Bool(false));
        described.map(|(name, _)| name.as_str()).filter(|name| seen.insert(*name)).collect()
    }

    /// What describes a property; nothing does where `false` says that there is none.
    pub fn property(&self, name: &str) -> Vec<&'a Value> {
        let schemas = self.property_maps().filter_map(|map| map.get(name));
        schemas.filter(|schema| **schema != Value::Bool(false)).collect()
    }

    pub fn required(&self) -> BTreeSet<&'a str> {
        self.said("required").into_iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str).collect()
    }

    /// The values that all lists have.
    pub fn values(&self) -> Option<Vec<&'a Value>> {
        let mut lists = self.parts.iter().filter_map(Part::values);
        let first = lists.next()?;
        Some(lists.fold(first, |mut left, list| {
            let texts = texts(&list);
            left.retain(|value| texts.contains(&value.to_string()));
            left
        }))
    }

    /// Whether properties that are not described are refused.
    pub fn is_closed(&self) -> bool {
        let closed = |part: &Part<'_>, keyword: &str| part.rules.get(keyword) == Some(&Value::Bool(false));
        self.parts.iter().any(|part| closed(part, "additionalProperties") || closed(part, "unevaluatedProperties"))
    }

    /// The strictest limit, and whether it is exclusive.
    pub fn limit(&self, keyword: &str, exclusive: &str, from_below: bool) -> Option<(f64, bool)> {
        let numbers = |keyword: &str| -> Vec<f64> {
            self.parts.iter().filter_map(|part| part.rules.get(keyword)?.as_f64()).collect()
        };
        let including = numbers(keyword).into_iter().map(|at| (at, false));
        let excluding = numbers(exclusive).into_iter().map(|at| (at, true));
        including.chain(excluding).reduce(|one, two| if is_stricter(two, one, from_below) { two } else { one })
    }
}

/// Values as texts, which can be looked up.
pub fn texts(values: &[&Value]) -> HashSet<String> {
    values.iter().map(ToString::to_string).collect()
}

/// The one alternative that is not null, if there are just these two.
fn this_or_null(list: &[Value]) -> Option<&Value> {
    let is_null = |one: &Value| one.get("type").and_then(Value::as_str) == Some("null");
    match list {
        [one, two] if is_null(two) && !is_null(one) => Some(one),
        [one, two] if is_null(one) && !is_null(two) => Some(two),
        _ => None,
    }
}

/// Whether the first of two limits lets less through.
pub fn is_stricter(one: (f64, bool), two: (f64, bool), from_below: bool) -> bool {
    let further = if from_below { one.0 > two.0 } else { one.0 < two.0 };
    further || (one.0 == two.0 && one.1 && !two.1)
}

/// The JSON Pointer in a reference into the same document (`#/$defs/user`), with `%20` and the like decoded.
pub fn pointer(reference: &str) -> Option<String> {
    let mut encoded = reference.strip_prefix('#')?.bytes();
    let mut decoded = Vec::with_capacity(reference.len());
    while let Some(byte) = encoded.next() {
        decoded.push(match byte {
            b'%' => hex_digit(encoded.next()?)? * 16 + hex_digit(encoded.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
