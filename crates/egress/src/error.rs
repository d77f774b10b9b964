//! Why a request got no response, as types with stable codes.

use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;

/// Why there is no response. `code` is what the API shows.
#[derive(Clone, Debug, Error)]
pub enum SendError {
    #[error("could not resolve {host}: {reason}")]
    Dns { host: String, reason: String },
    #[error("{host} is at {address}, which is not a public address; the operator can open it with --allow-network")]
    RefusedAddress { host: String, address: IpAddr },
    #[error("could not connect to {host}: {reason}")]
    Connect { host: String, reason: String },
    #[error("no TLS with {host}: {reason}")]
    Tls { host: String, reason: String },
    #[error("no response within {seconds} s")]
    Timeout { seconds: u64 },
    #[error("the connection was closed before a response: {reason}")]
    Reset { reason: String },
    #[error("the response is not HTTP: {reason}")]
    Protocol { reason: String },
    /// What stands between us and every endpoint failed: no fault of the endpoint. Deliveries pause for a moment.
    #[error("the provider's proxy {reason}")]
    Proxy { reason: String, pause: Duration },
    #[error("the URL can't be used: {reason}")]
    Url { reason: String },
}

impl SendError {
    /// Stable.
    pub fn code(&self) -> &'static str {
        match self {
            SendError::Dns { .. } => "dns",
            SendError::RefusedAddress { .. } => "refused_address",
            SendError::Connect { .. } => "connect",
            SendError::Tls { .. } => "tls",
            SendError::Timeout { .. } => "timeout",
            SendError::Reset { .. } => "reset",
            SendError::Proxy { .. } => "proxy",
            SendError::Protocol { .. } | SendError::Url { .. } => "protocol",
        }
    }

    /// Whether nobody was there, or nobody answered in time.
    pub fn is_absence(&self) -> bool {
        match self {
            SendError::Connect { .. } | SendError::Timeout { .. } | SendError::Reset { .. } => true,
            SendError::Dns { .. }
            | SendError::RefusedAddress { .. }
            | SendError::Tls { .. }
            | SendError::Proxy { .. }
            | SendError::Protocol { .. }
            | SendError::Url { .. } => false,
        }
    }

    /// Whether another try can't end differently.
    pub fn is_final(&self) -> bool {
        matches!(self, SendError::RefusedAddress { .. } | SendError::Url { .. })
    }
}

/// Why the room could not be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    #[error("can't read the system's resolver configuration ({0}); name a resolver with --dns ADDR")]
    Resolver(String),
    #[error("can't use the certificates in {file}: {reason}")]
    CaFile { file: String, reason: String },
    #[error("can't use the egress proxy: {0}")]
    Proxy(String),
    #[error("can't set up TLS: {0}")]
    Tls(String),
}
