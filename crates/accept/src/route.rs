//! Which endpoints want a message.

use crate::check::{self, Problems};
use crate::message::check_channels;
use crate::{Accept, Caller, Refusal};
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
    /// Those of `endpoints` that want their messages in order.
    pub ordered: Vec<EndpointId>,
    /// Not sent there: whoever pulls it finds it.
    pub polled: Vec<EndpointId>,
}

impl Route {
    /// To one endpoint alone, if it is there.
    pub fn only(entry: &AppEntry, endpoint: EndpointId) -> Route {
        let found = entry.endpoints.get(&endpoint);
        let by = |wanted: fn(&Endpoint) -> bool| -> Vec<EndpointId> {
            found.filter(|row| wanted(row)).map(|row| row.id).into_iter().collect()
        };
        Route {
            endpoints: by(|row| !row.settings.poll),
            chain: vec![],
            ordered: by(|row| !row.settings.poll && row.settings.ordered),
            polled: by(|row| row.settings.poll),
        }
    }
}

impl Accept {
    /// Where a message of an application goes.
    pub(crate) fn route(&self, entry: &AppEntry, message: &Routed<'_>) -> Route {
        // Parsed once, and only if an endpoint looks into it.
        let mut parsed = None;
        let wanted = entry.endpoints.values().filter(|endpoint| self.wants(endpoint, message, &mut parsed));
        let (polled, sent): (Vec<_>, Vec<_>) = wanted.partition(|endpoint| endpoint.settings.poll);
        let places = sent.iter().map(|endpoint| (endpoint.settings.priority, endpoint.id));
        let (mut chain, mut at_once): (Vec<_>, Vec<_>) = places.partition(|(place, _)| place.is_some());
        chain.sort_unstable();
        at_once.extend(chain.first());
        let ids = |places: Vec<(Option<u32>, EndpointId)>| places.into_iter().map(|(_, id)| id).collect();
        let endpoints: Vec<EndpointId> = ids(at_once);
        let in_order = |id: &EndpointId| entry.endpoints.get(id).is_some_and(|row| row.settings.ordered);
        Route {
            ordered: endpoints.iter().copied().filter(in_order).collect(),
            endpoints,
            // One alone has nobody to pass the message on to.
            chain: if chain.len() > 1 { ids(chain) } else { vec![] },
            polled: polled.into_iter().map(|endpoint| endpoint.id).collect(),
        }
    }

    /// Whether anybody would get such a message. Without a payload, whoever looks into it counts as wanting it.
    pub fn is_wanted(
        &self,
        caller: Caller,
        app: &str,
        (event_type, channels): (&str, &[String]),
        payload: Option<&Bytes>,
    ) -> Result<bool, Refusal> {
        let entry = self.application(caller, app)?;
        let mut problems = Problems::default();
        problems.check("eventType", check::event_type(event_type));
        check_channels(&mut problems, channels);
        problems.done()?;
        let empty = Bytes::from_static(b"{}");
        let message = Routed { event_type, channels, payload: payload.unwrap_or(&empty) };
        let mut parsed = None;
        let mut endpoints = entry.endpoints.values();
        Ok(endpoints.any(|endpoint| match payload {
            Some(_) => self.wants(endpoint, &message, &mut parsed),
            None => {
                let mut any = Endpoint::clone(endpoint);
                any.settings.payload_filter = None;
                self.wants(&any, &message, &mut None)
            }
        }))
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
