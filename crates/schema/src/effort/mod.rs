//! How much a schema asks of whoever compares payloads with it, found out before anybody does.
//!
//! A few lines can ask for millions of comparisons (`allOf` with the same reference twice, and so on inwards), or for a
//! way through references that no stack is deep enough for.

mod growth;

use crate::diff::pointer;
use growth::Growth;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::ptr;

/// Schemas that a value is compared with at one place.
const MOST_AT_ONCE: usize = 1_000;
/// Schemas of them on one way, from the outermost to the innermost.
const LONGEST_AT_ONCE: usize = 24;
/// Steps on a way through the document and its references.
const LONGEST_WAY: usize = 1_000;
/// Keywords with one schema for the same value.
const ONE: [&str; 4] = ["not", "if", "then", "else"];
/// Keywords with several of them.
const SEVERAL: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords that name one for some values.
const NAMED: [&str; 2] = ["dependentSchemas", "dependencies"];
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// What comparing a payload with a schema takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// With so many schemas one value is compared at most, at one level.
    pub at_once: usize,
    /// So many times a value inside is compared with a schema that it is already within, at most: from 2 on, whoever
    /// does not remember what was compared takes so many times as long with each level of the payload.
    pub circles: usize,
}

/// See [`Asks`].
///
/// # Errors
/// What the schema asks too much of, and what would be right.
pub fn effort(schema: &Value) -> Result<Asks, String> {
    let mut effort = Effort {
        root: schema,
        names: HashMap::new(),
        ways: HashMap::new(),
        known: HashMap::new(),
        grown: HashMap::new(),
        looks: 0,
    };
    effort.names_in(schema)?;
    effort.way(schema, 0)?;
    let mut most = 1;
    let mut waiting = vec![schema];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(rules) => {
                most = most.max(effort.at_once(rules, 0)?.schemas);
                waiting.extend(rules.values());
            }
            Value::Array(list) => waiting.extend(list),
            _ => {}
        }
    }
    let circles = effort.growth(schema, 0)?.circles;
    Ok(Asks { at_once: most, circles })
}

/// What one value is compared with.
#[derive(Clone, Copy)]
struct AtOnce {
    schemas: usize,
    /// Of them on the longest way inwards.
    levels: usize,
}

struct Effort<'a> {
    root: &'a Value,
    /// What anchors and ids name.
    names: HashMap<&'a str, &'a Value>,
    /// The steps from a place to the end of the longest way; 0 while it is gone.
    ways: HashMap<*const Value, usize>,
    /// `None` while it is counted.
    known: HashMap<*const Map<String, Value>, Option<AtOnce>>,
    /// `None` while it is looked at.
    grown: HashMap<*const Map<String, Value>, Option<Growth>>,
    looks: usize,
}

impl<'a> Effort<'a> {
    /// What references may name.
    fn names_in(&mut self, schema: &'a Value) -> Result<(), String> {
        let mut waiting = vec![schema];
        while let Some(value) = waiting.pop() {
            match value {
                Value::Object(rules) => {
                    if !ptr::eq(value, schema) && rules.get("$id").is_some_and(Value::is_string) {
                        return Err("has an $id further inside; only the outermost schema may have one".to_owned());
                    }
                    for keyword in ["$anchor", "$dynamicAnchor", "$id", "id"] {
                        if let Some(Value::String(name)) = rules.get(keyword) {
                            self.names.insert(name.trim_start_matches('#'), value);
                        }
                    }
                    waiting.extend(rules.values());
                }
                Value::Array(list) => waiting.extend(list),
                _ => {}
            }
        }
        Ok(())
    }

    fn target(&self, reference: &str) -> Option<&'a Value> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let base = if base.is_empty() { self.root } else { self.names.get(base).copied()? };
        match fragment {
            "" => Some(base),
            _ if fragment.starts_with('/') => base.pointer(&pointer(&format!("#{fragment}"))?),
            anchor => self.names.get(anchor).copied(),
        }
    }

    /// Nobody knows what one asks for that leads out of the schema.
    fn references_lead_somewhere(&self, rules: &Map<String, Value>) -> Result<(), String> {
        let references = REFERENCES.iter().filter_map(|keyword| rules.get(*keyword)?.as_str());
        let lost = references.filter(|reference| !is_of_json_schema(reference) && self.target(reference).is_none());
        match lost.map(str::to_owned).next() {
            Some(reference) => Err(format!("refers to {reference:?}, which is not in this schema")),
            None => Ok(()),
        }
    }

    fn referred(&self, rules: &'a Map<String, Value>) -> impl Iterator<Item = &'a Value> {
        let references = REFERENCES.iter().filter_map(|keyword| rules.get(*keyword)?.as_str());
        references.filter_map(|reference| self.target(reference)).collect::<Vec<_>>().into_iter()
    }

    /// Goes everywhere once; gives the steps from here to the end of the longest way.
    fn way(&mut self, value: &'a Value, steps: usize) -> Result<usize, String> {
        if let Value::Object(rules) = value {
            self.references_lead_somewhere(rules)?;
        }
        // What was gone through before, by a shorter way, may be too long by this one.
        let further = self.ways.get(&ptr::from_ref(value)).copied();
        if steps + further.unwrap_or(0) > LONGEST_WAY {
            return Err(format!("leads through more than {LONGEST_WAY} steps and references; make it flatter"));
        }
        if let Some(further) = further {
            return Ok(further);
        }
        self.ways.insert(ptr::from_ref(value), 0);
        let next: Vec<&Value> = match value {
            Value::Object(rules) => self.referred(rules).chain(rules.values()).collect(),
            Value::Array(list) => list.iter().collect(),
            _ => vec![],
        };
        let mut longest = 0;
        for next in next {
            longest = longest.max(self.way(next, steps + 1)? + 1);
        }
        self.ways.insert(ptr::from_ref(value), longest);
        Ok(longest)
    }

    /// What a value is compared with that is compared with these rules.
    fn at_once(&mut self, rules: &'a Map<String, Value>, within: usize) -> Result<AtOnce, String> {
        let known = self.known.get(&ptr::from_ref(rules)).copied();
        if known.is_none_or(|known| known.is_none()) && within >= LONGEST_AT_ONCE {
            return Err(too_many_levels());
        }
        match known {
            Some(Some(known)) if within + known.levels > LONGEST_AT_ONCE => return Err(too_many_levels()),
            Some(Some(known)) => return Ok(known),
            Some(None) => return Err("contains itself without going into the payload, so it has no end".to_owned()),
            None => {}
        }
        self.known.insert(ptr::from_ref(rules), None);
        let mut sum = AtOnce { schemas: 1, levels: 1 };
        for rules in self.for_the_same_value(rules).into_iter().filter_map(Value::as_object) {
            let inner = self.at_once(rules, within + 1)?;
            sum.schemas += inner.schemas;
            sum.levels = sum.levels.max(inner.levels + 1);
            if sum.schemas > MOST_AT_ONCE {
                return Err(format!(
                    "compares one value with more than {MOST_AT_ONCE} schemas; let allOf, anyOf and oneOf refer to less"
                ));
            }
        }
        self.known.insert(ptr::from_ref(rules), Some(sum));
        Ok(sum)
    }

    fn for_the_same_value(&self, rules: &'a Map<String, Value>) -> Vec<&'a Value> {
        let one = ONE.iter().filter_map(|keyword| rules.get(*keyword));
        let several = SEVERAL.iter().filter_map(|keyword| rules.get(*keyword)?.as_array()).flatten();
        let named = NAMED.iter().filter_map(|keyword| rules.get(*keyword)?.as_object()).flat_map(Map::values);
        self.referred(rules).chain(one).chain(several).chain(named).collect()
    }
}

/// The schemas of schemas, which are known everywhere and small.
fn is_of_json_schema(reference: &str) -> bool {
    ["http://json-schema.org/", "https://json-schema.org/"].iter().any(|start| reference.starts_with(start))
}

fn too_many_levels() -> String {
    format!(
        "has more than {LONGEST_AT_ONCE} schemas within one another for one value (by allOf, references and the like); \
         make it flatter"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_real_schemas_ask_for_is_little() {
        let tree = json!({"$id": "https://example.com/tree", "$ref": "#/$defs/node", "$defs": {
            "node": {"allOf": [{"$ref": "#base"}, {"properties": {"children": {"items": {"$ref": "#/$defs/node"}}}}]},
            "base": {"$anchor": "base", "type": "object", "required": ["id"]},
        }});
        assert_eq!(effort(&tree), Ok(Asks { at_once: 5, circles: 1 }));
        let many: Map<String, Value> = (0..5_000).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect();
        assert_eq!(effort(&json!({"properties": many, "enum": [{"$ref": 1}]})), Ok(Asks { at_once: 1, circles: 0 }));
        let operation = |name: &str| json!({"properties": {"type": {"const": name}, "of": {"items": {"$ref": "#"}}}});
        let expression = ["and", "or", "xor"].map(operation);
        assert_eq!(effort(&json!({"anyOf": expression})), Ok(Asks { at_once: 5, circles: 3 }));
    }

    #[test]
    fn what_doubles_at_each_step_is_refused() {
        for name in ["#/$defs/d", "#d"] {
            let mut defs = Map::new();
            for n in 0..20 {
                let next = json!({"$ref": format!("{name}{}", n + 1)});
                defs.insert(format!("d{n}"), json!({"$anchor": format!("d{n}"), "allOf": [next, next]}));
            }
            defs.insert("d20".to_owned(), json!({"$anchor": "d20", "required": ["z"]}));
            let wrong = effort(&json!({"$ref": format!("{name}0"), "$defs": defs})).unwrap_err();
            assert!(
                wrong.contains("compares one value with more than 1000 schemas")
                    || wrong.contains("within one another"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_doubles_with_each_level_of_the_payload_is_refused() {
        for keyword in ["properties", "patternProperties"] {
            let mut defs = Map::new();
            for n in 0..20 {
                let inside = json!({keyword: {"a": {"$ref": format!("#/$defs/d{}", n + 1)}}});
                defs.insert(format!("d{n}"), json!({"allOf": [inside, inside]}));
            }
            defs.insert("d20".to_owned(), json!({"type": "string"}));
            let row = |first: usize| effort(&json!({"$ref": format!("#/$defs/d{first}"), "$defs": defs}));
            assert!(row(0).unwrap_err().contains("inside the payload"));
            assert_eq!(row(16), Ok(Asks { at_once: 4, circles: 0 }));
        }
        let inside = json!({"items": {"$ref": "#"}});
        assert_eq!(effort(&json!({"allOf": [inside, inside]})), Ok(Asks { at_once: 4, circles: 2 }));
    }

    #[test]
    fn a_reference_that_leads_past_what_is_counted_is_refused() {
        let hidden = json!({"$ref": "http://e/r", "$defs": {"r": {"$id": "http://e/r", "$ref": "#/$defs/d0"}}});
        assert!(effort(&hidden).unwrap_err().contains("only the outermost"));
        assert!(effort(&json!({"$ref": "http://e/d1"})).unwrap_err().contains("not in this schema"));
        assert!(effort(&json!({"items": {"$ref": "#/$defs/none"}})).unwrap_err().contains("not in this schema"));
        let known = effort(&json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}));
        assert_eq!(known, Ok(Asks { at_once: 1, circles: 0 }));
    }

    #[test]
    fn ways_that_are_too_long_and_circles_without_an_end_are_refused() {
        let chain = |keyword: &str| {
            let link = |n: usize| {
                let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
                (format!("d{n}"), if keyword.is_empty() { next } else { json!({keyword: {"a": next}}) })
            };
            json!({"$ref": "#/$defs/d0", "$defs": (0..100_000).map(link).collect::<Map<_, _>>()})
        };
        assert!(effort(&chain("properties")).unwrap_err().contains("more than 1000 steps"));
        assert!(effort(&chain("")).is_err());
        // The same, where each is come to before the one that leads to it.
        let link =
            |n: usize| (format!("d{n:06}"), json!({"properties": {"a": {"$ref": format!("#/$defs/d{:06}", n - 1)}}}));
        let mut back: Map<_, _> = (1..5_000).map(link).collect();
        back.insert("d000000".to_owned(), json!({}));
        let back = json!({"$defs": back, "properties": {"a": {"$ref": "#/$defs/d004999"}}});
        assert!(effort(&back).unwrap_err().contains("more than 1000 steps"));
        let circle = json!({"allOf": [{"$ref": "#"}]});
        assert!(effort(&circle).unwrap_err().contains("without going into the payload"));
    }
}
