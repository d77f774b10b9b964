//! Certificates that a test makes up: an authority it can tell Postrider to trust, and servers'
//! identities signed by that authority, or by nobody.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
pub use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::sync::Arc;

/// A certificate authority of one test.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    #[expect(clippy::new_without_default, reason = "each one is another: there is no default authority")]
    pub fn new() -> Authority {
        Authority::named("Postrider test authority")
    }

    /// Another one under the same name would seem to be the same, with wrong signatures.
    pub fn named(name: &str) -> Authority {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// The authority's certificate, as a file of trusted roots holds it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// The authority's certificate, for a root store.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// An identity for servers under these names; what reads as an IP address is one.
    pub fn identity(&self, names: &[&str]) -> Identity {
        self.sign(params(names.first().copied().unwrap_or("nobody"), names))
    }

    /// An identity whose certificate was valid in 2020.
    pub fn expired_identity(&self, name: &str) -> Identity {
        let mut params = params(name, &[name]);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 12, 31);
        self.sign(params)
    }

    /// For a server under `identity` that requires certificates of this authority from its clients. `versions` are
    /// those of TLS that it speaks.
    pub fn requiring_config(
        &self,
        identity: &Identity,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(identity.chain.clone(), identity.key.clone_key())
            .unwrap();
        Arc::new(config)
    }

    fn sign(&self, mut params: CertificateParams) -> Identity {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity::new(certificate.der().clone(), certificate.pem(), &key)
    }
}

/// Not the server's name: Debian's package `ssl-cert` puts a certificate for it among the system's authorities.
const SELF_SIGNED: &str = "Postrider test server";

/// An identity for `name` that no authority vouches for.
pub fn self_signed(name: &str) -> Identity {
    let mut params = params(SELF_SIGNED, &[name]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    sign_itself(&params)
}

/// One whose certificate is marked as an authority's, as `openssl req -x509 -addext subjectAltName=DNS:NAME` makes it.
pub fn self_signed_authority(name: &str) -> Identity {
    let mut params = params(SELF_SIGNED, &[name]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    sign_itself(&params)
}

/// [`self_signed_authority`], valid in 2020.
pub fn expired_self_signed_authority(name: &str) -> Identity {
    let mut params = params(SELF_SIGNED, &[name]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 12, 31);
    sign_itself(&params)
}

fn sign_itself(params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Identity::new(certificate.der().clone(), certificate.pem(), &key)
}

fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// What a TLS server shows (its certificate chain) and keeps (its key).
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    chain_pem: String,
    key: PrivateKeyDer<'static>,
    key_pem: String,
}

impl Identity {
    fn new(certificate: CertificateDer<'static>, chain_pem: String, key: &KeyPair) -> Identity {
        Identity {
            chain: vec![certificate],
            chain_pem,
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            key_pem: key.serialize_pem(),
        }
    }

    /// What other tools made.
    pub fn from_pem(chain_pem: &str, key_pem: &str) -> Identity {
        let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
        Identity { chain, chain_pem: chain_pem.to_owned(), key, key_pem: key_pem.to_owned() }
    }

    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// For a server under this identity that asks nothing of its clients.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        // The provider is named, so that no test depends on which one the process installed.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .unwrap();
        Arc::new(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::ClientConfig;
    use rustls::pki_types::ServerName;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    /// Whether a client that trusts `root` lets a server under `identity` pass for `name`.
    async fn accepts(root: &Authority, identity: &Identity, name: &'static str) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(root.certificate()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, far) = tokio::io::duplex(64 << 10);
        let acceptor = TlsAcceptor::from(identity.server_config());
        tokio::spawn(async move { acceptor.accept(far).await });
        let connector = TlsConnector::from(Arc::new(client));
        connector.connect(ServerName::try_from(name).unwrap(), near).await.is_ok()
    }

    #[tokio::test]
    async fn an_identity_passes_for_its_names_with_those_who_trust_its_authority() {
        let authority = Authority::new();
        let identity = authority.identity(&["localhost", "127.0.0.1"]);
        assert!(accepts(&authority, &identity, "localhost").await);
        assert!(accepts(&authority, &identity, "127.0.0.1").await);
        assert!(!accepts(&authority, &identity, "elsewhere.test").await);
        assert!(!accepts(&Authority::new(), &identity, "localhost").await);
        assert!(!accepts(&authority, &self_signed("localhost"), "localhost").await);
    }

    #[test]
    fn pem_is_what_files_hold() {
        let authority = Authority::new();
        assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
        let identity = authority.identity(&["localhost"]);
        assert!(identity.chain_pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(identity.key_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
        assert_eq!(identity.chain().len(), 1);
    }
}
