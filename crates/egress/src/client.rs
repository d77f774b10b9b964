//! One request, one deadline.

use crate::address::AddressRules;
use crate::body::{self, Incomplete};
use crate::clients::{Client, Clients};
use crate::connect::Parts;
use crate::decode::decoded;
use crate::error::{SendError, SetupError};
use crate::exchange::{self, Begun, Exchange};
use crate::laggards::Laggards;
use crate::pool::Connection;
use crate::profile::{TlsParts, TlsProblem, TlsProfile};
use crate::proxies::Proxies;
use crate::proxy::ProxySettings;
use crate::request::Outgoing;
use crate::resolve::Resolver;
use crate::tls;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How requests are sent.
#[derive(Clone, Debug)]
pub struct Options {
    pub rules: AddressRules,
    /// A resolver to ask instead of the system's.
    pub dns: Option<SocketAddr>,
    /// Extra roots in PEM form.
    pub ca_file: Option<PathBuf>,
    /// Response bytes that are kept; the rest is dropped unread.
    pub response_cap: usize,
    /// A connection is used for this long since it was opened, so that a name that moves is followed.
    pub connection_life: Duration,
    /// Proxies of calls that name none; they may be anywhere.
    pub proxy: ProxySettings,
}

/// A request to send by POST.
#[derive(Debug)]
pub struct Call<'a> {
    pub url: &'a str,
    /// Sent in the case that they have here. Of two with the same name the later is sent.
    pub headers: &'a [(String, String)],
    pub body: Bytes,
    /// The endpoint's own certificates.
    pub tls: Option<TlsProfile>,
    /// Instead of [`Options::proxy`]; these must be at permitted addresses.
    pub proxy: Option<&'a ProxySettings>,
    /// From the name's resolution to the last byte of the response.
    pub deadline: Duration,
}

/// A response. What came of its body is all there is if `incomplete` says why.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Up to the cap, decompressed.
    pub body: Bytes,
    pub incomplete: Option<Incomplete>,
}

/// Sends requests. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Egress(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    clients: Clients,
    response_cap: usize,
}

impl Egress {
    pub fn new(options: Options) -> Result<Egress, SetupError> {
        let verifier = tls::verifier(options.ca_file.as_deref())?;
        let tls = tls::client_config(verifier.clone(), None).map_err(|error| SetupError::Tls(error.to_string()))?;
        let proxies = Proxies::new(&options.proxy, Proxies::anywhere()).map_err(SetupError::Proxy)?;
        let clients = Clients::new(proxies, options.rules.clone(), options.connection_life);
        let parts = Parts {
            resolver: Resolver::new(options.dns)?,
            rules: options.rules,
            verifier,
            tls,
            laggards: Laggards::default(),
        };
        Ok(Egress(Arc::new(Inner { parts, clients, response_cap: options.response_cap })))
    }

    /// Makes certificates of an endpoint's own ready for [`Call::tls`].
    pub fn tls_profile(&self, parts: TlsParts<'_>) -> Result<TlsProfile, TlsProblem> {
        TlsProfile::new(parts, &self.0.parts.verifier)
    }

    /// Sends the request and reads the response. Never follows a redirect.
    ///
    /// Sends it twice only if a connection that had served another request is closed without a byte of a response: the
    /// receiver closed it while it was idle. The second time is on a new connection.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, SendError> {
        let ends = Instant::now() + call.deadline;
        let outgoing = Outgoing::new(call.url, call.tls, call.headers, call.body)?;
        let late = |_| Err(SendError::Timeout { seconds: call.deadline.as_secs() });
        let client = self.0.clients.of(call.proxy)?;
        let (mut connection, begun) = timeout_at(ends, self.begin(&client, &outgoing)).await.unwrap_or_else(late)?;
        // Whatever becomes of the body: the status has come.
        let Begun { head, rest, sending } = begun;
        let mut exchange = Exchange { stream: &mut connection.stream, outgoing: &outgoing, sending };
        let read = body::read(&mut exchange, (head.framing, rest), self.0.response_cap, ends).await;
        if head.status.is_success() {
            // A receiver that took the message may still be reading it.
            let _ = timeout_at(ends, exchange.send_rest()).await;
        }
        let is_sent = exchange.sending.is_done();
        if is_sent && head.keep_alive && read.is_at_end {
            client.pool.put(outgoing.target, connection);
        }
        let (body, incomplete) = decoded(&head.headers, read, self.0.response_cap);
        let unread = (!is_sent && head.status.is_success()).then_some(Incomplete::RequestUnread);
        let incomplete = incomplete.or(unread);
        Ok(Reply { status: head.status, headers: head.headers, body, incomplete })
    }

    /// Until the response's head is here.
    async fn begin(&self, client: &Client, outgoing: &Outgoing) -> Result<(Connection, Begun), SendError> {
        let Client { proxies, pool } = client;
        if let Some(mut connection) = pool.take(&outgoing.target) {
            match exchange::begin(&mut connection.stream, outgoing).await {
                Ok(begun) => return Ok((connection, begun)),
                Err(failure) if failure.is_stale() => {}
                Err(failure) => return Err(failure.error),
            }
        }
        // Boxed, so that what it takes to connect is not kept while the response is awaited.
        let mut connection = pool.opened(Box::pin(self.0.parts.connect(&outgoing.target, proxies)).await?);
        let begun = exchange::begin(&mut connection.stream, outgoing).await;
        begun.map(|begun| (connection, begun)).map_err(|failure| failure.error)
    }
}
