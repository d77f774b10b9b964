//! Whether a server asked for a client certificate, and got one.
//!
//! With TLS 1.3 a server refuses a client without one only after the handshake, some close the connection without a
//! word, and rustls does not say afterwards that the server asked. This module remembers it.

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

/// What a server asked of the client in a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    #[default]
    NotAsked,
    /// It asked, and there was none to show.
    Missing,
    Shown,
}

thread_local! {
    /// Of a handshake that this thread worked on. rustls calls the resolver within the handshake's
    /// poll. A resolver for each connection would not do: rustls resumes no sessions across resolvers.
    static SEEN: Cell<ClientCertificate> = const { Cell::new(ClientCertificate::NotAsked) };
}

/// Resolves as another, and notices that it was asked.
#[derive(Debug)]
pub struct Noticing(pub Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for Noticing {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.resolve(issuers, schemes);
        SEEN.set(if shown.is_some() { ClientCertificate::Shown } else { ClientCertificate::Missing });
        shown
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// Runs a handshake; also what the server asked of the client in it.
pub async fn noticing<F: Future>(handshake: F) -> (F::Output, ClientCertificate) {
    let mut handshake = pin!(handshake);
    let mut seen = ClientCertificate::NotAsked;
    let output = poll_fn(|context| {
        SEEN.set(seen);
        let polled = handshake.as_mut().poll(context);
        seen = SEEN.take();
        polled
    })
    .await;
    (output, seen)
}
