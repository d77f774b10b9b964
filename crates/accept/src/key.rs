//! API keys of an environment.

use crate::caller::hash;
use crate::{Accept, Refusal};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use postrider_store::config::{ApiKey, Change, EnvId};
use postrider_store::id::{AppId, KeyId};
use postrider_store::{ChangeError, Secret};
use rand::Rng;

/// A new key: the row, and the key itself, which is shown this once.
#[derive(Clone, Debug)]
pub struct MadeKey {
    pub row: ApiKey,
    pub key: Secret,
}

impl Accept {
    /// Makes a key for an environment. It is kept as its hash.
    pub async fn create_key(&self, env: EnvId, name: &str) -> Result<MadeKey, Refusal> {
        let random: [u8; 30] = rand::rng().random();
        let key = format!("pk_{}", BASE64_URL_SAFE_NO_PAD.encode(random));
        self.add_key(env, name, &key).await
    }

    /// Takes a key that the operator chose; one that is there already stays as it is.
    pub async fn ensure_key(&self, env: EnvId, name: &str, key: &str) -> Result<(), Refusal> {
        if self.store.directory().key(&hash(key)).is_some() {
            return Ok(());
        }
        match self.add_key(env, name, key).await {
            // Another node that starts at the same moment was faster.
            Ok(_) | Err(Refusal::Conflict { .. }) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    async fn add_key(&self, env: EnvId, name: &str, key: &str) -> Result<MadeKey, Refusal> {
        let row = ApiKey {
            id: KeyId(self.store.new_id()),
            env,
            name: name.to_owned(),
            hash: hash(key),
            created_ms: self.clock.wall_ms(),
            revoked_ms: None,
        };
        self.store.change(AppId(0), Change::CreateKey(row.clone()), None).await?;
        Ok(MadeKey { row, key: Secret::new(key) })
    }

    /// Refuses a key from now on.
    pub async fn revoke_key(&self, env: EnvId, id: &str) -> Result<(), Refusal> {
        let known = |key: &KeyId| self.store.directory().keys(env).iter().any(|row| row.id == *key);
        let key = self.store.ids().parse::<KeyId>(id).filter(known).ok_or(Refusal::NotFound("key"))?;
        match self.store.change(AppId(0), Change::RevokeKey { key, at_ms: self.clock.wall_ms() }, None).await {
            Err(ChangeError::NotFound) => Err(Refusal::NotFound("key")),
            result => result.map(|_| ()).map_err(Refusal::from),
        }
    }
}
