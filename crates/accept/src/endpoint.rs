//! Endpoints: where messages go, in which contract, with which secret.

use crate::application::TRIES;
use crate::check::{self, LONGEST_LIST, Problems};
use crate::decided::as_decided;
use crate::nearest::nearest;
use crate::operational::{OPERATIONAL_EVENTS, is_operational};
use crate::target_url::{TargetUrl, UrlPolicy};
use crate::{Accept, Caller, Idempotency, Made, Refusal, Render};
use postrider_contract::{Contract, FilterKind, PayloadFilter};
use postrider_store::config::{Action, Change, Endpoint, EndpointSecrets, EndpointSettings, OldSecret};
use postrider_store::id::EndpointId;
use postrider_store::{AppEntry, ChangeError, Changed, RememberedAnswer, Secret};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Endpoints of one application.
const MOST: usize = 10_000;
/// Characters of a description.
const LONGEST_DESCRIPTION: usize = 4_096;
const LONGEST_SCHEDULE: usize = 50;
const LONGEST_DELAY_SECONDS: u32 = 30 * 86_400;
const MOST_ACTIONS: usize = 20;
/// Characters of a line of the log, as it is given.
const LONGEST_LINE: usize = 1_000;
const MOST_HEADERS: usize = 50;
const LONGEST_HEADER: usize = 4_096;
/// Secrets that a rotation leaves valid at once.
const MOST_OLD_SECRETS: usize = 10;
const LONGEST_GRACE_SECONDS: u32 = 7 * 86_400;
const DEFAULT_GRACE_SECONDS: u32 = 86_400;

/// Headers that belong to HTTP itself.
const HTTP_HEADERS: &[&str] = &["host", "content-length", "transfer-encoding", "connection"];

/// What a caller gives of an endpoint.
#[derive(Clone, Debug, Default)]
pub struct EndpointDraft {
    pub uid: Option<String>,
    /// An empty `contract` means: the application's.
    pub settings: EndpointSettings,
    pub headers: BTreeMap<String, String>,
    /// Taken at creation, `None`: one is made; later it changes by rotation alone.
    pub secret: Option<String>,
}

/// What a caller gives of a rotation.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    /// `None`: one is made.
    pub key: Option<String>,
    pub grace_seconds: Option<u32>,
}

impl Accept {
    /// The endpoint with this id or uid in the caller's application.
    pub fn endpoint(
        &self,
        caller: Caller,
        app: &str,
        id_or_uid: &str,
    ) -> Result<(Arc<AppEntry>, Arc<Endpoint>), Refusal> {
        let entry = self.application(caller, app)?;
        let by_id = self.store.ids().parse::<EndpointId>(id_or_uid).and_then(|id| entry.endpoints.get(&id));
        let found = by_id.or_else(|| entry.endpoint_by_uid(id_or_uid)).cloned();
        // Where the provider's messages go by themselves is nothing of its customer's.
        let found = found.filter(|endpoint| caller.app.is_none() || !endpoint.settings.addressed);
        found.map(|endpoint| (entry, endpoint)).ok_or_else(|| Refusal::none("endpoint", id_or_uid))
    }

    pub async fn create_endpoint(
        &self,
        caller: Caller,
        app: &str,
        draft: EndpointDraft,
        idempotency: Option<Idempotency>,
        render: Render<'_, Endpoint>,
    ) -> Result<Made<Endpoint>, Refusal> {
        let entry = self.application(caller, app)?;
        if entry.endpoints.len() >= MOST {
            return Err(Refusal::TooMany {
                code: "too_many_endpoints",
                detail: format!("the application has {MOST} endpoints already; delete some first"),
            });
        }
        let settings = as_decided(caller, draft.settings, None)?;
        let (draft, url_password) = self.check_endpoint(&entry, EndpointDraft { settings, ..draft }, None)?;
        let current = self.secret_for(&draft.settings.contract, "secret", draft.secret.clone())?;
        let draft = EndpointDraft { settings: self.customized(caller, draft.settings, None).await?, ..draft };
        let (id, now_ms) = (self.store.new_id(), self.clock.wall_ms());
        let endpoint = Endpoint {
            id: EndpointId(id),
            app: entry.app.id,
            uid: draft.uid,
            settings: draft.settings,
            secrets: EndpointSecrets { current, url_password, ..EndpointSecrets::default() },
            headers: draft.headers,
            failing_since_ms: None,
            created_ms: now_ms,
            updated_ms: now_ms,
            version: id,
        };
        let change = Change::CreateEndpoint(endpoint.clone());
        let uid = endpoint.uid.clone();
        let made = self.make(entry.app.id, change, endpoint, idempotency, render).await;
        let made = made.map_err(|refusal| refusal.taken("endpoint", "uid", uid.as_deref()))?;
        if let Made::New(endpoint) = &made {
            self.tell_of_endpoint(&entry, endpoint, "endpoint.created").await;
        }
        Ok(made)
    }

    /// Changes an endpoint. `edit` gets it as it is, and is called again when someone else was
    /// faster.
    pub async fn update_endpoint(
        &self,
        caller: Caller,
        app: &str,
        id_or_uid: &str,
        edit: impl Fn(&Endpoint) -> Result<EndpointDraft, Refusal>,
    ) -> Result<Endpoint, Refusal> {
        let edited = self.edit_endpoint(caller, app, id_or_uid, None, |entry, endpoint| {
            let draft = edit(endpoint)?;
            let mut settings = as_decided(caller, draft.settings, Some(endpoint))?;
            settings.addressed = endpoint.settings.addressed;
            // That of an address is ours, and stays.
            let given = if settings.addressed { None } else { draft.uid.clone() };
            let draft = EndpointDraft { settings, uid: given, ..draft };
            let (draft, url_password) = self.check_endpoint(entry, draft, Some(endpoint))?;
            if draft.settings.contract != endpoint.settings.contract {
                self.secret_fits(&draft.settings.contract, endpoint)?;
            }
            let uid = if draft.settings.addressed { endpoint.uid.clone() } else { draft.uid };
            let secrets = EndpointSecrets { url_password, ..endpoint.secrets.clone() };
            Ok(Endpoint { uid, settings: draft.settings, headers: draft.headers, secrets, ..endpoint.clone() })
        });
        edited.await
    }

    /// Replaces the secret, once for each idempotency key. Where the contract signs with several, the
    /// old one stays valid for the grace period.
    pub async fn rotate_secret(
        &self,
        caller: Caller,
        app: &str,
        id_or_uid: &str,
        rotation: Rotation,
        idempotency: Option<Idempotency>,
    ) -> Result<Endpoint, Refusal> {
        let edited = self.edit_endpoint(caller, app, id_or_uid, idempotency, |_, endpoint| {
            let contract = self.contract(&endpoint.settings.contract)?;
            let grace = self.grace(contract, &rotation)?;
            let current = self.secret_for(contract.name(), "key", rotation.key.clone())?;
            let now_ms = self.clock.wall_ms();
            let mut secrets = endpoint.secrets.clone();
            secrets.old.retain(|old| old.until_ms > now_ms);
            if let Some(secret) = std::mem::replace(&mut secrets.current, current)
                && grace > 0
            {
                secrets.old.insert(0, OldSecret { secret, until_ms: now_ms + i64::from(grace) * 1_000 });
            }
            secrets.old.truncate(MOST_OLD_SECRETS);
            Ok(Endpoint { secrets, ..endpoint.clone() })
        });
        edited.await
    }

    /// Deletes an endpoint; what waits for it is cancelled.
    pub async fn delete_endpoint(&self, caller: Caller, app: &str, id_or_uid: &str) -> Result<(), Refusal> {
        let (entry, endpoint) = self.endpoint(caller, app, id_or_uid)?;
        let change = Change::DeleteEndpoint { endpoint: endpoint.id, version: self.store.new_id() };
        match self.store.change(entry.app.id, change, None).await {
            Err(ChangeError::NotFound) => Err(Refusal::none("endpoint", id_or_uid)),
            Err(error) => Err(error.into()),
            Ok(_) => {
                self.tell_of_endpoint(&entry, &endpoint, "endpoint.deleted").await;
                Ok(())
            }
        }
    }

    /// The endpoint after the edit; as it is, when the same request was done before.
    pub(crate) async fn edit_endpoint(
        &self,
        caller: Caller,
        app: &str,
        id_or_uid: &str,
        idempotency: Option<Idempotency>,
        edit: impl Fn(&AppEntry, &Endpoint) -> Result<Endpoint, Refusal>,
    ) -> Result<Endpoint, Refusal> {
        for _ in 0..TRIES {
            let (entry, endpoint) = self.endpoint(caller, app, id_or_uid)?;
            let mut row = edit(&entry, &endpoint)?;
            row.settings = self.customized(caller, row.settings, Some(&endpoint)).await?;
            row.updated_ms = self.clock.wall_ms();
            row.version = self.store.new_id();
            let change = Change::UpdateEndpoint { row: row.clone(), based_on: endpoint.version };
            // The answer is not kept: it may hold a secret, which is never stored in the clear.
            let remembered = idempotency.map(|key| (key.0, RememberedAnswer::empty()));
            match self.store.change(entry.app.id, change, remembered).await {
                Ok(Changed::Applied) => {
                    let enabled = endpoint.settings.disabled && !row.settings.disabled;
                    let event = if enabled { "endpoint.enabled" } else { "endpoint.updated" };
                    self.tell_of_endpoint(&entry, &row, event).await;
                    return Ok(row);
                }
                Ok(Changed::Repeat(_)) => return Ok(self.endpoint(caller, app, id_or_uid)?.1.as_ref().clone()),
                Err(ChangeError::Outdated) => continue,
                Err(error) => return Err(Refusal::from(error).taken("endpoint", "uid", row.uid.as_deref())),
            }
        }
        Err(ChangeError::Outdated.into())
    }

    /// The draft with its contract filled in and its URL normalised, and the URL's password, or everything that is
    /// wrong with it. `before`: the endpoint as it is.
    fn check_endpoint(
        &self,
        entry: &AppEntry,
        mut draft: EndpointDraft,
        before: Option<&Endpoint>,
    ) -> Result<(EndpointDraft, Option<Secret>), Refusal> {
        if draft.settings.contract.is_empty() {
            let by_app = entry.app.settings.contract.as_ref();
            draft.settings.contract = by_app.unwrap_or(&self.rules.default_contract).clone();
        }
        let contract = self.contract(&draft.settings.contract)?;
        let settings = &draft.settings;
        let mut problems = Problems::default();
        problems.check(
            "uid",
            check::uid(self.store.ids(), draft.uid.as_deref(), before.and_then(|row| row.uid.as_deref())),
        );
        let mut target = TargetUrl::default();
        match settings.poll {
            true if !settings.url.is_empty() => {
                problems.add("url", "is not used where messages are pulled; leave it out")
            }
            true => {}
            false if settings.url.is_empty() => {
                problems.add("url", "is missing; give one such as https://example.com/hook")
            }
            false => match self.url_policy().check(contract, &settings.url, before) {
                Ok(url) => target = url,
                Err(msg) => problems.add("url", msg),
            },
        }
        if settings.poll && (settings.priority.is_some() || settings.ordered) {
            problems.add("poll", "goes with neither priority nor ordered: consumers read in order, whatever others do");
        }
        problems.check("metadata", check::metadata(&settings.metadata));
        problems.check("throttleRate", check::rate(settings.throttle_rate));
        problems.check("description", check::at_most(&settings.description, LONGEST_DESCRIPTION));
        problems.check("channels", check::list(&settings.channels, 10));
        for (n, channel) in settings.channels.iter().enumerate() {
            problems.check(&format!("channels.{n}"), check::name(channel, 128, ""));
        }
        problems.check("eventTypes", check::list(&settings.event_types, LONGEST_LIST));
        for (n, filter) in settings.event_types.iter().enumerate() {
            problems.check(&format!("eventTypes.{n}"), self.check_filter(entry, contract, filter));
        }
        if let Some(filter) = &settings.payload_filter {
            problems.check(
                "payloadFilter",
                PayloadFilter::parse(filter).map(|_| ()).map_err(|problem| problem.to_string()),
            );
        }
        if settings.max_concurrency.is_some_and(|max| max == 0 || max > 1_000) {
            problems.add("maxConcurrency", "must be 1 to 1000");
        }
        problems.check("actions", check_actions(&settings.actions));
        problems.check("timeoutSeconds", check_timeout(contract, settings.timeout_seconds));
        problems.check("retrySchedule", check_schedule(settings.retry_schedule.as_deref()));
        problems.check("contentType", check_content_type(contract, settings.content_type.as_deref()));
        check::addresses(&settings.notify_emails, &mut problems);
        check_headers(contract, &draft.headers, before, &mut problems);
        problems.done()?;
        draft.settings.url = target.shown;
        Ok((draft, target.password))
    }

    pub(crate) fn contract(&self, name: &str) -> Result<&Arc<Contract>, Refusal> {
        self.known_contract(name).map_err(|msg| crate::FieldProblem::value("contract", msg))?;
        self.contracts.get(name).ok_or_else(|| Refusal::none("contract", name))
    }

    /// What the operator decides about URLs.
    pub(crate) fn url_policy(&self) -> UrlPolicy<'_> {
        UrlPolicy { addresses: &self.rules.addresses, is_relaxed: self.rules.relax_contracts }
    }

    /// A filter is right when the contract knows it, or the registry does; for the provider's own endpoints, when there
    /// is such an operational event.
    fn check_filter(&self, entry: &AppEntry, contract: &Contract, filter: &str) -> Result<(), String> {
        let events = contract.events();
        let kind = events.check_filter(filter)?;
        let (filter, _) = events.split(filter);
        match kind {
            FilterKind::Pattern => Ok(()),
            FilterKind::Exact if is_operational(entry) => match OPERATIONAL_EVENTS.contains(&filter) {
                true => Ok(()),
                false => {
                    let meant = meant(nearest(filter, OPERATIONAL_EVENTS));
                    let valid = OPERATIONAL_EVENTS.join(", ");
                    Err(format!("{filter:?} is not an operational event{meant} valid events: {valid}"))
                }
            },
            FilterKind::Exact
                if events.in_catalogue(filter)
                    || self.store.directory().event_type(entry.app.env, filter).is_some() =>
            {
                Ok(())
            }
            FilterKind::Exact => {
                let directory = self.store.directory();
                let known =
                    directory.nearest_event_type(entry.app.env, |known| nearest(filter, known).map(str::to_owned));
                let meant = meant(known.as_deref());
                Err(format!(
                    "{filter:?} is not a registered event type{meant} register it first (POST /api/v1/event-type)"
                ))
            }
        }
    }

    /// The secret that was given, checked, or a new one where the contract makes one.
    fn secret_for(&self, contract: &str, field: &str, given: Option<String>) -> Result<Option<Secret>, Refusal> {
        let rules = self.contract(contract)?.secrets();
        match given {
            Some(secret) => match rules.check(&secret) {
                Ok(()) => Ok(Some(Secret::new(secret))),
                Err(msg) => Err(crate::FieldProblem::value(field, msg).into()),
            },
            None => Ok(rules.generate(&rand::rng().random()).map(Secret::new)),
        }
    }

    /// An endpoint that changes its contract keeps its secret, so the secret must fit the new one.
    fn secret_fits(&self, contract: &str, endpoint: &Endpoint) -> Result<(), Refusal> {
        let Some(secret) = &endpoint.secrets.current else { return Ok(()) };
        self.contract(contract)?.secrets().check(secret.reveal()).map_err(|msg| {
            let msg = format!("the endpoint's secret does not fit this contract ({msg}); rotate it first");
            crate::FieldProblem::value("contract", msg).into()
        })
    }

    fn grace(&self, contract: &Contract, rotation: &Rotation) -> Result<u32, Refusal> {
        let wrong = |msg: String| crate::FieldProblem::value("gracePeriodSeconds", msg);
        match rotation.grace_seconds {
            Some(seconds) if seconds > LONGEST_GRACE_SECONDS => {
                Err(wrong(format!("must be 0 to {LONGEST_GRACE_SECONDS} (7 days)")).into())
            }
            Some(seconds) if seconds > 0 && !contract.secrets().overlap() => Err(wrong(format!(
                "the contract {} has a single signature, so a rotation takes effect at once; leave it out or use 0",
                contract.name()
            ))
            .into()),
            Some(seconds) => Ok(seconds),
            None if contract.secrets().overlap() => Ok(DEFAULT_GRACE_SECONDS),
            None => Ok(0),
        }
    }
}

/// For an error: the name that was probably meant.
pub(crate) fn meant(nearest: Option<&str>) -> String {
    nearest.map_or(";".to_owned(), |name| format!("; did you mean {name:?}?"))
}

/// A list of actions has the request among them.
fn check_actions(actions: &[Action]) -> Result<(), String> {
    let requests = actions.iter().filter(|action| **action == Action::NotifyWebhook).count();
    let long = |action: &Action| matches!(action, Action::LogMessage { text } if text.chars().count() > LONGEST_LINE);
    match () {
        () if actions.is_empty() => Ok(()),
        () if actions.len() > MOST_ACTIONS => Err(format!("has {} entries; at most {MOST_ACTIONS}", actions.len())),
        () if requests != 1 => Err(format!("has {requests} of type notify_webhook; exactly one is needed")),
        () if actions.iter().any(long) => Err(format!("a text has more than {LONGEST_LINE} characters")),
        () => Ok(()),
    }
}

fn check_timeout(contract: &Contract, seconds: Option<u8>) -> Result<(), String> {
    let rule = contract.timeout();
    match seconds {
        Some(0 | 31..) => Err("must be 1 to 30".into()),
        Some(seconds) if rule.fixed && seconds != rule.seconds => {
            Err(format!("the contract {} fixes it at {}", contract.name(), rule.seconds))
        }
        _ => Ok(()),
    }
}

fn check_schedule(schedule: Option<&[u32]>) -> Result<(), String> {
    let Some(schedule) = schedule else { return Ok(()) };
    if schedule.len() > LONGEST_SCHEDULE {
        return Err(format!("has {} retries; at most {LONGEST_SCHEDULE} are allowed", schedule.len()));
    }
    match schedule.iter().find(|delay| **delay > LONGEST_DELAY_SECONDS) {
        Some(delay) => {
            Err(format!("{delay} is too long; a delay is at most {LONGEST_DELAY_SECONDS} seconds (30 days)"))
        }
        None => Ok(()),
    }
}

fn check_content_type(contract: &Contract, text: Option<&str>) -> Result<(), String> {
    let Some(text) = text else { return Ok(()) };
    let offered: Vec<&str> = contract.content_types().iter().map(|kind| kind.as_str()).collect();
    if offered.contains(&text) {
        return Ok(());
    }
    Err(format!("{text:?} is not offered by the contract {}; it has {}", contract.name(), offered.join(", ")))
}

/// A value that every HTTP library sends and reads alike.
fn header_value(value: &str) -> Result<(), String> {
    if value.len() > LONGEST_HEADER {
        return Err(format!("has {} bytes; at most {LONGEST_HEADER} are sent", value.len()));
    }
    if let Some(c) = value.chars().find(|c| !(' '..='~').contains(c) && *c != '\t') {
        return Err(format!("has the character {c:?}, which HTTP can't carry in a header; use printable ASCII"));
    }
    if value.trim_matches([' ', '\t']) != value {
        return Err("begins or ends with a blank, which HTTP removes; leave it out".into());
    }
    Ok(())
}

fn check_headers(
    contract: &Contract,
    headers: &BTreeMap<String, String>,
    before: Option<&Endpoint>,
    problems: &mut Problems,
) {
    if headers.len() > MOST_HEADERS {
        problems.add("headers", format!("has {} entries; at most {MOST_HEADERS} are sent", headers.len()));
    }
    let mut seen = BTreeSet::new();
    for (name, value) in headers {
        let field = format!("headers.{name}");
        let lower = name.to_ascii_lowercase();
        let token =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !token {
            problems.add(&field, "is not a header name");
        }
        if !seen.insert(lower.clone()) {
            problems.add(&field, "is there twice: capitals make no difference");
        }
        if HTTP_HEADERS.contains(&lower.as_str()) || contract.reserved_headers().contains(&lower) {
            problems.add(&field, format!("{name} can't be set: HTTP or the contract {} uses it", contract.name()));
        }
        // Values that are stored already are not refused now.
        if before.is_none_or(|row| row.headers.get(name) != Some(value)) {
            problems.check(&field, header_value(value));
        }
    }
}
