//! A message's JSON inside of expressions.
//!
//! It is read level by level and only where an expression looks; what is passed on untouched, the
//! whole or a part, keeps the bytes it came with (`1.50`, 20-digit integers, key order).

use crate::decimal::Decimal;
use crate::scan::{self, Level, MANY};
use bytes::Bytes;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// An object or an array of the payload, or the whole of it.
pub struct Json {
    raw: Bytes,
    level: OnceLock<Level>,
    /// Where each key is, for objects with many.
    places: OnceLock<HashMap<String, usize>>,
}

/// A number that neither an integer nor a double holds exactly. It can be passed on, not computed
/// with: an error is better than a wrong amount.
#[derive(Debug)]
pub struct ExactNumber(String);

impl ExactNumber {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Object for ExactNumber {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
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

    /// The whole payload. Even a text or a number alone is an object here, so that it goes out as it came.
    pub fn whole(raw: Bytes) -> Value {
        Value::from_object(Json { raw, level: OnceLock::new(), places: OnceLock::new() })
    }

    /// The JSON in `raw`, a part of the payload, as a value: scalars as they are, objects and arrays lazily.
    pub fn value(raw: Bytes) -> Value {
        let first = raw.iter().find(|byte| !byte.is_ascii_whitespace());
        match first {
            Some(b'{' | b'[') => Value::from_object(Json { raw, level: OnceLock::new(), places: OnceLock::new() }),
            Some(b'"') => {
                scan::Scanner::new(&raw).quoted().map(|text| Value::from(scan::text(text))).unwrap_or_default()
            }
            Some(b't') => Value::from(true),
            Some(b'f') => Value::from(false),
            Some(b'n') | None => Value::from(()),
            Some(_) => number(&raw),
        }
    }

    /// An object's entries; `None` for what is none.
    pub fn entries(&self) -> Option<impl Iterator<Item = (&str, Value)>> {
        match self.level() {
            Level::Object(pairs) => Some(pairs.iter().map(|(key, raw)| (key.as_str(), Json::value(raw.clone())))),
            Level::Array(_) | Level::Scalar => None,
        }
    }

    fn level(&self) -> &Level {
        // What is no JSON was refused when it came in.
        self.level.get_or_init(|| scan::level(&self.raw).unwrap_or(Level::Scalar))
    }

    fn place(&self, pairs: &[(String, Bytes)], key: &str) -> Option<usize> {
        if pairs.len() < MANY {
            return pairs.iter().position(|(name, _)| name == key);
        }
        let index = || pairs.iter().enumerate().map(|(n, (name, _))| (name.clone(), n)).collect();
        self.places.get_or_init(index).get(key).copied()
    }
}

fn number(raw: &[u8]) -> Value {
    let text = std::str::from_utf8(raw).unwrap_or_default().trim();
    if let Ok(integer) = text.parse::<i64>() {
        return Value::from(integer);
    }
    if let Ok(integer) = text.parse::<i128>() {
        return Value::from(integer);
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() && Decimal::parse(text) == Decimal::parse(&format!("{float:e}")) => {
            Value::from(float)
        }
        Ok(_) => Value::from_object(ExactNumber(text.to_owned())),
        Err(_) => Value::default(),
    }
}

impl Object for Json {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.level() {
            Level::Object(_) => ObjectRepr::Map,
            Level::Array(_) => ObjectRepr::Seq,
            Level::Scalar => ObjectRepr::Plain,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match self.level() {
            Level::Object(_) => self.get_value_by_str(key.as_str()?),
            Level::Array(items) => items.get(key.as_usize()?).cloned().map(Json::value),
            Level::Scalar => None,
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let Level::Object(pairs) = self.level() else { return None };
        pairs.get(self.place(pairs, key)?).map(|(_, raw)| Json::value(raw.clone()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.level() {
            Level::Object(pairs) => {
                Enumerator::Values(pairs.iter().map(|(key, _)| Value::from(key.as_str())).collect())
            }
            Level::Array(items) => Enumerator::Seq(items.len()),
            Level::Scalar => Enumerator::NonEnumerable,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_number_where_that_is_exact_and_kept_as_it_came_elsewhere() {
        let number = |text: &str| Json::value(Bytes::copy_from_slice(text.as_bytes()));
        for exact in ["1", "-7", "1.5", "1.50", "0.1", "1e3", "1E-7", "0.0", "12345678901234567890123456789"] {
            assert!(number(exact).is_number(), "{exact}");
        }
        for kept in
            ["0.10000000000000000001", "9007199254740993.5", "1e400", "1234567890123456789012345678901234567890"]
        {
            assert!(!number(kept).is_number(), "{kept}");
            assert_eq!(number(kept).to_string(), kept);
        }
    }
}
