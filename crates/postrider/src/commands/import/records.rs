//! What is moved: read as the source gives it, written as Postrider takes it.
//!
//! Each is `settled` when it has been read: it has a uid then, and one name for what Svix has called differently over
//! the years. What only another Postrider says of an endpoint goes on as it is.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What Svix sends is what this contract says.
const CONTRACT: &str = "svix";

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventType {
    #[serde(skip_serializing)]
    pub name: String,
    #[serde(default)]
    description: String,
    archived: Option<bool>,
    deprecated: Option<bool>,
    feature_flags: Option<Vec<String>>,
    /// The only one, as Svix's open server gives it.
    #[serde(skip_serializing)]
    feature_flag: Option<String>,
    group_name: Option<String>,
    schemas: Option<Value>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// At the source.
    #[serde(skip_serializing)]
    pub id: String,
    uid: Option<String>,
    name: String,
    metadata: Option<BTreeMap<String, String>>,
    throttle_rate: Option<u16>,
    #[serde(skip_serializing)]
    rate_limit: Option<u16>,
    contract: Option<String>,
    notify_emails: Option<Value>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// At the source.
    #[serde(skip_serializing)]
    pub id: String,
    uid: Option<String>,
    url: String,
    description: Option<String>,
    disabled: Option<bool>,
    event_types: Option<Vec<String>>,
    #[serde(skip_serializing)]
    filter_types: Option<Vec<String>>,
    channels: Option<Vec<String>>,
    metadata: Option<BTreeMap<String, String>>,
    throttle_rate: Option<u16>,
    #[serde(skip_serializing)]
    rate_limit: Option<u16>,
    contract: Option<String>,
    payload_filter: Option<Value>,
    max_concurrency: Option<Value>,
    timeout_seconds: Option<Value>,
    retry_schedule: Option<Value>,
    content_type: Option<Value>,
    query: Option<Value>,
    validation_template: Option<Value>,
    template: Option<Value>,
    error_template: Option<Value>,
    notify_emails: Option<Value>,
    priority: Option<Value>,
    actions: Option<Value>,
}

/// An endpoint's headers; of those in `sensitive` the values are not shown.
#[derive(Deserialize)]
pub struct Headers {
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub sensitive: BTreeSet<String>,
}

impl EventType {
    pub fn settled(mut self) -> EventType {
        let only = self.feature_flag.take().map(|flag| vec![flag]);
        self.feature_flags = self.feature_flags.filter(|flags| !flags.is_empty()).or(only);
        self
    }
}

impl Application {
    pub fn settled(mut self) -> Application {
        self.uid.get_or_insert_with(|| self.id.clone());
        self.throttle_rate = rate(self.throttle_rate, self.rate_limit);
        self
    }

    /// What it is found by in the target.
    pub fn key(&self) -> &str {
        self.uid.as_deref().unwrap_or(&self.id)
    }

    /// What is changed of one that is there already. The rest may have been set there, and stays.
    pub fn changes(&self) -> Value {
        json!({ "name": self.name, "metadata": self.metadata, "throttleRate": self.throttle_rate })
    }
}

impl Endpoint {
    pub fn settled(mut self) -> Endpoint {
        self.uid.get_or_insert_with(|| self.id.clone());
        self.event_types = self.event_types.or(self.filter_types.take());
        self.throttle_rate = rate(self.throttle_rate, self.rate_limit);
        // Another Postrider says which one it promised to the endpoint's owner.
        self.contract.get_or_insert_with(|| CONTRACT.to_owned());
        self
    }

    /// What it is found by in the target.
    pub fn key(&self) -> &str {
        self.uid.as_deref().unwrap_or(&self.id)
    }
}

impl Headers {
    /// Whether there is one of this name, with a value that is shown or not.
    pub fn has(&self, name: &str) -> bool {
        self.headers.keys().chain(&self.sensitive).any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// A rate by its newer name or its older one. Svix may answer 0 where there is none.
fn rate(newer: Option<u16>, older: Option<u16>) -> Option<u16> {
    newer.or(older).filter(|rate| *rate > 0)
}
