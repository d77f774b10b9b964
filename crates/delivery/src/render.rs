//! What a contract makes of a message, with what it is told of endpoint and application.

use crate::compose::Subject;
use crate::state::view;
use bytes::Bytes;
use postrider_contract::{
    ApplicationView, Book, ContentType, Contract, EndpointView, Outgoing, RenderError, Replaced, Request,
};
use postrider_store::config::Endpoint;
use postrider_store::{AppEntry, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What it takes to make requests. Clones share everything.
#[derive(Clone, Debug)]
pub struct Renderer {
    store: Store,
    contracts: Arc<Book>,
    /// The operator's settings for contracts, by contract.
    settings: Arc<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Renderer {
    pub fn new(store: Store, contracts: Arc<Book>, settings: BTreeMap<String, BTreeMap<String, String>>) -> Renderer {
        Renderer { store, contracts, settings: Arc::new(settings) }
    }

    /// The request, with this body instead of the contract's if there is one; or why there is none.
    pub fn request(&self, subject: &Subject<'_>, body: Option<Replaced>) -> Result<Request, String> {
        self.with(subject, body, |contract, outgoing| contract.render(outgoing))
    }

    /// The body that the contract makes, as JSON.
    pub fn data(&self, subject: &Subject<'_>) -> Result<Bytes, String> {
        self.with(subject, None, |contract, outgoing| contract.data(outgoing))
    }

    /// The variables of the endpoint's query, as a JSON object.
    pub fn query_input(&self, subject: &Subject<'_>) -> Result<Bytes, String> {
        self.with(subject, None, |contract, outgoing| contract.query_input(outgoing))
    }

    pub(crate) fn contract(&self, endpoint: &Endpoint) -> Option<&Contract> {
        self.contracts.get(&endpoint.settings.contract).map(Arc::as_ref)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What the provider calls an application: its uid, or its id where it has none.
    pub fn application_name(&self, app: &AppEntry) -> String {
        app.app.uid.clone().unwrap_or_else(|| self.store.ids().text(app.app.id))
    }

    fn with<T>(
        &self,
        subject: &Subject<'_>,
        body: Option<Replaced>,
        make: impl FnOnce(&Contract, &Outgoing<'_>) -> Result<T, RenderError>,
    ) -> Result<T, String> {
        let Subject { app, endpoint, message, kept, attempt, now_ms } = *subject;
        let name = &endpoint.settings.contract;
        let contract = self.contracts.get(name).ok_or_else(|| not_loaded(name))?;
        let ids = self.store.ids();
        let (message_id, endpoint_id, app_id) = (ids.text(message.id), ids.text(endpoint.id), ids.text(app.app.id));
        let secrets = endpoint.secrets.in_force(now_ms);
        let headers: Vec<_> = endpoint.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let content_type = endpoint.settings.content_type.as_deref().and_then(|text| text.parse().ok());
        let nothing = BTreeMap::new();
        let outgoing = Outgoing {
            message: view(&message_id, message),
            endpoint: EndpointView {
                id: &endpoint_id,
                uid: endpoint.uid.as_deref(),
                url: &endpoint.settings.url,
                event_types: &endpoint.settings.event_types,
                metadata: &endpoint.settings.metadata,
                content_type: content_type.or(contract.content_types().first().copied()).unwrap_or(ContentType::Json),
                created_ms: endpoint.created_ms,
                updated_ms: endpoint.updated_ms,
            },
            application: ApplicationView {
                id: &app_id,
                uid: app.app.uid.as_deref(),
                name: &app.app.settings.name,
                metadata: &app.app.settings.metadata,
            },
            secrets: &secrets,
            headers: &headers,
            settings: self.settings.get(contract.name()).unwrap_or(&nothing),
            kept,
            body,
            attempt,
            now_ms,
        };
        make(contract, &outgoing).map_err(|error| error.to_string())
    }
}

pub fn not_loaded(contract: &str) -> String {
    tracing::warn!(contract, "contract not loaded (--contracts)");
    format!("the contract {contract:?} is not available on this server")
}
