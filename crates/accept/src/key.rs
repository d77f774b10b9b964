//! API keys of an environment.

use crate::caller::{hash, restricted_hash};
use crate::{Accept, Caller, Refusal};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use postrider_store::access::{Access, Scope};
use postrider_store::config::{ApiKey, Change, EnvId};
use postrider_store::id::{AppId, KeyId};
use postrider_store::{ChangeError, Secret};
use rand::Rng;

/// Keys of one environment, in force or not.
const MOST: usize = 10_000;
/// Changes outside applications take this turn.
pub(crate) const NO_APP: AppId = AppId(0);

/// A new key: the row, and the key itself, which is shown this once.
#[derive(Clone, Debug)]
pub struct MadeKey {
    pub row: ApiKey,
    pub key: Secret,
}

impl Accept {
    /// Makes a key for an environment. It is kept as its hash.
    pub async fn create_key(&self, env: EnvId, name: &str, scope: Scope) -> Result<MadeKey, Refusal> {
        crate::check::title(name, 256).map_err(|msg| crate::FieldProblem::value("name", msg))?;
        if self.store.directory().keys(env).len() >= MOST {
            let detail = format!("there are {MOST} keys already");
            return Err(Refusal::TooMany { code: "too_many_keys", detail });
        }
        let key = random_key("pk_");
        let hash = if scope == Scope::All { hash(&key) } else { restricted_hash(&key) };
        let access = Access { scope, ..Access::default() };
        let row = ApiKey { access, ..self.key_row(env, name, hash) };
        self.add_key(row, &key).await
    }

    /// Takes a key that the operator chose; one that is there already stays as it is.
    pub async fn ensure_key(&self, env: EnvId, name: &str, key: &str) -> Result<(), Refusal> {
        let hash = hash(key);
        if self.store.directory().key(&hash).is_some() {
            return Ok(());
        }
        match self.add_key(self.key_row(env, name, hash), key).await {
            // Another node that starts at the same moment was faster.
            Ok(_) | Err(Refusal::Conflict { .. }) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    pub(crate) async fn add_key(&self, row: ApiKey, key: &str) -> Result<MadeKey, Refusal> {
        self.store.change(row.app.unwrap_or(NO_APP), Change::CreateKey(row.clone()), None).await?;
        Ok(MadeKey { row, key: Secret::new(key) })
    }

    pub(crate) fn key_row(&self, env: EnvId, name: &str, hash: [u8; 32]) -> ApiKey {
        ApiKey {
            id: KeyId(self.store.new_id()),
            env,
            name: name.to_owned(),
            hash,
            access: Access::default(),
            app: None,
            session: None,
            created_ms: self.clock.wall_ms(),
            expires_ms: None,
            revoked_ms: None,
        }
    }

    /// Refuses a key from now on.
    pub async fn revoke_key(&self, caller: Caller, id: &str) -> Result<(), Refusal> {
        let known = |key: &KeyId| self.store.directory().keys(caller.env).iter().any(|row| row.id == *key);
        let key = self.store.ids().parse::<KeyId>(id).filter(known).ok_or_else(|| Refusal::none("key", id))?;
        self.revoke(key).await
    }

    pub(crate) async fn revoke(&self, key: KeyId) -> Result<(), Refusal> {
        match self.store.change(NO_APP, Change::RevokeKey { key, at_ms: self.clock.wall_ms() }, None).await {
            Err(ChangeError::NotFound) => Err(Refusal::none("key", "")),
            result => result.map(|_| ()).map_err(Refusal::from),
        }
    }
}

/// A key that nobody guesses.
pub(crate) fn random_key(prefix: &str) -> String {
    let random: [u8; 30] = rand::rng().random();
    format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(random))
}
