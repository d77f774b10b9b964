//! One request, one deadline.

use crate::address::AddressRules;
use crate::clients::{Clients, HttpClient};
use crate::connect::Parts;
use crate::error::{SendError, SetupError};
use crate::laggards::Laggards;
use crate::pooled::retire;
use crate::proxies::Proxies;
use crate::proxy::ProxySettings;
use crate::resolve::Resolver;
use crate::tls;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;
use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Connections to one host kept open for the next request, and for how long. Many endpoints may
/// share a host, so this is as high as attempts can be under way: opening anew costs more than waiting.
pub const IDLE_PER_HOST: usize = 1_024;
pub const IDLE_FOR: Duration = Duration::from_secs(30);
/// What a response's status line and headers may take.
pub const HEAD_LIMIT: usize = 64 << 10;

/// How the room is set up.
#[derive(Clone, Debug)]
pub struct Options {
    pub rules: AddressRules,
    /// A resolver to ask instead of the system's.
    pub dns: Option<SocketAddr>,
    /// Extra roots in PEM form.
    pub ca_file: Option<PathBuf>,
    /// Response bytes that are kept; the rest is dropped unread.
    pub response_cap: usize,
    /// How long a connection may be used for new requests after it was opened.
    pub connection_life: Duration,
    /// Proxies of calls that name none; they may be anywhere.
    pub proxy: ProxySettings,
}

/// A request to send by POST.
#[derive(Debug)]
pub struct Call<'a> {
    pub url: &'a str,
    pub headers: &'a [(String, String)],
    pub body: Bytes,
    /// From the name's resolution to the last byte of the response.
    pub deadline: Duration,
    /// Instead of [`Options::proxy`]; these must be at permitted addresses.
    pub proxy: Option<&'a ProxySettings>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Up to the cap.
    pub body: Bytes,
}

/// The room's door. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Egress {
    clients: Clients,
    response_cap: usize,
}

impl Egress {
    pub fn new(options: Options) -> Result<Egress, SetupError> {
        let parts = Parts {
            resolver: Resolver::new(options.dns)?,
            rules: options.rules,
            tls: tls::config(options.ca_file.as_deref())?,
            laggards: Laggards::default(),
        };
        let proxies = Proxies::new(&options.proxy, Proxies::anywhere()).map_err(SetupError::Proxy)?;
        let clients = Clients::new(parts, proxies, options.connection_life);
        Ok(Egress { clients, response_cap: options.response_cap })
    }

    /// Sends the request and reads the response. Never follows a redirect, never tries twice.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, SendError> {
        let deadline = call.deadline;
        let client = self.clients.of(call.proxy)?;
        let request = build(call)?;
        match tokio::time::timeout(deadline, self.exchange(&client, request)).await {
            Ok(result) => result,
            Err(_) => Err(SendError::Timeout { seconds: deadline.as_secs() }),
        }
    }

    async fn exchange(&self, client: &HttpClient, mut request: Request<Full<Bytes>>) -> Result<Reply, SendError> {
        let connection = capture_connection(&mut request);
        let response = client.request(request).await.map_err(|error| classify(&error))?;
        retire(&response, &connection);
        let (head, body) = response.into_parts();
        let body = read(body, self.response_cap).await?;
        Ok(Reply { status: head.status, headers: head.headers, body })
    }
}

fn build(call: Call<'_>) -> Result<Request<Full<Bytes>>, SendError> {
    let fail = |reason: String| SendError::Url { reason };
    let mut url = Url::parse(call.url).map_err(|error| fail(error.to_string()))?;
    let authorization = basic_auth(&url);
    // Neither belongs on the wire.
    url.set_fragment(None);
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    let mut request =
        Request::post(url.as_str()).body(Full::new(call.body)).map_err(|error| fail(error.to_string()))?;
    let headers = request.headers_mut();
    if let Some(value) = authorization {
        headers.insert(header::AUTHORIZATION, value);
    }
    for (name, value) in call.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| fail(format!("bad header name {name:?}")))?;
        let value =
            HeaderValue::from_bytes(value.as_bytes()).map_err(|_| fail(format!("bad value for header {name}")))?;
        headers.insert(name, value);
    }
    Ok(request)
}

/// A user and password in the URL become a header, as every HTTP client does it.
fn basic_auth(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [decode(url.username()), b":".to_vec(), decode(url.password().unwrap_or_default())].concat();
    let mut value = HeaderValue::try_from(format!("Basic {}", base64(&pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Reads up to `cap` bytes; what is beyond is never read, and the connection goes with it.
async fn read(mut body: Incoming, cap: usize) -> Result<Bytes, SendError> {
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| classify(&error))?;
        if let Some(data) = frame.data_ref() {
            let room = cap - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                break;
            }
        }
    }
    Ok(kept.freeze())
}

/// Walks from the outer error to its causes until one says what happened.
fn classify(error: &(dyn Error + 'static)) -> SendError {
    let mut next = Some(error);
    let mut last = error.to_string();
    while let Some(error) = next {
        last = error.to_string();
        if let Some(known) = error.downcast_ref::<SendError>() {
            return known.clone();
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_closed() || error.is_canceled())
        {
            return SendError::Reset { reason: last };
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            if let Some(known) = error.get_ref().and_then(|inner| inner.downcast_ref::<SendError>()) {
                return known.clone();
            }
            let reset = matches!(
                error.kind(),
                ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
                    | ErrorKind::NotConnected
            );
            if reset {
                return SendError::Reset { reason: last };
            }
        }
        next = error.source();
    }
    SendError::Protocol { reason: last }
}
