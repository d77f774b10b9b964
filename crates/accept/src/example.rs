//! An example of an event, out of its type's schema.

use crate::{Accept, Accepted, Caller, FieldProblem, Idempotency, MessageDraft, Refusal};
use bytes::Bytes;
use postrider_store::config::EventType;
use serde_json::{Map, Value, json};

/// An event type that every server has an example of.
const PING: &str = "svix.ping";
/// Levels of nesting that an example follows its schema.
const DEEPEST: usize = 16;

/// What a caller gives of an example.
#[derive(Clone, Debug)]
pub struct ExampleDraft {
    pub event_type: String,
    /// Which of the schema's examples.
    pub index: usize,
    /// Sent instead, if given. Valid JSON, as it came.
    pub payload: Option<Bytes>,
}

impl Accept {
    /// Sends an example to one endpoint, whatever it filters by.
    pub async fn send_example(
        &self,
        caller: Caller,
        (app, endpoint): (&str, &str),
        draft: ExampleDraft,
        idempotency: Option<Idempotency>,
    ) -> Result<(Accepted, MessageDraft), Refusal> {
        let (_, endpoint) = self.endpoint(caller, app, endpoint)?;
        if endpoint.settings.disabled {
            return Err(crate::message::disabled());
        }
        let payload = match draft.payload {
            Some(_) if caller.app.is_some() => {
                let detail = "a token can't choose the payload of an example: the provider decides what is sent".into();
                return Err(Refusal::Forbidden { code: "not_allowed", detail });
            }
            Some(payload) => payload,
            None => Bytes::from(self.example(caller, &draft)?.to_string()),
        };
        let message = MessageDraft { event_type: draft.event_type, payload, ..MessageDraft::default() };
        let accepted = self.accept_for(caller, app, &message, Some(endpoint.id), idempotency).await?;
        Ok((accepted, message))
    }

    fn example(&self, caller: Caller, draft: &ExampleDraft) -> Result<Value, Refusal> {
        let name = &draft.event_type;
        match self.event_type(caller, name) {
            Ok(row) => newest_schema(&row).and_then(|schema| example_of(schema, draft.index)).ok_or_else(|| {
                let msg = format!("{name:?} has no schema to make an example from; add one, or give a payload");
                FieldProblem::value("eventType", msg).into()
            }),
            Err(Refusal::NotFound(_)) if name == PING => Ok(json!({"success": true})),
            Err(refusal) => Err(refusal),
        }
    }
}

/// The schema of the highest version.
fn newest_schema(row: &EventType) -> Option<&Value> {
    let schemas = row.settings.schemas.as_ref()?.as_object()?;
    schemas.iter().max_by_key(|(version, _)| version.parse::<u64>().unwrap_or(0)).map(|(_, schema)| schema)
}

fn example_of(schema: &Value, index: usize) -> Option<Value> {
    let given = schema.get("examples").and_then(Value::as_array).and_then(|all| all.get(index));
    given.or_else(|| schema.get("example")).cloned().or_else(|| made_up(schema, schema, 0))
}

/// The simplest value that a schema describes; `None` when it says nothing about its shape.
fn made_up(schema: &Value, root: &Value, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return Some(Value::Null);
    }
    if let Some(pointer) = schema.get("$ref").and_then(Value::as_str) {
        return made_up(root.pointer(pointer.strip_prefix('#')?)?, root, depth + 1);
    }
    for said in ["example", "default", "const"] {
        if let Some(value) = schema.get(said) {
            return Some(value.clone());
        }
    }
    for list in ["examples", "enum"] {
        if let Some(value) = schema.get(list).and_then(|list| list.get(0)) {
            return Some(value.clone());
        }
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ if schema.get("properties").is_some() => Some("object"),
        _ => None,
    };
    Some(match kind? {
        "object" => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let made = properties.into_iter().flatten();
            let made = made.map(|(name, of)| (name.clone(), made_up(of, root, depth + 1).unwrap_or(Value::Null)));
            Value::Object(made.collect::<Map<_, _>>())
        }
        "array" => {
            let item = schema.get("items").and_then(|items| made_up(items, root, depth + 1));
            Value::Array(item.into_iter().collect())
        }
        "string" => match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => json!("2026-01-01T00:00:00Z"),
            Some("date") => json!("2026-01-01"),
            Some("email") => json!("someone@example.com"),
            Some("uri") => json!("https://example.com/"),
            Some("uuid") => json!("00000000-0000-4000-8000-000000000000"),
            _ => json!("string"),
        },
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(0)),
        "boolean" => json!(true),
        _ => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_the_one_that_is_given_or_follows_the_schema() {
        assert_eq!(example_of(&json!({"examples": [1, 2], "type": "integer"}), 1), Some(json!(2)));
        let schema = json!({
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "plan": {"enum": ["free", "paid"]},
                "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
                "at": {"type": ["null", "string"], "format": "date-time"},
                "any": {}
            },
            "$defs": {"tag": {"type": "string", "default": "new"}}
        });
        let made = json!({"id": "string", "plan": "free", "tags": ["new"], "at": "2026-01-01T00:00:00Z", "any": null});
        assert_eq!(example_of(&schema, 0), Some(made));
        assert_eq!(example_of(&json!({}), 0), None);
        let endless = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(example_of(&endless, 0).is_some());
    }
}
