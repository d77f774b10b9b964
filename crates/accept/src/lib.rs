//! What callers may ask for, whoever translates their words: `api`, the five systems' routes, the
//! dashboard.
//!
//! Each operation knows its caller, checks what it was given, routes messages to endpoints, and hands
//! the store one change or one message to commit. It speaks no HTTP: what is refused is a
//! [`Refusal`], with a stable code.
//!
//! It never sends anything, and never answers before the commit.

mod address;
mod application;
mod batch;
mod caller;
mod check;
mod compute;
mod credentials;
mod customize;
mod decided;
mod endpoint;
mod environment;
mod event_type;
mod example;
mod expunge;
mod failure;
mod filters;
mod idempotency;
mod import;
mod integration;
mod key;
mod message;
mod operational;
mod order;
mod payload;
mod poller;
mod proxy;
mod refusal;
mod reply;
mod route;
mod schema;
mod simulate;
mod standing;
mod task;
mod test_send;
mod token;

pub use address::DeliverTo;
pub use application::ApplicationDraft;
pub use batch::MOST_IN_BATCH;
pub use caller::{Caller, Holder, Right};
pub use compute::{Compute, HEAVY_BYTES};
pub use endpoint::{EndpointDraft, Rotation};
pub use environment::{EnvironmentDraft, FIRST_ENV};
pub use event_type::{EventTypeDraft, PutEventType};
pub use example::ExampleDraft;
pub use filters::try_filter;
pub use idempotency::Idempotency;
pub use integration::IntegrationDraft;
pub use key::MadeKey;
pub use message::{AcceptMetrics, Accepted, MessageDraft};
pub use operational::{OPERATIONAL, OPERATIONAL_EVENTS, is_operational};
pub use order::{HeldBy, Order};
pub use poller::{MOST_POLLED, Poll, Pulled};
pub use proxy::{kept_proxy, masked_proxy};
pub use refusal::{FieldProblem, Refusal};
pub use route::Routed;
pub use schema::versions as schema_versions;
pub use simulate::SimulationDraft;
pub use task::{TaskDraft, Window};
pub use test_send::TestDraft;
pub use token::TokenDraft;

use bytes::Bytes;
use postrider_clock::Clock;
use postrider_contract::Book;
use postrider_fair::Pool;
use postrider_store::{RememberedAnswer, Retention, Store};
use postrider_template::Templates;
use std::sync::Arc;
use tokio::sync::Notify;

/// The operator's choices that acceptance needs.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The contract of endpoints whose application names none.
    pub default_contract: String,
    /// Lifts the contracts' rules on https and ports.
    pub relax_contracts: bool,
    pub retention: Retention,
    /// Whether there is a GraphQL API for payload queries.
    pub payload_queries: bool,
}

/// Threads that compute for acceptance.
#[derive(Clone, Debug)]
pub struct Workers {
    pub templates: Templates,
    pub compute: Compute,
}

/// The door. Clones share everything.
#[derive(Clone, Debug)]
pub struct Accept {
    pub(crate) store: Store,
    pub(crate) contracts: Arc<Book>,
    pub(crate) clock: Clock,
    pub(crate) rules: Arc<Rules>,
    pub(crate) templates: Templates,
    pub(crate) compute: Compute,
    pub(crate) filters: Arc<filters::Filters>,
    /// Those whose payload filters are compared.
    pub(crate) large_payloads: Pool<Holder>,
    pub(crate) metrics: AcceptMetrics,
    pub(crate) schemas: Arc<schema::Schemas>,
    /// Rings when a job was started.
    pub(crate) task_bell: Arc<Notify>,
}

impl Accept {
    pub fn new(
        store: Store,
        contracts: Arc<Book>,
        clock: Clock,
        rules: Rules,
        Workers { templates, compute }: Workers,
        metrics: AcceptMetrics,
    ) -> Accept {
        Accept {
            store,
            contracts,
            clock,
            rules: Arc::new(rules),
            templates,
            compute,
            filters: Arc::default(),
            large_payloads: Pool::new(filters::LARGE_AT_ONCE),
            metrics,
            schemas: Arc::default(),
            task_bell: Arc::default(),
        }
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// For heavy computation.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn contracts(&self) -> &Book {
        &self.contracts
    }
}

/// Something that was made, or the answer that the same request got before.
#[derive(Clone, Debug)]
pub enum Made<T> {
    New(T),
    Repeat(RememberedAnswer),
}

/// How to write the answer that an idempotency key will repeat.
pub type Render<'a, T> = &'a (dyn Fn(&T) -> (u16, Bytes) + Sync);
