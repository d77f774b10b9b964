//! Webhook wire contracts as files.
//!
//! A contract says what an endpoint was promised: which events there are and how a subscription
//! matches, the body, its encoding, the headers, the signature, what counts as delivered, when to try
//! again and when to give up. It is a TOML file ([`Contract::parse`]); its values are MiniJinja
//! expressions over the message, the endpoint, the application and the time. Seven are shipped
//! ([`Book::shipped`]); `docs/contracts.md` says how to write another.
//!
//! Everything here is pure. Time, randomness and secrets come in as arguments, nothing is read or
//! sent, so a contract gives the same bytes for the same input, and a receiver can use this crate to
//! check what it got.

mod book;
mod contract;
mod encode;
mod events;
mod expression;
mod file;
mod filter;
mod functions;
mod judge;
mod payload;
mod problem;
mod retry;
mod secrets;
mod tree;
mod view;

pub use book::{Book, SHIPPED};
pub use contract::{Contract, DisableRules, RenderError, Request, TimeoutRule, UrlRules};
pub use events::{Events, FilterKind};
pub use filter::{FilterProblem, PayloadFilter};
pub use judge::{Answer, Judgement, Outcome};
pub use problem::Problem;
pub use secrets::SecretRules;
pub use view::{ApplicationView, ContentType, EndpointView, MessageView, Outgoing};
