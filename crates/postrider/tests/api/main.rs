//! What the API promises beside the main path, a group to a file, through HTTP.
#![allow(clippy::unwrap_used, clippy::panic)]

mod addresses;
mod batches;
mod catalogues;
mod chains;
mod circuit;
mod clocks;
mod conversations;
mod credentials;
mod deletion;
mod disabling;
mod environments;
mod errors;
mod examples;
mod exchanges;
mod expunge;
mod failing;
mod headers;
mod integrations;
mod jobs;
mod keys;
mod limits;
mod listings;
mod older_clients;
mod operational;
mod order;
mod polling;
mod portal;
mod preview;
mod queries;
mod reach;
mod recovery;
mod repeats;
mod replies;
mod resends;
mod routes;
mod rules;
mod scheduled;
mod schemas;
mod secrets;
mod simulations;
mod statistics;
mod strict;
mod systems;
mod templates;
mod timeouts;
mod unanswered;
mod upserts;

use postrider_clock::Clock;
use postrider_testkit::app::{App, Start};
use postrider_testkit::receiver::Receiver;

/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

/// A server on a clock that the test moves, and a receiver.
async fn on_a_clock() -> (App, Clock, Receiver) {
    let clock = Clock::manual(START_MS);
    let app = Start { clock: clock.clone(), ..Start::default() }.start().await;
    (app, clock, Receiver::start().await)
}

/// A server and a receiver.
async fn started() -> (App, Receiver) {
    (App::start().await, Receiver::start().await)
}
