//! What is posted, built once; only the sequence number changes from request to request.

use crate::failure::Failure;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

/// Comes before the sequence number in a payload. The `#` occurs nowhere else in one, which makes
/// it quick to find; it all stands in a JSON string, so it survives a server that rewrites JSON.
const MARKER: &[u8] = b"#seq#";
const DIGITS: usize = 10;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Makes the requests of one phase.
#[derive(Debug)]
pub struct Recipe {
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Where the numbers of the messages stand.
    digits_at: Vec<usize>,
    key: String,
}

impl Recipe {
    /// Posts payloads as they are. `key` starts every idempotency key.
    pub fn plain(host: HeaderValue, path: &str, payload_bytes: usize, key: String) -> Result<Recipe, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (body, digits_at) = payload(payload_bytes);
        let uri = path.parse().map_err(http::Error::from)?;
        Ok(Recipe { uri, headers, body, digits_at: vec![digits_at], key })
    }

    /// Wraps each payload in a message for the API.
    pub fn message(mut self, authorization: HeaderValue) -> Recipe {
        self.headers.insert(http::header::AUTHORIZATION, authorization);
        let start = br#"{"eventType":"bench.event","payload":"#;
        self.body.splice(0..0, start.iter().copied());
        self.body.push(b'}');
        self.digits_at[0] += start.len();
        self
    }

    /// Puts so many messages into one request.
    pub fn batch(mut self, messages: usize) -> Recipe {
        let mut body = br#"{"messages":["#.to_vec();
        let within = self.digits_at[0];
        self.digits_at.clear();
        for n in 0..messages {
            if n > 0 {
                body.push(b',');
            }
            self.digits_at.push(body.len() + within);
            body.extend_from_slice(&self.body);
        }
        body.extend_from_slice(b"]}");
        self.body = body;
        self
    }

    /// Messages of each request.
    pub fn messages(&self) -> u64 {
        self.digits_at.len() as u64
    }

    /// The request for the messages from `seq` on; the same number gives the same request.
    pub fn request(&self, seq: u64) -> Result<Request<Full<Bytes>>, Failure> {
        let mut body = self.body.clone();
        for (at, number) in self.digits_at.iter().zip(seq..) {
            let mut rest = number;
            for digit in body[*at..at + DIGITS].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let key =
            HeaderValue::from_maybe_shared(Bytes::from(format!("{}{seq}", self.key))).map_err(http::Error::from)?;
        request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        Ok(request)
    }
}

/// A JSON object of `bytes` bytes where that is enough, and where its sequence number stands.
fn payload(bytes: usize) -> (Vec<u8>, usize) {
    let mut text = br#"{"event":""#.to_vec();
    text.extend_from_slice(MARKER);
    let digits_at = text.len();
    text.extend_from_slice(&[b'0'; DIGITS]);
    let (middle, end) = (br#"","data":""#, br#""}"#);
    let filler = bytes.saturating_sub(text.len() + middle.len() + end.len());
    text.extend_from_slice(middle);
    text.extend(b"the quick brown fox jumps over the lazy dog ".iter().cycle().take(filler));
    text.extend_from_slice(end);
    (text, digits_at)
}

/// The sequence number in a payload, wherever it stands.
pub fn sequence(body: &[u8]) -> Option<u64> {
    let mut rest = body;
    loop {
        let at = rest.iter().position(|byte| *byte == MARKER[0])?;
        rest = &rest[at..];
        if let Some(digits) = rest.strip_prefix(MARKER).and_then(|after| after.get(..DIGITS)) {
            return std::str::from_utf8(digits).ok()?.parse().ok();
        }
        rest = &rest[1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn recipe(bytes: usize) -> Recipe {
        Recipe::plain(HeaderValue::from_static("h"), "/p", bytes, "key-".into()).unwrap()
    }

    async fn body(recipe: &Recipe, seq: u64) -> Bytes {
        recipe.request(seq).unwrap().into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_payload_is_json_of_the_size_asked_for_with_its_number_in_it() {
        for bytes in [64, 1_024] {
            let body = body(&recipe(bytes), 42).await;
            assert_eq!(body.len(), bytes);
            serde_json::from_slice::<serde_json::Value>(&body).unwrap();
            assert_eq!(sequence(&body), Some(42));
        }
    }

    #[tokio::test]
    async fn a_message_holds_the_payload_and_its_key_the_number() {
        let recipe = recipe(100).message(HeaderValue::from_static("Bearer x"));
        assert_eq!(recipe.request(7).unwrap().headers()["idempotency-key"], "key-7");
        let message: serde_json::Value = serde_json::from_slice(&body(&recipe, 7).await).unwrap();
        let payload = serde_json::to_vec(&message["payload"]).unwrap();
        assert_eq!((payload.len(), sequence(&payload)), (100, Some(7)));
    }

    #[tokio::test]
    async fn a_batch_holds_messages_with_numbers_in_a_row() {
        let recipe = recipe(100).message(HeaderValue::from_static("Bearer x")).batch(3);
        let batch: serde_json::Value = serde_json::from_slice(&body(&recipe, 7).await).unwrap();
        let numbers = batch["messages"].as_array().unwrap().iter();
        let numbers: Vec<_> = numbers.map(|message| sequence(message["payload"].to_string().as_bytes())).collect();
        assert_eq!((numbers, recipe.messages()), (vec![Some(7), Some(8), Some(9)], 3));
    }

    #[test]
    fn what_only_looks_like_a_marker_is_passed_over() {
        assert_eq!(sequence(b"## #seq #seq#0000000012"), Some(12));
        assert_eq!(sequence(b"#seq#12"), None);
        assert_eq!(sequence(b""), None);
    }
}
