//! The binary's inside: command line, configuration, wiring. Nothing else.

pub mod cli;
pub mod commands;
pub mod config;
mod keys;
mod logs;
mod server;

pub use server::{Server, StartError};
