//! The writer's one connection, with its prepared statements.

use super::connect::Connector;
use std::collections::HashMap;
use tokio::runtime::Runtime;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

/// A parameter with its type, so that a statement can also be sent unprepared.
pub type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// See the module. Dropped when anything is wrong with it.
pub struct Session {
    client: Client,
    named: bool,
    statements: HashMap<&'static str, Statement>,
}

impl Session {
    /// Connects; the connection is driven by `runtime`, so only while that runs.
    pub async fn connect(runtime: &Runtime, connector: &Connector) -> Result<Session, Error> {
        let (client, connection) = connector.config.connect(connector.tls.clone()).await?;
        runtime.spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "the connection to the database ended");
            }
        });
        Ok(Session { client, named: connector.named, statements: HashMap::new() })
    }

    /// Makes sure that `sql` is prepared, where statements may have names.
    pub async fn prepare(&mut self, sql: &'static str, types: &[Type]) -> Result<(), Error> {
        if self.named && !self.statements.contains_key(sql) {
            let statement = self.client.prepare_typed(sql, types).await?;
            self.statements.insert(sql, statement);
        }
        Ok(())
    }

    /// Sends `sql`; several calls that are polled together go out in their order, without waiting
    /// for each other's answers.
    pub async fn query(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        match self.statements.get(sql) {
            Some(statement) => {
                let params: Vec<_> = params.iter().map(|(value, _)| *value).collect();
                self.client.query(statement, &params).await
            }
            None => self.client.query_typed(sql, params).await,
        }
    }

    /// Statements without parameters or rows.
    pub async fn batch(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await
    }
}
