//! Why there is no TLS connection, in words for the people who run the server.

use crate::client_certificate::ClientCertificate;
use crate::verifier::is_authority;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use std::io;
use time::OffsetDateTime;

/// Names of a certificate that are listed at most.
const NAMES: usize = 5;

/// A server asked for a client certificate, and the handshake failed or the connection ended without an answer.
pub const NO_CLIENT_CERTIFICATE: &str = "the server requires a client certificate";

/// It got one, and the handshake failed or the connection ended all the same.
pub const CLIENT_CERTIFICATE_REFUSED: &str = "the server does not accept the client certificate";

/// Why a handshake with `host` failed. `client`: what the server asked for.
pub fn words(error: &io::Error, host: &str, client: ClientCertificate) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(error)) => certificate(error, host),
        Some(_) | None if client == ClientCertificate::Missing => NO_CLIENT_CERTIFICATE.to_owned(),
        Some(_) | None if client == ClientCertificate::Shown => CLIENT_CERTIFICATE_REFUSED.to_owned(),
        Some(error) => protocol(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed the connection during the handshake".into()
        }
        None => format!("the connection broke during the handshake ({error})"),
    }
}

fn protocol(error: &Error) -> String {
    match error {
        Error::AlertReceived(AlertDescription::CertificateRequired) => NO_CLIENT_CERTIFICATE.to_owned(),
        Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server supports neither TLS 1.2 nor TLS 1.3".to_owned()
        }
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server has no certificate for this name (alert UnrecognisedName)".to_owned()
        }
        Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            "the server found no cipher suite, key exchange or signature algorithm in common (alert HandshakeFailure)"
                .to_owned()
        }
        Error::AlertReceived(alert) => format!("the server ended the handshake with the alert {alert:?}"),
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            "the server does not speak TLS on this port".to_owned()
        }
        Error::PeerIncompatible(what) => {
            format!("the server supports none of our TLS versions or cipher suites ({what:?})")
        }
        Error::NoCertificatesPresented => "the server shows no certificate".to_owned(),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::DecryptError => format!("the server breaks the TLS protocol ({error})"),
        error => error.to_string(),
    }
}

fn certificate(error: &CertificateError, host: &str) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => format!("the certificate expired on {}", day(*not_after)),
        CertificateError::Expired => "the certificate has expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the certificate is not valid before {}", day(*not_before))
        }
        CertificateError::NotValidYet => "the certificate is not valid yet".to_owned(),
        CertificateError::UnknownIssuer => {
            "the certificate's issuer is not trusted, or the server does not send the intermediate certificates"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => wrong_name(presented, host),
        CertificateError::NotValidForName => format!("the certificate is not valid for the name {host}"),
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        CertificateError::BadSignature => "the certificate's signature is wrong".to_owned(),
        CertificateError::BadEncoding => {
            "the certificate is malformed, or not an X.509 certificate of version 3".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is not for servers: its extended key usage lacks serverAuth".to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the certificate is signed with an algorithm that is not supported, such as SHA-1".to_owned()
        }
        error if is_authority(error) => {
            "the certificate is marked as an authority's (CA:TRUE), so a server can't use it; issue one with CA:FALSE"
                .to_owned()
        }
        error => format!("the certificate is not accepted ({error})"),
    }
}

/// rustls lists names as `DnsName("a.test")` or `IpAddress(192.0.2.1)`.
fn wrong_name(presented: &[String], host: &str) -> String {
    if presented.is_empty() {
        return format!("the certificate has no subject alternative name; it must have one for {host}");
    }
    let name = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner.trim_end_matches(')'));
        inner.trim_matches('"').to_owned()
    };
    let mut names: Vec<String> = presented.iter().take(NAMES).map(name).collect();
    if presented.len() > NAMES {
        names.push(format!("{} more", presented.len() - NAMES));
    }
    format!("the certificate is for {}, not for {host}", names.join(", "))
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds)
        .map_or_else(|_| "an unknown day".to_owned(), |at| at.date().to_string())
}
