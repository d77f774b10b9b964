//! The embedded database: one SQLite file, one writer thread, readers apart.

mod append;
mod batch;
mod change;
mod checkpoint;
mod connection;
mod load;
mod open;
pub(crate) mod read;
mod readers;
mod record;
mod recover;
mod schema;
mod writer;

pub(crate) use batch::ChangeRequest;
pub(crate) use open::open;
pub(crate) use readers::Readers;
pub(crate) use writer::{Command, Report};
