//! The embedded database: one SQLite file, one writer thread, readers apart.

mod append;
mod change;
mod checkpoint;
mod commit;
mod connection;
mod load;
mod open;
pub(crate) mod read;
mod readers;
mod record;
mod recover;
mod schema;

pub(crate) use open::open;
pub(crate) use readers::Threads;
