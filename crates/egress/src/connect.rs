//! Resolve, check and connect in one step.

use crate::address::AddressRules;
use crate::client_certificate::noticing;
use crate::error::SendError;
use crate::laggards::Laggards;
use crate::profile::TlsProfile;
use crate::race::Race;
use crate::resolve::Resolver;
use crate::stream::{Secure, Stream};
use crate::tls_words;
use crate::verifier::Verifier;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

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
    pub tls: Option<TlsProfile>,
}

impl Target {
    /// `None`: the URL names no host.
    pub fn of(url: &Url, tls: Option<TlsProfile>) -> Option<Target> {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Target { secure: url.scheme() == "https", host, port: url.port_or_known_default()?, tls })
    }
}

impl Parts {
    /// Opens a connection to an address that the rules allow.
    pub async fn connect(&self, target: &Target) -> Result<Stream, SendError> {
        let tcp = self.reach(target).await?;
        // Small requests and responses: waiting to fill a packet only adds delay.
        let _ = tcp.set_nodelay(true);
        if !target.secure {
            return Ok(Stream::Plain(tcp));
        }
        self.secure(target, tcp).await
    }

    async fn secure(&self, Target { host, tls, .. }: &Target, tcp: TcpStream) -> Result<Stream, SendError> {
        let config = tls.as_ref().map_or(&self.tls, TlsProfile::config).clone();
        let fail = |reason: String| SendError::Tls { host: host.to_owned(), reason };
        let name = ServerName::try_from(host.clone())
            .map_err(|_| fail("this is not a name that a certificate can have".to_owned()))?;
        let (tls, certificate) = noticing(TlsConnector::from(config).connect(name, tcp)).await;
        let tls = tls.map_err(|error| fail(tls_words::words(&error, host, certificate)))?;
        Ok(Stream::Tls(Box::new(Secure::new(tls, host, certificate))))
    }

    /// Connects while the name is still being looked up, so that no address waits for the slowest answer.
    async fn reach(&self, target: &Target) -> Result<TcpStream, SendError> {
        let host = || target.host.clone();
        let mut lookup = self.resolver.look_up(&target.host);
        let mut race = Race::new(target.port, &self.laggards);
        let (mut is_known, mut refused, mut tried) = (false, None, false);
        loop {
            tokio::select! {
                more = lookup.next(), if !is_known => match more {
                    Some(addresses) => {
                        let permitted = self.permitted(addresses, &mut refused);
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
        Err(match refused {
            _ if tried => SendError::Connect { host: host(), reason: race.failure() },
            Some(address) => SendError::RefusedAddress { host: host(), address },
            None => SendError::Dns { host: host(), reason: lookup.failure() },
        })
    }

    /// The addresses that the rules allow; `refused` keeps the first of the others.
    fn permitted(&self, mut addresses: Vec<IpAddr>, refused: &mut Option<IpAddr>) -> Vec<IpAddr> {
        addresses.retain(|address| {
            let permitted = self.rules.permit(*address);
            if !permitted {
                refused.get_or_insert(*address);
            }
            permitted
        });
        addresses
    }
}
