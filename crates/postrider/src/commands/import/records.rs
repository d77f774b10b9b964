//! What is moved: read as the source gives it, written as Postrider takes it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Fields that Svix called otherwise before: the older name, and the newer.
const RENAMED: [(&str, &str); 2] = [("filterTypes", "eventTypes"), ("rateLimit", "throttleRate")];

/// An application or an endpoint. All that the source says of it goes on, so that nothing is lost of what another
/// Postrider has more than Svix; the target takes what it knows.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Record {
    /// At the source.
    pub id: String,
    /// What it is found by in the target: its uid, and where it has none, its id at the source.
    pub key: String,
    pub fields: Map<String, Value>,
}

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

/// An endpoint's headers; of those in `sensitive` the values are not shown.
#[derive(Deserialize)]
pub struct Headers {
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub sensitive: BTreeSet<String>,
}

impl TryFrom<Map<String, Value>> for Record {
    type Error = &'static str;

    fn try_from(mut fields: Map<String, Value>) -> Result<Record, &'static str> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = text("id").ok_or("it has no id")?;
        let key = text("uid").unwrap_or_else(|| id.clone());
        fields.insert("uid".to_owned(), json!(key));
        for (older, newer) in RENAMED {
            let before = fields.remove(older).unwrap_or_default();
            let now = fields.entry(newer).or_insert(Value::Null);
            if now.is_null() {
                *now = before;
            }
        }
        // By its document Svix may answer 0, where it takes none.
        if fields.get("throttleRate").and_then(Value::as_u64) == Some(0) {
            fields.remove("throttleRate");
        }
        Ok(Record { id, key, fields })
    }
}

impl Record {
    /// What is changed of an application that is there already. The rest may have been set there, and stays.
    pub fn changes(&self) -> Value {
        let field = |name: &str| self.fields.get(name);
        json!({ "name": field("name"), "metadata": field("metadata"), "throttleRate": field("throttleRate") })
    }
}

impl EventType {
    /// With a list of flags, whatever the source has.
    pub fn settled(mut self) -> EventType {
        let only = self.feature_flag.take().map(|flag| vec![flag]);
        self.feature_flags = self.feature_flags.filter(|flags| !flags.is_empty()).or(only);
        self
    }
}

impl Headers {
    /// Whether there is one of this name, with a value that is shown or not.
    pub fn has(&self, name: &str) -> bool {
        self.headers.keys().chain(&self.sensitive).any(|known| known.eq_ignore_ascii_case(name))
    }
}
