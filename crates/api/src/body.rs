//! Request bodies: read up to a limit, then JSON with errors that name the field.

use crate::Api;
use crate::account::Account;
use crate::auth::refused;
use crate::error::ApiError;
use crate::upload;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use postrider_accept::FieldProblem;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::Segment;

/// The raw body. It counts against its caller's share of the memory for bodies until the request is done.
#[derive(Debug)]
pub struct Raw {
    pub bytes: Bytes,
}

impl FromRequest<Api> for Raw {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, api: &Api) -> Result<Raw, ApiError> {
        let account = request.extensions_mut().remove::<Account>().unwrap_or_default();
        // A body is read only for a caller that is known.
        let holder = account.holder().ok_or_else(refused)?;
        let upload = upload::read(request.into_body(), &api.memory, holder).await?;
        account.keep(upload.room);
        Ok(Raw { bytes: upload.bytes })
    }
}

/// A JSON body that has been read into `T`; the bytes stay for the idempotency key's hash.
#[derive(Debug)]
pub struct Json<T> {
    pub value: T,
    pub raw: Raw,
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<Api> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Json<T>, ApiError> {
        let account = request.extensions().get::<Account>().cloned().unwrap_or_default();
        let raw = Raw::from_request(request, api).await?;
        let holder = account.holder().ok_or_else(refused)?;
        let bytes = raw.bytes.clone();
        let value = api.accept.compute().run_if_heavy(bytes.len(), holder, move || parse(&bytes)).await??;
        Ok(Json { value, raw })
    }
}

/// Reads JSON. What is no JSON is a 400; a wrong value in a known field is a 422 that names it.
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    // What is read by names can't be given by places.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|first| b"[\"0123456789-tf".contains(first))
        && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
    {
        return Err(ApiError::field("", "must be an object, such as {\"name\": \"value\"}"));
    }
    // The happy path first: following the path to each field costs time.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let error = match serde_path_to_error::deserialize(&mut reader) {
        Ok(value) => match reader.end() {
            Ok(()) => return Ok(value),
            Err(error) => return Err(not_json(&error)),
        },
        Err(error) => error,
    };
    let place = error.path().iter().filter_map(|part| match part {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } | Segment::Enum { variant: key } => Some(key.clone()),
        Segment::Unknown => None,
    });
    let loc = std::iter::once("body".to_owned()).chain(place).collect();
    let cause = error.into_inner();
    if cause.classify() != Category::Data {
        return Err(not_json(&cause));
    }
    Err(ApiError::Invalid(vec![FieldProblem { loc, ..FieldProblem::value("", in_words(&cause)) }]))
}

/// Without the names of our types.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let Some((before, name)) = text.split_once("expected struct ") else { return text };
    let rest = name.find(' ').map_or("", |at| &name[at..]);
    format!("{before}expected an object{rest}")
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::plain(StatusCode::BAD_REQUEST, "bad_json", format!("the body is not JSON: {error}"))
}
