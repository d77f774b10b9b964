//! What a template is about.

use crate::error::TemplateError;
use crate::json;
use bytes::Bytes;
use liquid_core::model::KString;
use liquid_core::{Object, Value};

/// The most data that a template takes, in bytes: values take several times their text.
const MOST: usize = 4 << 20;

/// Read on the template's own thread, for it may be much.
#[derive(Clone, Debug)]
pub enum Variables {
    /// The fields of a body in JSON are variables; one that has none is `payload`.
    Body(Bytes),
    /// `body` (read as JSON where it is) and `headers`, whose names are found in any case.
    Response { body: Bytes, headers: Vec<(String, String)> },
}

impl Variables {
    pub(crate) fn read(self) -> Result<Object, TemplateError> {
        let (Variables::Body(body) | Variables::Response { body, .. }) = &self;
        if body.len() > MOST {
            return Err(TemplateError::TooMuchData { size: body.len(), limit: MOST });
        }
        match self {
            Variables::Body(body) => match serde_json::from_slice(&body) {
                Ok(serde_json::Value::Object(fields)) => Ok(json::object(&fields)),
                Ok(other) => Ok([(KString::from("payload"), json::value(&other))].into_iter().collect()),
                Err(error) => Err(TemplateError::Failed(format!("the body is not JSON: {error}"))),
            },
            Variables::Response { body, headers } => Ok(response(&body, headers)),
        }
    }
}

fn response(body: &[u8], headers: Vec<(String, String)>) -> Object {
    let text = String::from_utf8_lossy(body);
    let body = serde_json::from_str(&text).map_or_else(|_| Value::scalar(text.into_owned()), |read| json::value(&read));
    let mut found = Object::new();
    for (name, value) in headers {
        found.insert(name.to_ascii_lowercase().into(), Value::scalar(value));
    }
    [(KString::from("body"), body), (KString::from("headers"), Value::Object(found))].into_iter().collect()
}
