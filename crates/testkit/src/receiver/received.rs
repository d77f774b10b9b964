//! A request, as it came.

use bytes::Bytes;
use std::time::Instant;

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    /// Names in lower case, in the order in which they came (repeated names stand together).
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// When the whole of it had been read.
    pub at: Instant,
}

impl Received {
    /// The first value of this header, whatever the case of `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn line(&self) -> String {
        let text: String = self.text().chars().take(200).collect();
        let id = self.header(ID).unwrap_or("without id");
        format!("{} {} ({id}, {} bytes): {text}", self.method, self.path, self.body.len())
    }
}

/// The header that tells messages apart.
pub(super) const ID: &str = "webhook-id";
