//! Integrations: third parties that look after an application's endpoints, each with a key of its own.
//!
//! An integration is part of its application's settings; its key is a token of the application without an end, known
//! by a session that carries the integration's id.

use crate::application::TRIES;
use crate::caller::restricted_hash;
use crate::check::{self, Problems};
use crate::key::random_key;
use crate::{Accept, Caller, MadeKey, Refusal};
use postrider_store::ChangeError;
use postrider_store::access::{Access, Capability, LASTING, Scope};
use postrider_store::config::{ApiKey, Application, Change, Integration};
use postrider_store::id::{AppId, IntegrationId};

/// Integrations of one application.
const MOST: usize = 100;

/// What a caller gives of an integration.
#[derive(Clone, Debug, Default)]
pub struct IntegrationDraft {
    pub name: String,
    /// Event types with one of these flags are shown to it, beside those without.
    pub feature_flags: Vec<String>,
}

impl Accept {
    pub fn integrations(&self, caller: Caller, app: &str) -> Result<Vec<Integration>, Refusal> {
        Ok(self.application(caller, app)?.app.settings.integrations.clone())
    }

    pub fn integration(&self, caller: Caller, app: &str, id: &str) -> Result<Integration, Refusal> {
        let none = || Refusal::none("integration", id);
        let known = self.store.ids().parse::<IntegrationId>(id).ok_or_else(none)?;
        self.integrations(caller, app)?.into_iter().find(|row| row.id == known).ok_or_else(none)
    }

    pub async fn create_integration(
        &self,
        caller: Caller,
        app: &str,
        draft: IntegrationDraft,
    ) -> Result<Integration, Refusal> {
        check_integration(&draft)?;
        let now_ms = self.clock.wall_ms();
        let made = Integration {
            id: IntegrationId(self.store.new_id()),
            name: draft.name,
            feature_flags: draft.feature_flags,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        self.edit_integrations(caller, app, |list| {
            if list.len() >= MOST {
                let detail = format!("the application has {MOST} integrations already; delete some first");
                return Err(Refusal::TooMany { code: "too_many_integrations", detail });
            }
            list.push(made.clone());
            Ok(())
        })
        .await?;
        Ok(made)
    }

    pub async fn update_integration(
        &self,
        caller: Caller,
        (app, id): (&str, &str),
        draft: IntegrationDraft,
    ) -> Result<Integration, Refusal> {
        check_integration(&draft)?;
        let before = self.integration(caller, app, id)?;
        let changed = Integration {
            name: draft.name,
            feature_flags: draft.feature_flags,
            updated_ms: self.clock.wall_ms(),
            ..before
        };
        self.edit_integrations(caller, app, |list| {
            let row =
                list.iter_mut().find(|row| row.id == changed.id).ok_or_else(|| Refusal::none("integration", id))?;
            *row = changed.clone();
            Ok(())
        })
        .await?;
        Ok(changed)
    }

    /// Deletes an integration; its key is in force no more.
    pub async fn delete_integration(&self, caller: Caller, (app, id): (&str, &str)) -> Result<(), Refusal> {
        let gone = self.integration(caller, app, id)?;
        self.edit_integrations(caller, app, |list| {
            list.retain(|row| row.id != gone.id);
            Ok(())
        })
        .await?;
        self.end_key(caller, app, &gone).await.map(drop)
    }

    /// Makes a key for an integration; the one before it is in force no more.
    pub async fn rotate_integration_key(&self, caller: Caller, (app, id): (&str, &str)) -> Result<MadeKey, Refusal> {
        let integration = self.integration(caller, app, id)?;
        let app_id = self.end_key(caller, app, &integration).await?;
        let key = random_key("integsk_");
        let row = ApiKey {
            access: Access { scope: Scope::Read, capabilities: Capability::ALL.to_vec(), ..Access::default() },
            app: Some(app_id),
            session: Some(session(integration.id)),
            ..self.key_row(caller.env, &format!("integration {}", integration.name), restricted_hash(&key))
        };
        self.add_key(row, &key).await
    }

    async fn end_key(&self, caller: Caller, app: &str, integration: &Integration) -> Result<AppId, Refusal> {
        let app = self.application(caller, app)?.app.id;
        let sessions = vec![session(integration.id)];
        self.store.change(app, Change::ExpireTokens { app, sessions, at_ms: self.clock.wall_ms() }, None).await?;
        Ok(app)
    }

    /// Changes the list; `edit` is called again when someone else was faster.
    async fn edit_integrations(
        &self,
        caller: Caller,
        app: &str,
        edit: impl Fn(&mut Vec<Integration>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let entry = self.application(caller, app)?;
            let mut row = Application { version: self.store.new_id(), ..entry.app.clone() };
            edit(&mut row.settings.integrations)?;
            let change = Change::UpdateApplication { row, based_on: entry.app.version };
            match self.store.change(entry.app.id, change, None).await {
                Ok(_) => return Ok(()),
                Err(ChangeError::Outdated) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(ChangeError::Outdated.into())
    }
}

/// The session of an integration's key.
pub(crate) fn session(id: IntegrationId) -> String {
    format!("{LASTING}integration:{}", id.0)
}

fn check_integration(draft: &IntegrationDraft) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    if draft.name.trim().is_empty() || draft.name.len() > 200 {
        problems.add("name", "must have 1 to 200 characters");
    }
    problems.check("featureFlags", check::list(&draft.feature_flags, 100));
    for (n, flag) in draft.feature_flags.iter().enumerate() {
        problems.check(&format!("featureFlags.{n}"), check::name(flag, 256, ""));
    }
    problems.done()
}
