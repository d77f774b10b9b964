//! Resolve, check and connect in one step.

use crate::address::AddressRules;
use crate::error::SendError;
use crate::resolve::Resolver;
use crate::stream::Stream;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

/// Addresses of one name that are tried.
const TRIES: usize = 4;
/// How long one address may take before the next is tried.
const ONE_ADDRESS: Duration = Duration::from_secs(5);

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub secure: bool,
    /// A name, or an address without brackets.
    pub host: String,
    pub port: u16,
}

impl Target {
    /// `None`: the URL names no host.
    pub fn of(url: &Url) -> Option<Target> {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Target { secure: url.scheme() == "https", host, port: url.port_or_known_default()? })
    }
}

/// What it takes to open a connection.
#[derive(Debug)]
pub struct Parts {
    pub resolver: Resolver,
    pub rules: AddressRules,
    pub tls: Arc<ClientConfig>,
}

impl Parts {
    /// A connection to an address of the host that the rules allow.
    pub async fn connect(&self, Target { secure, host, port }: &Target) -> Result<Stream, SendError> {
        let tcp = open(host, *port, &self.permitted(host).await?).await?;
        // Small requests and responses: waiting to fill a packet only adds delay.
        let _ = tcp.set_nodelay(true);
        if !secure {
            return Ok(Stream::Plain(tcp));
        }
        let fail = |reason: String| SendError::Tls { host: host.to_owned(), reason };
        let name = ServerName::try_from(host.clone()).map_err(|error| fail(error.to_string()))?;
        let tls =
            TlsConnector::from(self.tls.clone()).connect(name, tcp).await.map_err(|error| fail(error.to_string()))?;
        Ok(Stream::Tls(Box::new(tls)))
    }

    /// The addresses of `host` that the rules allow.
    async fn permitted(&self, host: &str) -> Result<Vec<IpAddr>, SendError> {
        let fail = |reason: String| SendError::Dns { host: host.to_owned(), reason };
        let all = self.resolver.addresses(host).await.map_err(fail)?;
        let Some(first) = all.first().copied() else {
            return Err(fail("the name has no address".into()));
        };
        let permitted: Vec<IpAddr> = all.into_iter().filter(|address| self.rules.permit(*address)).collect();
        if permitted.is_empty() {
            return Err(SendError::RefusedAddress { host: host.to_owned(), address: first });
        }
        Ok(permitted)
    }
}

async fn open(host: &str, port: u16, addresses: &[IpAddr]) -> Result<TcpStream, SendError> {
    let mut reason = String::new();
    for address in addresses.iter().take(TRIES) {
        match tokio::time::timeout(ONE_ADDRESS, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => reason = format!("{address} port {port}: {error}"),
            Err(_) => reason = format!("{address} port {port}: no answer"),
        }
    }
    Err(SendError::Connect { host: host.to_owned(), reason })
}
