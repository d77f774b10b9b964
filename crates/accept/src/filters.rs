//! Payload filters: compiled once, and compared within a budget of steps for each message.
//!
//! Little work is done where the request is served. More is done in slices on other threads (`compute.rs`), applications
//! in turn, so that no application waits for the filters of another. A message for which the filters need too much work
//! is refused: guessing would send it where it does not belong, or lose it.

use crate::caller::Holder;
use crate::compute::HEAVY_BYTES;
use crate::{Accept, FieldProblem, Refusal};
use bytes::Bytes;
use postrider_contract::{PayloadFilter, Steps};
use postrider_store::AppEntry;
use postrider_store::config::Endpoint;
use postrider_store::id::EndpointId;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Compiled filters that are kept.
const KEPT: usize = 100_000;
/// Steps that the filters of an application may take for one message, about 250 ms.
const BUDGET: u64 = 250_000_000;
/// Steps after which another application has its turn, about 5 ms.
const SLICE: u64 = 5_000_000;
/// Terms times bytes of the payload up to which the work is done at once: less than a millisecond.
const LITTLE: usize = 1_000_000;
/// Filters that are compiled at once.
const FEW: usize = 4;
/// Large payloads that are compared at the same time, over all applications: read, they take many times their size.
pub(crate) const LARGE_AT_ONCE: usize = 4;

/// `None`: it does not parse, and so takes nothing.
type Compiled = Arc<Option<PayloadFilter>>;

/// The compiled filters of endpoints, and the version of each endpoint that they are of.
#[derive(Debug, Default)]
pub(crate) struct Filters(RwLock<HashMap<EndpointId, (i64, Compiled)>>);

impl Filters {
    /// Those that are known of these endpoints, in their order.
    fn known(&self, endpoints: &[Arc<Endpoint>]) -> Vec<Option<Compiled>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = |endpoint: &Arc<Endpoint>| match kept.get(&endpoint.id) {
            Some((version, filter)) if *version == endpoint.version => Some(filter.clone()),
            Some(_) | None => None,
        };
        endpoints.iter().map(known).collect()
    }

    fn compile(&self, endpoint: &Endpoint) -> Compiled {
        let filter = endpoint.settings.payload_filter.as_ref().and_then(|filter| PayloadFilter::parse(filter).ok());
        let compiled = Arc::new(filter);
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Filters of deleted endpoints are never used again, and nothing here says which these are.
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(endpoint.id, (endpoint.version, compiled.clone()));
        compiled
    }
}

/// Comparing a payload with the filters of endpoints, as far as it has come.
struct Matching {
    payload: Bytes,
    parsed: Option<Value>,
    endpoints: Vec<Arc<Endpoint>>,
    known: Vec<Option<Compiled>>,
    next: usize,
    wanted: HashSet<EndpointId>,
    steps: Steps,
    costliest: Option<(u64, EndpointId)>,
}

/// The budget is used up; the endpoint whose filter took most of it.
struct OverBudget(EndpointId);

impl Matching {
    /// Goes on for so many steps, at least one endpoint. True: all of them are compared.
    fn slice(&mut self, filters: &Filters, most: u64) -> Result<bool, OverBudget> {
        let end = self.steps.0.saturating_sub(most);
        while let Some(endpoint) = self.endpoints.get(self.next) {
            let known = self.known[self.next].take();
            let filter = known.unwrap_or_else(|| filters.compile(endpoint));
            self.next += 1;
            let payload = self.parsed.get_or_insert_with(|| serde_json::from_slice(&self.payload).unwrap_or_default());
            let Some(filter) = &*filter else { continue };
            let before = self.steps.0;
            let matches = filter.matches(payload, &mut self.steps);
            let took = (before - self.steps.0, endpoint.id);
            self.costliest = self.costliest.max(Some(took));
            match matches {
                Ok(true) => drop(self.wanted.insert(endpoint.id)),
                Ok(false) => {}
                Err(_) => return Err(OverBudget(self.costliest.map_or(endpoint.id, |(_, id)| id))),
            }
            if self.steps.0 <= end {
                break;
            }
        }
        let done = self.next == self.endpoints.len();
        if done {
            // Here, and not on a thread that serves requests: freeing a large value takes its time.
            self.parsed = None;
        }
        Ok(done)
    }

    fn is_little(&self) -> bool {
        let terms = self.known.iter().flatten().flat_map(|filter| &**filter).map(PayloadFilter::terms).sum::<usize>();
        let unknown = self.known.iter().filter(|filter| filter.is_none()).count();
        self.payload.len() < HEAVY_BYTES && unknown <= FEW && terms.saturating_mul(self.payload.len()) <= LITTLE
    }
}

impl Accept {
    /// Which of these endpoints' payload filters a payload passes. All of them have one.
    pub(crate) async fn passing(
        &self,
        entry: &AppEntry,
        endpoints: Vec<Arc<Endpoint>>,
        payload: &Bytes,
    ) -> Result<HashSet<EndpointId>, Refusal> {
        let known = self.filters.known(&endpoints);
        let mut matching = Box::new(Matching {
            payload: payload.clone(),
            parsed: None,
            endpoints,
            known,
            next: 0,
            wanted: HashSet::new(),
            steps: Steps(BUDGET),
            costliest: None,
        });
        let refused = |OverBudget(endpoint)| self.over_budget(endpoint, payload.len());
        if matching.is_little() {
            matching.slice(&self.filters, BUDGET).map_err(refused)?;
            return Ok(matching.wanted);
        }
        let holder = Holder::Application(entry.app.id);
        let _large = match payload.len() >= HEAVY_BYTES {
            true => Some(self.large_payloads.take(holder, 1).await),
            false => None,
        };
        loop {
            let filters = self.filters.clone();
            let (back, done) = self
                .compute
                .run(holder, move || {
                    let done = matching.slice(&filters, SLICE);
                    (matching, done)
                })
                .await?;
            matching = back;
            if done.map_err(refused)? {
                return Ok(matching.wanted);
            }
        }
    }

    fn over_budget(&self, endpoint: EndpointId, payload_bytes: usize) -> Refusal {
        let id = self.store.ids().text(endpoint);
        let msg = format!(
            "the payload filters of the application's endpoints need too much work for a payload of {payload_bytes} \
             bytes, the filter of {id} most of it; give that endpoint fewer conditions, use $eq, $in or $startsWith \
             instead of $contains, or send a smaller payload"
        );
        Refusal::Invalid(vec![FieldProblem { kind: "filter_budget", ..FieldProblem::value("payload", msg) }])
    }
}

/// Whether a filter that is only tried takes a payload.
///
/// # Errors
/// The filter is wrong, or needs too much work.
pub fn try_filter(filter: &Value, payload: &Value) -> Result<bool, Refusal> {
    let filter = PayloadFilter::parse(filter);
    let filter = filter.map_err(|problem| FieldProblem::value("filter", problem.to_string()))?;
    let matches = filter.matches(payload, &mut Steps(BUDGET));
    matches.map_err(|_| {
        let msg = "needs too much work for this payload; use fewer conditions, or $eq, $in or $startsWith instead of \
                   $contains";
        Refusal::Invalid(vec![FieldProblem { kind: "filter_budget", ..FieldProblem::value("filter", msg) }])
    })
}
