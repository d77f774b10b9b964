//! The configuration in memory: what acceptance routes by and delivery sends with.
//!
//! The writer applies each change here after its commit and before its answer, so whoever was told
//! of an endpoint finds it. An application's `routing` is the version of its last change that
//! matters to routing; a message commits only if it was routed by the one in force.

use crate::access::LASTING;
use crate::config::{ApiKey, Application, Change, Endpoint, EnvId, Environment, EventType};
use crate::id::{AppId, EndpointId, KeyId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// All of the configuration. Locks are held for a look-up, never across an await.
#[derive(Debug, Default)]
pub struct Directory(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    environments: BTreeMap<EnvId, Arc<Environment>>,
    apps: BTreeMap<AppId, Arc<AppEntry>>,
    app_uids: HashMap<(EnvId, String), AppId>,
    endpoint_apps: HashMap<EndpointId, AppId>,
    /// The event types of each environment, by name.
    event_types: HashMap<EnvId, BTreeMap<String, Arc<EventType>>>,
    keys: BTreeMap<KeyId, Arc<ApiKey>>,
    key_hashes: HashMap<[u8; 32], KeyId>,
    /// The tokens of each application.
    tokens: HashMap<AppId, BTreeSet<KeyId>>,
}

/// An application with its endpoints.
#[derive(Clone, Debug)]
pub struct AppEntry {
    pub app: Application,
    pub endpoints: BTreeMap<EndpointId, Arc<Endpoint>>,
    /// The version of the routing; rises with every change to the application or its endpoints.
    pub routing: i64,
}

impl AppEntry {
    /// The endpoint with this uid.
    pub fn endpoint_by_uid(&self, uid: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints.values().find(|endpoint| endpoint.uid.as_deref() == Some(uid))
    }
}

impl Directory {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn environment(&self, id: EnvId) -> Option<Arc<Environment>> {
        self.read().environments.get(&id).cloned()
    }

    /// Every environment, the oldest first.
    pub fn environments(&self) -> Vec<Arc<Environment>> {
        self.read().environments.values().cloned().collect()
    }

    pub fn app(&self, id: AppId) -> Option<Arc<AppEntry>> {
        self.read().apps.get(&id).cloned()
    }

    pub fn app_by_uid(&self, env: EnvId, uid: &str) -> Option<Arc<AppEntry>> {
        let inner = self.read();
        let id = inner.app_uids.get(&(env, uid.to_owned()))?;
        inner.apps.get(id).cloned()
    }

    /// The endpoint and its application.
    pub fn endpoint(&self, id: EndpointId) -> Option<(Arc<AppEntry>, Arc<Endpoint>)> {
        let inner = self.read();
        let app = inner.apps.get(inner.endpoint_apps.get(&id)?)?;
        Some((app.clone(), app.endpoints.get(&id)?.clone()))
    }

    /// The applications of an environment in the order of their ids.
    pub fn apps(&self, env: EnvId) -> Vec<Arc<AppEntry>> {
        self.read().apps.values().filter(|entry| entry.app.env == env).cloned().collect()
    }

    /// Whether the key is there no more or not in force.
    pub(crate) fn is_revoked(&self, key: KeyId) -> bool {
        self.read().keys.get(&key).is_none_or(|key| key.revoked_ms.is_some())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what was read at one moment, with the routings of that moment: all at once, for whoever saw a routing
    /// without an endpoint that belongs to it would send messages past that endpoint.
    pub(crate) fn apply_all(&self, changes: &[Change], routings: &[(AppId, i64)]) {
        let mut inner = self.write();
        changes.iter().for_each(|change| inner.apply(change.clone()));
        for (app, routing) in routings {
            if let Some(entry) = inner.apps.get_mut(app)
                && entry.routing != *routing
            {
                Arc::make_mut(entry).routing = *routing;
            }
        }
    }

    /// Deletions of all that is here and not in `found`, which is everything that there is.
    pub(crate) fn missing_from(&self, found: &[Change]) -> Vec<Change> {
        let (mut apps, mut endpoints, mut event_types) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut environments = HashSet::new();
        for change in found {
            match change {
                Change::PutEnvironment { row, .. } => drop(environments.insert(row.id)),
                Change::UpdateApplication { row, .. } => drop(apps.insert(row.id)),
                Change::UpdateEndpoint { row, .. } => drop(endpoints.insert(row.id)),
                Change::PutEventType { row, .. } => drop(event_types.insert((row.env, row.name.clone()))),
                _ => {}
            }
        }
        let inner = self.read();
        let apps = inner.apps.keys().filter(|id| !apps.contains(id));
        let endpoints = inner.endpoint_apps.keys().filter(|id| !endpoints.contains(id));
        let named = |(env, rows): (&EnvId, &BTreeMap<String, _>)| {
            rows.keys().map(|name| (*env, name.clone())).collect::<Vec<_>>()
        };
        let event_types = inner.event_types.iter().flat_map(named).filter(|key| !event_types.contains(key));
        let deletions = endpoints.map(|endpoint| Change::DeleteEndpoint { endpoint: *endpoint, version: 0 });
        let deletions = deletions.chain(apps.map(|app| Change::DeleteApplication { app: *app, version: 0 }));
        let environments = inner.environments.keys().filter(|id| !environments.contains(id));
        let deletions = deletions.chain(environments.map(|env| Change::DeleteEnvironment(*env)));
        let gone = |(env, name)| Change::DeleteEventType { env, name };
        deletions.chain(event_types.map(gone)).collect()
    }

    /// Endpoints that stand for addresses and were made before this time.
    pub fn addressed_before(&self, ms: i64) -> Vec<Arc<Endpoint>> {
        let inner = self.read();
        let rows = inner.apps.values().flat_map(|entry| entry.endpoints.values());
        rows.filter(|row| row.settings.addressed && row.created_ms < ms).cloned().collect()
    }

    pub fn app_count(&self) -> usize {
        self.read().apps.len()
    }

    pub fn event_type(&self, env: EnvId, name: &str) -> Option<Arc<EventType>> {
        self.read().event_types.get(&env)?.get(name).cloned()
    }

    /// The event types of an environment by name.
    pub fn event_types(&self, env: EnvId) -> Vec<Arc<EventType>> {
        self.read().event_types.get(&env).map(|rows| rows.values().cloned().collect()).unwrap_or_default()
    }

    /// What `find` finds among the names of an environment's event types.
    pub fn nearest_event_type(
        &self,
        env: EnvId,
        find: impl FnOnce(&mut dyn Iterator<Item = &str>) -> Option<String>,
    ) -> Option<String> {
        find(&mut self.read().event_types.get(&env)?.keys().map(String::as_str))
    }

    pub fn event_type_count(&self, env: EnvId) -> usize {
        self.read().event_types.get(&env).map_or(0, BTreeMap::len)
    }

    /// The key with this hash, in force or not.
    pub fn key(&self, hash: &[u8; 32]) -> Option<Arc<ApiKey>> {
        let inner = self.read();
        inner.keys.get(inner.key_hashes.get(hash)?).cloned()
    }

    pub fn key_by_id(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        self.read().keys.get(&id).cloned()
    }

    /// The keys of an environment, the oldest first; the tokens of its applications are not among them.
    pub fn keys(&self, env: EnvId) -> Vec<Arc<ApiKey>> {
        self.read().keys.values().filter(|key| key.env == env && key.app.is_none()).cloned().collect()
    }

    /// Whether there are tokens that are not in force at this time any more.
    pub fn has_tokens_ended_by(&self, ms: i64) -> bool {
        let inner = self.read();
        inner.tokens.values().flatten().filter_map(|id| inner.keys.get(id)).any(|key| !key.is_in_force(ms))
    }

    /// The tokens of an application, in force or not.
    pub fn token_count(&self, app: AppId) -> usize {
        self.read().tokens.get(&app).map_or(0, BTreeSet::len)
    }

    /// Shows a committed change to all.
    pub(crate) fn apply(&self, change: &Change) {
        self.write().apply(change.clone());
    }
}

impl Inner {
    fn apply(&mut self, change: Change) {
        match change {
            Change::CreateApplication(app) => self.put_app(app),
            Change::UpdateApplication { row, .. } => self.put_app(row),
            Change::DeleteApplication { app, .. } => self.remove_app(app),
            Change::CreateEndpoint(endpoint) => self.put_endpoint(endpoint),
            Change::UpdateEndpoint { row, .. } => self.put_endpoint(row),
            Change::DeleteEndpoint { endpoint, version } => self.remove_endpoint(endpoint, version),
            Change::SetFailing { endpoint, since_ms } => self.set_failing(endpoint, since_ms),
            Change::PutEventType { row, .. } => {
                self.event_types.entry(row.env).or_default().insert(row.name.clone(), Arc::new(row));
            }
            Change::DeleteEventType { env, name } => {
                if let Some(rows) = self.event_types.get_mut(&env) {
                    rows.remove(&name);
                }
            }
            Change::PutEnvironment { row, .. } => {
                self.environments.insert(row.id, Arc::new(row));
            }
            Change::DeleteEnvironment(env) => self.remove_environment(env),
            Change::CreateKey(key) => self.put_key(key),
            Change::RevokeKey { key, at_ms } => {
                if let Some(key) = self.keys.get_mut(&key) {
                    Arc::make_mut(key).revoked_ms.get_or_insert(at_ms);
                }
            }
            Change::ExpireTokens { app, sessions, at_ms } => self.expire_tokens(app, &sessions, at_ms),
            Change::ForgetTokens { before_ms } => {
                self.remove_keys(|key| key.app.is_some() && !key.is_in_force(before_ms));
            }
            Change::Resend { .. }
            | Change::CreateTask(_)
            | Change::AdvanceTask { .. }
            | Change::SetTaskStatus { .. }
            | Change::CancelMessage { .. }
            | Change::ExpungeMessage { .. }
            | Change::ClearAttempt { .. }
            | Change::ExpungeAttempt { .. }
            | Change::ClaimNotice { .. }
            | Change::RepliesTold(_)
            | Change::ClaimKey
            | Change::ForgetAddresses { .. }
            | Change::SkipDelivery { .. }
            | Change::ForgetVariables { .. }
            | Change::MoveConsumer { .. }
            | Change::ForgetPolled { .. } => {}
        }
    }

    fn put_key(&mut self, key: ApiKey) {
        self.key_hashes.insert(key.hash, key.id);
        if let Some(app) = key.app {
            self.tokens.entry(app).or_default().insert(key.id);
        }
        self.keys.insert(key.id, Arc::new(key));
    }

    fn expire_tokens(&mut self, app: AppId, sessions: &[String], at_ms: i64) {
        for id in self.tokens.get(&app).into_iter().flatten() {
            let Some(key) = self.keys.get_mut(id) else { continue };
            let named = key.session.as_ref().is_some_and(|session| sessions.contains(session));
            let lasts = key.session.as_ref().is_some_and(|session| session.starts_with(LASTING));
            if named || (sessions.is_empty() && !lasts) {
                let key = Arc::make_mut(key);
                key.expires_ms = Some(key.expires_ms.map_or(at_ms, |at| at.min(at_ms)));
            }
        }
    }

    fn remove_keys(&mut self, gone: impl Fn(&ApiKey) -> bool) {
        let (key_hashes, tokens) = (&mut self.key_hashes, &mut self.tokens);
        self.keys.retain(|id, key| {
            let gone = gone(key);
            if gone {
                key_hashes.remove(&key.hash);
                if let Some(of_app) = key.app.and_then(|app| tokens.get_mut(&app)) {
                    of_app.remove(id);
                }
            }
            !gone
        });
        self.tokens.retain(|_, of_app| !of_app.is_empty());
    }

    fn remove_environment(&mut self, env: EnvId) {
        self.environments.remove(&env);
        self.event_types.remove(&env);
        self.remove_keys(|key| key.env == env);
    }

    fn put_app(&mut self, app: Application) {
        let (endpoints, old_uid, old_routing) = match self.apps.get(&app.id) {
            Some(entry) => (entry.endpoints.clone(), entry.app.uid.clone(), entry.routing),
            None => (BTreeMap::new(), None, 0),
        };
        if let Some(uid) = old_uid {
            self.app_uids.remove(&(app.env, uid));
        }
        if let Some(uid) = &app.uid {
            self.app_uids.insert((app.env, uid.clone()), app.id);
        }
        let routing = app.version.max(old_routing + 1);
        self.apps.insert(app.id, Arc::new(AppEntry { app, endpoints, routing }));
    }

    fn remove_app(&mut self, app: AppId) {
        let Some(entry) = self.apps.remove(&app) else { return };
        if let Some(uid) = &entry.app.uid {
            self.app_uids.remove(&(entry.app.env, uid.clone()));
        }
        for endpoint in entry.endpoints.keys() {
            self.endpoint_apps.remove(endpoint);
        }
        if self.tokens.contains_key(&app) {
            self.remove_keys(|key| key.app == Some(app));
        }
    }

    fn put_endpoint(&mut self, mut endpoint: Endpoint) {
        let Some(entry) = self.apps.get_mut(&endpoint.app) else { return };
        if let Some(before) = entry.endpoints.get(&endpoint.id) {
            // One that is disabled starts over when it is enabled.
            endpoint.failing_since_ms = before.failing_since_ms.filter(|_| !endpoint.settings.disabled);
        }
        self.endpoint_apps.insert(endpoint.id, endpoint.app);
        let entry = Arc::make_mut(entry);
        // Versions are given before the commit, so a later one may have come before: this is another routing all the same.
        entry.routing = endpoint.version.max(entry.routing + 1);
        entry.endpoints.insert(endpoint.id, Arc::new(endpoint));
    }

    fn set_failing(&mut self, endpoint: EndpointId, since_ms: Option<i64>) {
        let Some(entry) = self.endpoint_apps.get(&endpoint).and_then(|app| self.apps.get_mut(app)) else { return };
        if let Some(endpoint) = Arc::make_mut(entry).endpoints.get_mut(&endpoint) {
            Arc::make_mut(endpoint).failing_since_ms = since_ms;
        }
    }

    fn remove_endpoint(&mut self, endpoint: EndpointId, version: i64) {
        let Some(app) = self.endpoint_apps.remove(&endpoint) else { return };
        let Some(entry) = self.apps.get_mut(&app) else { return };
        let entry = Arc::make_mut(entry);
        entry.routing = version.max(entry.routing + 1);
        entry.endpoints.remove(&endpoint);
    }
}
