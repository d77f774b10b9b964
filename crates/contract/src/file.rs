//! A contract file as it is written.

use crate::encode::Encoding;
use crate::judge::Status;
use crate::secrets::{Generate, SecretKind};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// The whole file. A key that isn't here is a mistake.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractFile {
    pub name: Spanned<String>,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub events: EventsFile,
    /// Values that the operator may set, with their defaults.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Named values, computed in the order they are written, each seeing those before it.
    #[serde(default, rename = "let")]
    pub values: Expressions,
    pub body: BodyFile,
    #[serde(default)]
    pub headers: Expressions,
    #[serde(default)]
    pub secret: SecretFile,
    #[serde(default)]
    pub response: ResponseFile,
    #[serde(default)]
    pub retry: RetryFile,
    #[serde(default)]
    pub timeout: TimeoutFile,
    #[serde(default)]
    pub disable: DisableFile,
    #[serde(default)]
    pub url: UrlFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsFile {
    pub open: bool,
    pub patterns: bool,
    pub catalogue: Vec<String>,
    pub always: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyFile {
    pub value: Spanned<String>,
    #[serde(default)]
    pub encoding: Encoding,
    /// Lets an endpoint choose XML instead of JSON.
    #[serde(default)]
    pub xml: bool,
    pub content_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretFile {
    pub kind: SecretKind,
    pub min: usize,
    pub max: usize,
    pub generate: Generate,
    pub overlap: bool,
}

impl Default for SecretFile {
    fn default() -> SecretFile {
        SecretFile { kind: SecretKind::Text, min: 1, max: 256, generate: Generate::Hex, overlap: false }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseFile {
    pub success: Vec<Status>,
    pub retry: Option<Vec<Status>>,
    pub disable: Vec<Status>,
    pub slow_down: Vec<Status>,
    pub retry_after: bool,
}

impl Default for ResponseFile {
    fn default() -> ResponseFile {
        ResponseFile {
            success: vec![Status::Class(2)],
            retry: None,
            disable: vec![],
            slow_down: vec![],
            retry_after: false,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryFile {
    pub schedule: Option<Vec<DelayFile>>,
    pub delay: Option<Spanned<String>>,
    pub count: Option<u32>,
    pub jitter: f64,
}

impl Default for RetryFile {
    fn default() -> RetryFile {
        RetryFile { schedule: None, delay: None, count: None, jitter: 0.0 }
    }
}

/// Seconds, or from and to.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub enum DelayFile {
    Seconds(f64),
    Between([f64; 2]),
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutFile {
    pub seconds: u8,
    pub fixed: bool,
}

impl Default for TimeoutFile {
    fn default() -> TimeoutFile {
        TimeoutFile { seconds: 15, fixed: false }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DisableFile {
    /// Seconds of nothing but failures.
    pub failing_for: Option<u64>,
    pub on_exhausted: bool,
    pub errors: Option<ErrorsFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorsFile {
    pub more_than: u32,
    pub within: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UrlFile {
    pub https: bool,
    pub ports: Option<Vec<u16>>,
}

/// A table of expressions in the order they were written.
#[derive(Debug, Default)]
pub struct Expressions(pub Vec<(String, Spanned<String>)>);

impl<'de> Deserialize<'de> for Expressions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expressions, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Expressions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of expressions")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Expressions, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                // TOML readers may sort keys; the order in the file is that of the values' places.
                pairs.sort_by_key(|(_, value): &(String, Spanned<String>)| value.span().start);
                Ok(Expressions(pairs))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
