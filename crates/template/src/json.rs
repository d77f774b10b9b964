//! JSON into the variables of a template, and the `json` filter back.

use liquid_core::model::{KString, ValueView};
use liquid_core::parser::{FilterArguments, ParameterReflection, ParseFilter};
use liquid_core::{Error, Filter, FilterReflection, Object, Result, Runtime, Value};
use std::fmt;

/// Whole numbers beyond 64 bits stay as they were written, as text.
pub fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(truth) => Value::scalar(*truth),
        serde_json::Value::Number(number) => number_value(number),
        serde_json::Value::String(text) => Value::scalar(text.clone()),
        serde_json::Value::Array(elements) => Value::Array(elements.iter().map(value).collect()),
        serde_json::Value::Object(fields) => Value::Object(object(fields)),
    }
}

pub fn object(fields: &serde_json::Map<String, serde_json::Value>) -> Object {
    fields.iter().map(|(name, field)| (KString::from_ref(name), value(field))).collect()
}

fn number_value(number: &serde_json::Number) -> Value {
    let text = number.to_string();
    let is_whole = !text.contains(['.', 'e', 'E']);
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => Value::scalar(whole),
        (None, Some(float)) if !is_whole && float.is_finite() => Value::scalar(float),
        _ => Value::scalar(text),
    }
}

/// `{{ data.name | json }}`: a value as JSON, so that a quote in a text breaks nothing.
#[derive(Clone, Debug)]
pub struct Json;

impl FilterReflection for Json {
    fn name(&self) -> &str {
        "json"
    }

    fn description(&self) -> &str {
        "The value as JSON"
    }

    fn positional_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }

    fn keyword_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }
}

impl ParseFilter for Json {
    fn parse(&self, mut arguments: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        if arguments.positional.next().is_some() || arguments.keyword.next().is_some() {
            return Err(Error::with_msg("json takes no arguments"));
        }
        Ok(Box::new(Json))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }
}

impl Filter for Json {
    fn evaluate(&self, input: &dyn ValueView, _: &dyn Runtime) -> Result<Value> {
        Ok(Value::scalar(shown(input).to_string()))
    }
}

fn shown(value: &dyn ValueView) -> serde_json::Value {
    if let Some(array) = value.as_array() {
        return array.values().map(shown).collect();
    }
    if let Some(object) = value.as_object() {
        let mut fields: Vec<_> = object.iter().collect();
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        return serde_json::Value::Object(
            fields.into_iter().map(|(name, field)| (name.to_string(), shown(field))).collect(),
        );
    }
    let Some(scalar) = value.as_scalar() else { return serde_json::Value::Null };
    if let Some(truth) = scalar.to_bool() {
        return truth.into();
    }
    match scalar.type_name() {
        "whole number" => scalar.to_integer().map_or(serde_json::Value::Null, Into::into),
        "fractional number" => scalar.to_float().map_or(serde_json::Value::Null, Into::into),
        _ => scalar.to_kstr().to_string().into(),
    }
}
