//! Webhook wire contracts as files.
//!
//! A contract says what an endpoint was promised: which events there are and how a subscription
//! matches, the body, its encoding, the headers, the signature, what counts as delivered, when to try
//! again and when to give up. It is a TOML file ([`Contract::parse`]); its values are MiniJinja
//! expressions over the message, the endpoint, the application and the time. Seven are shipped
//! ([`Book::shipped`]); `docs/contracts.md` says how to write another, key by key.
//!
//! Everything here is pure. Time, randomness and secrets come in as arguments, nothing is read or
//! sent, so a contract gives the same bytes for the same input, a week of retries takes no time to
//! test, and a receiver can use this crate to check what it got.
//!
//! # The way of a delivery
//!
//! 1. [`Events::matches`] says whether an endpoint's subscription takes the event, and a
//!    [`PayloadFilter`] whether its payload is wanted.
//! 2. [`Contract::render`] makes the [`Request`] from what is [`Outgoing`]: first the named values,
//!    then the body, then the headers, which may sign the encoded body.
//! 3. [`Contract::judge`] says what the response's status means: delivered, to be tried again, failed
//!    for good, and whether the endpoint wants to be left alone.
//! 4. [`Contract::reply`] says what a response that was a success asks for in return.
//!    In a chain, [`Contract::ends_chain`] says whether the next endpoint gets the message too.
//! 5. [`Contract::retry_delay`] says when to try again, [`Contract::disable`] when to stop for good.
//!
//! When an endpoint is made, [`Events::check_filter`], [`SecretRules::check`], [`Contract::urls`],
//! [`Contract::timeout`] and [`Contract::reserved_headers`] say what it may have.
//!
//! # What always holds
//!
//! * The payload passed on whole is not parsed and not copied; its parts keep their bytes too.
//! * Every expression has a limit of steps, every body one of bytes and depth; at a limit there is an
//!   error, never a panic, an endless loop or a full memory.
//! * Nothing is signed with a missing or empty key, and no error shows a secret.
//! * All that a contract does is in its file: no name of a contract is known to the code.
//!
//! ```
//! # fn main() -> Result<(), Vec<postrider_contract::Problem>> {
//! use postrider_contract::{Answer, Contract, Outcome};
//!
//! let contract = Contract::parse(
//!     r#"
//!     name = "plain"
//!     events.catalogue = ["user.created"]
//!     body.value = "{'event': message.event_type, 'data': payload}"
//!     headers.X-Signature = "hex(hmac_sha256(secret, body))"
//!     "#,
//! )?;
//! assert!(contract.events().in_catalogue("user.created"));
//! let judgement = contract.judge(&Answer { status: 204, retry_after: None, delivery: None, now_ms: 0 });
//! assert_eq!(judgement.outcome, Outcome::Success);
//! # Ok(())
//! # }
//! ```

mod address;
mod answers;
mod book;
mod chain;
mod compile;
mod contract;
mod decimal;
mod encode;
mod events;
mod expression;
mod file;
mod filter;
mod functions;
mod judge;
mod payload;
mod problem;
mod reader;
mod render;
mod reply;
mod retry;
mod scan;
mod secrets;
mod simulation;
mod state;
mod tree;
mod view;

pub use book::{Book, Shipped, shipped};
pub use contract::{Contract, DisableRules, TimeoutRule, UrlRules};
pub use events::{Events, FilterKind};
pub use filter::{FilterProblem, OutOfSteps, PayloadFilter, Steps};
pub use judge::{Answer, Judgement, Outcome};
pub use problem::Problem;
pub use render::{RenderError, Request};
pub use reply::{Asking, Reply};
pub use scan::is_deeper;
pub use secrets::{SecretRules, for_receiver};
pub use simulation::{Simulated, SimulationError};
pub use state::{Kept, KeptFor, Setting};
pub use view::{ApplicationView, ContentType, EndpointView, MessageView, Outgoing, Replaced};
