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

mod bundle;
#[cfg(test)]
mod tests;
mod words;

use crate::diff::pointer;
use crate::yaml;
use bundle::Bundle;
use serde_json::{Map, Value};

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
