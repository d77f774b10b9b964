//! Names to addresses.

use crate::error::SetupError;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use std::net::{IpAddr, SocketAddr};

/// Asks the system's resolvers, or the one that the operator named.
#[derive(Clone)]
pub struct Resolver(TokioResolver);

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    pub fn new(server: Option<SocketAddr>) -> Result<Resolver, SetupError> {
        let setup = |error: hickory_resolver::net::NetError| SetupError::Resolver(error.to_string());
        let builder = match server {
            None => TokioResolver::builder_tokio().map_err(setup)?,
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let name_server = NameServerConfig::new(server.ip(), true, connections.into());
                let config = ResolverConfig::from_parts(None, vec![], vec![name_server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        Ok(Resolver(builder.build().map_err(setup)?))
    }

    /// Every address of `host`, or why there is none.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let found = self.0.lookup_ip(host).await.map_err(|error| error.to_string())?;
        Ok(found.iter().collect())
    }
}
