//! What a contract sees of a delivery.

use crate::state::Kept;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::str::FromStr;

/// One delivery about to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// What is sent.
    pub message: MessageView<'a>,
    /// Where to.
    pub endpoint: EndpointView<'a>,
    /// Whose endpoint it is.
    pub application: ApplicationView<'a>,
    /// The secret in force first, then those still honoured after a rotation; none: unsigned.
    pub secrets: &'a [String],
    /// The endpoint's own headers; they never replace the contract's.
    pub headers: &'a [(String, String)],
    /// The operator's values for the contract's settings.
    pub settings: &'a BTreeMap<String, String>,
    /// What earlier responses set.
    pub kept: &'a [Kept],
    /// In the place of the body that the contract makes.
    pub body: Option<Replaced>,
    /// 1 for the first try.
    pub attempt: u32,
    /// Wall clock, milliseconds since the epoch.
    pub now_ms: i64,
}

/// A body that the endpoint's owner made another.
#[derive(Clone, Debug)]
pub enum Replaced {
    /// JSON to be encoded as the contract does it: the result of a payload query.
    Data(Bytes),
    /// What goes out as it is: the output of a template.
    Text(Bytes),
}

/// One event with its payload.
#[derive(Clone, Debug)]
pub struct MessageView<'a> {
    /// `msg_…`
    pub id: &'a str,
    /// `user.created`
    pub event_type: &'a str,
    /// The provider's own id of the event.
    pub event_id: Option<&'a str>,
    /// JSON as it came.
    pub payload: &'a Bytes,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
}

/// A URL and what was agreed for it.
#[derive(Clone, Debug)]
pub struct EndpointView<'a> {
    /// `ep_…`
    pub id: &'a str,
    /// The id that the provider gave it.
    pub uid: Option<&'a str>,
    /// As it was given, not normalised.
    pub url: &'a str,
    /// What it subscribed to; empty: all.
    pub event_types: &'a [String],
    /// The provider's own values.
    pub metadata: &'a BTreeMap<String, String>,
    /// One of the contract's.
    pub content_type: ContentType,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
}

/// One customer of the provider.
#[derive(Clone, Debug)]
pub struct ApplicationView<'a> {
    /// `app_…`
    pub id: &'a str,
    /// The id that the provider gave it.
    pub uid: Option<&'a str>,
    /// For people.
    pub name: &'a str,
    /// The provider's own values.
    pub metadata: &'a BTreeMap<String, String>,
}

/// A body's type, where a contract offers a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`
    Json,
    /// `application/xml`
    Xml,
}

impl ContentType {
    /// As the header has it.
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
