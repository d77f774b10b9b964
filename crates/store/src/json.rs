//! Settings as the drivers store them: JSON, and secrets as sealed JSON.

use crate::config::{Endpoint, EndpointSecrets};
use crate::id::EndpointId;
use crate::secret::Sealer;
use rand::Rng;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Our own settings types, whose keys are strings: writing them as JSON can't fail.
pub fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Secrets and headers, sealed to this endpoint.
pub fn sealed(sealer: &Sealer, row: &Endpoint) -> (Vec<u8>, Vec<u8>) {
    let mut random = rand::rng();
    let mut seal = |clear: String| sealer.seal(random.random(), &row.id.0.to_be_bytes(), clear.as_bytes());
    (seal(json(&row.secrets)), seal(json(&row.headers)))
}

/// What [`sealed`] sealed, or what is wrong with it.
pub fn opened(
    sealer: &Sealer,
    id: EndpointId,
    secrets: &[u8],
    headers: &[u8],
) -> Result<(EndpointSecrets, BTreeMap<String, String>), String> {
    Ok((open(sealer, id, secrets)?, open(sealer, id, headers)?))
}

fn open<T: DeserializeOwned>(sealer: &Sealer, id: EndpointId, bytes: &[u8]) -> Result<T, String> {
    let clear = sealer.open(&id.0.to_be_bytes(), bytes).ok_or("a secret can't be decrypted with this key")?;
    serde_json::from_slice(&clear).map_err(|error| error.to_string())
}
