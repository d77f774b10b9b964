//! What every storage driver must do, told through the store's own door.
//!
//! A driver is one entry in [`Place::of_each_driver`]; each test runs on all of them.
#![allow(clippy::unwrap_used, clippy::panic)]

#[macro_use]
mod world;

mod configuration;
mod deliveries;
mod jobs;
mod messages;
mod places;
