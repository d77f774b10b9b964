//! What our document has beside Svix's: everything, and more. `svix/openapi.json` is the document of Svix's
//! open server, without its descriptions; clients of Svix are generated from it.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where we differ on purpose.
const KNOWN: &[&str] = &[
    // Answers with the new secret: clients since 2.0 read it, and fail on an empty answer.
    "post /api/v1/app/{app_id}/endpoint/{endpoint_id}/secret/rotate: no answer 204",
];

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

#[test]
fn our_document_has_all_that_svix_has() {
    let theirs: Value = serde_json::from_str(include_str!("svix/openapi.json")).unwrap();
    let ours = serde_json::to_value(postrider_api::document()).unwrap();
    let mut compared = Compared { theirs: Document(&theirs), ours: Document(&ours), missing: vec![], fields: 0 };
    let mut operations = 0;
    for (path, item) in theirs["paths"].as_object().unwrap() {
        for method in METHODS.iter().filter(|method| item.get(*method).is_some()) {
            operations += 1;
            let name = format!("{method} {path}");
            match ours["paths"].get(path.trim_end_matches('/')).and_then(|item| item.get(method)) {
                Some(operation) => compared.operation(&name, &item[method], operation),
                None => compared.missing.push(format!("{name}: no operation")),
            }
        }
    }
    assert_eq!(compared.missing, KNOWN, "what clients of Svix would miss");
    assert_eq!(operations, 41);
    assert!(compared.fields > 400, "only {} fields were compared", compared.fields);
}

/// A document, to follow its references.
#[derive(Clone, Copy)]
struct Document<'a>(&'a Value);

impl<'a> Document<'a> {
    fn resolved(&self, mut schema: &'a Value) -> &'a Value {
        while let Some(reference) = schema["$ref"].as_str() {
            schema = self.0.pointer(&reference[1..]).unwrap_or_else(|| panic!("{reference} leads nowhere"));
        }
        schema
    }

    /// The schema itself and what it is put together from, without `null`.
    fn parts(&self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        let mut parts = vec![schema];
        for word in ["allOf", "oneOf", "anyOf"] {
            for part in schema[word].as_array().into_iter().flatten().filter(|part| part["type"] != "null") {
                parts.extend(self.parts(part));
            }
        }
        parts
    }

    fn shape(&self, schema: &'a Value) -> Shape<'a> {
        let mut shape = Shape::default();
        for part in self.parts(schema) {
            match &part["type"] {
                Value::String(name) => drop(shape.types.insert(name.as_str())),
                Value::Array(names) => shape.types.extend(names.iter().filter_map(Value::as_str)),
                _ => {}
            }
            shape.values.extend(part["enum"].as_array().into_iter().flatten().map(Value::to_string));
            shape.format = shape.format.or(part["format"].as_str());
            shape
                .fields
                .extend(part["properties"].as_object().into_iter().flatten().map(|(name, of)| (name.as_str(), of)));
            shape.required.extend(part["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
            shape.items = shape.items.or(part.get("items"));
        }
        shape.types.remove("null");
        shape
    }
}

/// A schema as it matters to who reads or writes by it.
#[derive(Default)]
struct Shape<'a> {
    types: BTreeSet<&'a str>,
    values: BTreeSet<String>,
    format: Option<&'a str>,
    fields: BTreeMap<&'a str, &'a Value>,
    required: BTreeSet<&'a str>,
    items: Option<&'a Value>,
}

/// Which side relies on what is required.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    In,
    Out,
}

struct Compared<'a> {
    theirs: Document<'a>,
    ours: Document<'a>,
    missing: Vec<String>,
    fields: usize,
}

impl<'a> Compared<'a> {
    fn operation(&mut self, name: &str, theirs: &'a Value, ours: &'a Value) {
        if theirs.get("operationId").is_some_and(|id| *id != ours["operationId"]) {
            self.missing.push(format!("{name}: the operation's id is {}", ours["operationId"]));
        }
        for parameter in theirs["parameters"].as_array().into_iter().flatten() {
            let parameter = self.theirs.resolved(parameter);
            let same = |other: &&Value| other["name"] == parameter["name"] && other["in"] == parameter["in"];
            let label = format!("{name} ?{}", parameter["name"].as_str().unwrap());
            match ours["parameters"].as_array().into_iter().flatten().find(same) {
                Some(other) => self.schema(&label, &parameter["schema"], &other["schema"], Way::In),
                None => self.missing.push(format!("{label}: no parameter")),
            }
        }
        if theirs.get("requestBody").is_some() {
            self.schema(&format!("{name} body"), body(&theirs["requestBody"]), body(&ours["requestBody"]), Way::In);
        }
        for (status, answer) in theirs["responses"].as_object().unwrap() {
            match ours["responses"].get(status) {
                None => self.missing.push(format!("{name}: no answer {status}")),
                Some(_) if answer.get("content").is_none() => {}
                Some(other) if other.get("content").is_none() => {
                    self.missing.push(format!("{name} {status}: no body"));
                }
                Some(other) => self.schema(&format!("{name} {status}"), body(answer), body(other), Way::Out),
            }
        }
    }

    fn schema(&mut self, name: &str, theirs: &'a Value, ours: &'a Value, way: Way) {
        self.fields += 1;
        let (theirs, ours) = (self.theirs.shape(theirs), self.ours.shape(ours));
        if !ours.types.is_empty() && !theirs.types.is_subset(&ours.types) {
            self.missing.push(format!("{name}: is {:?}, not {:?}", ours.types, theirs.types));
        }
        if !theirs.values.is_subset(&ours.values) {
            self.missing.push(format!("{name}: is one of {:?}, not {:?}", ours.values, theirs.values));
        }
        if theirs.format.is_some() && theirs.format != ours.format {
            self.missing.push(format!("{name}: has the format {:?}, not {:?}", ours.format, theirs.format));
        }
        let (needed, given) = match way {
            Way::In => (&ours.required, &theirs.required),
            Way::Out => (&theirs.required, &ours.required),
        };
        self.missing.extend(needed.difference(given).map(|field| format!("{name}.{field}: who relies on it?")));
        for (field, schema) in theirs.fields {
            let label = format!("{name}.{field}");
            match ours.fields.get(field) {
                Some(other) => self.schema(&label, schema, other, way),
                None => self.missing.push(format!("{label}: no field")),
            }
        }
        match (theirs.items, ours.items) {
            (Some(items), Some(others)) => self.schema(&format!("{name}[]"), items, others, way),
            (Some(_), None) => self.missing.push(format!("{name}: says nothing of its items")),
            (None, _) => {}
        }
    }
}

fn body(of: &Value) -> &Value {
    &of["content"]["application/json"]["schema"]
}
