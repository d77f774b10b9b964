//! What the drivers store in one column.

use crate::id::EndpointId;
use crate::message::Deliver;

const CANCELLED: i64 = -1;

/// When a message goes out, as a number.
pub fn deliver_ms(deliver: Deliver) -> Option<i64> {
    match deliver {
        Deliver::AtOnce => None,
        Deliver::At(at_ms) => Some(at_ms),
        Deliver::Cancelled => Some(CANCELLED),
    }
}

/// What [`deliver_ms`] wrote.
pub fn deliver_from(ms: Option<i64>) -> Deliver {
    match ms {
        None => Deliver::AtOnce,
        Some(CANCELLED) => Deliver::Cancelled,
        Some(at_ms) => Deliver::At(at_ms),
    }
}

/// Eight bytes an id.
pub fn endpoint_bytes(endpoints: &[EndpointId]) -> Vec<u8> {
    endpoints.iter().flat_map(|endpoint| endpoint.0.to_be_bytes()).collect()
}

/// The same of a chain, which most messages have none of.
pub fn chain_bytes(chain: &[EndpointId]) -> Option<Vec<u8>> {
    (!chain.is_empty()).then(|| endpoint_bytes(chain))
}

/// The ids that [`endpoint_bytes`] wrote.
pub fn endpoints_from(bytes: &[u8]) -> Vec<EndpointId> {
    bytes.as_chunks::<8>().0.iter().map(|chunk| EndpointId(i64::from_be_bytes(*chunk))).collect()
}

/// The names of channels and tags have no comma.
pub fn names_text(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(","))
}

/// The names that [`names_text`] wrote.
pub fn names_from(text: Option<&str>) -> Vec<String> {
    text.iter().flat_map(|text| text.split(',')).map(str::to_owned).collect()
}
