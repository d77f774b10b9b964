//! Fields that older clients know by another name: `filterTypes` for `eventTypes`, `rateLimit` for
//! `throttleRate`. Both are taken and both are given; where they differ, nobody could say which is meant.

use crate::error::ApiError;
use serde_json::{Map, Value};

/// What was given by either name.
pub fn either<T: PartialEq>(
    (name, value): (&str, Option<T>),
    (older, other): (&str, Option<T>),
) -> Result<Option<T>, ApiError> {
    match (value, other) {
        (Some(value), Some(other)) if value != other => Err(differ(name, older)),
        (value, other) => Ok(value.or(other)),
    }
}

/// A patch with the older names replaced.
pub fn renamed(patch: &Map<String, Value>, names: &[(&str, &str)]) -> Result<Map<String, Value>, ApiError> {
    let mut patch = patch.clone();
    for (name, older) in names {
        let Some(other) = patch.remove(*older) else { continue };
        match patch.get(*name) {
            Some(value) if *value != other => return Err(differ(name, older)),
            _ => patch.insert((*name).to_owned(), other),
        };
    }
    Ok(patch)
}

fn differ(name: &str, older: &str) -> ApiError {
    let msg = format!("{older} is another name for {name}, and they differ; give one of them");
    ApiError::field(name, msg)
}
