//! What is copied: each table's rows out of SQLite, and into PostgreSQL.

use super::column::Column;
use super::column::Kind::{self, Bool, Bytes, Int2, Int4, Int8, Text};
use crate::postgres::Partition;
use std::collections::BTreeSet;

/// One table.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// Reads rows after a key, in the order of keys: takes the key and the most rows to read.
    pub select: &'static str,
    /// What `select` returns and `insert` takes.
    pub columns: &'static [Kind],
    /// How many of the first columns are the key.
    pub key: usize,
    /// The partitions that rows go to.
    pub partitions: fn(&[Column]) -> BTreeSet<Partition>,
    pub insert: &'static str,
    /// Counts what there is to copy.
    pub count: &'static str,
    /// Counts what was copied.
    pub count_copied: &'static str,
}

/// In an order in which nothing comes before what it refers to.
pub const TABLES: &[Table] = &[
    Table {
        name: "environments",
        select: "SELECT id, name, created_ms, settings, updated_ms, version FROM environments
                 WHERE id > ? ORDER BY id LIMIT ?",
        columns: &[Int8, Text, Int8, Text, Int8, Int8],
        key: 1,
        partitions: no_partitions,
        // The first one is there since the tables were made.
        insert: "
INSERT INTO environments (id, name, created_ms, settings, updated_ms, version)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[])
ON CONFLICT (id) DO UPDATE SET name = excluded.name, created_ms = excluded.created_ms, settings = excluded.settings,
  updated_ms = excluded.updated_ms, version = excluded.version",
        count: "SELECT count(*) FROM environments",
        count_copied: "SELECT count(*) FROM environments",
    },
    Table {
        name: "api_keys",
        select: "SELECT id, env, name, hash, created_ms, revoked_ms, access, app, session, expires_ms FROM api_keys
                 WHERE id > ? ORDER BY id LIMIT ?",
        columns: &[Int8, Int8, Text, Bytes, Int8, Int8, Text, Int8, Text, Int8],
        key: 1,
        partitions: no_partitions,
        insert: "
INSERT INTO api_keys (id, env, name, hash, created_ms, revoked_ms, access, app, session, expires_ms)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bytea[], $5::bigint[], $6::bigint[], $7::text[],
  $8::bigint[], $9::text[], $10::bigint[])",
        count: "SELECT count(*) FROM api_keys",
        count_copied: "SELECT count(*) FROM api_keys",
    },
    Table {
        name: "applications",
        select: "SELECT id, env, uid, settings, created_ms, updated_ms, version FROM applications
                 WHERE id > ? ORDER BY id LIMIT ?",
        columns: &[Int8, Int8, Text, Text, Int8, Int8, Int8],
        key: 1,
        partitions: no_partitions,
        insert: "
INSERT INTO applications (id, env, uid, settings, created_ms, updated_ms, version, routing)
SELECT id, env, uid, settings, created_ms, updated_ms, version, version
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
AS g (id, env, uid, settings, created_ms, updated_ms, version)",
        count: "SELECT count(*) FROM applications",
        count_copied: "SELECT count(*) FROM applications",
    },
    Table {
        name: "endpoints",
        select: "SELECT id, app, uid, settings, secrets, headers, failing_since_ms, created_ms, updated_ms, version
                 FROM endpoints WHERE id > ? ORDER BY id LIMIT ?",
        columns: &[Int8, Int8, Text, Text, Bytes, Bytes, Int8, Int8, Int8, Int8],
        key: 1,
        partitions: no_partitions,
        // The routing of an application is the highest version of what it is made of; where it has a rate of
        // its own, its endpoints share a lane.
        insert: "
WITH given AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[])
  AS g (id, app, uid, settings, secrets, headers, failing_since_ms, created_ms, updated_ms, version)
), routed AS (
  UPDATE applications a SET routing = greatest(a.routing, g.version)
  FROM (SELECT app, max(version) AS version FROM given GROUP BY app) g WHERE a.id = g.app
)
INSERT INTO endpoints
  (id, app, uid, settings, secrets, headers, failing_since_ms, created_ms, updated_ms, version, lane)
SELECT g.*, CASE WHEN (a.settings::json ->> 'throttle_rate') IS NOT NULL THEN g.app END
FROM given g LEFT JOIN applications a ON a.id = g.app",
        count: "SELECT count(*) FROM endpoints",
        count_copied: "SELECT count(*) FROM endpoints",
    },
    Table {
        name: "event_types",
        select: "SELECT env, name, settings, created_ms, updated_ms, version FROM event_types
                 WHERE (env, name) > (?, ?) ORDER BY env, name LIMIT ?",
        columns: &[Int8, Text, Text, Int8, Int8, Int8],
        key: 2,
        partitions: no_partitions,
        insert: "
INSERT INTO event_types (env, name, settings, created_ms, updated_ms, version)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])",
        count: "SELECT count(*) FROM event_types",
        count_copied: "SELECT count(*) FROM event_types",
    },
    Table {
        name: "messages",
        // Older keys than those after the mark are in the table of keys, or stand for nothing any more.
        select: "SELECT id, class, app, event_type, event_id, channels, endpoints, created_ms,
                   CASE WHEN id > coalesce((SELECT value FROM meta WHERE key = 'idempotency_mark'), 0)
                     THEN idempotency_key END,
                   idempotency_body, payload, tags, deliver_ms, chain
                 FROM messages WHERE id > ? ORDER BY id LIMIT ?",
        columns: &[Int8, Int2, Int8, Text, Text, Text, Bytes, Int8, Bytes, Bytes, Bytes, Text, Int8, Bytes],
        key: 1,
        partitions: of_messages,
        // Node 0 is nobody: what these messages still wait for is in the schedule. A key may have been
        // used again after its time; the last use counts.
        insert: "
WITH given AS (
  SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bytea[],
    $8::bigint[], $9::bytea[], $10::bytea[], $11::bytea[], $12::text[], $13::bigint[],
    $14::bytea[])
  AS g (id, class, app, event_type, event_id, channels, endpoints, created_ms, key, body, payload, tags, deliver_ms,
    chain)
), keyed AS (
  INSERT INTO idempotency (key, body, created_ms, message)
  SELECT DISTINCT ON (key) key, body, created_ms, id FROM given WHERE key IS NOT NULL ORDER BY key, id DESC
  ON CONFLICT (key) DO UPDATE SET body = excluded.body, created_ms = excluded.created_ms, message = excluded.message
)
INSERT INTO messages (id, class, app, node, event_type, event_id, channels, endpoints, created_ms, payload, tags,
  deliver_ms, chain)
SELECT id, class, app, 0, event_type, event_id, channels, endpoints, created_ms, payload, tags, deliver_ms, chain
FROM given",
        count: "SELECT count(*) FROM messages",
        count_copied: "SELECT count(*) FROM messages",
    },
    Table {
        name: "attempts",
        select: "SELECT id, message, endpoint, success, status, error_code, error, url, started_ms, duration_ms,
                   manual, response, cleared, reply, retried
                 FROM attempts WHERE id > ? ORDER BY id LIMIT ?",
        columns: &[Int8, Int8, Int8, Bool, Int2, Text, Text, Text, Int8, Int8, Bool, Bytes, Bool, Text, Bool],
        key: 1,
        partitions: of_attempts,
        insert: "
INSERT INTO attempts (id, message, endpoint, success, status, error_code, error, url, started_ms, duration_ms,
  manual, response, cleared, reply, retried)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::smallint[], $6::text[], $7::text[],
  $8::text[], $9::bigint[], $10::bigint[], $11::boolean[], $12::bytea[], $13::boolean[], $14::text[], $15::boolean[])",
        count: "SELECT count(*) FROM attempts",
        count_copied: "SELECT count(*) FROM attempts",
    },
    Table {
        name: "untold",
        select: "SELECT attempt, message FROM untold WHERE attempt > ? ORDER BY attempt LIMIT ?",
        columns: &[Int8, Int8],
        key: 1,
        partitions: no_partitions,
        insert: "INSERT INTO untold (attempt, message) SELECT * FROM unnest($1::bigint[], $2::bigint[])",
        count: "SELECT count(*) FROM untold",
        count_copied: "SELECT count(*) FROM untold",
    },
    Table {
        name: "variables",
        select: "SELECT app, endpoint, subject, name, value, created_ms, updated_ms FROM variables
                 WHERE (app, endpoint, subject, name) > (?, ?, ?, ?) ORDER BY app, endpoint, subject, name LIMIT ?",
        columns: &[Int8, Int8, Text, Text, Text, Int8, Int8],
        key: 4,
        partitions: no_partitions,
        insert: "
INSERT INTO variables (app, endpoint, subject, name, value, created_ms, updated_ms)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])",
        count: "SELECT count(*) FROM variables",
        count_copied: "SELECT count(*) FROM variables",
    },
    Table {
        name: "polled",
        select: "SELECT endpoint, message FROM polled WHERE (endpoint, message) > (?, ?) ORDER BY endpoint, message LIMIT ?",
        columns: &[Int8, Int8],
        key: 2,
        partitions: no_partitions,
        // Their places are their ids, where they stand in order: what consumers remember still holds.
        insert: "
WITH given AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS g (endpoint, message)
), last AS (
  INSERT INTO pollers (endpoint, last) SELECT endpoint, max(message) FROM given GROUP BY endpoint
  ON CONFLICT (endpoint) DO UPDATE SET last = greatest(pollers.last, excluded.last)
)
INSERT INTO polled (endpoint, message, position) SELECT endpoint, message, message FROM given",
        count: "SELECT count(*) FROM polled",
        count_copied: "SELECT count(*) FROM polled",
    },
    Table {
        name: "consumers",
        select: "SELECT endpoint, name, position, moved_ms FROM consumers
                 WHERE (endpoint, name) > (?, ?) ORDER BY endpoint, name LIMIT ?",
        columns: &[Int8, Text, Int8, Int8],
        key: 2,
        partitions: no_partitions,
        insert: "
INSERT INTO consumers (endpoint, name, position, moved_ms)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])",
        count: "SELECT count(*) FROM consumers",
        count_copied: "SELECT count(*) FROM consumers",
    },
    Table {
        name: "addresses",
        select: "SELECT app, object, endpoint, set_ms FROM addresses
                 WHERE (app, object) > (?, ?) ORDER BY app, object LIMIT ?",
        columns: &[Int8, Text, Int8, Int8],
        key: 2,
        partitions: no_partitions,
        insert: "
INSERT INTO addresses (app, object, endpoint, set_ms)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])",
        count: "SELECT count(*) FROM addresses",
        count_copied: "SELECT count(*) FROM addresses",
    },
    Table {
        name: "event_ids",
        select: "SELECT e.app, e.event_id, e.message, coalesce(m.created_ms, 0) FROM event_ids e
                 LEFT JOIN messages m ON m.id = e.message
                 WHERE (e.app, e.event_id) > (?, ?) ORDER BY e.app, e.event_id LIMIT ?",
        columns: &[Int8, Text, Int8, Int8],
        key: 2,
        partitions: no_partitions,
        insert: "
INSERT INTO event_ids (app, event_id, message, created_ms)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])",
        count: "SELECT count(*) FROM event_ids",
        count_copied: "SELECT count(*) FROM event_ids",
    },
    Table {
        name: "idempotency",
        select: "SELECT key, body, created_ms, message, status, answer FROM idempotency
                 WHERE key > ? ORDER BY key LIMIT ?",
        columns: &[Bytes, Bytes, Int8, Int8, Int4, Bytes],
        key: 1,
        partitions: no_partitions,
        // Those that came with their messages are the newer ones.
        insert: "
INSERT INTO idempotency (key, body, created_ms, message, status, answer)
SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[], $5::integer[], $6::bytea[])
ON CONFLICT DO NOTHING",
        count: "SELECT (SELECT count(*) FROM idempotency) + (SELECT count(DISTINCT idempotency_key) FROM messages m
                  WHERE id > coalesce((SELECT value FROM meta WHERE key = 'idempotency_mark'), 0)
                  AND NOT EXISTS (SELECT 1 FROM idempotency i WHERE i.key = m.idempotency_key))",
        count_copied: "SELECT count(*) FROM idempotency",
    },
    Table {
        name: "schedule",
        // One that was left out has the largest number, which is -1 there.
        select: "SELECT endpoint, message, manual, due_ms, iif(attempts > 2147483647, -1, attempts), more FROM schedule
                 WHERE (endpoint, message, manual) > (?, ?, ?) ORDER BY endpoint, message, manual LIMIT ?",
        columns: &[Int8, Int8, Bool, Int8, Int4, Int4],
        key: 3,
        partitions: no_partitions,
        insert: "
INSERT INTO schedule (endpoint, message, manual, due_ms, attempts, more)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[], $5::integer[], $6::integer[])",
        count: "SELECT count(*) FROM schedule",
        count_copied: "SELECT count(*) FROM schedule",
    },
    Table {
        name: "tasks",
        select: "SELECT id, env, app, kind, status, input, progress, cursor, updated_ms FROM tasks
                 WHERE id > ? ORDER BY id LIMIT ?",
        columns: &[Int8, Int8, Int8, Text, Text, Text, Text, Int8, Int8],
        key: 1,
        partitions: no_partitions,
        insert: "
INSERT INTO tasks (id, env, app, kind, status, input, progress, cursor, updated_ms)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::bigint[], $9::bigint[])",
        count: "SELECT count(*) FROM tasks",
        count_copied: "SELECT count(*) FROM tasks",
    },
];

fn no_partitions(_: &[Column]) -> BTreeSet<Partition> {
    BTreeSet::new()
}

fn of_messages(columns: &[Column]) -> BTreeSet<Partition> {
    let (ids, classes) = (columns[0].ints(), columns[1].ints());
    let class = |class: i64| u16::try_from(class).unwrap_or_default();
    ids.zip(classes).map(|(id, days)| Partition::of_message(class(days), id)).collect()
}

fn of_attempts(columns: &[Column]) -> BTreeSet<Partition> {
    columns[1].ints().map(Partition::of_attempt).collect()
}
