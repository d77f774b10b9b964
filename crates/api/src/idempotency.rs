//! The `idempotency-key` header.

use crate::error::ApiError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use postrider_accept::{Caller, Idempotency, Made};
use postrider_store::RememberedAnswer;
use serde::Serialize;

/// The header of a request, as an argument of a handler.
#[derive(Debug)]
pub struct IdempotencyHeader {
    path: String,
    key: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for IdempotencyHeader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<IdempotencyHeader, ApiError> {
        let key = parts.headers.get("idempotency-key").map(|value| value.to_str().map(str::to_owned)).transpose();
        let key = key.map_err(|_| bad("idempotency-key must be printable ASCII".into()))?;
        Ok(IdempotencyHeader { path: parts.uri.path().to_owned(), key })
    }
}

impl IdempotencyHeader {
    /// What the key stands for, with this caller and body.
    pub fn with(&self, caller: Caller, body: &[u8]) -> Result<Option<Idempotency>, ApiError> {
        let Some(key) = &self.key else { return Ok(None) };
        Idempotency::new(caller, &self.path, key, body).map(Some).map_err(bad)
    }
}

fn bad(detail: String) -> ApiError {
    ApiError::plain(StatusCode::BAD_REQUEST, "bad_idempotency_key", detail)
}

/// The JSON answer to something made, as it is kept for repeats.
pub fn answer(status: StatusCode, body: &impl Serialize) -> (u16, Bytes) {
    // Our own types, whose keys are strings: writing them as JSON can't fail.
    (status.as_u16(), Bytes::from(serde_json::to_vec(body).unwrap_or_default()))
}

/// The new thing, or the first answer again, byte for byte.
pub fn respond<T>(made: Made<T>, render: impl Fn(&T) -> (u16, Bytes)) -> Response {
    let (status, body) = match made {
        Made::New(made) => render(&made),
        Made::Repeat(RememberedAnswer { status, body }) => (status, body),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
