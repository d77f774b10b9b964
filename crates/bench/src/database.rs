//! A PostgreSQL database for one phase.

use crate::clock::now_ns;
use crate::failure::Failure;
use tokio_postgres::{Client, NoTls};

/// Made for a phase, dropped with [`Database::drop`].
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// A new one on the server, whose URL names no database.
    pub async fn create(server: &str) -> Result<Database, Failure> {
        let server = server.trim_end_matches('/').to_owned();
        let name = format!("postrider_bench_{:x}", now_ns());
        let database = Database { server, name };
        database.run(&format!("CREATE DATABASE {}", database.name)).await?;
        Ok(database)
    }

    pub fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    pub async fn drop(self) -> Result<(), Failure> {
        self.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await
    }

    async fn run(&self, sql: &str) -> Result<(), Failure> {
        let wrong = |error: tokio_postgres::Error| Failure::Usage(format!("--database {}: {error}", self.server));
        let (client, connection): (Client, _) =
            tokio_postgres::connect(&format!("{}/postgres", self.server), NoTls).await.map_err(wrong)?;
        tokio::spawn(connection);
        client.batch_execute(sql).await.map_err(wrong)
    }
}
