//! What a body's expression made, as a tree that the encoders walk.

use crate::payload::Json;
use bytes::Bytes;
use minijinja::Value;
use minijinja::value::ValueKind;

/// Levels that a composed body may have, beyond those of the payload (128).
const DEEPEST: usize = 200;

/// A value to encode.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    /// As JSON writes it.
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
    /// Part of the payload, byte for byte.
    Raw(Bytes),
}

impl Tree {
    /// `Err` says what can't be encoded.
    pub fn from_value(value: &Value) -> Result<Tree, String> {
        Tree::at_depth(value, 0)
    }

    fn at_depth(value: &Value, depth: usize) -> Result<Tree, String> {
        if depth > DEEPEST {
            return Err(format!("the body is nested deeper than {DEEPEST} levels"));
        }
        if let Some(json) = value.downcast_object_ref::<Json>() {
            return Ok(Tree::Raw(json.raw().clone()));
        }
        match value.kind() {
            ValueKind::Undefined | ValueKind::None => Ok(Tree::Null),
            ValueKind::Bool => Ok(Tree::Bool(value.is_true())),
            ValueKind::Number => number(value),
            ValueKind::String => Ok(Tree::Text(value.as_str().unwrap_or_default().to_owned())),
            ValueKind::Map => {
                let mut pairs = Vec::new();
                for key in value.try_iter().map_err(|error| error.to_string())? {
                    let item = value.get_item(&key).map_err(|error| error.to_string())?;
                    // What is undefined is left out, so that optional parts need no condition.
                    if !item.is_undefined() {
                        pairs.push((key.to_string(), Tree::at_depth(&item, depth + 1)?));
                    }
                }
                Ok(Tree::Map(pairs))
            }
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter().map_err(|error| error.to_string())?;
                items.map(|item| Tree::at_depth(&item, depth + 1)).collect::<Result<_, _>>().map(Tree::List)
            }
            kind => Err(format!("a value of type {kind} can't be part of a body; make it a text with hex or base64")),
        }
    }

    /// The tree with every raw part parsed.
    pub fn expanded(self) -> Result<Tree, String> {
        Ok(match self {
            Tree::Raw(raw) => {
                let value = serde_json::from_slice(&raw).map_err(|error| format!("the payload: {error}"))?;
                Tree::from_json(value)
            }
            Tree::List(items) => Tree::List(items.into_iter().map(Tree::expanded).collect::<Result<_, _>>()?),
            Tree::Map(pairs) => {
                let pairs = pairs.into_iter().map(|(key, value)| Ok((key, value.expanded()?)));
                Tree::Map(pairs.collect::<Result<_, String>>()?)
            }
            scalar => scalar,
        })
    }

    fn from_json(value: serde_json::Value) -> Tree {
        match value {
            serde_json::Value::Null => Tree::Null,
            serde_json::Value::Bool(value) => Tree::Bool(value),
            // With arbitrary precision a number is the text it came as.
            serde_json::Value::Number(number) => Tree::Number(number.to_string()),
            serde_json::Value::String(text) => Tree::Text(text),
            serde_json::Value::Array(items) => Tree::List(items.into_iter().map(Tree::from_json).collect()),
            serde_json::Value::Object(map) => {
                Tree::Map(map.into_iter().map(|(key, value)| (key, Tree::from_json(value))).collect())
            }
        }
    }
}

fn number(value: &Value) -> Result<Tree, String> {
    if value.is_integer() {
        return Ok(Tree::Number(value.to_string()));
    }
    let float = f64::try_from(value.clone()).map_err(|error| error.to_string())?;
    if float.is_finite() {
        return Ok(Tree::Number(ryu_js::Buffer::new().format_finite(float).to_owned()));
    }
    Err("a number is infinite or not a number".to_owned())
}
