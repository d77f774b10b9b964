//! How connections are made: the URL, encryption, and limits on silence.

use crate::error::OpenError;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

const DEFAULT_LEASE_MS: i32 = 8_000;
/// Connections for reading, and how long to wait for one.
const READERS: usize = 8;
const WAIT: Duration = Duration::from_secs(5);

/// Where the database is and what this process is called there.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, with libpq's `sslmode` (`disable`, `prefer`,
    /// `require`, `verify-full`) and `sslrootcert`; `pooler=transaction`, when a pooler such as
    /// PgBouncer in transaction mode stands between: then no statement is prepared by name; and
    /// `lease=SECONDS`, 2 to 60, after which a silent node counts as dead (8).
    pub url: String,
    /// Shown to people, for example host and process.
    pub node_name: String,
}

/// A URL that was understood.
#[derive(Clone)]
pub struct Connector {
    pub config: Config,
    pub tls: MakeRustlsConnect,
    /// Whether statements may be prepared by name.
    pub named: bool,
    /// How long a node may be silent before the others take it for dead.
    pub lease_ms: i32,
}

impl Connector {
    pub fn new(url: &str) -> Result<Connector, OpenError> {
        let wrong = OpenError::DatabaseUrl;
        let mut url = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        let (mut ssl_mode, mut root_cert, mut named, mut rest) = ("prefer".to_owned(), None, true, Vec::new());
        let mut lease_ms = DEFAULT_LEASE_MS;
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "sslmode" => ssl_mode = value.into_owned(),
                "sslrootcert" => root_cert = Some(value.into_owned()),
                "pooler" if value == "transaction" => named = false,
                "pooler" => return Err(wrong(format!("pooler={value}: only transaction is known"))),
                "lease" => match value.parse::<i32>() {
                    Ok(seconds @ 2..=60) => lease_ms = seconds * 1_000,
                    _ => return Err(wrong(format!("lease={value}: must be 2 to 60 seconds"))),
                },
                _ => rest.push((name.into_owned(), value.into_owned())),
            }
        }
        let (plain_mode, verified) = match ssl_mode.as_str() {
            "disable" | "prefer" | "require" => (ssl_mode.as_str(), root_cert.is_some()),
            "verify-ca" | "verify-full" => ("require", true),
            other => return Err(wrong(format!("sslmode={other}: use disable, prefer, require or verify-full"))),
        };
        url.query_pairs_mut().clear().extend_pairs(rest).append_pair("sslmode", plain_mode);
        let mut config = Config::from_str(url.as_str()).map_err(|error| wrong(error.to_string()))?;
        config
            .connect_timeout(Duration::from_secs(5))
            .tcp_user_timeout(Duration::from_secs(10))
            .keepalives_idle(Duration::from_secs(10));
        if config.get_application_name().is_none() {
            config.application_name("postrider");
        }
        let tls = MakeRustlsConnect::new(tls(verified, root_cert.as_deref().map(Path::new)).map_err(wrong)?);
        Ok(Connector { config, tls, named, lease_ms })
    }

    /// A pool of connections for reading.
    pub fn pool(&self) -> Result<Pool, OpenError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycling);
        let pool = Pool::builder(manager).max_size(READERS).runtime(Runtime::Tokio1).wait_timeout(Some(WAIT));
        pool.create_timeout(Some(WAIT)).build().map_err(|error| OpenError::Database(error.to_string()))
    }
}

/// libpq's rules: `prefer` and `require` encrypt and don't ask who it is, the others verify.
fn tls(verified: bool, root_cert: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    if !verified {
        let anyone = Arc::new(Anyone(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    match root_cert {
        Some(file) => {
            let fail = |reason: String| format!("sslrootcert={}: {reason}", file.display());
            for cert in CertificateDer::pem_file_iter(file).map_err(|error| fail(error.to_string()))? {
                let cert = cert.map_err(|error| fail(error.to_string()))?;
                roots.add(cert).map_err(|error| fail(error.to_string()))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Takes any certificate, as `sslmode=require` promises no more than encryption.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
