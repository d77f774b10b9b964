//! Who is asking.

use crate::Accept;
use postrider_store::config::EnvId;
use postrider_store::id::KeyId;
use sha2::{Digest, Sha256};

/// An authenticated caller: a key of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub env: EnvId,
    pub key: KeyId,
}

impl Accept {
    /// The caller with this API key; `None` when there is no such key or it was revoked.
    ///
    /// Keys are found by their hash, so the time this takes says nothing about any key.
    pub fn authenticate(&self, key: &str) -> Option<Caller> {
        let row = self.store.directory().key(&hash(key))?;
        row.revoked_ms.is_none().then_some(Caller { env: row.env, key: row.id })
    }
}

/// What the store keeps of a key. Keys are long and random, so a plain hash is enough.
pub fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}
