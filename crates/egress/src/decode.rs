//! Content codings of responses: a receiver may compress without being asked to.

use crate::body::{Incomplete, Read};
use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use std::io::Read as _;

/// A body without its compression, up to `cap` bytes.
pub fn decoded(headers: &HeaderMap, read: Read, cap: usize) -> (Bytes, Option<Incomplete>) {
    let coding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if read.bytes.is_empty() {
        return (read.bytes, read.incomplete);
    }
    let (bytes, limit) = (&read.bytes[..], cap as u64);
    let mut content = Vec::new();
    let result = match coding.trim().to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut content),
        "deflate" => ZlibDecoder::new(bytes).take(limit).read_to_end(&mut content),
        _ => return (read.bytes, read.incomplete),
    };
    match result {
        Ok(_) => (content.into(), read.incomplete),
        // Cut off at the cap.
        Err(_) if !content.is_empty() && !read.is_at_end && read.incomplete.is_none() => (content.into(), None),
        // Not compressed at all.
        Err(_) if content.is_empty() && read.incomplete.is_none() => (read.bytes, Some(Incomplete::BadCompression)),
        Err(_) => (content.into(), read.incomplete.or(Some(Incomplete::BadCompression))),
    }
}
