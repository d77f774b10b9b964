//! Request bodies: read up to a limit, then JSON with errors that name the field.

use crate::Api;
use crate::error::ApiError;
use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use postrider_accept::FieldProblem;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::Segment;
use tokio::sync::OwnedSemaphorePermit;

/// The largest body that is read.
pub const LIMIT: usize = 25 << 20;

/// The raw body. Its bytes count against the memory for bodies until it is dropped.
#[derive(Debug)]
pub struct Raw {
    pub bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl FromRequest<Api> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Raw, ApiError> {
        let too_large = || {
            let detail = format!("the body is larger than {LIMIT} bytes (25 MiB)");
            ApiError::plain(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
        };
        let announced = request.body().size_hint().upper().unwrap_or(LIMIT as u64);
        if announced > LIMIT as u64 {
            return Err(too_large());
        }
        let kib = u32::try_from(announced.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let room = api.bodies.clone().try_acquire_many_owned(kib).map_err(|_| {
            let detail = "too many large requests are being read; try again in a moment";
            ApiError::plain(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
        })?;
        let read = Limited::new(request.into_body(), LIMIT).collect().await;
        match read {
            Ok(body) => Ok(Raw { bytes: body.to_bytes(), _room: room }),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => Err(ApiError::plain(StatusCode::BAD_REQUEST, "bad_body", error.to_string())),
        }
    }
}

/// A JSON body that has been read into `T`; the bytes stay for the idempotency key's hash.
#[derive(Debug)]
pub struct Json<T> {
    pub value: T,
    pub raw: Raw,
}

impl<T: DeserializeOwned> FromRequest<Api> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Json<T>, ApiError> {
        let raw = Raw::from_request(request, api).await?;
        Ok(Json { value: parse(&raw.bytes)?, raw })
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
