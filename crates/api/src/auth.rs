//! Who calls: `Authorization: Bearer <API key>`.

use crate::Api;
use crate::error::ApiError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use postrider_accept::Caller;

/// The authenticated caller, as an argument of a handler. What the handler then finds is as of now, on
/// whichever node it was changed.
#[derive(Clone, Copy, Debug)]
pub struct Auth(pub Caller);

/// The authenticated sender of a message. Nothing is asked of the database before the message's own
/// commit, which checks the key and the routing again.
#[derive(Clone, Copy, Debug)]
pub struct SenderAuth(pub Caller);

impl FromRequestParts<Api> for Auth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Auth, ApiError> {
        api.accept.store().fresh().await?;
        authenticate(parts, api).map(Auth).ok_or_else(refused)
    }
}

impl FromRequestParts<Api> for SenderAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<SenderAuth, ApiError> {
        if let Some(caller) = authenticate(parts, api) {
            return Ok(SenderAuth(caller));
        }
        // Another node may have made the key a moment ago.
        api.accept.store().fresh().await?;
        authenticate(parts, api).map(SenderAuth).ok_or_else(refused)
    }
}

fn authenticate(parts: &Parts, api: &Api) -> Option<Caller> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| api.accept.authenticate(key.trim()))?
}

fn refused() -> ApiError {
    let detail = "send a valid API key as \"Authorization: Bearer KEY\"";
    ApiError::plain(StatusCode::UNAUTHORIZED, "authentication_failed", detail)
}
