//! Who calls: `Authorization: Bearer <API key>`.

use crate::Api;
use crate::error::ApiError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use postrider_accept::Caller;

/// The authenticated caller, as an argument of a handler.
#[derive(Clone, Copy, Debug)]
pub struct Auth(pub Caller);

impl FromRequestParts<Api> for Auth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Auth, ApiError> {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key =
            value.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let caller = key.and_then(|(_, key)| api.accept.authenticate(key.trim()));
        caller.map(Auth).ok_or_else(|| {
            let detail = "send a valid API key as \"Authorization: Bearer KEY\"";
            ApiError::plain(StatusCode::UNAUTHORIZED, "authentication_failed", detail)
        })
    }
}
