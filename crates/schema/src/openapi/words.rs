//! OpenAPI 3.0's own words, said in those of JSON Schema.

use serde_json::{Map, Value, json};

/// OpenAPI 3.0's words in JSON Schema's: an exclusive limit is a limit of its own, null is a type.
pub fn plain_words(mut rules: Map<String, Value>) -> Value {
    for (limit, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        let Some(is_exclusive) = rules.get(exclusive).and_then(Value::as_bool) else { continue };
        rules.shift_remove(exclusive);
        if is_exclusive && let Some(at) = rules.shift_remove(limit) {
            rules.insert(exclusive.to_owned(), at);
        }
    }
    let Some(nullable) = rules.get("nullable").and_then(Value::as_bool) else { return Value::Object(rules) };
    rules.shift_remove("nullable");
    if nullable { or_null(rules) } else { Value::Object(rules) }
}

/// A schema that allows null, too.
fn or_null(mut rules: Map<String, Value>) -> Value {
    if let Some(Value::Array(values)) = rules.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    match rules.get("type").cloned() {
        Some(Value::Array(mut kinds)) => {
            if !kinds.iter().any(|kind| kind == "null") {
                kinds.push(json!("null"));
            }
            rules.insert("type".to_owned(), Value::Array(kinds));
        }
        Some(kind) => {
            rules.insert("type".to_owned(), json!([kind, "null"]));
        }
        // What is referred to says that null is wrong.
        None if ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|keyword| rules.contains_key(*keyword)) => {
            return either_null(rules);
        }
        None => {}
    }
    Value::Object(rules)
}

/// A schema or null. What its references lead to stays where it was.
fn either_null(mut rules: Map<String, Value>) -> Value {
    let mut either = Map::new();
    for kept in ["$defs", "definitions"] {
        if let Some(defs) = rules.shift_remove(kept) {
            either.insert(kept.to_owned(), defs);
        }
    }
    either.insert("anyOf".to_owned(), json!([rules, {"type": "null"}]));
    Value::Object(either)
}
