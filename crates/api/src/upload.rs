//! Reading a request's body: up to a size, not slower than a rate, and counted as it arrives.

use crate::account::{Account, Memory, busy};
use crate::error::ApiError;
use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use postrider_accept::Holder;
use postrider_fair::Taken;
use std::time::Duration;
use tokio::time::Instant;

/// The largest body that is read.
pub const LIMIT: usize = 25 << 20;
/// A body that sends nothing for this long is not waited for.
const SILENCE: Duration = Duration::from_secs(10);
/// Before a body must keep up with [`BYTES_PER_SECOND`].
const GRACE: Duration = Duration::from_secs(10);
/// The average that a body must arrive with.
const BYTES_PER_SECOND: usize = 8 << 10;

/// A body whole, and the room it takes.
#[derive(Debug)]
pub struct Upload {
    pub bytes: Bytes,
    pub room: Taken<Holder>,
}

/// Reads a body. What has arrived is counted, not what was announced: who announces much and sends little holds little.
pub async fn read(mut body: Body, memory: &Memory, holder: Holder) -> Result<Upload, ApiError> {
    let announced = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
    if announced.is_some_and(|bytes| bytes > LIMIT) {
        return Err(too_large());
    }
    let started = Instant::now();
    let Some(first) = next(&mut body, started, 0).await? else {
        return Ok(Upload { bytes: Bytes::new(), room: Account::room(memory, holder, 0)? });
    };
    let mut room = Account::room(memory, holder, first.len())?;
    if body.is_end_stream() {
        return Ok(Upload { bytes: first, room });
    }
    let most = announced.unwrap_or(LIMIT);
    // Copied: small chunks would each keep the buffer alive that they were read into.
    let mut bytes = BytesMut::from(first);
    while let Some(chunk) = next(&mut body, started, bytes.len()).await? {
        let length = bytes.len() + chunk.len();
        if length > most {
            return Err(too_large());
        }
        let capacity = room.amount();
        if length > capacity {
            let grown = length.max((capacity * 2).min(most));
            if !room.grow(grown - capacity) {
                return Err(busy());
            }
            bytes.reserve(grown - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Upload { bytes: bytes.freeze(), room })
}

/// The next chunk of a body of which so many bytes have arrived.
async fn next(body: &mut Body, started: Instant, arrived: usize) -> Result<Option<Bytes>, ApiError> {
    let allowed = GRACE + Duration::from_secs((arrived / BYTES_PER_SECOND) as u64);
    let until = (Instant::now() + SILENCE).min(started + allowed);
    loop {
        match tokio::time::timeout_at(until, body.frame()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => {
                let detail = "the body did not arrive whole; send the request again";
                return Err(ApiError::plain(StatusCode::BAD_REQUEST, "bad_body", detail));
            }
            Ok(Some(Ok(frame))) => {
                // Trailers say nothing here.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn too_large() -> ApiError {
    let detail = format!("the body is larger than {LIMIT} bytes (25 MiB)");
    ApiError::plain(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
}

fn too_slow() -> ApiError {
    let detail = format!(
        "the body arrived too slowly: send it without a pause of {} seconds, and at least {} KiB a second",
        SILENCE.as_secs(),
        BYTES_PER_SECOND >> 10
    );
    ApiError::plain(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail)
}
