//! Messages into the transaction of a batch, all with one statement.

use super::session::{Param, Session};
use crate::columns::{chain_bytes, deliver_ms, endpoint_bytes, names_text};
use crate::error::AppendError;
use crate::id::{KeyId, MessageId};
use crate::message::{Appended, NewMessage};
use std::collections::{HashMap, HashSet};
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row};

/// Inserts what may be inserted: routed by the routing in force, with a key in force, and new by
/// idempotency key (unless that is too old to stand for anything) and event id. Sorted, so that nodes take locks in one order.
pub const APPEND: &str = "
WITH given AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[],
    $8::bytea[], $9::bigint[], $10::bytea[], $11::bytea[], $12::bytea[], $13::smallint[], $16::text[], $17::bigint[],
    $18::bytea[])
  AS g (id, app, routing, credential, event_type, event_id, channels, endpoints, created_ms, key, body, payload, class,
    tags, deliver_ms, chain)
), valid AS (
  SELECT g.* FROM given g JOIN applications a ON a.id = g.app AND a.routing = g.routing
  WHERE g.credential IS NULL
    OR EXISTS (SELECT 1 FROM api_keys k WHERE k.id = g.credential AND k.revoked_ms IS NULL)
), keyed AS (
  INSERT INTO idempotency (key, body, created_ms, message)
  SELECT key, body, created_ms, id FROM valid WHERE key IS NOT NULL ORDER BY key
  ON CONFLICT (key) DO UPDATE SET body = excluded.body, created_ms = excluded.created_ms, message = excluded.message,
    status = NULL, answer = NULL WHERE idempotency.created_ms < $15
  RETURNING message
), named AS (
  INSERT INTO event_ids (app, event_id, message, created_ms)
  SELECT app, event_id, id, created_ms FROM valid
  WHERE event_id IS NOT NULL AND (key IS NULL OR id IN (SELECT message FROM keyed)) ORDER BY app, event_id
  ON CONFLICT DO NOTHING RETURNING message
)
INSERT INTO messages (id, class, app, node, event_type, event_id, channels, endpoints, created_ms, payload, tags,
  deliver_ms, chain)
SELECT id, class, app, $14, event_type, event_id, channels, endpoints, created_ms, payload, tags,
  deliver_ms, chain FROM valid
WHERE (key IS NULL OR id IN (SELECT message FROM keyed))
  AND (event_id IS NULL OR id IN (SELECT message FROM named))
RETURNING id";

/// An idempotency key stands for a 2xx alone: those whose message was refused go again.
pub const FORGET: &str = "
DELETE FROM idempotency i WHERE i.message = ANY($1) AND i.key = ANY($2)
  AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = i.message)";

/// The columns of a batch's messages.
#[derive(Default)]
pub struct Columns<'a> {
    pub ids: Vec<i64>,
    apps: Vec<i64>,
    routings: Vec<i64>,
    credentials: Vec<Option<i64>>,
    event_types: Vec<&'a str>,
    event_ids: Vec<Option<&'a str>>,
    channels: Vec<Option<String>>,
    tags: Vec<Option<String>>,
    endpoints: Vec<Vec<u8>>,
    created: Vec<i64>,
    deliver: Vec<Option<i64>>,
    chains: Vec<Option<Vec<u8>>>,
    keys: Vec<Option<&'a [u8]>>,
    bodies: Vec<Option<&'a [u8]>>,
    payloads: Vec<&'a [u8]>,
    classes: Vec<i16>,
    /// Whether a message could be refused after its key was taken.
    pub forgets: bool,
}

impl<'a> Columns<'a> {
    pub fn push(&mut self, id: MessageId, message: &'a NewMessage) {
        self.ids.push(id.0);
        self.apps.push(message.app.0);
        self.routings.push(message.routing);
        self.credentials.push(message.credential.map(|KeyId(key)| key));
        self.event_types.push(&message.event_type);
        self.event_ids.push(message.event_id.as_deref());
        self.channels.push(names_text(&message.channels));
        self.tags.push(names_text(&message.tags));
        self.endpoints.push(endpoint_bytes(&message.endpoints));
        self.created.push(message.created_ms);
        self.deliver.push(deliver_ms(message.deliver));
        self.chains.push(chain_bytes(&message.chain));
        self.keys.push(message.idempotency.as_ref().map(|key| &key.key[..]));
        self.bodies.push(message.idempotency.as_ref().map(|key| &key.body[..]));
        self.payloads.push(&message.payload);
        self.classes.push(message.class.cast_signed());
        self.forgets |= message.event_id.is_some() && message.idempotency.is_some();
    }

    pub fn params<'b>(&'b self, node: &'b i64, first_key_ms: &'b i64) -> [Param<'b>; 18] {
        [
            (&self.ids, Type::INT8_ARRAY),
            (&self.apps, Type::INT8_ARRAY),
            (&self.routings, Type::INT8_ARRAY),
            (&self.credentials, Type::INT8_ARRAY),
            (&self.event_types, Type::TEXT_ARRAY),
            (&self.event_ids, Type::TEXT_ARRAY),
            (&self.channels, Type::TEXT_ARRAY),
            (&self.endpoints, Type::BYTEA_ARRAY),
            (&self.created, Type::INT8_ARRAY),
            (&self.keys, Type::BYTEA_ARRAY),
            (&self.bodies, Type::BYTEA_ARRAY),
            (&self.payloads, Type::BYTEA_ARRAY),
            (&self.classes, Type::INT2_ARRAY),
            (node, Type::INT8),
            (first_key_ms, Type::INT8),
            (&self.tags, Type::TEXT_ARRAY),
            (&self.deliver, Type::INT8_ARRAY),
            (&self.chains, Type::BYTEA_ARRAY),
        ]
    }

    pub fn forget_params(&self) -> [Param<'_>; 2] {
        [(&self.ids, Type::INT8_ARRAY), (&self.keys, Type::BYTEA_ARRAY)]
    }
}

/// The ids of rows that came back.
pub fn ids(rows: &[Row]) -> HashSet<i64> {
    rows.iter().map(|row| row.get(0)).collect()
}

/// Why messages were not inserted, in the order in which the embedded database asks too.
pub async fn explain(session: &Session, refused: &[&NewMessage]) -> Result<Vec<Result<Appended, AppendError>>, Error> {
    let keys: Vec<&[u8]> = refused.iter().filter_map(|message| Some(&message.idempotency.as_ref()?.key[..])).collect();
    let sql = "SELECT key, body, message FROM idempotency WHERE key = ANY($1)";
    let rows = session.query(sql, &[(&keys, Type::BYTEA_ARRAY)]).await?;
    let known: HashMap<&[u8], (&[u8], Option<i64>)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    let (apps, event_ids): (Vec<i64>, Vec<&str>) =
        refused.iter().filter_map(|message| Some((message.app.0, message.event_id.as_deref()?))).unzip();
    let sql = "SELECT app, event_id FROM event_ids WHERE (app, event_id) IN
               (SELECT * FROM unnest($1::bigint[], $2::text[]))";
    let rows = session.query(sql, &[(&apps, Type::INT8_ARRAY), (&event_ids, Type::TEXT_ARRAY)]).await?;
    let taken: HashSet<(i64, &str)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let credentials: Vec<i64> = refused.iter().filter_map(|message| Some(message.credential?.0)).collect();
    let sql = "SELECT id FROM api_keys WHERE id = ANY($1) AND revoked_ms IS NULL";
    let rows = session.query(sql, &[(&credentials, Type::INT8_ARRAY)]).await?;
    let in_force = ids(&rows);
    let apps: Vec<i64> = refused.iter().map(|message| message.app.0).collect();
    let sql = "SELECT id, routing FROM applications WHERE id = ANY($1)";
    let rows = session.query(sql, &[(&apps, Type::INT8_ARRAY)]).await?;
    let routings: HashMap<i64, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(refused
        .iter()
        .map(|message| {
            if message.credential.is_some_and(|key| !in_force.contains(&key.0)) {
                return Err(AppendError::Revoked);
            }
            match routings.get(&message.app.0) {
                None => return Err(AppendError::NoApplication),
                Some(routing) if *routing != message.routing => return Err(AppendError::StaleRouting),
                Some(_) => {}
            }
            if let Some(key) = &message.idempotency
                && let Some((body, earlier)) = known.get(&key.key[..])
            {
                return match earlier {
                    Some(earlier) if **body == key.body => Ok(Appended::Repeat(MessageId(*earlier))),
                    _ => Err(AppendError::IdempotencyMismatch),
                };
            }
            let named = message.event_id.as_deref().is_some_and(|name| taken.contains(&(message.app.0, name)));
            // What was in the way is gone meanwhile: the caller's next try will tell.
            Err(if named { AppendError::EventIdTaken } else { AppendError::StaleRouting })
        })
        .collect())
}
