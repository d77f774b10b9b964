//! Resolve, check and connect in one step.

use crate::address::AddressRules;
use crate::error::SendError;
use crate::resolve::Resolver;
use crate::stream::{Io, Stream};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Addresses of one name that are tried.
const TRIES: usize = 4;
/// How long one address may take before the next is tried.
const ONE_ADDRESS: Duration = Duration::from_secs(5);

/// Opens checked connections for hyper's pool, which clones it for each request.
#[derive(Clone)]
pub struct Connector(pub Arc<Parts>);

/// What it takes to open one.
pub struct Parts {
    pub resolver: Resolver,
    pub rules: AddressRules,
    pub tls: Arc<ClientConfig>,
}

impl tower_service::Service<Uri> for Connector {
    type Response = Io;
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<Io, SendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let parts = self.0.clone();
        Box::pin(async move { parts.connect(&uri).await })
    }
}

impl Parts {
    async fn connect(&self, uri: &Uri) -> Result<Io, SendError> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tcp = open(host, port, &self.permitted(host).await?).await?;
        // Small requests and responses: waiting to fill a packet only adds delay.
        let _ = tcp.set_nodelay(true);
        if !secure {
            return Ok(TokioIo::new(Stream::Plain(tcp)));
        }
        let fail = |reason: String| SendError::Tls { host: host.to_owned(), reason };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| fail(error.to_string()))?;
        let tls =
            TlsConnector::from(self.tls.clone()).connect(name, tcp).await.map_err(|error| fail(error.to_string()))?;
        Ok(TokioIo::new(Stream::Tls(Box::new(tls))))
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
