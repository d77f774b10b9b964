//! Schemas of payloads: what changes for a receiver between two of them ([`compare`]), and how event types come out of
//! OpenAPI documents ([`event_types`]).
//!
//! It knows JSON alone: no store, no caller. Whoever asks says what becomes of what is found.

mod diff;
mod effort;
mod openapi;
mod yaml;

pub use diff::{Difference, What, compare};
pub use effort::{Asks, effort};
pub use openapi::{FromOpenApi, event_types, read};
