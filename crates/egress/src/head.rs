//! The status line and the headers of a response.

use crate::error::SendError;
use bytes::{Buf, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// What they may take, in bytes.
const MAX_BYTES: usize = 64 << 10;
const MAX_HEADERS: usize = 128;
/// Interim responses (1xx) before the response; nobody asked for any.
const MAX_INTERIM: u8 = 16;
/// Bytes of empty lines before a response.
const MAX_EMPTY: usize = 64;
const BEGINNING: &[u8] = b"HTTP/1.";

/// See the module.
#[derive(Debug)]
pub struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub framing: Framing,
    /// The connection can serve another request once the body has been read.
    pub keep_alive: bool,
}

/// Where the body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    Chunked,
    /// With the connection.
    Close,
}

/// Collects bytes until they are a head.
#[derive(Debug, Default)]
pub struct HeadReader {
    buffer: BytesMut,
    /// Bytes of the buffer in which no head ends.
    searched: usize,
    interim: u8,
    /// Bytes of empty lines that were passed over.
    empty: usize,
}

impl HeadReader {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing has come.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.interim == 0
    }

    /// What came after the head.
    pub fn rest(self) -> BytesMut {
        self.buffer
    }

    /// The head of the response, once all of it is here. Interim responses are passed over.
    pub fn head(&mut self) -> Result<Option<Head>, SendError> {
        loop {
            let Some(end) = self.end()? else { return Ok(None) };
            let (status, version, headers) = parse(&self.buffer[..end])?;
            self.buffer.advance(end);
            self.searched = 0;
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Some(Head::new(status, version, headers)));
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(protocol(format!("more than {MAX_INTERIM} interim responses (1xx)")));
            }
        }
    }

    /// After the empty line that ends the head.
    fn end(&mut self) -> Result<Option<usize>, SendError> {
        // Empty lines before a response are left over from the one before.
        let empty = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.buffer.advance(empty);
        self.empty += empty;
        if self.empty > MAX_EMPTY {
            return Err(protocol("nothing but empty lines before the response".to_owned()));
        }
        self.searched = self.searched.saturating_sub(empty);
        let compared = self.buffer.len().min(BEGINNING.len());
        if self.buffer[..compared] != BEGINNING[..compared] {
            let beginning = self.buffer[..self.buffer.len().min(40)].escape_ascii();
            return Err(protocol(format!("the response does not begin with HTTP/1.1 but with \"{beginning}\"")));
        }
        let from = self.searched.saturating_sub(3);
        let end = (from..self.buffer.len()).find_map(|at| match &self.buffer[at..] {
            [b'\n', b'\n', ..] => Some(at + 2),
            [b'\n', b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        });
        self.searched = self.buffer.len();
        if end.unwrap_or(self.buffer.len()) > MAX_BYTES {
            return Err(protocol(format!("the response's headers are larger than {} KiB", MAX_BYTES >> 10)));
        }
        Ok(end)
    }

    /// The error of a connection that is closed now.
    pub fn closed(&self) -> SendError {
        let reason = if self.is_empty() { "no response" } else { "only part of the response's headers" };
        SendError::Reset { reason: format!("{reason} had come") }
    }
}

fn protocol(reason: String) -> SendError {
    SendError::Protocol { reason }
}

/// Status, minor version and headers. A header that is none is passed over: the status counts.
fn parse(bytes: &[u8]) -> Result<(StatusCode, u8, HeaderMap), SendError> {
    let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut space);
    let mut config = httparse::ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true);
    config.allow_obsolete_multiline_headers_in_responses(true);
    config.ignore_invalid_headers_in_responses(true);
    config.parse_response(&mut response, bytes).map_err(|error| protocol(error.to_string()))?;
    let (Some(code), Some(version)) = (response.code, response.version) else {
        return Err(protocol("the response has no status".to_owned()));
    };
    let status = StatusCode::from_u16(code).map_err(|_| protocol(format!("{code} is not a status")))?;
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for header in response.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(header.value)) {
            headers.append(name, value);
        }
    }
    Ok((status, version, headers))
}

impl Head {
    fn new(status: StatusCode, version: u8, headers: HeaderMap) -> Head {
        let framing = framing(status, &headers);
        let says = |word: &str| tokens(&headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(word));
        // Two ways to find its end: nobody can be sure what follows.
        let is_ambiguous = headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
        let is_switched = status == StatusCode::SWITCHING_PROTOCOLS;
        let keep_alive = (version == 1 || says("keep-alive"))
            && !says("close")
            && framing != Framing::Close
            && !is_ambiguous
            && !is_switched;
        Head { status, headers, framing, keep_alive }
    }
}

fn framing(status: StatusCode, headers: &HeaderMap) -> Framing {
    if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Framing::Length(0);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        let last = tokens(headers, &TRANSFER_ENCODING).last();
        let is_chunked = last.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        return if is_chunked { Framing::Chunked } else { Framing::Close };
    }
    let mut lengths =
        tokens(headers, &CONTENT_LENGTH).map(|length| match length.bytes().all(|digit| digit.is_ascii_digit()) {
            true => length.parse::<u64>().ok(),
            false => None,
        });
    match lengths.next() {
        // Not a length, or two of them: whatever comes is kept.
        Some(Some(first)) if lengths.all(|other| other == Some(first)) => Framing::Length(first),
        Some(_) | None => Framing::Close,
    }
}

/// The values of a header whose values are a list.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}
