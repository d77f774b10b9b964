//! How what a schema asks for grows from level to level of a payload: where several of its parts speak about the same
//! value inside, each is compared with it, and so is each of those that these lead to.

use super::{AtOnce, Effort, MOST_AT_ONCE};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ptr;

/// Looks at properties and references; a schema that needs more is refused.
const MOST_LOOKS: usize = 2_000_000;
/// Levels into a payload, of which JSON is read with no more than 128.
const DEEPEST: usize = 300;

/// What is compared with one value somewhere inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growth {
    /// At most so many schemas, where a schema within itself counts as one.
    schemas: usize,
    /// At most so many times a schema within itself.
    pub circles: usize,
    /// Levels from here to the innermost.
    levels: usize,
}

impl Growth {
    /// What says nothing of what is inside.
    fn of(schemas: usize) -> Growth {
        Growth { schemas, circles: 0, levels: 1 }
    }
}

/// A place inside a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Property(&'a str),
    OtherProperty,
    Item(usize),
    OtherItem,
}

impl<'a> Effort<'a> {
    /// What a schema for a value asks of the values inside it; `within`: the levels around the value.
    pub(super) fn growth(&mut self, schema: &'a Value, within: usize) -> Result<Growth, String> {
        let Value::Object(rules) = self.meant(schema) else { return Ok(Growth::of(1)) };
        match self.grown.get(&ptr::from_ref(rules)) {
            Some(Some(known)) if within + known.levels > DEEPEST => return Err(too_deep()),
            Some(Some(known)) => return Ok(*known),
            Some(None) => return Ok(Growth { circles: 1, ..Growth::of(1) }),
            None if within >= DEEPEST => return Err(too_deep()),
            None => {}
        }
        self.grown.insert(ptr::from_ref(rules), None);
        let AtOnce { schemas, .. } = self.at_once(rules, 0)?;
        let mut most = Growth::of(schemas);
        let all = self.all_at_once(rules);
        for place in places(&all) {
            let mut sum = Growth::of(0);
            for rules in &all {
                for inner in inside(rules, &place) {
                    self.looks += 1;
                    let inner = self.growth(inner, within + 1)?;
                    sum.schemas += inner.schemas;
                    sum.circles = sum.circles.saturating_add(inner.circles);
                    sum.levels = sum.levels.max(inner.levels + 1);
                }
                self.looks += 1;
            }
            if self.looks > MOST_LOOKS {
                return Err("is too large to be looked through; make it smaller".to_owned());
            }
            if sum.schemas > MOST_AT_ONCE {
                return Err(format!(
                    "compares one value inside the payload with more than {MOST_AT_ONCE} schemas; let fewer of allOf, \
                     anyOf and oneOf lead to the same place"
                ));
            }
            most.schemas = most.schemas.max(sum.schemas);
            most.circles = most.circles.max(sum.circles);
            most.levels = most.levels.max(sum.levels);
        }
        self.grown.insert(ptr::from_ref(rules), Some(most));
        Ok(most)
    }

    /// What a schema that is no more than a reference stands for.
    fn meant(&self, schema: &'a Value) -> &'a Value {
        let mut meant = schema;
        while let Some(rules) = meant.as_object().filter(|rules| rules.len() == 1)
            && let Some(target) = self.referred(rules).next()
        {
            meant = target;
        }
        meant
    }

    /// These rules and all that the same value is compared with, as often as it is.
    fn all_at_once(&self, rules: &'a Map<String, Value>) -> Vec<&'a Map<String, Value>> {
        let mut all = vec![];
        let mut waiting = vec![rules];
        while let Some(rules) = waiting.pop() {
            waiting.extend(self.for_the_same_value(rules).into_iter().filter_map(Value::as_object));
            all.push(rules);
        }
        all
    }
}

fn too_deep() -> String {
    format!("leads more than {DEEPEST} levels into a payload, deeper than any is; make it flatter")
}

fn places<'a>(all: &[&'a Map<String, Value>]) -> BTreeSet<Place<'a>> {
    let mut places = BTreeSet::from([Place::OtherProperty, Place::OtherItem]);
    for rules in all {
        let properties = rules.get("properties").and_then(Value::as_object);
        places.extend(properties.into_iter().flat_map(Map::keys).map(|name| Place::Property(name)));
        places.extend((0..first_items(rules).len()).map(Place::Item));
    }
    places
}

/// The schemas that rules have for what is at a place.
fn inside<'a>(rules: &'a Map<String, Value>, place: &Place<'_>) -> Vec<&'a Value> {
    let named = |keywords: &[&str]| keywords.iter().filter_map(|keyword| rules.get(*keyword)).collect::<Vec<_>>();
    let own = match place {
        Place::Property(name) => rules.get("properties").and_then(|properties| properties.get(*name)),
        Place::Item(n) => first_items(rules).get(*n),
        Place::OtherProperty | Place::OtherItem => None,
    };
    let mut all: Vec<&Value> = own.into_iter().collect();
    match place {
        Place::Property(_) | Place::OtherProperty => {
            all.extend(rules.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::values));
            if own.is_none() {
                all.extend(named(&["additionalProperties", "unevaluatedProperties"]));
            }
        }
        Place::Item(_) | Place::OtherItem => {
            all.extend(named(&["contains"]));
            if own.is_none() {
                all.extend(named(&["items", "additionalItems", "unevaluatedItems"]));
            }
        }
    }
    all
}

/// Schemas for the first items of a list, each for one.
fn first_items(rules: &Map<String, Value>) -> &[Value] {
    let lists = ["prefixItems", "items"].iter().filter_map(|keyword| rules.get(*keyword)?.as_array());
    lists.map(Vec::as_slice).next().unwrap_or_default()
}
