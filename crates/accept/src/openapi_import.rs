//! Event types out of an OpenAPI document: what its `webhooks` say, each with a schema that stands by
//! itself.
//!
//! OpenAPI 3.1 has `webhooks`; documents of 3.0 put the same under `x-webhooks`. A webhook's key there is the
//! event type's name, as it is for Svix, whatever `operationId` says: frameworks make those up.
//! `x-svix-feature-flags` and `x-svix-group-name` of its operation are the type's flags and its group.
//!
//! What a schema refers to comes along in its `$defs`. OpenAPI 3.0's own words are turned into JSON Schema's:
//! `nullable`, and limits that are exclusive by a flag. References out of the document are refused, because
//! nothing is fetched here.

use crate::schema_diff::pointer;
use crate::yaml;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Event types that come out of one document.
const MOST: usize = 1_000;
/// Bytes of all schemas together, as JSON: as many as a request may bring, however often one schema is used.
const MOST_BYTES: usize = 25 << 20;
/// References to references.
const MOST_HOPS: usize = 16;
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const COMPONENTS: &str = "/components/schemas/";

/// An event type as an OpenAPI document describes it. Its name, flags and group are not checked yet.
#[derive(Clone, Debug, PartialEq)]
pub struct FromOpenApi {
    pub name: String,
    pub description: String,
    /// JSON Schema of the payload, if the document has one; an object.
    pub schema: Option<Value>,
    pub deprecated: bool,
    pub group_name: Option<String>,
    pub feature_flags: Vec<String>,
}

/// Reads a document that is written as JSON or YAML.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().starts_with('{') {
        return yaml::parse(text).map_err(|problem| format!("is no YAML that can be read: {problem}"));
    }
    // Braces are YAML, too, but hardly anybody means that: so it is JSON's mistake that is told.
    serde_json::from_str(text).or_else(|error| yaml::parse(text).map_err(|_| format!("is no JSON: {error}")))
}

/// The event types that a document describes, in its order.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn event_types(spec: &Value) -> Result<Vec<FromOpenApi>, String> {
    let Some(document) = spec.as_object() else {
        return Err("is no OpenAPI document: that is an object with \"openapi\", \"info\" and \"webhooks\"".to_owned());
    };
    let webhooks = webhooks(document)?;
    if webhooks.is_empty() {
        return Err("describes no webhooks: they were looked for in \"webhooks\" (OpenAPI 3.1) and \"x-webhooks\" \
                    (3.0) at its top; add them there, such as {\"webhooks\": {\"user.created\": {\"post\": {…}}}}"
            .to_owned());
    }
    if webhooks.len() > MOST {
        return Err(format!(
            "describes {} webhooks; at most {MOST} can be imported at once, so split it",
            webhooks.len()
        ));
    }
    let mut left = MOST_BYTES;
    let one = |(name, item): (&String, &Value)| {
        event_type(spec, name, item, &mut left).map_err(|problem| format!("webhook {name:?} {problem}"))
    };
    webhooks.into_iter().map(one).collect()
}

/// The webhooks at both places. Documents that serve old and new tools say the same twice.
fn webhooks(document: &Map<String, Value>) -> Result<Vec<(&String, &Value)>, String> {
    let section = |name: &str| match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(format!("has {name:?} that is no object; it must hold a path item for each webhook's name")),
    };
    let (new, old) = (section("webhooks")?, section("x-webhooks")?);
    let is_only_old = |name: &str| new.is_none_or(|new| !new.contains_key(name));
    let more = old.into_iter().flatten().filter(|(name, _)| is_only_old(name));
    Ok(new.into_iter().flatten().chain(more).collect())
}

fn event_type(spec: &Value, name: &str, item: &Value, left: &mut usize) -> Result<FromOpenApi, String> {
    let item = target(spec, item)?;
    let operation = operation(item).ok_or("has no operation; describe what is sent under \"post\"")?;
    let body = operation.get("requestBody").map(|body| target(spec, body)).transpose()?;
    let said = [Some(operation), Some(item), body].into_iter().flatten();
    let description = said.flat_map(|of| [text(of, "description"), text(of, "summary")]).flatten().next();
    Ok(FromOpenApi {
        name: name.to_owned(),
        description: description.unwrap_or_default().to_owned(),
        schema: body.map(|body| schema(spec, body, left)).transpose()?.flatten(),
        deprecated: operation.get("deprecated") == Some(&Value::Bool(true)),
        group_name: group_name(operation)?,
        feature_flags: feature_flags(operation)?,
    })
}

/// `post`, which is what webhooks are, or else the first that is there.
fn operation(item: &Value) -> Option<&Value> {
    let item = item.as_object()?;
    let first = || item.iter().find(|(key, _)| METHODS.contains(&key.as_str())).map(|(_, operation)| operation);
    item.get("post").or_else(first)
}

fn text<'a>(of: &'a Value, field: &str) -> Option<&'a str> {
    of.get(field)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

fn group_name(operation: &Value) -> Result<Option<String>, String> {
    match operation.get("x-svix-group-name") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(Some(name.clone())),
        Some(_) => Err("has x-svix-group-name that is no text".to_owned()),
    }
}

/// The list of flags, or the single one of older documents.
fn feature_flags(operation: &Value) -> Result<Vec<String>, String> {
    let given = |field: &str| operation.get(field).filter(|value| !value.is_null());
    let flags: Option<Vec<&Value>> = match (given("x-svix-feature-flags"), given("x-svix-feature-flag")) {
        (None, None) => Some(Vec::new()),
        (Some(list), _) => list.as_array().map(|list| list.iter().collect()),
        (None, Some(one)) => Some(vec![one]),
    };
    let texts: Option<Vec<String>> =
        flags.and_then(|flags| flags.into_iter().map(|flag| flag.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| "has x-svix-feature-flags that are no list of texts, such as [\"beta\"]".to_owned())
}

/// What a value refers to, or itself.
fn target<'a>(spec: &'a Value, value: &'a Value) -> Result<&'a Value, String> {
    let mut value = value;
    for _ in 0..MOST_HOPS {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => value = find(spec, reference)?,
            None => return Ok(value),
        }
    }
    Err(circle())
}

fn circle() -> String {
    format!("has more than {MOST_HOPS} references in a row, or they go in a circle")
}

fn find<'a>(spec: &'a Value, reference: &str) -> Result<&'a Value, String> {
    let path = path(reference)?;
    spec.pointer(&path).ok_or_else(|| missing(reference))
}

/// The JSON Pointer of a reference into the document.
fn path(reference: &str) -> Result<String, String> {
    let path = pointer(reference).filter(|path| path.is_empty() || path.starts_with('/'));
    path.ok_or_else(|| {
        format!(
            "refers to {reference:?}; only references within the document, such as \"#{COMPONENTS}User\", can be \
             followed: bundle it all into one document first"
        )
    })
}

fn missing(reference: &str) -> String {
    format!("refers to {reference:?}, which the document does not have")
}

/// The schema of what is sent, with the examples that stand beside it.
fn schema(spec: &Value, body: &Value, left: &mut usize) -> Result<Option<Value>, String> {
    let Some((media, given)) = json_of(body).and_then(|media| Some((media, media.get("schema")?))) else {
        return Ok(None);
    };
    let mut rules = match Bundle::of(spec, given, left)? {
        Value::Object(rules) => rules,
        Value::Bool(true) => Map::new(),
        Value::Bool(false) => return Err("has the schema `false`: no payload could be right".to_owned()),
        _ => return Err("has a schema that is no object".to_owned()),
    };
    let examples = examples(spec, media)?;
    if !examples.is_empty() {
        let examples = Value::Array(examples);
        spend(left, &examples)?;
        rules.insert("examples".to_owned(), examples);
    }
    Ok(Some(Value::Object(rules)))
}

/// What a request body says of JSON.
fn json_of(body: &Value) -> Option<&Value> {
    let content = body.get("content")?.as_object()?;
    let is_json = |kind: &str| {
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind == "application/json" || kind.ends_with("+json")
    };
    let other = || content.iter().find(|(kind, _)| is_json(kind)).map(|(_, media)| media);
    content.get("application/json").or_else(other)
}

fn examples(spec: &Value, media: &Value) -> Result<Vec<Value>, String> {
    if let Some(example) = media.get("example") {
        return Ok(vec![example.clone()]);
    }
    let named = media.get("examples").and_then(Value::as_object);
    let found = named.into_iter().flatten().map(|(_, example)| target(spec, example));
    let values = found.map(|example| example.map(|example| example.get("value").cloned()));
    values.filter_map(Result::transpose).collect()
}

fn spend(left: &mut usize, value: &Value) -> Result<(), String> {
    spend_bytes(left, value.to_string().len())
}

fn spend_bytes(left: &mut usize, bytes: usize) -> Result<(), String> {
    *left = left.checked_sub(bytes).ok_or_else(|| {
        format!(
            "is too much: the schemas so far have more than {MOST_BYTES} bytes, because each has a copy of all \
             that it refers to; split the document, or let schemas refer to less"
        )
    })?;
    Ok(())
}

/// Copies a schema together with all that it refers to.
struct Bundle<'a, 'b> {
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
    fn of(spec: &'a Value, schema: &'a Value, left: &mut usize) -> Result<Value, String> {
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

/// OpenAPI 3.0's words in JSON Schema's: an exclusive limit is a limit of its own, null is a type.
fn plain_words(mut rules: Map<String, Value>) -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The event types of a document with these webhooks and components.
    fn imported(webhooks: Value, components: Value) -> Result<Vec<FromOpenApi>, String> {
        event_types(&json!({"openapi": "3.1.0", "webhooks": webhooks, "components": components}))
    }

    fn sends(schema: Value) -> Value {
        json!({"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}})
    }

    /// The schema of the one event type of a document.
    fn schema_of(schema: Value, schemas: Value) -> Value {
        let all = imported(json!({"pet.new": sends(schema)}), json!({"schemas": schemas})).unwrap();
        all.into_iter().next().unwrap().schema.unwrap()
    }

    fn wrong(webhook: Value) -> String {
        imported(json!({"pet.new": webhook}), json!({})).unwrap_err()
    }

    #[test]
    fn a_webhook_is_an_event_type() {
        let webhooks = json!({
            "pet.new": {"post": {
                "operationId": "made_up_by_a_framework",
                "summary": "New pet",
                "description": "A new pet has been added\n",
                "deprecated": true,
                "x-svix-feature-flags": ["beta-feature-a", "b"],
                "x-svix-group-name": "group-name-1",
                "requestBody": {"content": {"application/json": {
                    "schema": {"type": "object", "properties": {"name": {"type": "string"}}},
                    "example": {"name": "Buddy"}
                }}}
            }},
            "pet.gone": {"put": {"x-svix-feature-flag": "old", "requestBody": {"description": "Gone.", "content": {}}}},
            "pet.fed": {"summary": "Was fed", "post": {"responses": {}, "x-svix-group-name": null}}
        });
        let schema = json!({
            "type": "object", "properties": {"name": {"type": "string"}}, "examples": [{"name": "Buddy"}]
        });
        let plain = |name: &str, description: &str| FromOpenApi {
            name: name.to_owned(),
            description: description.to_owned(),
            schema: None,
            deprecated: false,
            group_name: None,
            feature_flags: Vec::new(),
        };
        let new = FromOpenApi {
            schema: Some(schema),
            deprecated: true,
            group_name: Some("group-name-1".to_owned()),
            feature_flags: vec!["beta-feature-a".to_owned(), "b".to_owned()],
            ..plain("pet.new", "A new pet has been added")
        };
        let gone = FromOpenApi { feature_flags: vec!["old".to_owned()], ..plain("pet.gone", "Gone.") };
        assert_eq!(imported(webhooks, json!({})), Ok(vec![new, gone, plain("pet.fed", "Was fed")]));
    }

    #[test]
    fn yaml_and_json_are_read() {
        let lines = [
            "openapi: 3.1.0",
            "webhooks:",
            "  \"pet.new\":",
            "    post:",
            "      requestBody:",
            "        description: Information about a new pet",
            "        content:",
            "          application/json:",
            "            schema:",
            "              $ref: \"#/components/schemas/Pet\"",
            "      responses:",
            "        200: {description: Received}",
            "components:",
            "  schemas:",
            "    Pet:",
            "      required: [id, name]",
            "      properties:",
            "        id: {type: integer, format: int64}",
            "        name: {type: string}",
        ];
        let spec = read(&lines.join("\n")).unwrap();
        let all = event_types(&spec).unwrap();
        let schema = json!({
            "required": ["id", "name"],
            "properties": {"id": {"type": "integer", "format": "int64"}, "name": {"type": "string"}}
        });
        assert_eq!((all[0].name.as_str(), all[0].description.as_str()), ("pet.new", "Information about a new pet"));
        assert_eq!(all[0].schema, Some(schema));
        assert_eq!(read(&format!("\u{feff}{spec}")), Ok(spec));

        assert!(read("{\"a\": 1,}x").unwrap_err().starts_with("is no JSON: "));
        assert!(read("{a: 1}").is_ok());
        assert!(read("a: 1\na: 2").unwrap_err().starts_with("is no YAML that can be read: line 2: "));
        assert!(read(" ").unwrap_err().ends_with("there is nothing in it"));
    }

    #[test]
    fn webhooks_are_found_at_both_places() {
        let old = json!({"openapi": "3.0.3", "x-webhooks": {"b": {"post": {}}, "a": {"post": {"summary": "old"}}}});
        let names = |spec: &Value| event_types(spec).unwrap().into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names(&old), ["b", "a"]);
        let mut both = old;
        both["webhooks"] = json!({"a": {"post": {"summary": "new"}}});
        assert_eq!(names(&both), ["a", "b"]);
        assert_eq!(event_types(&both).unwrap()[0].description, "new");
    }

    #[test]
    fn what_a_schema_refers_to_comes_along() {
        let schemas = json!({
            "Order": {"properties": {"buyer": {"$ref": "#/components/schemas/User"}, "id": {"type": "integer"}}},
            "User": {
                "properties": {"friends": {"items": {"$ref": "#/components/schemas/User"}}},
                "discriminator": {"propertyName": "kind", "mapping": {"a": "#/components/schemas/A"}}
            },
            "Unused": {"type": "string"}
        });
        let user = json!({"properties": {"friends": {"items": {"$ref": "#/$defs/User"}}}});
        assert_eq!(
            schema_of(json!({"$ref": "#/components/schemas/Order"}), schemas.clone()),
            json!({
                "properties": {"buyer": {"$ref": "#/$defs/User"}, "id": {"type": "integer"}},
                "$defs": {"User": user}
            })
        );
        // One that refers to itself is there twice: as the root, and as what the root refers to.
        let mut twice = user.clone();
        twice["$defs"] = json!({"User": user});
        assert_eq!(schema_of(json!({"$ref": "#/components/schemas/User"}), schemas.clone()), twice);
        // A part of a component brings the whole one; what is no component is named by where it stands.
        let of = json!({"allOf": [
            {"$ref": "#/components/schemas/Order/properties/id"},
            {"$ref": "#/webhooks/pet.new/post/requestBody/content/application~1json/schema/properties/x"}
        ], "properties": {"x": {"type": "null"}}});
        let made = schema_of(of, schemas);
        assert_eq!(made["allOf"][0]["$ref"], "#/$defs/Order/properties/id");
        let reference = made["allOf"][1]["$ref"].as_str().unwrap();
        assert_eq!(made.pointer(&pointer(reference).unwrap()), Some(&json!({"type": "null"})));
        assert_eq!(made["$defs"].as_object().unwrap().len(), 3, "{made}");
    }

    #[test]
    fn a_schema_that_was_made_by_itself_keeps_its_own_definitions() {
        let pydantic = json!({
            "properties": {
                "pet": {"$ref": "#/$defs/Pet"}, "all": {"$ref": "#"}, "other": {"$ref": "#/components/schemas/Pet"}
            },
            "$defs": {"Pet": {"type": "string"}}
        });
        let component =
            json!({"Pet": {"items": {"$ref": "#/definitions/A B"}, "definitions": {"A B": {"type": "null"}}}});
        let made = schema_of(pydantic, component);
        assert_eq!(
            made["properties"],
            json!({
                "pet": {"$ref": "#/$defs/Pet"}, "all": {"$ref": "#"}, "other": {"$ref": "#/$defs/Pet_"}
            })
        );
        assert_eq!(made["$defs"]["Pet"], json!({"type": "string"}));
        assert_eq!(made["$defs"]["Pet_"]["items"]["$ref"], "#/$defs/Pet_/definitions/A B");
    }

    #[test]
    fn odd_names_are_encoded_in_references() {
        let schemas = json!({"Page[Pet]": {"type": "string"}, "a~b/c": {"type": "null"}});
        let made = schema_of(
            json!({"anyOf": [
                {"$ref": "#/components/schemas/Page%5BPet%5D"},
                {"$ref": "#/components/schemas/Page[Pet]"},
                {"$ref": "#/components/schemas/a~0b~1c"}
            ]}),
            schemas,
        );
        let references: Vec<&str> = (0..3_usize).filter_map(|n| made["anyOf"][n]["$ref"].as_str()).collect();
        assert_eq!(references, ["#/$defs/Page%5BPet%5D", "#/$defs/Page%5BPet%5D", "#/$defs/a~0b~1c"]);
        assert_eq!(made["$defs"], json!({"Page[Pet]": {"type": "string"}, "a~b/c": {"type": "null"}}));
    }

    #[test]
    fn keywords_are_told_from_names_and_from_data() {
        let given = json!({
            "$id": "https://example.com/pet",
            "properties": {
                "$ref": {"type": "string", "nullable": true},
                "nullable": {"type": "boolean"},
                "$id": {"type": "string"}
            },
            "default": {"$ref": "no reference", "nullable": true},
            "enum": [{"$ref": "neither"}],
            "x-mine": {"$ref": "nor this"}
        });
        let made = schema_of(given.clone(), json!({}));
        assert_eq!(
            made["properties"],
            json!({
                "$ref": {"type": ["string", "null"]}, "nullable": {"type": "boolean"}, "$id": {"type": "string"}
            })
        );
        for same in ["default", "enum", "x-mine"] {
            assert_eq!(made[same], given[same]);
        }
        assert!(made.get("$id").is_none());
    }

    #[test]
    fn words_of_openapi_3_0_become_json_schema() {
        let made = |rules: Value| schema_of(json!({"items": rules}), json!({"A": {"type": "string"}}))["items"].clone();
        for (given, wanted) in [
            (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
            (json!({"type": "string", "nullable": false}), json!({"type": "string"})),
            (json!({"type": ["string", "null"], "nullable": true}), json!({"type": ["string", "null"]})),
            (
                json!({"type": "string", "enum": ["a"], "nullable": true}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (
                json!({"allOf": [{"$ref": "#/components/schemas/A"}], "nullable": true}),
                json!({"anyOf": [{"allOf": [{"$ref": "#/$defs/A"}]}, {"type": "null"}]}),
            ),
            (json!({"description": "Any", "nullable": true}), json!({"description": "Any"})),
            (json!({"minimum": 1, "exclusiveMinimum": true}), json!({"exclusiveMinimum": 1})),
            (json!({"maximum": 1, "exclusiveMaximum": false}), json!({"maximum": 1})),
            (json!({"exclusiveMaximum": 5}), json!({"exclusiveMaximum": 5})),
        ] {
            assert_eq!(made(given.clone()), wanted, "{given}");
        }
    }

    #[test]
    fn bodies_items_and_examples_may_be_references() {
        let webhooks = json!({"pet.new": {"$ref": "#/components/pathItems/New"}});
        let components = json!({
            "pathItems": {"New": {"post": {"requestBody": {"$ref": "#/components/requestBodies/Pet"}}}},
            "requestBodies": {"Pet": {"content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/cloudevents+json; charset=utf-8": {
                    "schema": {"type": "object"},
                    "examples": {"one": {"$ref": "#/components/examples/One"}, "two": {"value": 2}, "three": {}}
                }
            }}},
            "examples": {"One": {"value": {"n": 1}}}
        });
        let all = imported(webhooks, components).unwrap();
        assert_eq!(all[0].schema, Some(json!({"type": "object", "examples": [{"n": 1}, 2]})));
        let all = imported(json!({"any": sends(json!(true)), "none": {"post": {}}}), json!({})).unwrap();
        assert_eq!((&all[0].schema, &all[1].schema), (&Some(json!({})), &None));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_would_be_right() {
        assert!(event_types(&json!([])).unwrap_err().starts_with("is no OpenAPI document"));
        for empty in [json!({"paths": {}}), json!({"webhooks": {}}), json!({"webhooks": null})] {
            let problem = event_types(&empty).unwrap_err();
            assert!(problem.contains("\"webhooks\" (OpenAPI 3.1) and \"x-webhooks\" (3.0)"), "{problem}");
        }
        assert!(event_types(&json!({"webhooks": []})).unwrap_err().starts_with("has \"webhooks\" that is no object"));
        assert!(wrong(json!({"parameters": []})).starts_with("webhook \"pet.new\" has no operation"));
        assert!(wrong(json!({"post": {"x-svix-feature-flags": "beta"}})).contains("such as [\"beta\"]"));
        assert!(wrong(json!({"post": {"x-svix-feature-flags": [1]}})).contains("such as [\"beta\"]"));
        assert!(wrong(json!({"post": {"x-svix-group-name": 1}})).contains("x-svix-group-name that is no text"));
        assert!(wrong(sends(json!({"$ref": "pet.yaml"}))).contains("refers to \"pet.yaml\"; only references within"));
        let gone = json!({"items": {"$ref": "#/components/schemas/Gone"}});
        let problem = wrong(sends(gone));
        assert_eq!(
            problem,
            "webhook \"pet.new\" refers to \"#/components/schemas/Gone\", which the document does not have"
        );
        assert!(wrong(sends(json!("string"))).contains("a schema that is no object"));
        assert!(wrong(sends(json!(false))).contains("no payload could be right"));
        assert!(wrong(json!({"$ref": "#/webhooks/pet.new"})).contains("go in a circle"));
        let circle = json!({"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}});
        let webhooks = json!({"a": sends(json!({"$ref": "#/components/schemas/A"}))});
        assert!(imported(webhooks, json!({"schemas": circle})).unwrap_err().contains("go in a circle"));
    }

    #[test]
    fn there_are_limits() {
        let many = |count: usize| (0..count).map(|n| (format!("e{n}"), json!({"post": {}}))).collect::<Map<_, _>>();
        assert_eq!(imported(json!(many(1_000)), json!({})).unwrap().len(), 1_000);
        let problem = imported(json!(many(1_001)), json!({})).unwrap_err();
        assert_eq!(problem, "describes 1001 webhooks; at most 1000 can be imported at once, so split it");

        // A document of 200 KB whose bundles would have 100 MB.
        let schemas = json!({"Long": {"description": "x".repeat(100_000)}});
        let of = json!({"items": {"$ref": "#/components/schemas/Long"}});
        let all = (0..1_000).map(|n| (format!("e{n}"), sends(of.clone())));
        let problem = imported(json!(all.collect::<Map<_, _>>()), json!({"schemas": schemas})).unwrap_err();
        assert!(problem.contains("more than 26214400 bytes"), "{problem}");
    }
}
