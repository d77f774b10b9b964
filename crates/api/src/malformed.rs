//! Answers to requests that are not HTTP, or whose head is too large. The HTTP library answers those itself, with a status
//! and no body; here they get a body that says why.

use crate::error::HttpErrorOut;
use axum::http::StatusCode;
use serde_json::json;

/// How such an answer ends.
const NO_BODY: &[u8] = b"content-length: 0\r\n";

/// The answer with a body, if these bytes are one of the library's own answers.
pub fn answered(written: &[u8]) -> Option<Vec<u8>> {
    let head = written.strip_suffix(b"\r\n\r\n")?;
    let status = head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 "))?.get(..3)?;
    if !head.windows(NO_BODY.len()).any(|part| part == NO_BODY) && !head.ends_with(b"content-length: 0") {
        return None;
    }
    let (status, code, detail) = match StatusCode::from_bytes(status).ok()? {
        status @ StatusCode::BAD_REQUEST => (status, "bad_request", "the request is not valid HTTP/1.1"),
        status @ StatusCode::URI_TOO_LONG => (status, "uri_too_long", "the path and query are too long"),
        status @ StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            (status, "headers_too_large", "the path, the query or the headers are too large")
        }
        _ => return None,
    };
    let body = json!(HttpErrorOut { code: code.to_owned(), detail: detail.to_owned() }).to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Some([head.into_bytes(), body.into_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_of_the_library_get_a_body() {
        let own = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let answered_own = String::from_utf8(answered(own).unwrap()).unwrap();
        assert!(answered_own.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answered_own}");
        assert!(answered_own.ends_with("\"the request is not valid HTTP/1.1\"}"), "{answered_own}");
        for other in [
            &b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nrest",
            b"",
        ] {
            assert_eq!(answered(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
