//! Parameters of a path, with errors as JSON.

use crate::error::ApiError;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use postrider_accept::{has_unstorable, unstorable};
use serde::de::DeserializeOwned;

/// The parameters of a request's path, as an argument of a handler.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, ApiError> {
        let all = RawPathParams::from_request_parts(parts, state).await.map_err(|_| bad())?;
        if let Some((name, _)) = all.iter().find(|(_, value)| has_unstorable(value)) {
            return Err(ApiError::Invalid(vec![unstorable(vec!["path".to_owned(), name.to_owned()])]));
        }
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|path| Path(path.0)).map_err(|_| bad())
    }
}

fn bad() -> ApiError {
    let detail = "a part of the path is not UTF-8 in percent-encoding; ids and uids have letters, digits, \"-\", \"_\" \
                  and \".\"";
    ApiError::plain(StatusCode::BAD_REQUEST, "bad_path", detail)
}
