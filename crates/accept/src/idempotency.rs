//! What an `idempotency-key` stands for: a caller, a path, and the key itself.

use crate::Caller;
use postrider_store::message::IdempotencyKey;
use sha2::{Digest, Sha256};

/// The longest key that is taken.
const LONGEST: usize = 256;

/// A caller's key for one request.
#[derive(Clone, Copy, Debug)]
pub struct Idempotency(pub(crate) IdempotencyKey);

impl Idempotency {
    /// `Err` says what is wrong with the key.
    pub fn new(caller: Caller, path: &str, key: &str, body: &[u8]) -> Result<Idempotency, String> {
        if key.is_empty() || key.len() > LONGEST {
            return Err(format!("idempotency-key has {} characters; 1 to {LONGEST} are taken", key.len()));
        }
        let scope = [&caller.key.0.to_be_bytes(), path.trim_end_matches('/').as_bytes(), b"\0", key.as_bytes()];
        Ok(Idempotency(IdempotencyKey { key: short(&scope), body: short(&[body]) }))
    }

    /// The key of one of several things in the request.
    pub(crate) fn of_item(self, n: usize) -> Idempotency {
        let key = short(&[&self.0.key, &n.to_be_bytes()]);
        Idempotency(IdempotencyKey { key, ..self.0 })
    }
}

fn short(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}
