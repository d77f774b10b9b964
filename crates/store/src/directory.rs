//! The configuration in memory: what acceptance routes by and delivery sends with.
//!
//! The writer applies each change here after its commit and before its answer, so whoever was told
//! of an endpoint finds it. An application's `routing` is the version of its last change that
//! matters to routing; a message commits only if it was routed by the one in force.

use crate::config::{ApiKey, Application, Change, Endpoint, EnvId, EventType};
use crate::id::{AppId, EndpointId, KeyId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// All of the configuration. Locks are held for a look-up, never across an await.
#[derive(Debug, Default)]
pub struct Directory(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    apps: BTreeMap<AppId, Arc<AppEntry>>,
    app_uids: HashMap<(EnvId, String), AppId>,
    endpoint_apps: HashMap<EndpointId, AppId>,
    event_types: BTreeMap<(EnvId, String), Arc<EventType>>,
    keys: HashMap<[u8; 32], Arc<ApiKey>>,
    keys_in_force: HashSet<KeyId>,
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
        !self.read().keys_in_force.contains(&key)
    }

    /// The application's routing as the database has it.
    pub(crate) fn set_routing(&self, app: AppId, routing: i64) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = inner.apps.get_mut(&app)
            && entry.routing != routing
        {
            Arc::make_mut(entry).routing = routing;
        }
    }

    /// Deletions of all that is here and not in `found`, which is everything that there is.
    pub(crate) fn missing_from(&self, found: &[Change]) -> Vec<Change> {
        let (mut apps, mut endpoints, mut event_types) = (HashSet::new(), HashSet::new(), HashSet::new());
        for change in found {
            match change {
                Change::UpdateApplication { row, .. } => drop(apps.insert(row.id)),
                Change::UpdateEndpoint { row, .. } => drop(endpoints.insert(row.id)),
                Change::PutEventType { row, .. } => drop(event_types.insert((row.env, row.name.clone()))),
                _ => {}
            }
        }
        let inner = self.read();
        let apps = inner.apps.keys().filter(|id| !apps.contains(id));
        let endpoints = inner.endpoint_apps.keys().filter(|id| !endpoints.contains(id));
        let event_types = inner.event_types.keys().filter(|key| !event_types.contains(key));
        let deletions = endpoints.map(|endpoint| Change::DeleteEndpoint { endpoint: *endpoint, version: 0 });
        let deletions = deletions.chain(apps.map(|app| Change::DeleteApplication { app: *app, version: 0 }));
        let gone = |(env, name): &(EnvId, String)| Change::DeleteEventType { env: *env, name: name.clone() };
        deletions.chain(event_types.map(gone)).collect()
    }

    pub fn app_count(&self) -> usize {
        self.read().apps.len()
    }

    pub fn event_type(&self, env: EnvId, name: &str) -> Option<Arc<EventType>> {
        self.read().event_types.get(&(env, name.to_owned())).cloned()
    }

    /// The event types of an environment by name.
    pub fn event_types(&self, env: EnvId) -> Vec<Arc<EventType>> {
        self.read().event_types.values().filter(|row| row.env == env).cloned().collect()
    }

    /// The key with this SHA-256, revoked or not.
    pub fn key(&self, hash: &[u8; 32]) -> Option<Arc<ApiKey>> {
        self.read().keys.get(hash).cloned()
    }

    pub fn keys(&self, env: EnvId) -> Vec<Arc<ApiKey>> {
        let mut keys: Vec<_> = self.read().keys.values().filter(|key| key.env == env).cloned().collect();
        keys.sort_by_key(|key| key.id);
        keys
    }

    /// Shows a committed change to all.
    pub(crate) fn apply(&self, change: &Change) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match change.clone() {
            Change::CreateApplication(app) => inner.put_app(app),
            Change::UpdateApplication { row, .. } => inner.put_app(row),
            Change::DeleteApplication { app, .. } => inner.remove_app(app),
            Change::CreateEndpoint(endpoint) => inner.put_endpoint(endpoint),
            Change::UpdateEndpoint { row, .. } => inner.put_endpoint(row),
            Change::DeleteEndpoint { endpoint, version } => inner.remove_endpoint(endpoint, version),
            Change::SetFailing { endpoint, since_ms } => inner.set_failing(endpoint, since_ms),
            Change::PutEventType { row, .. } => {
                inner.event_types.insert((row.env, row.name.clone()), Arc::new(row));
            }
            Change::DeleteEventType { env, name } => {
                inner.event_types.remove(&(env, name));
            }
            Change::CreateKey(key) => {
                if key.revoked_ms.is_none() {
                    inner.keys_in_force.insert(key.id);
                } else {
                    inner.keys_in_force.remove(&key.id);
                }
                inner.keys.insert(key.hash, Arc::new(key));
            }
            Change::RevokeKey { key, at_ms } => {
                inner.keys_in_force.remove(&key);
                for row in inner.keys.values_mut().filter(|row| row.id == key) {
                    Arc::make_mut(row).revoked_ms = Some(at_ms);
                }
            }
            Change::Resend { .. } => {}
        }
    }
}

impl Inner {
    fn put_app(&mut self, app: Application) {
        let (endpoints, old_uid) = match self.apps.get(&app.id) {
            Some(entry) => (entry.endpoints.clone(), entry.app.uid.clone()),
            None => (BTreeMap::new(), None),
        };
        if let Some(uid) = old_uid {
            self.app_uids.remove(&(app.env, uid));
        }
        if let Some(uid) = &app.uid {
            self.app_uids.insert((app.env, uid.clone()), app.id);
        }
        let routing = app.version;
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
    }

    fn put_endpoint(&mut self, mut endpoint: Endpoint) {
        let Some(entry) = self.apps.get_mut(&endpoint.app) else { return };
        if let Some(before) = entry.endpoints.get(&endpoint.id) {
            endpoint.failing_since_ms = before.failing_since_ms;
        }
        self.endpoint_apps.insert(endpoint.id, endpoint.app);
        let entry = Arc::make_mut(entry);
        entry.routing = entry.routing.max(endpoint.version);
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
        entry.routing = entry.routing.max(version);
        entry.endpoints.remove(&endpoint);
    }
}
