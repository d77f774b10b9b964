//! Event types as a document has them: registered, changed, and archived where they are gone.

use crate::event_type::check_event_type;
use crate::schema::versions;
use crate::{Accept, Caller, EventTypeDraft, Refusal};
use postrider_schema::FromOpenApi;
use postrider_store::config::{EventType, EventTypeSettings};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

impl Accept {
    /// What an import would change: each event type as it would be. `replace_all`: those that the document does not
    /// have are archived.
    pub fn import_changes(&self, caller: Caller, found: &[FromOpenApi], replace_all: bool) -> Vec<EventTypeDraft> {
        let known = self.store.directory().event_types(caller.env);
        let mut changes = Vec::new();
        for given in found {
            let before = known.iter().find(|row| row.name == given.name).map(AsRef::as_ref);
            let settings = imported(given, before);
            if before.is_none_or(|row| row.settings != settings) {
                changes.push(EventTypeDraft { name: given.name.clone(), settings });
            }
        }
        if replace_all {
            let gone = known.iter().filter(|row| !row.settings.archived);
            let gone = gone.filter(|row| found.iter().all(|given| given.name != row.name));
            changes.extend(gone.map(|row| EventTypeDraft {
                name: row.name.clone(),
                settings: EventTypeSettings { archived: true, ..row.settings.clone() },
            }));
        }
        changes
    }

    /// Whether all changes can be made. `place`: where in the body a type is, by its number and name.
    pub fn check_import(
        &self,
        caller: Caller,
        changes: &[EventTypeDraft],
        place: impl Fn(usize, &str) -> Vec<String>,
    ) -> Result<(), Refusal> {
        for (n, change) in changes.iter().enumerate() {
            check_event_type(change).map_err(|refusal| refusal.within(&place(n, &change.name)))?;
        }
        let names: BTreeSet<&str> = changes.iter().map(|change| change.name.as_str()).collect();
        let is_new = |name: &&&str| self.store.directory().event_type(caller.env, name).is_none();
        self.has_room_for(caller, names.iter().filter(is_new).count())
    }

    /// Makes the changes that were checked.
    pub async fn import_event_types(&self, caller: Caller, changes: &[EventTypeDraft]) -> Result<(), Refusal> {
        for change in changes {
            self.put_event_type(caller, &change.name, |_| Ok(change.settings.clone())).await?;
        }
        Ok(())
    }
}

/// The type as it is to be. Another schema is another version: who got the old ones can compare.
fn imported(given: &FromOpenApi, before: Option<&EventType>) -> EventTypeSettings {
    let mut settings = before.map(|row| row.settings.clone()).unwrap_or_default();
    settings.description = given.description.clone();
    settings.deprecated = given.deprecated;
    settings.archived = false;
    settings.group_name = given.group_name.clone();
    settings.feature_flag = given.feature_flags.first().cloned();
    settings.feature_flags = given.feature_flags.clone();
    let Some(schema) = &given.schema else { return settings };
    let known = before.map(versions).unwrap_or_default();
    if known.last().is_some_and(|(_, latest)| *latest == schema) {
        return settings;
    }
    let newest = known.iter().filter_map(|(version, _)| version.trim_start_matches('v').parse::<u64>().ok()).max();
    let mut schemas = match settings.schemas.take() {
        Some(Value::Object(schemas)) => schemas,
        _ => Map::new(),
    };
    schemas.insert((newest.unwrap_or(0) + 1).to_string(), schema.clone());
    settings.schemas = Some(Value::Object(schemas));
    settings
}
