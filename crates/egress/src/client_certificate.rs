//! Whether a server asked for a client certificate.
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

thread_local! {
    /// Whether a handshake that this thread worked on was asked. rustls calls the resolver within the handshake's
    /// poll. A resolver for each connection would not do: rustls resumes no sessions across resolvers.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Resolves as another, and notices that it was asked.
#[derive(Debug)]
pub struct Noticing(pub Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for Noticing {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        ASKED.set(true);
        self.0.resolve(issuers, schemes)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// Runs a handshake; also whether the server asked for a certificate in it.
pub async fn noticing<F: Future>(handshake: F) -> (F::Output, bool) {
    let mut handshake = pin!(handshake);
    let mut asked = false;
    let output = poll_fn(|context| {
        ASKED.set(false);
        let polled = handshake.as_mut().poll(context);
        asked |= ASKED.take();
        polled
    })
    .await;
    (output, asked)
}
