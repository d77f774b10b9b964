//! The REST API: Svix's paths and shapes, and our additions, one file per resource.
//!
//! Each handler reads what came, calls one operation of `accept` (or reads the store), and writes
//! the answer. What is right or wrong is decided there, not here.

mod account;
mod alias;
mod auth;
mod body;
mod connections;
mod error;
mod idempotency;
mod input;
mod malformed;
mod openapi;
mod page;
mod params;
mod path;
mod query;
mod resources;
mod serve;
mod text;
mod timestamp;
mod upload;
mod wire;

pub use openapi::document;
pub use resources::NOT_IMPLEMENTED;
pub use serve::{Limits, Listener, serve};

use axum::Router;
use postrider_accept::Accept;
use postrider_delivery::{Circuits, Composer};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// What every handler gets. Cloned for each request, so the clones share one.
#[derive(Clone, Debug)]
pub struct Api(Arc<Parts>);

/// What the clones of an [`Api`] share.
#[derive(Debug)]
pub struct Parts {
    pub(crate) accept: Accept,
    /// Makes requests to be looked at.
    pub(crate) composer: Composer,
    /// How endpoints stand.
    pub(crate) circuits: Circuits,
    /// What requests hold of it.
    pub(crate) memory: account::Memory,
    pub(crate) registry: Arc<Registry>,
    /// What each operation takes.
    pub(crate) operations: input::Operations,
    /// Where people reach this server; `None`: where a request did.
    pub(crate) public_url: Option<String>,
}

impl std::ops::Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Api {
    pub fn new(
        accept: Accept,
        composer: Composer,
        circuits: Circuits,
        registry: Arc<Registry>,
        public_url: Option<String>,
    ) -> Api {
        let memory = account::Memory::default();
        // The document is our own: writing it as JSON can't fail.
        let operations = input::Operations::of(&serde_json::to_value(document()).unwrap_or_default());
        Api(Arc::new(Parts { accept, composer, circuits, memory, registry, operations, public_url }))
    }

    /// The routes, for [`serve`].
    pub fn router(self) -> Router {
        let routes = resources::routes().split_for_parts().0.fallback(resources::no_such_path);
        let routes = routes.method_not_allowed_fallback(input::method_not_allowed);
        let routes = routes.layer(axum::middleware::from_fn_with_state(self.clone(), input::answer));
        routes.layer(axum::middleware::from_fn_with_state(self.clone(), account::count)).with_state(self)
    }
}
