//! Lists that the drivers store in one column.

use crate::id::EndpointId;

/// Eight bytes an id.
pub fn endpoint_bytes(endpoints: &[EndpointId]) -> Vec<u8> {
    endpoints.iter().flat_map(|endpoint| endpoint.0.to_be_bytes()).collect()
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
