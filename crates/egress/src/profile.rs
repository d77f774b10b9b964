//! TLS of an endpoint's own: a client certificate, and authorities.

use crate::tls::{ClientIdentity, Roots, client_config};
use crate::verifier::Verifier;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;

/// Certificates of a chain, or authorities.
const MAX_CERTIFICATES: usize = 20;

/// What an endpoint has of its own, as PEM.
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsParts<'a> {
    /// The client's certificate and those that it was issued by.
    pub chain: Option<&'a str>,
    /// The private key of the certificate.
    pub key: Option<&'a str>,
    /// Instead of the system's authorities.
    pub authorities: Option<&'a str>,
}

/// What is wrong with one of the parts, after its name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TlsProblem {
    #[error("the client certificate {0}")]
    Chain(String),
    #[error("the key {0}")]
    Key(String),
    #[error("the list of authorities {0}")]
    Authorities(String),
}

/// The parts, ready for connections, which are shared only among requests with the same profile.
#[derive(Clone, Debug)]
pub struct TlsProfile(Arc<Profile>);

#[derive(Debug)]
struct Profile {
    /// Of this process.
    number: u64,
    config: Arc<ClientConfig>,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl TlsProfile {
    /// `system` says what is trusted where the parts have no authorities.
    pub(crate) fn new(parts: TlsParts<'_>, system: &Arc<Verifier>) -> Result<TlsProfile, TlsProblem> {
        let identity = match (parts.chain, parts.key) {
            (Some(chain), Some(key)) => Some(identity(chain, key)?),
            (Some(_), None) => return Err(TlsProblem::Key("is missing; give the key of the certificate".into())),
            (None, Some(_)) => return Err(TlsProblem::Chain("is missing; give the certificate of the key".into())),
            (None, None) => None,
        };
        let verifier = match parts.authorities {
            Some(pem) => authorities(pem)?,
            None => system.clone(),
        };
        let config = client_config(verifier, identity).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsProblem::Key("does not belong to the first certificate of the chain".into())
            }
            error => TlsProblem::Chain(format!("can't be used: {error}")),
        })?;
        Ok(TlsProfile(Arc::new(Profile { number: NEXT.fetch_add(1, Ordering::Relaxed), config })))
    }

    /// Whether the parts are right.
    pub fn check(parts: TlsParts<'_>) -> Result<(), TlsProblem> {
        let built_in = Roots::built_in().verifier();
        let built_in = built_in.map_err(|error| TlsProblem::Authorities(format!("can't be used: {error}")))?;
        TlsProfile::new(parts, &built_in).map(drop)
    }

    pub(crate) fn config(&self) -> &Arc<ClientConfig> {
        &self.0.config
    }
}

fn identity(chain: &str, key: &str) -> Result<ClientIdentity, TlsProblem> {
    let chain = certificates(chain).map_err(TlsProblem::Chain)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
        let encrypted = if key.contains("ENCRYPTED") { "; an encrypted key must be decrypted first" } else { "" };
        TlsProblem::Key(format!("is not a private key in PEM form (-----BEGIN PRIVATE KEY-----){encrypted}"))
    })?;
    Ok(ClientIdentity { chain, key })
}

fn authorities(pem: &str) -> Result<Arc<Verifier>, TlsProblem> {
    let unusable = |reason: String| TlsProblem::Authorities(format!("can't be used: {reason}"));
    certificates(pem).map_err(TlsProblem::Authorities)?;
    let mut roots = Roots::none();
    roots.add_pem(pem.as_bytes()).map_err(unusable)?;
    roots.verifier().map_err(|error| unusable(error.to_string()))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(found) if found.is_empty() => Err("has no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned()),
        Ok(found) if found.len() > MAX_CERTIFICATES => {
            Err(format!("has {} certificates; at most {MAX_CERTIFICATES} are allowed", found.len()))
        }
        Ok(found) => Ok(found),
        Err(_) => Err("is not valid PEM".to_owned()),
    }
}

impl PartialEq for TlsProfile {
    fn eq(&self, other: &TlsProfile) -> bool {
        self.0.number == other.0.number
    }
}

impl Eq for TlsProfile {}

impl Hash for TlsProfile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.number.hash(state);
    }
}
