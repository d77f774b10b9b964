//! What the scheduler has others do, because it takes a database: each tells it the result as [`News`].

use crate::attempt::{Finished, Tools};
use crate::happening::{Happening, What};
use crate::lane::PageRequest;
use postrider_store::config::{Change, Endpoint};
use postrider_store::id::{AppId, EndpointId};
use postrider_store::message::Due;
use postrider_store::{ChangeError, StoreError, Tenure};
use std::sync::Arc;
use tokio::sync::mpsc;

/// A page that came from the store.
pub struct Page {
    pub endpoint: EndpointId,
    pub request: PageRequest,
    pub result: Result<Due, StoreError>,
}

/// News from the tasks that the scheduler started.
pub enum News {
    /// With the tenure in which the attempt began and the application that has its slot; `None`: it was given up, for the
    /// process is to end.
    Finished(Tenure, AppId, Option<Box<Finished>>),
    Page(Tenure, Page),
    /// Endpoints with waiting deliveries.
    Swept(Vec<(EndpointId, i64)>),
    /// How many deliveries wait.
    Counted(i64),
    /// Other nodes may work on these now.
    Released(Vec<EndpointId>),
}

/// Reads a page of what is due.
pub async fn load(
    tools: Arc<Tools>,
    news: mpsc::UnboundedSender<News>,
    tenure: Tenure,
    endpoint: EndpointId,
    request: PageRequest,
) {
    let result = match request.ordered {
        true => tools.store.due_in_order(endpoint, request.until_ms, request.limit).await,
        false => tools.store.due(endpoint, request.until_ms, request.limit).await,
    };
    let _ = news.send(News::Page(tenure, Page { endpoint, request, result }));
}

/// Looks for endpoints with waiting deliveries, and counts those when asked to.
pub async fn sweep(tools: Arc<Tools>, news: mpsc::UnboundedSender<News>, counts: bool) {
    match tools.store.waiting_endpoints().await {
        Ok(waiting) => drop(news.send(News::Swept(waiting))),
        // The writer says it once when the database is away.
        Err(StoreError::Unavailable) => {}
        Err(error) => tracing::warn!(%error, "could not sweep the schedule; trying again later"),
    }
    if counts && let Ok(rows) = tools.store.waiting_count().await {
        let _ = news.send(News::Counted(rows));
    }
}

/// Disables an endpoint, whatever else is changed of it meanwhile.
pub async fn disable(tools: Arc<Tools>, happenings: mpsc::Sender<Happening>, id: EndpointId, reason: &str) {
    while let Some((app, endpoint)) = tools.store.directory().endpoint(id).filter(|(_, row)| !row.settings.disabled) {
        let mut row = Endpoint::clone(&endpoint);
        row.settings.disabled = true;
        row.updated_ms = tools.clock.wall_ms();
        row.version = tools.store.new_id();
        let change = Change::UpdateEndpoint { row, based_on: endpoint.version };
        match tools.store.change(app.app.id, change, None).await {
            Ok(_) => {
                tracing::info!(endpoint = tools.store.ids().text(id), reason, "endpoint disabled");
                let since_ms = endpoint.failing_since_ms.unwrap_or_else(|| tools.clock.wall_ms());
                let _ = happenings.try_send(Happening { endpoint: id, what: What::Disabled { since_ms } });
            }
            Err(ChangeError::Outdated) => continue,
            Err(error) => tracing::warn!(%error, "could not disable an endpoint"),
        }
        return;
    }
}
