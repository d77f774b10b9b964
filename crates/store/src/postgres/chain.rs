//! Messages that have come to the next endpoint of their chain, into the transaction of a batch.

use super::session::Param;
use crate::message::Scheduled;
use std::collections::BTreeMap;
use tokio_postgres::types::Type;

/// From now on they go to that endpoint too. Its row in the schedule is written with the others.
pub const NEXT: &str = "
UPDATE messages m SET endpoints = m.endpoints || g.bytes
FROM unnest($1::bigint[], $2::bytea[]) AS g (message, bytes)
WHERE m.id = g.message AND NOT EXISTS
  (SELECT 1 FROM generate_series(0, length(m.endpoints) / 8 - 1) n WHERE substring(m.endpoints FROM n * 8 + 1 FOR 8) = g.bytes)";

/// Sorted, so that nodes take locks in one order.
#[derive(Default)]
pub struct Links(BTreeMap<i64, Vec<u8>>);

/// The same as columns.
pub struct Columns {
    messages: Vec<i64>,
    endpoints: Vec<Vec<u8>>,
}

impl Links {
    pub fn push(&mut self, next: &Scheduled) {
        self.0.insert(next.delivery.message.0, next.delivery.endpoint.0.to_be_bytes().to_vec());
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn columns(&self) -> Columns {
        let (messages, endpoints) = self.0.clone().into_iter().unzip();
        Columns { messages, endpoints }
    }
}

impl Columns {
    pub fn params(&self) -> [Param<'_>; 2] {
        [(&self.messages, Type::INT8_ARRAY), (&self.endpoints, Type::BYTEA_ARRAY)]
    }
}
