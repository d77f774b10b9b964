//! Which endpoints want a message.

use crate::Accept;
use bytes::Bytes;
use postrider_contract::PayloadFilter;
use postrider_store::AppEntry;
use postrider_store::config::Endpoint;
use postrider_store::id::EndpointId;

/// What endpoints filter by.
#[derive(Debug)]
pub struct Routed<'a> {
    pub event_type: &'a str,
    pub channels: &'a [String],
    pub payload: &'a Bytes,
}

/// Where a message goes.
#[derive(Debug, Default)]
pub(crate) struct Route {
    /// At once.
    pub endpoints: Vec<EndpointId>,
    /// One after the other; the first of them is in `endpoints` too.
    pub chain: Vec<EndpointId>,
}

impl Accept {
    /// Where a message of an application goes.
    pub(crate) fn route(&self, entry: &AppEntry, message: &Routed<'_>) -> Route {
        // Parsed once, and only if an endpoint looks into it.
        let mut parsed = None;
        let wanted = entry.endpoints.values().filter(|endpoint| self.wants(endpoint, message, &mut parsed));
        let (chained, mut at_once): (Vec<_>, Vec<_>) =
            wanted.map(|endpoint| (endpoint.settings.priority, endpoint.id)).partition(|(place, _)| place.is_some());
        let mut chain = chained;
        chain.sort_unstable();
        at_once.extend(chain.first());
        let ids = |places: Vec<(Option<u32>, EndpointId)>| places.into_iter().map(|(_, id)| id).collect();
        // One alone has nobody to pass the message on to.
        Route { endpoints: ids(at_once), chain: if chain.len() > 1 { ids(chain) } else { vec![] } }
    }

    /// Whether an endpoint wants a message. `parsed` keeps the payload for the next endpoint.
    pub fn wants(&self, endpoint: &Endpoint, message: &Routed<'_>, parsed: &mut Option<serde_json::Value>) -> bool {
        let settings = &endpoint.settings;
        if settings.disabled || settings.addressed || !channels_match(&settings.channels, message.channels) {
            return false;
        }
        let by_type = match self.contracts.get(&settings.contract) {
            Some(contract) => contract.wants(&settings.event_types, message.event_type, message.payload),
            // Its attempt will say that the contract is missing; a message must not vanish.
            None => true,
        };
        let Some(filter) = settings.payload_filter.as_ref().filter(|_| by_type) else { return by_type };
        let payload = parsed.get_or_insert_with(|| serde_json::from_slice(message.payload).unwrap_or_default());
        PayloadFilter::parse(filter).is_ok_and(|filter| filter.matches(payload))
    }
}

/// An endpoint without channels takes every message; one with channels those that share one.
fn channels_match(endpoint: &[String], message: &[String]) -> bool {
    endpoint.is_empty() || endpoint.iter().any(|channel| message.contains(channel))
}
