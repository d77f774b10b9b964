//! Payloads against the JSON Schema of their event type, where its provider asks for that.

use crate::{Accept, Caller, FieldProblem, HEAVY_BYTES, MessageDraft, Refusal, Warning, WarningCode};
use jsonschema::{ValidationError, Validator};
use postrider_schema::Asks;
use postrider_store::config::{EnvId, EventType, Validation};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

/// Compiled schemas that are kept.
const KEPT: usize = 1_000;
/// Mistakes that are told of one payload.
const TOLD: usize = 10;
/// Characters of what is said of one.
const LONGEST: usize = 500;

/// Bytes of a payload, times the schemas that one value is compared with, up to which all mistakes are looked for: each
/// takes its space before the first can be told.
const ALL_TOLD: usize = 1_000_000;
/// A compiler that follows references calls itself at each; this is enough for as many as a schema may have.
const STACK: usize = 64 << 20;

/// Schemas as they were compiled: by environment, event type, its version, and the schema's.
#[derive(Debug, Default)]
pub(crate) struct Schemas(RwLock<HashMap<Key, Arc<Compiled>>>);

#[derive(Debug)]
struct Compiled {
    validator: Validator,
    asks: Asks,
}

type Key = (EnvId, String, i64, String);

impl Schemas {
    fn get(&self, row: &EventType, version: &str, schema: &Value) -> Result<Arc<Compiled>, String> {
        let key = (row.env, row.name.clone(), row.version, version.to_owned());
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let compiled = Arc::new(compile(schema)?);
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Those of earlier versions are never asked for again, and there is no telling which these are.
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, compiled.clone());
        Ok(compiled)
    }
}

impl Compiled {
    /// What is wrong with a payload: the first mistakes, or the first alone where there could be very many.
    fn mistakes(&self, payload: &Value, bytes: usize) -> Vec<FieldProblem> {
        // This remembers what it has compared; what tells the mistakes does not.
        if self.validator.is_valid(payload) {
            return vec![];
        }
        if self.asks.circles.max(1).saturating_pow(depth(payload)) > ALL_TOLD {
            let msg = "does not fit its schema; it is too deep to say where, for the schema contains itself more than \
                       once at each level";
            return vec![FieldProblem { kind: "schema_error", ..FieldProblem::value("payload", msg) }];
        }
        if bytes.saturating_mul(self.asks.at_once) > ALL_TOLD {
            return self.validator.validate(payload).err().iter().map(problem).collect();
        }
        self.validator.iter_errors(payload).take(TOLD).map(|error| problem(&error)).collect()
    }
}

/// Objects and lists within one another.
fn depth(value: &Value) -> u32 {
    let inner = match value {
        Value::Object(fields) => fields.values().map(depth).max(),
        Value::Array(items) => items.iter().map(depth).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or(0)
}

/// `Err` says what is wrong with a schema.
pub(crate) fn is_right(schema: &Value) -> Result<(), String> {
    compile(schema).map(drop)
}

fn compile(schema: &Value) -> Result<Compiled, String> {
    thread::scope(|scope| {
        let compile = || {
            let asks = postrider_schema::effort(schema)?;
            let validator = jsonschema::validator_for(schema).map_err(|error| why(&error))?;
            Ok(Compiled { validator, asks })
        };
        let compiling = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, compile);
        let compiling = compiling.map_err(|error| format!("could not be compiled: {error}"))?;
        compiling.join().unwrap_or_else(|_| Err("can't be compiled".to_owned()))
    })
}

fn why(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let text = shortened(&error.to_string());
    if place.is_empty() { text } else { format!("{place}: {text}") }
}

/// The versions of a type's schemas, the latest last: as numbers where they are, otherwise as texts.
pub fn versions(row: &EventType) -> Vec<(&String, &Value)> {
    let mut versions: Vec<(&String, &Value)> =
        row.settings.schemas.iter().filter_map(Value::as_object).flatten().collect();
    versions.sort_by(|(one, _), (other, _)| in_order(one, other));
    versions
}

fn in_order(one: &str, other: &str) -> Ordering {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        text.trim_start_matches('v').split('.').map(|part| part.parse().ok()).collect()
    };
    match (numbers(one), numbers(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        // What is no number comes before.
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => one.cmp(other),
    }
}

impl Accept {
    /// Refuses a payload that does not fit, where that is enforced.
    pub(crate) fn enforce_schema(&self, caller: Caller, draft: &MessageDraft) -> Result<(), Refusal> {
        let problems = self.wrong(caller, draft, Validation::Enforce)?;
        if problems.is_empty() { Ok(()) } else { Err(Refusal::Invalid(problems)) }
    }

    /// What is wrong with a payload, where its provider only wants to be warned.
    pub async fn schema_warnings(&self, caller: Caller, draft: &MessageDraft) -> Result<Vec<Warning>, Refusal> {
        if draft.payload.len() < HEAVY_BYTES {
            return self.warnings(caller, draft);
        }
        let (accept, draft) = (self.clone(), draft.clone());
        self.compute.run(caller.into(), move || accept.warnings(caller, &draft)).await?
    }

    fn warnings(&self, caller: Caller, draft: &MessageDraft) -> Result<Vec<Warning>, Refusal> {
        let warning =
            |FieldProblem { loc, msg, .. }| Warning { loc, code: WarningCode::SchemaMismatch, msg, nearest: None };
        Ok(self.wrong(caller, draft, Validation::Warn)?.into_iter().map(warning).collect())
    }

    fn wrong(&self, caller: Caller, draft: &MessageDraft, mode: Validation) -> Result<Vec<FieldProblem>, Refusal> {
        let Some(row) = self.store.directory().event_type(caller.env, &draft.event_type) else {
            return version_of_nothing(draft, mode);
        };
        let versions = versions(&row);
        let found = match &draft.schema_version {
            Some(wanted) => versions.iter().find(|(version, _)| *version == wanted),
            None => versions.last(),
        };
        let Some((version, schema)) = found else { return version_of_nothing(draft, mode) };
        if row.settings.validation != mode {
            return Ok(vec![]);
        }
        let schema = self.schemas.get(&row, version, schema);
        let schema = schema.map_err(|msg| FieldProblem::value("eventType", format!("its schema is wrong: {msg}")))?;
        let Ok(payload) = serde_json::from_slice(&draft.payload) else {
            return Ok(vec![FieldProblem::value("payload", "can't be read to be compared with its schema")]);
        };
        Ok(schema.mistakes(&payload, draft.payload.len()))
    }
}

/// A version that is asked for must be there; told once, whatever the mode.
fn version_of_nothing(draft: &MessageDraft, mode: Validation) -> Result<Vec<FieldProblem>, Refusal> {
    match &draft.schema_version {
        Some(version) if mode == Validation::Enforce => {
            let msg = format!("{version:?} is no version of the schema of {}", draft.event_type);
            Err(FieldProblem::value("schemaVersion", msg).into())
        }
        _ => Ok(vec![]),
    }
}

fn problem(error: &ValidationError<'_>) -> FieldProblem {
    let path = error.instance_path().to_string();
    let parts = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    let loc = ["body", "payload"].map(str::to_owned).into_iter().chain(parts).collect();
    FieldProblem { loc, msg: shortened(&error.to_string()), kind: "schema_error" }
}

/// An error quotes the value that it is about, which may be large.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_their_numbers() {
        let mut names = ["10", "2", "1.10", "beta", "v3", "1.9", "1", "alpha"];
        names.sort_by(|one, other| in_order(one, other));
        assert_eq!(names, ["alpha", "beta", "1", "1.9", "1.10", "2", "v3", "10"]);
    }
}
