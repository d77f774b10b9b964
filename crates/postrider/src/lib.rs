//! The binary's inside: command line, configuration, wiring. Nothing else.

pub mod cli;
mod client;
pub mod commands;
pub mod config;
mod demo;
mod keys;
mod logs;
mod proxy;
mod sample;
mod server;
mod table;

pub use server::{Server, StartError};
