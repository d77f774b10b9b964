//! The registry of event types.

use crate::application::TRIES;
use crate::check::{self, Problems};
use crate::nearest::nearest;
use crate::operational::is_operational;
use crate::schema::is_right;
use crate::{Accept, Caller, Idempotency, Made, Refusal, Render, Warning, WarningCode};
use postrider_store::config::{Change, EventType, EventTypeSettings, Validation};
use postrider_store::id::AppId;
use postrider_store::{AppEntry, ChangeError};
use serde_json::Value;
use std::sync::Arc;

/// Event types of one environment.
const MOST: usize = 10_000;
const MOST_FLAGS: usize = 100;
/// Changes outside applications take this turn.
const NO_APP: AppId = AppId(0);

/// What a caller gives of an event type.
#[derive(Clone, Debug, Default)]
pub struct EventTypeDraft {
    pub name: String,
    pub settings: EventTypeSettings,
}

/// An event type as [`Accept::put_event_type`] left it.
#[derive(Clone, Debug)]
pub struct PutEventType {
    pub row: EventType,
    /// Whether it was not there before.
    pub is_new: bool,
}

impl Accept {
    /// The event types that the caller sees, by name.
    pub fn event_types(&self, caller: Caller) -> Vec<Arc<EventType>> {
        let mut rows = self.store.directory().event_types(caller.env);
        if let Some(flags) = self.feature_flags(caller) {
            rows.retain(|row| is_seen_with(row, &flags));
        }
        rows
    }

    pub fn event_type(&self, caller: Caller, name: &str) -> Result<Arc<EventType>, Refusal> {
        let found = self.store.directory().event_type(caller.env, name);
        let flags = self.feature_flags(caller);
        let seen = found.filter(|row| flags.as_ref().is_none_or(|flags| is_seen_with(row, flags)));
        seen.ok_or_else(|| Refusal::none("event type", name))
    }

    /// A warning about a type that is neither in the registry nor in the catalogue of a contract of the application.
    pub(crate) fn unregistered(&self, entry: &AppEntry, name: &str) -> Option<Warning> {
        let env = entry.app.env;
        let is_registered = self.store.directory().event_type(env, name).is_some();
        if is_registered || is_operational(entry) || self.is_in_a_catalogue(entry, name) {
            return None;
        }
        let nearest = self.store.directory().nearest_event_type(env, |known| nearest(name, known).map(str::to_owned));
        let meant = nearest.as_ref().map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
        Some(Warning {
            loc: vec!["body".to_owned(), "eventType".to_owned()],
            code: WarningCode::UnregisteredEventType,
            msg: format!("{name:?} is not a registered event type{meant}"),
            nearest,
        })
    }

    fn is_in_a_catalogue(&self, entry: &AppEntry, name: &str) -> bool {
        let of_endpoints = entry.endpoints.values().map(|endpoint| endpoint.settings.contract.as_str());
        let mut last = "";
        std::iter::once(self.contract_of(entry)).chain(of_endpoints).any(|contract| {
            let is_new = contract != last;
            last = contract;
            is_new && self.contracts.get(contract).is_some_and(|contract| contract.events().in_catalogue(name))
        })
    }

    pub async fn create_event_type(
        &self,
        caller: Caller,
        draft: EventTypeDraft,
        idempotency: Option<Idempotency>,
        render: Render<'_, EventType>,
    ) -> Result<Made<EventType>, Refusal> {
        check_event_type(&draft)?;
        // One that was archived is taken up again.
        let before = self.store.directory().event_type(caller.env, &draft.name).filter(|row| row.settings.archived);
        if before.is_none() {
            self.has_room_for(caller, 1)?;
        }
        let row = self.event_type_row(caller, draft, before.as_deref());
        let change = Change::PutEventType { row: row.clone(), based_on: before.map(|row| row.version) };
        let name = row.name.clone();
        let made = self.make(NO_APP, change, row, idempotency, render).await;
        made.map_err(|refusal| refusal.taken("event type", "name", Some(&name)))
    }

    /// Changes an event type, or registers it: `edit` gets it as it is, if it is.
    pub async fn put_event_type(
        &self,
        caller: Caller,
        name: &str,
        edit: impl Fn(Option<&EventType>) -> Result<EventTypeSettings, Refusal>,
    ) -> Result<PutEventType, Refusal> {
        for _ in 0..TRIES {
            let before = self.store.directory().event_type(caller.env, name);
            let draft = EventTypeDraft { name: name.to_owned(), settings: edit(before.as_deref())? };
            check_event_type(&draft)?;
            let is_new = before.is_none();
            if is_new {
                self.has_room_for(caller, 1)?;
            }
            let row = self.event_type_row(caller, draft, before.as_deref());
            let based_on = before.map(|row| row.version);
            match self.store.change(NO_APP, Change::PutEventType { row: row.clone(), based_on }, None).await {
                Ok(_) => return Ok(PutEventType { row, is_new }),
                Err(ChangeError::Outdated | ChangeError::Taken) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(ChangeError::Outdated.into())
    }

    pub async fn delete_event_type(&self, caller: Caller, name: &str) -> Result<(), Refusal> {
        self.event_type(caller, name)?;
        let change = Change::DeleteEventType { env: caller.env, name: name.to_owned() };
        self.store.change(NO_APP, change, None).await?;
        Ok(())
    }

    /// Whether so many more event types may be registered.
    pub(crate) fn has_room_for(&self, caller: Caller, more: usize) -> Result<(), Refusal> {
        if self.store.directory().event_type_count(caller.env) + more <= MOST {
            return Ok(());
        }
        Err(Refusal::TooMany {
            code: "too_many_event_types",
            detail: format!("there are {MOST} event types already; delete some first"),
        })
    }

    fn event_type_row(&self, caller: Caller, draft: EventTypeDraft, before: Option<&EventType>) -> EventType {
        let now_ms = self.clock.wall_ms();
        EventType {
            env: caller.env,
            name: draft.name,
            settings: draft.settings,
            created_ms: before.map_or(now_ms, |row| row.created_ms),
            updated_ms: now_ms,
            version: self.store.new_id(),
        }
    }
}

fn is_seen_with(row: &EventType, flags: &[String]) -> bool {
    let needed = row.settings.flags();
    needed.is_empty() || needed.iter().any(|flag| flags.contains(flag))
}

/// A schema's version; numbers are compared as numbers, so they must not be longer than those.
fn is_version(version: &str) -> Result<(), String> {
    let is_short = |part: &str| part.len() <= 18 || !part.bytes().all(|byte| byte.is_ascii_digit());
    match version {
        "" => Err("has a version without a name; number them: 1, 2, 3".to_owned()),
        _ if version.len() > 64 || !version.split('.').all(is_short) => Err("is too long a version".to_owned()),
        _ => Ok(()),
    }
}

pub(crate) fn check_event_type(draft: &EventTypeDraft) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    problems.check("name", check::event_type(&draft.name));
    if draft.name.split('/').any(|part| matches!(part, "." | "..")) {
        problems.add("name", "has a part that stands for a folder in a URL, so no path could lead here");
    }
    problems.check("description", check::at_most(&draft.settings.description, 65_536));
    problems.check("featureFlags", check::list(&draft.settings.feature_flags, MOST_FLAGS));
    for (n, flag) in draft.settings.feature_flags.iter().enumerate() {
        problems.check(&format!("featureFlags.{n}"), check::name(flag, 256, ""));
    }
    if let Some(schemas) = &draft.settings.schemas {
        let right = schemas.as_object().is_some_and(|versions| versions.values().all(Value::is_object));
        if !right {
            problems.add("schemas", "must be an object that holds a JSON Schema, an object, for each version");
        }
        for version in schemas.as_object().into_iter().flat_map(serde_json::Map::keys) {
            problems.check(&format!("schemas.{version}"), is_version(version));
        }
        // One that nothing is compared with may be anything.
        if right && draft.settings.validation != Validation::Off {
            for (version, schema) in schemas.as_object().into_iter().flatten() {
                problems.check(&format!("schemas.{version}"), is_right(schema));
            }
        }
    }
    if let Some(group) = &draft.settings.group_name {
        problems.check("groupName", check::name(group, 256, ""));
    }
    problems.done()
}
