//! Compares a request with what its operation accepts. Bodies are parsed here, with errors that name the field. Unknown
//! fields and parameters become warnings, or errors in a strict environment.

mod look;
mod not_json;
mod operations;
mod place;
mod shape;
mod warnings;
mod wrong;

pub use operations::Operations;
pub use place::shortened;
pub use shape::Shape;
pub use warnings::{WarningOut, answer, document_warnings, method_not_allowed};

use crate::error::ApiError;
use crate::query::base_name;
use look::{Seen, look, not_known};
use not_json::not_json;
use operations::Operation;
use postrider_accept::{FieldProblem, Warning, WarningCode, has_unstorable, unstorable};
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::Segment;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use url::form_urlencoded;

/// Warnings of one answer. Further ones are counted.
const MOST_WARNINGS: usize = 20;

/// What the operation of a request takes, and the warnings for its answer. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Input(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    operation: Option<Arc<Operation>>,
    is_patch: bool,
    content_type: Option<String>,
    /// Of the caller's environment, once the caller is known.
    is_strict: OnceLock<bool>,
    warnings: Mutex<Warnings>,
}

#[derive(Debug, Default)]
struct Warnings {
    kept: Vec<Warning>,
    more: usize,
}

impl Input {
    fn warnings(&self) -> MutexGuard<'_, Warnings> {
        self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the caller's environment asks for, and looks at the query string.
    pub fn open(&self, is_strict: bool, query: Option<&str>) -> Result<(), ApiError> {
        let _ = self.0.is_strict.set(is_strict);
        match query {
            Some(query) => self.look_at_query(query),
            None => Ok(()),
        }
    }

    /// Warnings for the answer.
    pub fn warn(&self, warnings: Vec<Warning>) {
        self.warn_of(warnings, 0);
    }

    fn warn_of(&self, warnings: Vec<Warning>, more: usize) {
        let mut all = self.warnings();
        all.more += more;
        for warning in warnings {
            match all.kept.len() < MOST_WARNINGS {
                _ if all.kept.contains(&warning) => {}
                true => all.kept.push(warning),
                false => all.more += 1,
            }
        }
    }

    /// Warnings, or the error that they are where the environment is strict.
    fn warn_or_refuse(&self, warnings: Vec<Warning>, more: usize) -> Result<(), ApiError> {
        if warnings.is_empty() {
            return Ok(());
        }
        if self.0.is_strict.get() == Some(&true) {
            return Err(ApiError::Invalid(warnings.into_iter().map(FieldProblem::from).collect()));
        }
        self.warn_of(warnings, more);
        Ok(())
    }

    fn look_at_query(&self, query: &str) -> Result<(), ApiError> {
        let is_text = |part: &str| percent_decoded(part).is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok());
        for part in query.split('&') {
            let name = part.split('=').next().unwrap_or_default();
            let place = || vec!["query".to_owned(), shortened(name)];
            if !is_text(part) {
                let msg = "is not UTF-8 in percent-encoding; write \"%\" as \"%25\"";
                return Err(ApiError::at(place(), "value_error", msg));
            }
        }
        let mut unknown = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let loc = vec!["query".to_owned(), shortened(&name)];
            if has_unstorable(&name) || has_unstorable(&value) {
                return Err(ApiError::Invalid(vec![unstorable(loc)]));
            }
            let Some(operation) = &self.0.operation else { continue };
            let name = base_name(&name);
            if !name.is_empty() && operation.query.iter().all(|known| known != name) {
                let known: Vec<&str> = operation.query.iter().map(String::as_str).collect();
                let (msg, nearest) = not_known("parameter", name, &known);
                unknown.push(Warning { loc, code: WarningCode::UnknownParameter, msg, nearest });
            }
        }
        let more = unknown.len().saturating_sub(MOST_WARNINGS);
        unknown.truncate(MOST_WARNINGS);
        self.warn_or_refuse(unknown, more)
    }

    /// The shape of the operation's body.
    pub fn shape(&self) -> Arc<Shape> {
        let known = self.0.operation.as_ref().and_then(|operation| operation.body.clone());
        known.unwrap_or_else(|| Arc::new(Shape::Any))
    }

    /// Reads the operation's body, and notes warnings for the answer.
    pub fn read<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8]) -> Result<T, ApiError> {
        self.read_as(bytes, &self.shape())
    }

    /// Reads other fields of a body whose warnings are noted.
    pub fn read_more<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8]) -> Result<T, ApiError> {
        self.read_quietly(bytes, &self.shape())
    }

    /// Reads a part of a body whose warnings are noted.
    pub fn read_quietly<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8], shape: &Shape) -> Result<T, ApiError> {
        self.read_item(bytes, shape).map(|(value, _)| value)
    }

    /// Reads a body of another shape, as [`Input::read`].
    pub fn read_as<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8], shape: &Shape) -> Result<T, ApiError> {
        let (value, seen) = self.read_item(bytes, shape)?;
        self.warn_or_refuse(seen.unknown, seen.more_unknown)?;
        Ok(value)
    }

    /// Reads a part of a body that has an answer of its own, with its own warnings; where the environment is strict,
    /// those are an error.
    pub fn read_part<'a, T: Deserialize<'a>>(
        &self,
        bytes: &'a [u8],
        shape: &Shape,
    ) -> Result<(T, Vec<Warning>), ApiError> {
        let (value, seen) = self.read_item(bytes, shape)?;
        match self.0.is_strict.get() {
            Some(true) if !seen.unknown.is_empty() => {
                Err(ApiError::Invalid(seen.unknown.into_iter().map(FieldProblem::from).collect()))
            }
            _ => Ok((value, seen.unknown)),
        }
    }

    fn read_item<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8], shape: &Shape) -> Result<(T, Seen), ApiError> {
        let content_type = self.0.content_type.as_deref();
        let mut seen = look(bytes, shape).map_err(|error| not_json(bytes, &error, content_type))?;
        let described = || {
            let value = serde_json::from_slice::<Value>(bytes).map_err(|error| not_json(bytes, &error, content_type));
            value.map(|value| wrong::wrong(&value, shape, self.0.is_patch))
        };
        // A patch is read into a map, whatever its values are.
        let of_patch = if self.0.is_patch { described()? } else { vec![] };
        seen.wrong.extend(of_patch);
        let result = if seen.wrong.is_empty() { parse(bytes) } else { Err(ApiError::Invalid(vec![])) };
        match result {
            Ok(value) => Ok((value, seen)),
            Err(error) => {
                let mut problems = std::mem::take(&mut seen.wrong);
                if problems.is_empty() {
                    problems = described()?;
                }
                if problems.is_empty() {
                    return Err(error);
                }
                // Among them may be the name that was meant to be one that is missing.
                match self.0.is_strict.get() {
                    Some(true) => problems.extend(seen.unknown.into_iter().map(FieldProblem::from)),
                    _ => self.warn_of(seen.unknown, seen.more_unknown),
                }
                Err(ApiError::Invalid(problems))
            }
        }
    }
}

/// Reads JSON whose shape is not described. A wrong value is an error at its place.
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    // The happy path first: following the path to each field costs time.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let error = match serde_path_to_error::deserialize(&mut reader) {
        Ok(value) => match reader.end() {
            Ok(()) => return Ok(value),
            Err(error) => return Err(not_json(bytes, &error, None)),
        },
        Err(error) => error,
    };
    let place = error.path().iter().filter_map(|part| match part {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } | Segment::Enum { variant: key } => Some(shortened(key)),
        Segment::Unknown => None,
    });
    let loc = std::iter::once("body".to_owned()).chain(place).collect();
    let cause = error.into_inner();
    if cause.classify() != Category::Data {
        return Err(not_json(bytes, &cause, None));
    }
    Err(ApiError::at(loc, "value_error", in_our_words(&cause)))
}

/// The parser's words are not for callers; what they name may be.
fn in_our_words(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let name = words.split('`').nth(1).unwrap_or_default();
    match () {
        () if words.starts_with("missing field") => format!("has no {name:?}, which is needed"),
        () if words.starts_with("duplicate field") => format!("has {name:?} twice"),
        () if words.starts_with("unknown field") => format!("has the field {name:?}, which is not known here"),
        () if words.starts_with("unknown variant") => format!("{name:?} is not a known value"),
        () => "has a value of the wrong type; the API's documentation describes this field".to_owned(),
    }
}

/// The bytes that a part of a query stands for; `None`: a `%` without two digits.
fn percent_decoded(part: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        match first {
            b'%' => {
                let digits = others.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &others[2..];
            }
            byte => {
                bytes.push(*byte);
                rest = others;
            }
        }
    }
    Some(bytes)
}
