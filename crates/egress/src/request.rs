//! A call as the bytes of a request, and where they go.

use crate::connect::{Target, Way};
use crate::error::SendError;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use url::Url;

/// A request that is ready to be written.
#[derive(Debug)]
pub struct Outgoing {
    pub target: Target,
    /// The request line and the headers.
    pub head: Vec<u8>,
    pub body: Bytes,
}

/// Headers of the connection itself, which are written here.
const OWN: [&str; 4] = ["content-length", "transfer-encoding", "connection", "host"];

impl Outgoing {
    pub fn new(url: &str, way: Way, headers: &[(String, String)], body: Bytes) -> Result<Outgoing, SendError> {
        let url = Url::parse(url).map_err(|error| unusable(error.to_string()))?;
        let target = Target::of(&url, way).ok_or_else(|| unusable("it names no host".to_owned()))?;
        let head = head(&url, headers, body.len())?;
        Ok(Outgoing { target, head, body })
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

fn unusable(reason: String) -> SendError {
    SendError::Url { reason }
}

fn head(url: &Url, headers: &[(String, String)], length: usize) -> Result<Vec<u8>, SendError> {
    let has = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut head = format!("POST {}", url.path());
    if let Some(query) = url.query() {
        head.push('?');
        head.push_str(query);
    }
    head.push_str(" HTTP/1.1\r\n");
    let mut line = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    };
    line("Host", &host(url));
    if let Some(value) = basic_auth(url).filter(|_| !has("authorization")) {
        line("Authorization", &value);
    }
    for (place, (name, value)) in headers.iter().enumerate() {
        check(name, value)?;
        let again = headers[place + 1..].iter().any(|(later, _)| later.eq_ignore_ascii_case(name));
        if !again && !OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            line(name, value);
        }
    }
    // Some firewalls refuse requests without it.
    if !has("accept") {
        line("Accept", "*/*");
    }
    line("Content-Length", &length.to_string());
    head.push_str("\r\n");
    Ok(head.into_bytes())
}

/// A value with a line break would be two headers.
fn check(name: &str, value: &str) -> Result<(), SendError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable(format!("bad header name {name:?}")))?;
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unusable(format!("bad value for header {name}")))?;
    Ok(())
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A user and password in the URL become a header, as every HTTP client does it.
fn basic_auth(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [decode(url.username()), b":".to_vec(), decode(url.password().unwrap_or_default())].concat();
    Some(format!("Basic {}", base64(&pair)))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
