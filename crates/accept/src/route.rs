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

impl Accept {
    /// The endpoints of an application that want the message.
    pub(crate) fn route(&self, entry: &AppEntry, message: &Routed<'_>) -> Vec<EndpointId> {
        // Parsed once, and only if an endpoint looks into it.
        let mut parsed = None;
        let wanted = entry.endpoints.values().filter(|endpoint| self.wants(endpoint, message, &mut parsed));
        wanted.map(|endpoint| endpoint.id).collect()
    }

    /// Whether an endpoint wants a message. `parsed` keeps the payload for the next endpoint.
    pub fn wants(&self, endpoint: &Endpoint, message: &Routed<'_>, parsed: &mut Option<serde_json::Value>) -> bool {
        let settings = &endpoint.settings;
        if settings.disabled || !channels_match(&settings.channels, message.channels) {
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
