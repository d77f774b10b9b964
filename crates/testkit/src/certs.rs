//! Certificates that a test makes up: an authority it can tell Postrider to trust, and servers'
//! identities signed by that authority, or by nobody.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// A certificate authority of one test.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    #[expect(clippy::new_without_default, reason = "each one is another: there is no default authority")]
    pub fn new() -> Authority {
        let mut params = params("Postrider test authority", &[]);
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
        let mut params = params(names.first().copied().unwrap_or("nobody"), names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity::new(certificate.der().clone(), certificate.pem(), &key)
    }
}

/// An identity for `name` that no authority vouches for.
pub fn self_signed(name: &str) -> Identity {
    let mut params = params(name, &[name]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
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
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
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
