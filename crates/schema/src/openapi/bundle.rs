//! A schema out of a document, made to stand by itself: what it refers to comes along in its `$defs`.

use super::words::plain_words;
use super::{COMPONENTS, MOST_HOPS, circle, find, missing, path, spend, spend_bytes};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Copies a schema together with all that it refers to.
pub struct Bundle<'a, 'b> {
    spec: &'a Value,
    left: &'b mut usize,
    /// What goes into `$defs`: its name there, by its pointer in the document.
    names: BTreeMap<String, String>,
    /// The names that `$defs` has.
    taken: BTreeSet<String>,
    /// What was not copied yet.
    waiting: VecDeque<(String, &'a Value)>,
}

/// Where a reference within a schema starts, if that is not the document.
struct Home<'a> {
    schema: &'a Value,
    /// How the root's references get there.
    reference: String,
}

impl<'a> Bundle<'a, '_> {
    pub fn of(spec: &'a Value, schema: &'a Value, left: &mut usize) -> Result<Value, String> {
        let root = unwrapped(spec, schema)?;
        let own = root.get("$defs").and_then(Value::as_object);
        let taken = own.into_iter().flat_map(Map::keys).cloned().collect();
        let mut bundle = Bundle { spec, left, names: BTreeMap::new(), taken, waiting: VecDeque::new() };
        let mut copy = bundle.schema(root, &Home { schema: root, reference: "#".to_owned() })?;
        let mut defs = Map::new();
        while let Some((name, found)) = bundle.waiting.pop_front() {
            let home = Home { schema: found, reference: format!("#/$defs/{}", step(&name)) };
            let def = bundle.schema(found, &home)?;
            defs.insert(name, def);
        }
        if let Some(rules) = copy.as_object_mut().filter(|_| !defs.is_empty()) {
            match rules.get_mut("$defs") {
                Some(Value::Object(own)) => own.extend(defs),
                _ => drop(rules.insert("$defs".to_owned(), Value::Object(defs))),
            }
        }
        Ok(copy)
    }

    fn schema(&mut self, schema: &'a Value, home: &Home<'a>) -> Result<Value, String> {
        match schema {
            Value::Object(rules) => self.rules(rules, home),
            Value::Array(list) => {
                spend_bytes(self.left, 2 + list.len())?;
                list.iter().map(|one| self.schema(one, home)).collect::<Result<_, _>>().map(Value::Array)
            }
            plain => self.data(plain),
        }
    }

    fn rules(&mut self, rules: &'a Map<String, Value>, home: &Home<'a>) -> Result<Value, String> {
        let mut copy = Map::new();
        for (keyword, value) in rules {
            let value = match (keyword.as_str(), value) {
                // OpenAPI's own, which would lead nowhere, and an address that would bend the references.
                ("discriminator" | "xml" | "externalDocs", _) | ("$id", Value::String(_)) => continue,
                ("$ref", Value::String(reference)) => Value::String(self.reference(reference, home)?),
                (
                    "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" | "dependencies",
                    Value::Object(named),
                ) => self.named(named, home)?,
                ("enum" | "const" | "default" | "example" | "examples" | "required" | "type", _) => self.data(value)?,
                (own, _) if own.starts_with("x-") => self.data(value)?,
                _ => self.schema(value, home)?,
            };
            spend_bytes(self.left, keyword.len() + 4)?;
            copy.insert(keyword.clone(), value);
        }
        Ok(plain_words(copy))
    }

    /// Schemas by names that are not keywords.
    fn named(&mut self, named: &'a Map<String, Value>, home: &Home<'a>) -> Result<Value, String> {
        let mut copy = Map::new();
        for (name, schema) in named {
            spend_bytes(self.left, name.len() + 4)?;
            copy.insert(name.clone(), self.schema(schema, home)?);
        }
        Ok(Value::Object(copy))
    }

    fn data(&mut self, value: &Value) -> Result<Value, String> {
        spend(self.left, value)?;
        Ok(value.clone())
    }

    /// A reference as it must be in the bundle.
    fn reference(&mut self, reference: &str, home: &Home<'a>) -> Result<String, String> {
        let path = path(reference)?;
        let spec = self.spec;
        let moved = match spec.pointer(&path).filter(|_| !path.is_empty()) {
            Some(found) => self.define(&path, found)?,
            // Schemas that were made by themselves refer to their own `$defs`, or to all of themselves.
            None if home.schema.pointer(&path).is_some() => {
                format!("{}{}", home.reference, reference.trim_start_matches('#'))
            }
            None => return Err(missing(reference)),
        };
        spend_bytes(self.left, moved.len() + 2)?;
        Ok(moved)
    }

    /// Puts something of the document into `$defs`, and refers to it there: a component as a whole.
    fn define(&mut self, path: &str, found: &'a Value) -> Result<String, String> {
        let (base, rest) = match path.strip_prefix(COMPONENTS).and_then(|inner| inner.find('/')) {
            Some(at) => path.split_at(COMPONENTS.len() + at),
            None => (path, ""),
        };
        let name = match self.names.get(base) {
            Some(name) => name.clone(),
            None => {
                let found = if rest.is_empty() { Some(found) } else { self.spec.pointer(base) };
                let found = found.ok_or_else(|| missing(base))?;
                let name = self.free_name(base);
                self.names.insert(base.to_owned(), name.clone());
                self.waiting.push_back((name.clone(), found));
                name
            }
        };
        Ok(format!("#/$defs/{}{}", step(&name), in_fragment(rest)))
    }

    /// A component's own name, or else where it stood in the document.
    fn free_name(&mut self, base: &str) -> String {
        let mut name = match base.strip_prefix(COMPONENTS) {
            Some(name) => name.replace("~1", "/").replace("~0", "~"),
            None => base.trim_start_matches('/').to_owned(),
        };
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

/// A schema, or what it refers to if that is all it does.
fn unwrapped<'a>(spec: &'a Value, schema: &'a Value) -> Result<&'a Value, String> {
    let mut schema = schema;
    for _ in 0..MOST_HOPS {
        let reference = schema.get("$ref").and_then(Value::as_str);
        match reference.filter(|_| schema.as_object().is_some_and(|rules| rules.len() == 1)) {
            Some(reference) => schema = find(spec, reference)?,
            None => return Ok(schema),
        }
    }
    Err(circle())
}

/// A name as a step of a JSON Pointer in a reference.
fn step(name: &str) -> String {
    in_fragment(&name.replace('~', "~0").replace('/', "~1"))
}

/// A JSON Pointer as a reference has it after its `#`.
fn in_fragment(pointer: &str) -> String {
    let encoded = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"/~-._!$&'()*+,;=:@?".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    pointer.bytes().map(encoded).collect()
}
