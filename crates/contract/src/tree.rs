//! What a body's expression made, as a tree that the encoders walk.

use crate::payload::{ExactNumber, Json};
use crate::render::LARGEST_BODY;
use crate::scan;
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
        // What takes more here takes more when it is written, too: an endless list ends early.
        let mut left = LARGEST_BODY;
        Tree::at_depth(value, 0, &mut left)
    }

    fn at_depth(value: &Value, depth: usize, left: &mut usize) -> Result<Tree, String> {
        if depth > DEEPEST {
            return Err(format!("the body is nested deeper than {DEEPEST} levels"));
        }
        if let Some(json) = value.downcast_object_ref::<Json>() {
            spend(left, json.raw().len())?;
            return Ok(Tree::Raw(json.raw().clone()));
        }
        if let Some(number) = value.downcast_object_ref::<ExactNumber>() {
            return Ok(Tree::Number(number.as_str().to_owned()));
        }
        // Each value takes memory as well as bytes.
        spend(left, 16)?;
        match value.kind() {
            ValueKind::Undefined | ValueKind::None => Ok(Tree::Null),
            ValueKind::Bool => Ok(Tree::Bool(value.is_true())),
            ValueKind::Number => number(value),
            ValueKind::String => {
                let text = value.as_str().unwrap_or_default();
                spend(left, text.len())?;
                Ok(Tree::Text(text.to_owned()))
            }
            ValueKind::Map => {
                let mut pairs = Vec::new();
                for (key, item) in entries(value)? {
                    // What is undefined is left out, so that optional parts need no condition.
                    if !item.is_undefined() {
                        spend(left, key.len())?;
                        pairs.push((key, Tree::at_depth(&item, depth + 1, left)?));
                    }
                }
                Ok(Tree::Map(pairs))
            }
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter().map_err(|error| error.to_string())?;
                items.map(|item| Tree::at_depth(&item, depth + 1, left)).collect::<Result<_, _>>().map(Tree::List)
            }
            kind => Err(format!("a value of type {kind} can't be part of a body; make it a text with hex or base64")),
        }
    }

    /// The tree with every raw part parsed.
    pub fn expanded(self) -> Result<Tree, String> {
        Ok(match self {
            Tree::Raw(raw) => scan::tree(&raw)?,
            Tree::List(items) => Tree::List(items.into_iter().map(Tree::expanded).collect::<Result<_, _>>()?),
            Tree::Map(pairs) => {
                let pairs = pairs.into_iter().map(|(key, value)| Ok((key, value.expanded()?)));
                Tree::Map(pairs.collect::<Result<_, String>>()?)
            }
            scalar => scalar,
        })
    }
}

/// An object's entries in their order.
pub fn entries(value: &Value) -> Result<Vec<(String, Value)>, String> {
    if let Some(entries) = value.downcast_object_ref::<Json>().and_then(Json::entries) {
        return Ok(entries.map(|(key, value)| (key.to_owned(), value)).collect());
    }
    if value.kind() != ValueKind::Map {
        return Err(format!("a {} has no entries; an object is needed", value.kind()));
    }
    let keys = value.try_iter().map_err(|error| error.to_string())?;
    keys.map(|key| Ok((key.to_string(), value.get_item(&key).map_err(|error| error.to_string())?))).collect()
}

fn spend(left: &mut usize, cost: usize) -> Result<(), String> {
    *left = left.checked_sub(cost).ok_or_else(|| format!("is larger than {LARGEST_BODY} bytes"))?;
    Ok(())
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
