//! Databases for tests, on the server that `scripts/services start` runs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use rand::Rng;
use tokio_postgres::{Client, NoTls};

/// Where `scripts/services` starts PostgreSQL.
const SERVER: &str = "postgres://postgres@127.0.0.1:54329";

/// The URL of a new, empty database. `None`, with a line that says so, where there is no server;
/// in CI there must be one.
pub async fn fresh() -> Option<String> {
    let server = std::env::var("POSTRIDER_TEST_POSTGRES").unwrap_or_else(|_| SERVER.to_owned());
    let Some(client) = connect(&format!("{server}/postgres")).await else {
        assert!(std::env::var_os("CI").is_none(), "no PostgreSQL at {server}: run `scripts/services start`");
        eprintln!("skipped on PostgreSQL: none at {server}; `scripts/services start` starts one");
        return None;
    };
    let name = format!("test_{:016x}", rand::rng().random::<u64>());
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    Some(format!("{server}/{name}"))
}

/// A connection beside the one under test, to look at or to break things.
pub async fn connect(url: &str) -> Option<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.ok()?;
    tokio::spawn(connection);
    Some(client)
}
