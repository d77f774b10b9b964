//! Secrets: never printed, sealed at rest.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

const NONCE_LEN: usize = 24;
const CHECK: &[u8] = b"key_check";
const KNOWN: &[u8] = b"postrider";

/// A text that must not reach a log: its `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for signing and for the API calls that may show it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Seals what the store must not hold in clear, with XChaCha20-Poly1305. Each sealed value is bound
/// to its row by `about`, so that one row's secret can't be moved to another.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

impl Sealer {
    pub fn new(key: &[u8; 32]) -> Sealer {
        Sealer(XChaCha20Poly1305::new(key.into()))
    }

    /// Seals `clear`; `nonce` must be random.
    pub fn seal(&self, nonce: [u8; NONCE_LEN], about: &[u8], clear: &[u8]) -> Vec<u8> {
        let payload = Payload { msg: clear, aad: about };
        // Encryption fails only beyond 256 GiB of input.
        let sealed = self.0.encrypt(XNonce::from_slice(&nonce), payload).unwrap_or_default();
        [nonce.as_slice(), &sealed].concat()
    }

    /// The clear text, or `None` when the key, the row or the bytes are others.
    pub fn open(&self, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        if sealed.len() < NONCE_LEN {
            return None;
        }
        let (nonce, sealed) = sealed.split_at(NONCE_LEN);
        self.0.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: about }).ok()
    }

    /// A known text, sealed: kept with the data, it tells later whether a key is the one.
    pub fn check(&self) -> Vec<u8> {
        self.seal(rand::rng().random(), CHECK, KNOWN)
    }

    /// Whether [`Sealer::check`] of this key made it.
    pub fn is_checked_by(&self, check: &[u8]) -> bool {
        self.open(CHECK, check).as_deref() == Some(KNOWN)
    }
}
