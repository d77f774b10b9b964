//! Applications: one customer of the provider each.

use crate::check::{self, Problems};
use crate::endpoint::meant;
use crate::nearest::nearest;
use crate::operational::{OPERATIONAL, is_operational};
use crate::{Accept, Caller, FieldProblem, Idempotency, Made, Refusal, Render, Right};
use bytes::Bytes;
use postrider_store::config::{Application, ApplicationSettings, Change};
use postrider_store::id::AppId;
use postrider_store::{AppEntry, ChangeError, Changed, RememberedAnswer};
use std::sync::Arc;

/// Applications that one installation keeps.
const MOST: usize = 1_000_000;
/// Tries of a change that others keep overtaking.
pub(crate) const TRIES: usize = 8;

/// What a caller gives of an application.
#[derive(Clone, Debug, Default)]
pub struct ApplicationDraft {
    pub uid: Option<String>,
    pub settings: ApplicationSettings,
}

impl Accept {
    /// The caller's application with this id or uid.
    pub fn application(&self, caller: Caller, id_or_uid: &str) -> Result<Arc<AppEntry>, Refusal> {
        let directory = self.store.directory();
        let by_id = self.store.ids().parse::<AppId>(id_or_uid).and_then(|id| directory.app(id));
        let found = by_id.filter(|entry| entry.app.env == caller.env);
        let found = found.or_else(|| directory.app_by_uid(caller.env, id_or_uid));
        // For a token, there is no other application than its own.
        let seen = found.filter(|entry| caller.app.is_none_or(|app| app == entry.app.id));
        let seen = seen.filter(|entry| caller.is_for_operations() || !is_operational(entry));
        seen.ok_or_else(|| Refusal::none("application", id_or_uid))
    }

    pub async fn create_application(
        &self,
        caller: Caller,
        draft: ApplicationDraft,
        idempotency: Option<Idempotency>,
        render: Render<'_, Application>,
    ) -> Result<Made<Application>, Refusal> {
        self.check_application(caller, &draft, None)?;
        if self.store.directory().app_count() >= MOST {
            return Err(Refusal::TooMany {
                code: "too_many_applications",
                detail: format!("there are {MOST} applications already; delete some first"),
            });
        }
        let (id, now_ms) = (self.store.new_id(), self.clock.wall_ms());
        let app = Application {
            id: AppId(id),
            env: caller.env,
            uid: draft.uid,
            settings: draft.settings,
            created_ms: now_ms,
            updated_ms: now_ms,
            version: id,
        };
        let uid = app.uid.clone();
        let made = self.make(app.id, Change::CreateApplication(app.clone()), app, idempotency, render).await;
        made.map_err(|refusal| refusal.taken("application", "uid", uid.as_deref()))
    }

    /// The application with this id or uid; where there is none, it is made, if the caller may.
    pub async fn ensure_application(
        &self,
        caller: Caller,
        id_or_uid: &str,
        draft: ApplicationDraft,
    ) -> Result<(), Refusal> {
        if self.application(caller, id_or_uid).is_ok() {
            return Ok(());
        }
        caller.need(Right::Manage)?;
        if self.store.ids().parse::<AppId>(id_or_uid).is_some() {
            return Err(Refusal::none("application", id_or_uid));
        }
        if draft.uid.as_ref().is_some_and(|uid| uid != id_or_uid) {
            let loc = ["body", "application", "uid"].map(str::to_owned).into();
            let msg = format!("is not the one in the path, {id_or_uid:?}; leave it out or use the same");
            return Err(FieldProblem { loc, msg, kind: "value_error" }.into());
        }
        let draft = ApplicationDraft { uid: Some(id_or_uid.to_owned()), ..draft };
        match self.create_application(caller, draft, None, &|_| (201, Bytes::new())).await {
            // Someone else was faster: it is there now.
            Ok(_) | Err(Refusal::Conflict { code: "conflict", .. }) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Changes an application. `edit` gets it as it is, and is called again when someone else was
    /// faster.
    pub async fn update_application(
        &self,
        caller: Caller,
        id_or_uid: &str,
        edit: impl Fn(&Application) -> Result<ApplicationDraft, Refusal>,
    ) -> Result<Application, Refusal> {
        for _ in 0..TRIES {
            let entry = self.application(caller, id_or_uid)?;
            let draft = edit(&entry.app)?;
            self.check_application(caller, &draft, entry.app.uid.as_deref())?;
            let row = Application {
                uid: draft.uid,
                // Those have operations of their own.
                settings: ApplicationSettings {
                    integrations: entry.app.settings.integrations.clone(),
                    ..draft.settings
                },
                updated_ms: self.clock.wall_ms(),
                version: self.store.new_id(),
                ..entry.app.clone()
            };
            let change = Change::UpdateApplication { row: row.clone(), based_on: entry.app.version };
            match self.store.change(row.id, change, None).await {
                Ok(_) => return Ok(row),
                Err(ChangeError::Outdated) => continue,
                Err(error) => return Err(Refusal::from(error).taken("application", "uid", row.uid.as_deref())),
            }
        }
        Err(ChangeError::Outdated.into())
    }

    /// Deletes an application; what waits for its endpoints is cancelled.
    pub async fn delete_application(&self, caller: Caller, id_or_uid: &str) -> Result<(), Refusal> {
        let app = self.application(caller, id_or_uid)?.app.id;
        let version = self.store.new_id();
        self.store.change(app, Change::DeleteApplication { app, version }, None).await?;
        Ok(())
    }

    fn check_application(&self, caller: Caller, draft: &ApplicationDraft, uid: Option<&str>) -> Result<(), Refusal> {
        let mut problems = Problems::default();
        let name = &draft.settings.name;
        problems.check("name", check::title(name, 256));
        if draft.uid.as_deref() != Some(OPERATIONAL) || !caller.is_for_operations() {
            problems.check("uid", check::uid(self.store.ids(), draft.uid.as_deref(), uid));
        }
        problems.check("metadata", check::metadata(&draft.settings.metadata));
        problems.check("throttleRate", check::rate(draft.settings.throttle_rate));
        check::addresses(&draft.settings.notify_emails, &mut problems);
        if let Some(contract) = &draft.settings.contract {
            problems.check("contract", self.known_contract(contract));
        }
        problems.done()
    }

    pub(crate) fn known_contract(&self, name: &str) -> Result<(), String> {
        match self.contracts.get(name) {
            Some(_) => Ok(()),
            None => {
                let names = self.contracts.names();
                let meant = meant(nearest(name, names.iter().map(|name| &**name)));
                Err(format!("{name:?} is not a contract of this server{meant} it has {}", names.join(", ")))
            }
        }
    }

    /// Commits something new together with the answer its idempotency key will repeat.
    pub(crate) async fn make<T>(
        &self,
        turn: AppId,
        change: Change,
        made: T,
        idempotency: Option<Idempotency>,
        render: Render<'_, T>,
    ) -> Result<Made<T>, Refusal> {
        let remembered = idempotency.map(|idempotency| {
            let (status, body) = render(&made);
            (idempotency.0, RememberedAnswer { status, body })
        });
        match self.store.change(turn, change, remembered).await? {
            Changed::Applied => Ok(Made::New(made)),
            Changed::Repeat(answer) => Ok(Made::Repeat(answer)),
        }
    }
}
