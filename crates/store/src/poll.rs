//! What consumers pull, and how far they have come.

use crate::error::StoreError;
use crate::id::{EndpointId, MessageId, first_of_ms};
use crate::message::Message;
use crate::query::Found;
use crate::{Readers, Store, sqlite};

/// A message to be pulled, at its place in the order of commits.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    /// Rises with each message of the endpoint; one that commits late has a place after those that were read before.
    pub position: i64,
    /// `None`: it is no longer kept.
    pub message: Option<Message>,
}

impl Store {
    /// What an endpoint has after a position, at most `limit` of it, and less where that is large.
    pub async fn polled(&self, endpoint: EndpointId, after: i64, limit: usize) -> Result<Found<Polled>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => {
                threads.read(move |conn| sqlite::poll::polled(conn, endpoint, after, limit)).await
            }
            Readers::Postgres(reads) => reads.polled(endpoint, after, limit).await,
        }
    }

    /// The position before all messages that were accepted at this time, epoch ms, or later.
    pub async fn position_before(&self, endpoint: EndpointId, ms: i64) -> Result<i64, StoreError> {
        match &self.readers {
            Readers::Sqlite(_) => Ok(first_of_ms(ms) - 1),
            Readers::Postgres(reads) => reads.position_before(endpoint, MessageId(first_of_ms(ms))).await,
        }
    }

    /// How far a consumer has come; `None`: nobody has heard of it.
    pub async fn consumer(&self, endpoint: EndpointId, name: String) -> Result<Option<i64>, StoreError> {
        match &self.readers {
            Readers::Sqlite(threads) => threads.read(move |conn| sqlite::poll::consumer(conn, endpoint, &name)).await,
            Readers::Postgres(reads) => reads.consumer(endpoint, &name).await,
        }
    }
}
