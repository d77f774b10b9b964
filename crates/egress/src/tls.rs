//! The TLS side: whom a connection trusts, and what it shows of itself.

use crate::client_certificate::Noticing;
use crate::error::SetupError;
use crate::verifier::Verifier;
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Certificates that are trusted: authorities, and servers' own.
#[derive(Clone, Debug)]
pub struct Roots {
    authorities: RootCertStore,
    /// Trusted as they are, if a server shows exactly one of these.
    exact: Vec<CertificateDer<'static>>,
}

/// What a client shows of itself where a server asks for it.
#[derive(Debug)]
pub struct ClientIdentity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Roots {
    /// The system's authorities; where there are none, those that are built in.
    pub fn system() -> Roots {
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if authorities.is_empty() { Roots::built_in() } else { Roots { authorities, exact: vec![] } }
    }

    /// Mozilla's authorities.
    pub fn built_in() -> Roots {
        let mut authorities = RootCertStore::empty();
        authorities.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Roots { authorities, exact: vec![] }
    }

    /// Trusts nothing yet.
    pub fn none() -> Roots {
        Roots { authorities: RootCertStore::empty(), exact: vec![] }
    }

    /// Adds all certificates of a PEM text. The error says what is wrong with it.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), String> {
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            count += 1;
            let certificate = certificate.map_err(|_| format!("certificate {count} is not valid PEM"))?;
            // Certificates of version 1 end here too.
            let refused = |_| format!("certificate {count} is not a valid X.509 certificate of version 3");
            self.authorities.add(certificate.clone()).map_err(refused)?;
            self.exact.push(certificate);
        }
        match count {
            0 => Err("it has no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned()),
            _ => Ok(()),
        }
    }

    pub fn verifier(self) -> Result<Arc<Verifier>, VerifierBuilderError> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let authorities = WebPkiServerVerifier::builder_with_provider(self.authorities.into(), provider).build()?;
        Ok(Arc::new(Verifier { authorities, exact: self.exact }))
    }
}

/// Trusts the system's roots and those in `ca_file`.
pub fn verifier(ca_file: Option<&Path>) -> Result<Arc<Verifier>, SetupError> {
    let mut roots = Roots::system();
    if let Some(file) = ca_file {
        let fail = |reason: String| SetupError::CaFile { file: file.display().to_string(), reason };
        let pem = std::fs::read(file).map_err(|error| fail(error.to_string()))?;
        roots.add_pem(&pem).map_err(fail)?;
    }
    roots.verifier().map_err(|error| SetupError::Tls(error.to_string()))
}

/// A configuration for connections that trust what `verifier` trusts, and show `identity`. One serves any number of
/// connections, which resume each other's sessions.
pub fn client_config(
    verifier: Arc<Verifier>,
    identity: Option<ClientIdentity>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key)?,
        None => builder.with_no_client_auth(),
    };
    config.client_auth_cert_resolver = Arc::new(Noticing(config.client_auth_cert_resolver.clone()));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
