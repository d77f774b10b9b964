//! Which endpoints want a message.

use crate::check::{self, Problems};
use crate::message::check_channels;
use crate::payload;
use crate::{Accept, Caller, Refusal};
use bytes::Bytes;
use postrider_store::AppEntry;
use postrider_store::config::Endpoint;
use postrider_store::id::EndpointId;
use std::sync::Arc;

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
    pub(crate) async fn route(&self, entry: &AppEntry, message: &Routed<'_>) -> Result<Route, Refusal> {
        let wanted = self.wanted(entry, message).await?;
        Ok(Accept::in_their_places(entry, wanted))
    }

    /// The endpoints of an application that want a message, the oldest first.
    async fn wanted(&self, entry: &AppEntry, message: &Routed<'_>) -> Result<Vec<Arc<Endpoint>>, Refusal> {
        let may_want = entry.endpoints.values().filter(|endpoint| self.may_want(endpoint, message));
        let mut wanted: Vec<Arc<Endpoint>> = may_want.cloned().collect();
        let looks_in = |endpoint: &&Arc<Endpoint>| endpoint.settings.payload_filter.is_some();
        let look_in: Vec<Arc<Endpoint>> = wanted.iter().filter(looks_in).cloned().collect();
        if !look_in.is_empty() {
            let passing = self.passing(entry, look_in, message.payload).await?;
            wanted.retain(|endpoint| endpoint.settings.payload_filter.is_none() || passing.contains(&endpoint.id));
        }
        Ok(wanted)
    }

    fn in_their_places(entry: &AppEntry, wanted: Vec<Arc<Endpoint>>) -> Route {
        let (polled, sent): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|endpoint| endpoint.settings.poll);
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
    pub async fn is_wanted(
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
        if let Some(payload) = payload {
            problems.check("payload", payload::check(payload));
        }
        problems.done()?;
        let empty = Bytes::from_static(b"{}");
        let message = Routed { event_type, channels, payload: payload.unwrap_or(&empty) };
        match payload {
            Some(_) => Ok(!self.wanted(&entry, &message).await?.is_empty()),
            None => Ok(entry.endpoints.values().any(|endpoint| self.may_want(endpoint, &message))),
        }
    }

    /// Whether an endpoint of an application wants a message.
    pub async fn wants(
        &self,
        entry: &AppEntry,
        endpoint: &Arc<Endpoint>,
        message: &Routed<'_>,
    ) -> Result<bool, Refusal> {
        if !self.may_want(endpoint, message) || endpoint.settings.payload_filter.is_none() {
            return Ok(self.may_want(endpoint, message));
        }
        let passing = self.passing(entry, vec![endpoint.clone()], message.payload).await?;
        Ok(passing.contains(&endpoint.id))
    }

    /// Whether an endpoint wants a message, but for what its payload filter says.
    fn may_want(&self, endpoint: &Endpoint, message: &Routed<'_>) -> bool {
        let settings = &endpoint.settings;
        if settings.disabled || settings.addressed || !channels_match(&settings.channels, message.channels) {
            return false;
        }
        match self.contracts.get(&settings.contract) {
            Some(contract) => contract.wants(&settings.event_types, message.event_type, message.payload),
            // Its attempt will say that the contract is missing; a message must not vanish.
            None => true,
        }
    }
}

/// An endpoint without channels takes every message; one with channels those that share one.
fn channels_match(endpoint: &[String], message: &[String]) -> bool {
    endpoint.is_empty() || endpoint.iter().any(|channel| message.contains(channel))
}
