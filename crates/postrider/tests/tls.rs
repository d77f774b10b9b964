//! Certificates and handshakes: which servers are trusted, and what an attempt says about the others.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use postrider_testkit::app::{App, Start};
use postrider_testkit::certs::{self, Authority, Identity, TLS12, TLS13};
use postrider_testkit::receiver::Receiver;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A server that trusts the certificates of this PEM text.
async fn trusting(pem: &str) -> (App, TempDir) {
    let dir = TempDir::new().unwrap();
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    (Start { ca_file: Some(ca_file), ..Start::default() }.start().await, dir)
}

/// The only attempt of a message to this URL.
async fn attempt_at(app: &App, url: &str) -> Value {
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": url, "timeoutSeconds": 5, "retrySchedule": []})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await.remove(0)
}

async fn attempt_at_identity(app: &App, identity: &Identity) -> Value {
    attempt_at(app, &Receiver::start_tls(identity).await.url("/hook")).await
}

fn fails_because(attempt: &Value, reason: &str) {
    assert_eq!(attempt["error"]["code"], "tls", "{attempt}");
    let message = attempt["error"]["message"].as_str().unwrap();
    assert!(message.contains(reason), "{message:?} does not say {reason:?}");
}

#[tokio::test]
async fn an_attempt_says_what_is_wrong_with_a_certificate() {
    let authority = Authority::new();
    let (app, _dir) = trusting(&authority.pem()).await;
    for (identity, reason) in [
        (authority.expired_identity("localhost"), "the certificate expired on 2020-12-31"),
        (authority.identity(&["elsewhere.test", "192.0.2.7"]), "is for elsewhere.test, 192.0.2.7, not for localhost"),
        (authority.identity(&[]), "has no subject alternative name; it must have one for localhost"),
        (Authority::named("Another").identity(&["localhost"]), "issuer is not trusted"),
        (certs::self_signed("localhost"), "issuer is not trusted"),
        (certs::self_signed_authority("localhost"), "marked as an authority's (CA:TRUE)"),
    ] {
        fails_because(&attempt_at_identity(&app, &identity).await, reason);
    }
    let good = attempt_at_identity(&app, &authority.identity(&["localhost"])).await;
    assert_eq!(good["statusText"], "success", "{good}");
}

#[tokio::test]
async fn a_server_that_requires_a_client_certificate_is_named_as_such() {
    let authority = Authority::new();
    let identity = authority.identity(&["localhost"]);
    let (app, _dir) = trusting(&authority.pem()).await;
    for version in [&TLS12, &TLS13] {
        let receiver = Receiver::start_tls_with(authority.requiring_config(&identity, &[version])).await;
        for _ in 0..5 {
            let attempt = attempt_at(&app, &receiver.url("/hook")).await;
            fails_because(&attempt, "the server requires a client certificate");
        }
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_or_only_old_versions_is_named_as_such() {
    let app = App::start().await;
    let plain = Receiver::start().await;
    let attempt = attempt_at(&app, &plain.url("/hook").replace("http://", "https://")).await;
    fails_because(&attempt, "does not speak TLS on this port");
    for (answer, reason) in [
        // Fatal alerts: protocol_version, handshake_failure, unrecognized_name.
        (&b"\x15\x03\x01\x00\x02\x02\x46"[..], "supports neither TLS 1.2 nor TLS 1.3"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "no cipher suite, key exchange or signature algorithm in common"),
        (b"\x15\x03\x03\x00\x02\x02\x70", "has no certificate for this name"),
        (b"", "closed the connection during the handshake"),
    ] {
        let (url, _running) = answers(answer).await;
        fails_because(&attempt_at(&app, &url).await, reason);
    }
}

/// Answers these bytes to whatever comes, and closes.
async fn answers(answer: &'static [u8]) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let mut running = JoinSet::new();
    running.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    (url, running)
}

#[tokio::test]
async fn a_self_signed_certificate_in_the_ca_file_is_trusted_as_it_is() {
    // As `openssl req -x509` makes them, and with CA:FALSE.
    for identity in [certs::self_signed_authority("localhost"), certs::self_signed("localhost")] {
        let (app, _dir) = trusting(identity.chain_pem()).await;
        let attempt = attempt_at_identity(&app, &identity).await;
        assert_eq!(attempt["statusText"], "success", "{attempt}");
        let other = attempt_at_identity(&app, &certs::self_signed_authority("localhost")).await;
        fails_because(&other, "marked as an authority's");
    }
    let elsewhere = certs::self_signed_authority("elsewhere.test");
    let (app, _dir) = trusting(elsewhere.chain_pem()).await;
    fails_because(&attempt_at_identity(&app, &elsewhere).await, "is for elsewhere.test, not for localhost");
    let expired = certs::expired_self_signed_authority("localhost");
    let (app, _dir) = trusting(expired.chain_pem()).await;
    fails_because(&attempt_at_identity(&app, &expired).await, "expired on 2020-12-31");
}
