//! Settings as the drivers store them: JSON, and secrets as sealed JSON.

use crate::config::{Endpoint, EndpointSecrets, EnvId, Environment, EnvironmentSettings};
use crate::id::EndpointId;
use crate::secret::Sealer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Our own settings types, whose keys are strings: writing them as JSON can't fail.
pub fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What the settings of an environment have sealed, as base64.
#[derive(Deserialize)]
struct Sealed {
    sealed_proxy: Option<String>,
}

/// The settings of an environment, with its proxy sealed to it.
pub fn environment(sealer: &Sealer, row: &Environment) -> String {
    let mut settings = serde_json::to_value(&row.settings).unwrap_or_default();
    if let Some(proxy) = &row.settings.proxy {
        let sealed = sealer.seal(rand::rng().random(), &about_proxy(row.id), json(proxy).as_bytes());
        settings["sealed_proxy"] = STANDARD.encode(sealed).into();
    }
    settings.to_string()
}

/// What [`environment`] wrote, or what is wrong with it.
pub fn opened_environment(sealer: &Sealer, id: EnvId, text: &str) -> Result<EnvironmentSettings, String> {
    let mut settings: EnvironmentSettings = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let sealed: Sealed = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if let Some(sealed) = sealed.sealed_proxy {
        let sealed = STANDARD.decode(sealed).map_err(|error| error.to_string())?;
        let clear = sealer.open(&about_proxy(id), &sealed).ok_or("a proxy can't be decrypted with this key")?;
        settings.proxy = serde_json::from_slice(&clear).map_err(|error| error.to_string())?;
    }
    Ok(settings)
}

/// Ids of environments and endpoints are of one kind, so the row's id alone would not do.
fn about_proxy(id: EnvId) -> Vec<u8> {
    [b"environment.proxy".as_slice(), &id.0.to_be_bytes()].concat()
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
