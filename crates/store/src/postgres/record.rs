//! Finished attempts, and deliveries that are to wait, into the transaction of a batch.

use super::session::Param;
use crate::id::AttemptId;
use crate::message::{AttemptRecord, DeliveryKey, Scheduled};
use std::borrow::Cow;
use std::collections::BTreeSet;
use tokio_postgres::types::Type;

pub const RECORD: &str = "
INSERT INTO attempts (id, message, endpoint, success, status, error_code, error, url, started_ms, duration_ms,
  manual, response, reply, retried)
SELECT id, message, endpoint, success, status, error_code, error, url, started_ms, duration_ms, manual, response, reply,
  retried
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::smallint[], $6::text[], $7::text[], $8::text[],
  $9::bigint[], $10::bigint[], $11::boolean[], $12::bytea[], $13::text[], $14::boolean[])
AS g (id, message, endpoint, success, status, error_code, error, url, started_ms, duration_ms, manual, response, reply,
  retried)";

/// The attempts whose replies the provider is to be told of.
pub const UNTOLD: &str = "
INSERT INTO untold (attempt, message) SELECT * FROM unnest($1::bigint[], $2::bigint[])";

/// Puts deliveries in the schedule, or moves them there. Who wrote them takes the endpoint's lane if
/// nobody has it; an endpoint that shares one with others has none of its own.
pub const SCHEDULE: &str = "
WITH given AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[], $5::integer[], $6::bigint[])
  AS g (endpoint, message, manual, due_ms, attempts, holder)
), lane AS (
  INSERT INTO lanes (endpoint, node)
  SELECT DISTINCT coalesce(e.lane, g.endpoint) AS lane, $7::bigint FROM given g LEFT JOIN endpoints e ON e.id = g.endpoint
  ORDER BY lane ON CONFLICT DO NOTHING
)
INSERT INTO schedule (endpoint, message, manual, due_ms, attempts, holder) SELECT * FROM given
ON CONFLICT (endpoint, message, manual)
DO UPDATE SET due_ms = CASE schedule.attempts WHEN -1 THEN schedule.due_ms ELSE excluded.due_ms END,
  attempts = CASE schedule.attempts WHEN -1 THEN -1 ELSE excluded.attempts END, holder = excluded.holder";

/// Takes deliveries out of the schedule. Where more requests are wanted than were made, so many fewer are.
pub const UNSCHEDULE: &str = "
WITH done AS (
  SELECT endpoint, message, manual, count(*)::integer AS times
  FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS g (endpoint, message, manual) GROUP BY 1, 2, 3
), stays AS (
  UPDATE schedule s SET more = s.more - d.times FROM done d
  WHERE d.manual AND s.endpoint = d.endpoint AND s.message = d.message AND s.manual AND s.more >= d.times
)
DELETE FROM schedule s USING done d
WHERE s.endpoint = d.endpoint AND s.message = d.message AND s.manual = d.manual AND s.more < d.times";

/// A text as PostgreSQL can hold it: without the one character that it can't.
pub fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// The columns of a batch's attempts.
#[derive(Default)]
pub struct Attempts<'a> {
    ids: Vec<i64>,
    pub messages: Vec<i64>,
    endpoints: Vec<i64>,
    successes: Vec<bool>,
    statuses: Vec<i16>,
    codes: Vec<Option<&'a str>>,
    reasons: Vec<Option<Cow<'a, str>>>,
    urls: Vec<Cow<'a, str>>,
    started: Vec<i64>,
    durations: Vec<i64>,
    manual: Vec<bool>,
    responses: Vec<&'a [u8]>,
    replies: Vec<Option<Cow<'a, str>>>,
    retried: Vec<bool>,
    /// Those with a reply: attempts, and their messages.
    pub untold: (Vec<i64>, Vec<i64>),
}

impl<'a> Attempts<'a> {
    pub fn push(&mut self, id: AttemptId, record: &'a AttemptRecord) {
        let (code, reason) = record.outcome.error.as_ref().map(|(code, reason)| (code.as_str(), reason)).unzip();
        self.ids.push(id.0);
        self.messages.push(record.delivery.message.0);
        self.endpoints.push(record.delivery.endpoint.0);
        self.successes.push(record.outcome.success);
        self.statuses.push(record.outcome.status.cast_signed());
        self.codes.push(code);
        self.reasons.push(reason.map(|reason| storable(reason)));
        self.urls.push(storable(&record.url));
        self.started.push(record.started_ms);
        self.durations.push(record.duration_ms);
        self.manual.push(record.delivery.manual);
        self.responses.push(&record.response);
        self.replies.push(record.reply.as_deref().map(storable));
        self.retried.push(record.retry.is_some());
        if record.reply.is_some() {
            self.untold.0.push(id.0);
            self.untold.1.push(record.delivery.message.0);
        }
    }

    pub fn params(&self) -> [Param<'_>; 14] {
        [
            (&self.ids, Type::INT8_ARRAY),
            (&self.messages, Type::INT8_ARRAY),
            (&self.endpoints, Type::INT8_ARRAY),
            (&self.successes, Type::BOOL_ARRAY),
            (&self.statuses, Type::INT2_ARRAY),
            (&self.codes, Type::TEXT_ARRAY),
            (&self.reasons, Type::TEXT_ARRAY),
            (&self.urls, Type::TEXT_ARRAY),
            (&self.started, Type::INT8_ARRAY),
            (&self.durations, Type::INT8_ARRAY),
            (&self.manual, Type::BOOL_ARRAY),
            (&self.responses, Type::BYTEA_ARRAY),
            (&self.replies, Type::TEXT_ARRAY),
            (&self.retried, Type::BOOL_ARRAY),
        ]
    }

    pub fn untold(&self) -> [Param<'_>; 2] {
        [(&self.untold.0, Type::INT8_ARRAY), (&self.untold.1, Type::INT8_ARRAY)]
    }
}

/// The columns of rows of the schedule.
#[derive(Default)]
pub struct Rows {
    pub endpoints: Vec<i64>,
    messages: Vec<i64>,
    manual: Vec<bool>,
    due: Vec<i64>,
    attempts: Vec<i32>,
    holders: Vec<Option<i64>>,
    seen: BTreeSet<(i64, i64, bool)>,
}

impl Rows {
    /// A row that is to go: as often as it is pushed.
    pub fn push_key(&mut self, delivery: DeliveryKey) {
        self.endpoints.push(delivery.endpoint.0);
        self.messages.push(delivery.message.0);
        self.manual.push(delivery.manual);
    }

    /// One row for each delivery: the first that is pushed stays.
    pub fn push(&mut self, row: &Scheduled, holder: Option<i64>) {
        if self.seen.insert((row.delivery.endpoint.0, row.delivery.message.0, row.delivery.manual)) {
            self.push_key(row.delivery);
            self.due.push(row.due_ms);
            self.attempts.push(row.attempts.cast_signed());
            self.holders.push(holder);
        }
    }

    pub fn params<'b>(&'b self, node: &'b i64) -> [Param<'b>; 7] {
        [
            (&self.endpoints, Type::INT8_ARRAY),
            (&self.messages, Type::INT8_ARRAY),
            (&self.manual, Type::BOOL_ARRAY),
            (&self.due, Type::INT8_ARRAY),
            (&self.attempts, Type::INT4_ARRAY),
            (&self.holders, Type::INT8_ARRAY),
            (node, Type::INT8),
        ]
    }

    pub fn keys(&self) -> [Param<'_>; 3] {
        [(&self.endpoints, Type::INT8_ARRAY), (&self.messages, Type::INT8_ARRAY), (&self.manual, Type::BOOL_ARRAY)]
    }
}
