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

/// The value of a filter that has two names. An empty list is refused: it could mean nothing or everything.
pub fn filter(
    newer: (&'static str, Option<Vec<String>>),
    older: (&'static str, Option<Vec<String>>),
) -> Result<Option<Vec<String>>, ApiError> {
    let name = newer.0;
    let list = either(newer, older)?;
    if list.as_ref().is_some_and(Vec::is_empty) { Err(empty(name)) } else { Ok(list) }
}

/// A filter that selects nothing.
pub fn empty(name: &str) -> ApiError {
    ApiError::field(name, "is empty, so it would select nothing; give at least one, or null for all")
}

/// Which older names a request has. Errors go by the names that it has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Older {
    pub filter_types: bool,
    pub rate_limit: bool,
}

impl Older {
    pub fn of(given: &Map<String, Value>) -> Older {
        let has = |older: &str, newer: &str| given.contains_key(older) && !given.contains_key(newer);
        Older { filter_types: has("filterTypes", "eventTypes"), rate_limit: has("rateLimit", "throttleRate") }
    }

    pub fn named(self, error: impl Into<ApiError>) -> ApiError {
        let older = |name: &str| match name {
            "eventTypes" if self.filter_types => Some("filterTypes"),
            "throttleRate" if self.rate_limit => Some("rateLimit"),
            _ => None,
        };
        let mut error = error.into();
        if let ApiError::Invalid(problems) = &mut error {
            for name in problems.iter_mut().filter_map(|problem| problem.loc.get_mut(1)) {
                *name = older(name).map_or(std::mem::take(name), str::to_owned);
            }
        }
        error
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
