//! The other side of Postrider, for tests: receivers that answer what a test says, receivers that
//! misbehave, names and certificates that a test makes up.
//!
//! Nothing of this ships. Everything listens on 127.0.0.1, runs on the runtime of the test that
//! started it, and ends when it is dropped.

// A test kit reports by failing the test that uses it, and measures real time on purpose.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

pub mod app;
pub mod certs;
pub mod cutter;
pub mod database;
pub mod dns;
pub mod foreign;
pub mod hostile;
pub mod load;
pub mod network;
pub mod packages;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod receiver;
pub mod script;
pub mod skip;
