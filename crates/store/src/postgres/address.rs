//! Where messages about an object go from now on, into the transaction of a batch.

use super::session::Param;
use crate::message::NewMessage;
use tokio_postgres::types::Type;

/// For the messages that were inserted; the last one about an object counts.
pub const ADDRESS: &str = "
INSERT INTO addresses (app, object, endpoint, set_ms)
SELECT DISTINCT ON (app, object) app, object, endpoint, set_ms
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[])
AS g (message, app, object, endpoint, set_ms)
WHERE EXISTS (SELECT 1 FROM messages m WHERE m.id = g.message) ORDER BY app, object, message DESC
ON CONFLICT (app, object) DO UPDATE SET endpoint = excluded.endpoint, set_ms = excluded.set_ms";

/// The messages of a batch that name an object and where it goes.
#[derive(Default)]
pub struct Addresses<'a> {
    messages: Vec<i64>,
    apps: Vec<i64>,
    objects: Vec<&'a str>,
    endpoints: Vec<i64>,
    set_ms: Vec<i64>,
}

impl<'a> Addresses<'a> {
    pub fn push(&mut self, id: i64, message: &'a NewMessage) {
        if let (Some(object), Some(endpoint)) = (&message.object, message.endpoints.first()) {
            self.messages.push(id);
            self.apps.push(message.app.0);
            self.objects.push(object);
            self.endpoints.push(endpoint.0);
            self.set_ms.push(message.created_ms);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn params(&self) -> [Param<'_>; 5] {
        [
            (&self.messages, Type::INT8_ARRAY),
            (&self.apps, Type::INT8_ARRAY),
            (&self.objects, Type::TEXT_ARRAY),
            (&self.endpoints, Type::INT8_ARRAY),
            (&self.set_ms, Type::INT8_ARRAY),
        ]
    }
}
