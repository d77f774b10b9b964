//! The embedded database: one SQLite file, one writer thread, readers apart.

mod append;
mod change;
mod checkpoint;
mod commit;
mod connection;
mod expire;
mod load;
mod open;
mod passing;
pub mod poll;
pub(crate) mod read;
mod readers;
mod record;
mod recover;
mod reserve;
mod schema;
pub(crate) mod task;
mod time;

pub(crate) use connection::open_reader;
pub(crate) use open::open;
pub(crate) use readers::Threads;
pub(crate) use schema::SCHEMA;
#[cfg(test)]
pub(crate) use schema::migrate;
