//! Query strings, with errors that name the parameter.

use crate::error::ApiError;
use crate::timestamp;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use postrider_store::query::MessageFilter;
use std::convert::Infallible;
use std::str::FromStr;
use url::form_urlencoded;

/// The parameters of a request by their base names. Unknown ones have been reported when the caller was authenticated,
/// see `input`.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query, Infallible> {
        let text = parts.uri.query().unwrap_or_default();
        let all = form_urlencoded::parse(text.as_bytes());
        Ok(Query(all.map(|(name, value)| (base_name(&name).to_owned(), value.into_owned())).collect()))
    }
}

/// The name of a parameter that is written as one of a list: `event_types[]` and `event_types[0]` are `event_types`.
pub fn base_name(name: &str) -> &str {
    match name.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((base, index)) if index.bytes().all(|byte| byte.is_ascii_digit()) => base,
        _ => name,
    }
}

impl Query {
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// Every value, whether repeated or separated by commas.
    pub fn list(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(key, _)| key == name).flat_map(|(_, value)| value.split(','));
        values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|_| ApiError::query(name, format!("{text:?} is not a whole number in range; use one such as 10")))
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "True" | "1") => Ok(Some(true)),
            Some("false" | "False" | "0") => Ok(Some(false)),
            Some(other) => Err(ApiError::query(name, format!("{other:?} is neither true nor false; use one of them"))),
        }
    }

    pub fn time(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.text(name).map(timestamp::parse).transpose().map_err(|msg| ApiError::query(name, msg))
    }

    /// `channel`, `tag`, `event_types`, `before` and `after`, which several listings share.
    pub fn message_filter(&self) -> Result<MessageFilter, ApiError> {
        Ok(MessageFilter {
            channel: self.text("channel").map(str::to_owned),
            tag: self.text("tag").map(str::to_owned),
            event_types: self.list("event_types"),
            before_ms: self.time("before")?,
            after_ms: self.time("after")?,
        })
    }
}
