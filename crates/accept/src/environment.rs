//! Environments: a provider's top-level spaces. The first one, which every installation has, is where the
//! others are made and looked after.

use crate::application::TRIES;
use crate::check::{self, Problems};
use crate::key::NO_APP;
use crate::operational::is_operational;
use crate::{Accept, Caller, Refusal, proxy};
use postrider_store::ChangeError;
use postrider_store::config::{Change, EnvId, Environment, EnvironmentSettings};
use std::sync::Arc;

/// Environments of one installation.
const MOST: usize = 1_000;
/// The one that is there from the start.
pub const FIRST_ENV: EnvId = EnvId(1);

/// What a caller gives of an environment.
#[derive(Clone, Debug)]
pub struct EnvironmentDraft {
    pub name: String,
    pub settings: EnvironmentSettings,
}

impl Accept {
    /// The environments that the caller sees: all from the first one, its own from another.
    pub fn environments(&self, caller: Caller) -> Vec<Arc<Environment>> {
        let all = self.store.directory().environments();
        all.into_iter().filter(|row| caller.env == FIRST_ENV || caller.env == row.id).collect()
    }

    pub fn environment(&self, caller: Caller, id: &str) -> Result<Arc<Environment>, Refusal> {
        let found = self.environments(caller).into_iter().find(|row| self.store.ids().text(row.id) == id);
        found.ok_or_else(|| Refusal::none("environment", id))
    }

    /// The one that the caller's key belongs to.
    pub fn own_environment(&self, caller: Caller) -> Result<Arc<Environment>, Refusal> {
        self.store.directory().environment(caller.env).ok_or_else(|| Refusal::none("environment", ""))
    }

    pub async fn create_environment(&self, caller: Caller, draft: EnvironmentDraft) -> Result<Environment, Refusal> {
        from_the_first(caller)?;
        self.check_environment(&draft)?;
        if self.store.directory().environments().len() >= MOST {
            let detail = format!("there are {MOST} environments already; delete some first");
            return Err(Refusal::TooMany { code: "too_many_environments", detail });
        }
        let (id, now_ms) = (self.store.new_id(), self.clock.wall_ms());
        let row = Environment {
            id: EnvId(id),
            name: draft.name,
            settings: draft.settings,
            created_ms: now_ms,
            updated_ms: now_ms,
            version: id,
        };
        let made = self.store.change(NO_APP, Change::PutEnvironment { row: row.clone(), based_on: None }, None).await;
        made.map_err(|error| Refusal::from(error).taken("environment", "name", Some(&row.name)))?;
        Ok(row)
    }

    /// Changes an environment. `edit` gets it as it is, and is called again when someone else was faster.
    pub async fn update_environment(
        &self,
        caller: Caller,
        id: &str,
        edit: impl Fn(&Environment) -> Result<EnvironmentDraft, Refusal>,
    ) -> Result<Environment, Refusal> {
        for _ in 0..TRIES {
            let before = self.environment(caller, id)?;
            let draft = edit(&before)?;
            self.check_environment(&draft)?;
            let row = Environment {
                name: draft.name,
                settings: draft.settings,
                updated_ms: self.clock.wall_ms(),
                version: self.store.new_id(),
                ..Environment::clone(&before)
            };
            let change = Change::PutEnvironment { row: row.clone(), based_on: Some(before.version) };
            match self.store.change(NO_APP, change, None).await {
                Ok(_) => return Ok(row),
                Err(ChangeError::Outdated) => continue,
                Err(error) => return Err(Refusal::from(error).taken("environment", "name", Some(&row.name))),
            }
        }
        Err(ChangeError::Outdated.into())
    }

    /// Deletes an environment that has no applications, with its keys and event types.
    pub async fn delete_environment(&self, caller: Caller, id: &str) -> Result<(), Refusal> {
        from_the_first(caller)?;
        let row = self.environment(caller, id)?;
        if row.id == FIRST_ENV {
            let detail = "the first environment stays: the others are looked after from it".into();
            return Err(Refusal::Conflict { code: "first_environment", detail });
        }
        // What is hidden in it is no reason to keep it.
        if let [hidden] = &self.store.directory().apps(row.id)[..]
            && is_operational(hidden)
        {
            let change = Change::DeleteApplication { app: hidden.app.id, version: self.store.new_id() };
            self.store.change(hidden.app.id, change, None).await?;
        }
        self.store.change(NO_APP, Change::DeleteEnvironment(row.id), None).await?;
        Ok(())
    }

    fn check_environment(&self, draft: &EnvironmentDraft) -> Result<(), Refusal> {
        let mut problems = Problems::default();
        problems.check("name", check::title(&draft.name, 256));
        if draft.settings.retention_days == Some(0) {
            problems.add("retentionDays", "must be at least 1 day");
        }
        if let Some(given) = &draft.settings.proxy {
            proxy::check(given, &mut problems);
        }
        problems.done()
    }
}

fn from_the_first(caller: Caller) -> Result<(), Refusal> {
    if caller.env == FIRST_ENV {
        return Ok(());
    }
    let detail = "environments are made and deleted with an API key of the first one".into();
    Err(Refusal::Forbidden { code: "not_the_first_environment", detail })
}
