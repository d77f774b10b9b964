//! What is due, to whom, and when again.
//!
//! One task owns the schedule ([`scheduler`]): a lane for each endpoint with what is ready to go,
//! how much of it may be under way, and until when it is held. What was just accepted comes straight
//! from memory; what waits longer (retries, resends, a backlog) lies in the store and is paged in
//! when it is due. Finished attempts go to the store in batches.
//!
//! It never opens a connection itself, knows no SQL, and never asks again which endpoints match.

mod answer;
mod app_pace;
mod attempt;
mod circuit;
mod compose;
mod congestion;
mod happening;
mod health;
mod job;
mod lane;
mod lane_settings;
mod line;
mod log;
mod metrics;
mod notice;
mod oauth;
mod pace;
mod payloads;
mod query;
mod render;
mod scheduler;
mod slots;
mod state;
mod tasks;
mod tls;
mod transmit;

pub use circuit::{Circuit, CircuitState, Circuits};
pub use compose::{Composer, Stopped, Subject};
pub use happening::{Happening, What};
pub use metrics::DeliveryMetrics;
pub use notice::{NoticeOptions, Notices};
pub use query::GraphQl;
pub use render::Renderer;
pub use scheduler::{Delivery, Options};
pub use state::KeptError;
