//! Resolve, check and connect in one step.

use crate::address::AddressRules;
use crate::client_certificate::noticing;
use crate::error::SendError;
use crate::laggards::Laggards;
use crate::profile::TlsProfile;
use crate::proxies::{Proxies, Proxy};
use crate::race::Race;
use crate::resolve::{Lookup, Resolver};
use crate::stream::{Secure, Stream};
use crate::tls_words;
use crate::tunnel::{self, TunnelError};
use crate::verifier::Verifier;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use url::Url;

/// Addresses of one name that a proxy is asked for.
const TRIES_THROUGH_PROXY: usize = 4;
/// How long a proxy may take to accept a connection.
const REACH_PROXY: Duration = Duration::from_secs(3);

/// What it takes to open a connection.
#[derive(Debug)]
pub struct Parts {
    pub resolver: Resolver,
    pub rules: AddressRules,
    pub verifier: Arc<Verifier>,
    /// Where the target has no profile of its own.
    pub tls: Arc<ClientConfig>,
    pub laggards: Laggards,
}

/// What a connection is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub secure: bool,
    /// A name or an address, which has no brackets.
    pub host: String,
    pub port: u16,
    /// Connections are shared only among targets with the same.
    pub way: Way,
}

/// How a target is connected to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    /// The target's own certificates.
    pub tls: Option<TlsProfile>,
    pub proxies: Proxies,
}

impl Target {
    /// `None`: the URL names no host.
    pub fn of(url: &Url, way: Way) -> Option<Target> {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Target { secure: url.scheme() == "https", host, port: url.port_or_known_default()?, way })
    }
}

impl Parts {
    /// Opens a connection to an address that the rules allow, through a proxy if there is one for it.
    pub async fn connect(&self, target: &Target) -> Result<Stream, SendError> {
        let tcp = match target.way.proxies.of(target) {
            None => self.reach(&target.host, target.port, &self.rules).await?,
            Some(proxy) => self.reach_through(proxy, target).await?,
        };
        // Small requests and responses: waiting to fill a packet only adds delay.
        let _ = tcp.set_nodelay(true);
        if !target.secure {
            return Ok(Stream::Plain(tcp));
        }
        self.secure(target, tcp).await
    }

    async fn secure(&self, Target { host, way, .. }: &Target, tcp: TcpStream) -> Result<Stream, SendError> {
        let config = way.tls.as_ref().map_or(&self.tls, TlsProfile::config).clone();
        let fail = |reason: String| SendError::Tls { host: host.to_owned(), reason };
        let name = ServerName::try_from(host.clone())
            .map_err(|_| fail("this is not a name that a certificate can have".to_owned()))?;
        let (tls, certificate) = noticing(TlsConnector::from(config).connect(name, tcp)).await;
        let tls = tls.map_err(|error| fail(tls_words::words(&error, host, certificate)))?;
        Ok(Stream::Tls(Box::new(Secure::new(tls, host, certificate))))
    }

    /// Connects while the name is still being looked up, so that no address waits for the slowest answer.
    async fn reach(&self, host: &str, port: u16, rules: &AddressRules) -> Result<TcpStream, SendError> {
        let mut lookup = self.resolver.look_up(host);
        let mut race = Race::new(port, &self.laggards);
        let (mut is_known, mut refused, mut tried) = (false, None, false);
        loop {
            tokio::select! {
                more = lookup.next(), if !is_known => match more {
                    Some(addresses) => {
                        let permitted = permitted(addresses, rules, &mut refused);
                        tried |= !permitted.is_empty();
                        race.add(permitted);
                    }
                    None => is_known = true,
                },
                connected = race.run(), if !race.is_over() => if let Some(stream) = connected {
                    return Ok(stream);
                },
                else => break,
            }
        }
        let connect = tried.then(|| race.failure());
        Err(unreached(host, connect, refused, lookup))
    }

    /// The address is looked up and checked here, and the proxy gets the address: what a name means to the proxy could
    /// not be checked.
    async fn reach_through(&self, proxy: &Proxy, target: &Target) -> Result<TcpStream, SendError> {
        let mut lookup = self.resolver.look_up(&target.host);
        let (mut refused, mut failure, mut tries) = (None, None, 0);
        while let Some(addresses) = lookup.next().await {
            let mut permitted = permitted(addresses, &self.rules, &mut refused);
            // Most proxies have a route for IPv4.
            permitted.sort_by_key(IpAddr::is_ipv6);
            for ip in permitted {
                if tries == TRIES_THROUGH_PROXY {
                    break;
                }
                tries += 1;
                let stream = self.reach_proxy(proxy).await?;
                match tunnel::open(&proxy.url, stream, SocketAddr::new(ip, target.port)).await {
                    Ok(stream) => {
                        proxy.worked();
                        return Ok(stream);
                    }
                    Err(TunnelError::Target(reason)) => {
                        proxy.worked();
                        failure = Some(format!("{ip} port {}: {reason}", target.port));
                    }
                    Err(TunnelError::Refused(reason)) => {
                        return Err(proxy.refused(reason, &target.host, Instant::now()));
                    }
                    Err(TunnelError::Proxy(reason)) => return Err(proxy.failed(reason, Instant::now())),
                }
            }
        }
        Err(unreached(&target.host, failure, refused, lookup))
    }

    async fn reach_proxy(&self, proxy: &Proxy) -> Result<TcpStream, SendError> {
        let reached = timeout(REACH_PROXY, self.reach(&proxy.url.host, proxy.url.port, &proxy.rules)).await;
        let reason = match reached {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(SendError::Dns { .. })) => "can't be reached: its name has no address",
            Ok(Err(SendError::RefusedAddress { .. })) => "can't be used: its address is not public",
            Ok(Err(_)) => "can't be reached: nothing accepts connections at its address",
            Err(_) => "can't be reached: it does not answer",
        };
        Err(proxy.failed(reason.to_owned(), Instant::now()))
    }
}

/// The addresses that the rules allow; `refused` keeps the first of the others.
fn permitted(mut addresses: Vec<IpAddr>, rules: &AddressRules, refused: &mut Option<IpAddr>) -> Vec<IpAddr> {
    addresses.retain(|address| {
        let permitted = rules.permit(*address);
        if !permitted {
            refused.get_or_insert(*address);
        }
        permitted
    });
    addresses
}

/// Why no address of `host` was reached. `connect`: why those that were tried failed.
fn unreached(host: &str, connect: Option<String>, refused: Option<IpAddr>, lookup: Lookup) -> SendError {
    let host = host.to_owned();
    match (connect, refused) {
        (Some(reason), _) => SendError::Connect { host, reason },
        (None, Some(address)) => SendError::RefusedAddress { host, address },
        (None, None) => SendError::Dns { host, reason: lookup.failure() },
    }
}
