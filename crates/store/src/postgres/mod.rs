//! PostgreSQL: any number of nodes on one database.
//!
//! Each process is a node with a lease that its commits renew ([`node`]). What a node accepts it
//! delivers from memory; what waits lies in the schedule, where an endpoint's lane belongs to one
//! node at a time ([`lanes`]). When a lease ends, the others adopt what the node had ([`adopt`]).
//! The configuration is in every node's memory; its version is checked in each commit ([`refresh`]).

mod address;
mod adopt;
mod append;
mod chain;
mod change;
mod commit;
mod connect;
mod expire;
mod failure;
mod lanes;
mod load;
mod node;
mod open;
mod ordered;
mod partition;
mod passing;
mod plan;
mod poll;
pub(crate) mod read;
mod record;
mod refresh;
mod schema;
mod session;
mod setting;
mod skew;
mod sweep;
mod task;

pub(crate) use connect::Connector;
pub use connect::PostgresOptions;
pub(crate) use open::open;
pub(crate) use partition::{Partition, Partitions};
pub(crate) use read::Reads;
pub(crate) use schema::{MAY_BE_AHEAD, SCHEMA, migrate};
pub(crate) use session::{Param, Session};
