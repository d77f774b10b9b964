//! A message's JSON inside of expressions.
//!
//! It is parsed level by level and only where an expression looks; what is passed on untouched, the
//! whole or a part, keeps the bytes it came with (`1.50`, 20-digit integers, key order).

use bytes::Bytes;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// An object or an array of the payload.
pub struct Json {
    raw: Bytes,
    level: OnceLock<Level>,
}

/// One level, its values still raw.
enum Level {
    Object(Vec<(String, Bytes)>),
    Array(Vec<Bytes>),
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.raw))
    }
}

impl Json {
    /// The bytes as they came.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The JSON in `raw` as a value: scalars as they are, objects and arrays lazily.
    pub fn value(raw: Bytes) -> Value {
        let first = raw.iter().find(|byte| !byte.is_ascii_whitespace());
        match first {
            Some(b'{' | b'[') => Value::from_object(Json { raw, level: OnceLock::new() }),
            Some(b'"') => serde_json::from_slice::<String>(&raw).map(Value::from).unwrap_or_default(),
            Some(b't') => Value::from(true),
            Some(b'f') => Value::from(false),
            Some(b'n') | None => Value::from(()),
            Some(_) => number(&raw),
        }
    }

    fn level(&self) -> &Level {
        self.level.get_or_init(|| {
            let part = |value: &RawValue| self.raw.slice_ref(value.get().as_bytes());
            if self.raw.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
                let items: Vec<&RawValue> = serde_json::from_slice(&self.raw).unwrap_or_default();
                return Level::Array(items.into_iter().map(part).collect());
            }
            let Pairs(pairs) = serde_json::from_slice(&self.raw).unwrap_or_default();
            Level::Object(pairs.into_iter().map(|(key, value)| (key, part(value))).collect())
        })
    }
}

/// Numbers that fit are numbers; an integer that fits nowhere stays the text it is.
fn number(raw: &[u8]) -> Value {
    let text = std::str::from_utf8(raw).unwrap_or_default().trim();
    if let Ok(integer) = text.parse::<i64>() {
        return Value::from(integer);
    }
    if let Ok(integer) = text.parse::<i128>() {
        return Value::from(integer);
    }
    text.parse::<f64>().map(Value::from).unwrap_or_default()
}

impl Object for Json {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.level() {
            Level::Object(_) => ObjectRepr::Map,
            Level::Array(_) => ObjectRepr::Seq,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match self.level() {
            Level::Object(pairs) => {
                let key = key.as_str()?;
                // As everywhere, the last of two equal keys counts.
                let (_, raw) = pairs.iter().rev().find(|(name, _)| name == key)?;
                Some(Json::value(raw.clone()))
            }
            Level::Array(items) => items.get(key.as_usize()?).cloned().map(Json::value),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.level() {
            Level::Object(pairs) => {
                Enumerator::Values(pairs.iter().map(|(key, _)| Value::from(key.as_str())).collect())
            }
            Level::Array(items) => Enumerator::Seq(items.len()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// An object's entries in their order, values raw.
#[derive(Default)]
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(InOrder).map(Pairs)
    }
}
