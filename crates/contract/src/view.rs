//! What a contract sees of a delivery.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::str::FromStr;

/// One delivery about to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    pub message: MessageView<'a>,
    pub endpoint: EndpointView<'a>,
    pub application: ApplicationView<'a>,
    /// The secret in force first, then those still honoured after a rotation; none: unsigned.
    pub secrets: &'a [String],
    /// The endpoint's own headers; they never replace the contract's.
    pub headers: &'a [(String, String)],
    /// The operator's values for the contract's settings.
    pub settings: &'a BTreeMap<String, String>,
    /// 1 for the first try.
    pub attempt: u32,
    /// Wall clock, milliseconds since the epoch.
    pub now_ms: i64,
}

#[derive(Clone, Debug)]
pub struct MessageView<'a> {
    pub id: &'a str,
    pub event_type: &'a str,
    pub event_id: Option<&'a str>,
    /// JSON as it came.
    pub payload: &'a Bytes,
    pub created_ms: i64,
}

#[derive(Clone, Debug)]
pub struct EndpointView<'a> {
    pub id: &'a str,
    pub uid: Option<&'a str>,
    /// As it was given, not normalised.
    pub url: &'a str,
    pub event_types: &'a [String],
    pub metadata: &'a BTreeMap<String, String>,
    pub content_type: ContentType,
    pub created_ms: i64,
    pub updated_ms: i64,
}

#[derive(Clone, Debug)]
pub struct ApplicationView<'a> {
    pub id: &'a str,
    pub uid: Option<&'a str>,
    pub name: &'a str,
    pub metadata: &'a BTreeMap<String, String>,
}

/// A body's type, where a contract offers a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    Json,
    Xml,
}

impl ContentType {
    pub fn as_str(self) -> &'static str {
        match self {
            ContentType::Json => "application/json",
            ContentType::Xml => "application/xml",
        }
    }
}

impl FromStr for ContentType {
    type Err = String;

    fn from_str(text: &str) -> Result<ContentType, String> {
        match text {
            "application/json" => Ok(ContentType::Json),
            "application/xml" => Ok(ContentType::Xml),
            other => Err(format!("{other:?} is neither application/json nor application/xml")),
        }
    }
}
