//! What responses set, into the transaction of a batch.

use super::record::storable;
use super::session::Param;
use crate::message::Setting;
use std::borrow::Cow;
use std::collections::BTreeMap;
use tokio_postgres::types::Type;

pub const SET: &str = "
INSERT INTO variables (app, endpoint, subject, name, value, created_ms, updated_ms)
SELECT app, endpoint, subject, name, value, set_ms, set_ms
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[])
AS g (app, endpoint, subject, name, value, set_ms)
ON CONFLICT (app, endpoint, subject, name) DO UPDATE SET value = excluded.value, updated_ms = excluded.updated_ms";

pub const UNSET: &str = "
DELETE FROM variables v USING unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) AS g (app, endpoint, subject, name)
WHERE v.app = g.app AND v.endpoint = g.endpoint AND v.subject = g.subject AND v.name = g.name";

/// The settings of a batch: the last of each variable counts, and all nodes go through them in one order.
#[derive(Default)]
pub struct Settings<'a>(BTreeMap<Key<'a>, (Option<Cow<'a, str>>, i64)>);

/// Application, endpoint, subject, name.
type Key<'a> = (i64, i64, Cow<'a, str>, Cow<'a, str>);

/// The same as columns.
#[derive(Default)]
pub struct Columns<'b> {
    apps: Vec<i64>,
    endpoints: Vec<i64>,
    subjects: Vec<&'b str>,
    names: Vec<&'b str>,
    values: Vec<&'b str>,
    set_ms: Vec<i64>,
}

impl<'a> Settings<'a> {
    pub fn push(&mut self, setting: &'a Setting) {
        let endpoint = setting.endpoint.map_or(0, |endpoint| endpoint.0);
        let key = (setting.app.0, endpoint, storable(&setting.subject), storable(&setting.name));
        self.0.insert(key, (setting.value.as_deref().map(storable), setting.set_ms));
    }

    /// Those that are set, and those that are taken away.
    pub fn columns(&self) -> (Columns<'_>, Columns<'_>) {
        let (mut set, mut unset) = (Columns::default(), Columns::default());
        for ((app, endpoint, subject, name), (value, set_ms)) in &self.0 {
            let columns = if value.is_some() { &mut set } else { &mut unset };
            columns.apps.push(*app);
            columns.endpoints.push(*endpoint);
            columns.subjects.push(subject);
            columns.names.push(name);
            columns.values.extend(value.as_deref());
            columns.set_ms.push(*set_ms);
        }
        (set, unset)
    }
}

impl Columns<'_> {
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }

    pub fn params(&self) -> [Param<'_>; 6] {
        [
            (&self.apps, Type::INT8_ARRAY),
            (&self.endpoints, Type::INT8_ARRAY),
            (&self.subjects, Type::TEXT_ARRAY),
            (&self.names, Type::TEXT_ARRAY),
            (&self.values, Type::TEXT_ARRAY),
            (&self.set_ms, Type::INT8_ARRAY),
        ]
    }
}
