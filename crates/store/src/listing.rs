//! Listings as SQL, for both databases.
//!
//! Every listing follows an index from where the last page ended. A filter that no index knows looks at
//! a limited number of rows ([`LOOKED_AT`]), so a page takes no longer where nothing is found.

use crate::id::{AppId, EndpointId};
use crate::query::{AttemptFilter, AttemptsOf, LOOKED_AT, MessageFilter, PAGE_BYTES, Page, TaskFilter};

/// In which words to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// A value of a query.
#[derive(Clone, Debug)]
pub enum Value {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A query and its values, in order.
#[derive(Clone, Debug)]
pub struct Sql {
    pub text: String,
    pub values: Vec<Value>,
}

/// A listing: its table, by which id it is ordered, and what it shows.
#[derive(Clone, Debug)]
pub struct Listing {
    dialect: Dialect,
    /// The last of them is how many bytes the row has.
    columns: String,
    table: &'static str,
    /// What of another table the filters need.
    join: &'static str,
    id: &'static str,
    page: Page,
    /// What an index knows.
    range: Vec<(String, Value)>,
    /// What it doesn't.
    filters: Vec<(String, Vec<Value>)>,
}

impl Listing {
    fn new(dialect: Dialect, table: &'static str, id: &'static str, columns: String, page: Page) -> Listing {
        Listing { dialect, columns, table, join: "", id, page, range: vec![], filters: vec![] }
    }

    fn within(&mut self, condition: &str, value: impl Into<Value>) {
        self.range.push((condition.to_owned(), value.into()));
    }

    fn only(&mut self, condition: impl Into<String>, values: Vec<Value>) {
        self.filters.push((condition.into(), values));
    }

    fn ids(&mut self, filter: &MessageFilter) {
        let id = self.id;
        let (first, end) = filter.ids();
        if let Some(first) = first {
            self.within(&format!("{id} >= ?"), first);
        }
        if let Some(end) = end {
            self.within(&format!("{id} < ?"), end);
        }
        if let Some(after) = self.page.after {
            let beyond = if self.page.ascending { ">" } else { "<" };
            self.within(&format!("{id} {beyond} ?"), after);
        }
    }

    /// `time` is the column that the filter's time window is about.
    fn messages(&mut self, filter: &MessageFilter, time: &str) {
        if let Some(before) = filter.before_ms {
            self.only(format!("{time} < ?"), vec![before.into()]);
        }
        if let Some(after) = filter.after_ms {
            self.only(format!("{time} > ?"), vec![after.into()]);
        }
        let find = if self.dialect == Dialect::Sqlite { "instr" } else { "strpos" };
        for (column, name) in [("m.channels", &filter.channel), ("m.tags", &filter.tag)] {
            if let Some(name) = name {
                self.only(format!("{find}(',' || {column} || ',', ?) > 0"), vec![format!(",{name},").into()]);
            }
        }
        if !filter.event_types.is_empty() {
            let marks = vec!["?"; filter.event_types.len()].join(", ");
            let values = filter.event_types.iter().cloned().map(Value::from).collect();
            self.only(format!("m.event_type IN ({marks})"), values);
        }
    }

    /// Which rows of the page there are; none of them beyond `looked_to`. PostgreSQL is told of [`PAGE_BYTES`]; what
    /// SQLite finds is read only so far.
    pub fn rows(&self, looked_to: Option<i64>) -> Sql {
        let mut sql = self.select(&self.columns, self.join);
        for (condition, values) in &self.filters {
            self.and(&mut sql, condition, values.clone());
        }
        if let Some(to) = looked_to {
            let until = if self.page.ascending { "<=" } else { ">=" };
            self.and(&mut sql, &format!("{} {until} ?", self.id), vec![to.into()]);
        }
        self.order(&mut sql, self.page.limit, 0);
        match self.dialect {
            Dialect::Sqlite => sql,
            Dialect::Postgres => {
                let order = if self.page.ascending { "id ASC" } else { "id DESC" };
                Sql { text: within_bytes(&sql.text, order), ..sql }
            }
        }
    }

    /// The last id that is looked at for this page, if there is so much.
    pub fn looked_to(&self) -> Sql {
        let mut sql = self.select(self.id, "");
        self.order(&mut sql, 1, LOOKED_AT);
        sql
    }

    fn select(&self, columns: &str, join: &str) -> Sql {
        let mut sql = Sql { text: format!("SELECT {columns} FROM {}{join}", self.table), values: vec![] };
        for (condition, value) in &self.range {
            self.and(&mut sql, condition, vec![value.clone()]);
        }
        sql
    }

    fn and(&self, sql: &mut Sql, condition: &str, values: Vec<Value>) {
        sql.text.push_str(if sql.text.contains(" WHERE ") { " AND " } else { " WHERE " });
        match self.dialect {
            Dialect::Sqlite => sql.text.push_str(condition),
            Dialect::Postgres => {
                for (n, part) in condition.split('?').enumerate() {
                    if n > 0 {
                        sql.text.push_str(&format!("${}", sql.values.len() + n));
                    }
                    sql.text.push_str(part);
                }
            }
        }
        sql.values.extend(values);
    }

    fn order(&self, sql: &mut Sql, limit: usize, offset: usize) {
        let order = if self.page.ascending { "ASC" } else { "DESC" };
        sql.text.push_str(&format!(" ORDER BY {} {order} LIMIT {limit}", self.id));
        if offset > 0 {
            sql.text.push_str(&format!(" OFFSET {offset}"));
        }
    }
}

/// Of the rows of a PostgreSQL query whose last column is `row_bytes`, those that make up a page of [`PAGE_BYTES`], with
/// two columns more: the bytes up to here, and how many rows there are altogether. Only the sizes of the others are read.
pub fn within_bytes(rows: &str, order: &str) -> String {
    format!(
        "SELECT * FROM (SELECT *, sum(row_bytes) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING) AS bytes_so_far, \
         count(*) OVER () AS found FROM ({rows}) looked_at) sized \
         WHERE bytes_so_far <= {PAGE_BYTES} OR bytes_so_far = row_bytes ORDER BY {order}"
    )
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Text(value)
    }
}

/// What a message is read from, in the order in which the drivers read it.
pub fn message_columns(dialect: Dialect, content: bool) -> String {
    let payload = content_column(dialect, "m.payload", content);
    format!(
        "m.id, m.app, m.event_type, m.event_id, m.channels, m.tags, m.endpoints, m.created_ms, {payload}, m.deliver_ms, \
         m.chain"
    )
}

/// How many bytes of a message are read.
pub fn message_bytes(content: bool) -> &'static str {
    match content {
        true => "coalesce(octet_length(m.payload) + octet_length(m.endpoints), 0) AS row_bytes",
        false => "octet_length(m.endpoints) AS row_bytes",
    }
}

fn attempt_bytes(content: bool) -> &'static str {
    match content {
        true => {
            "octet_length(a.response) + coalesce(octet_length(a.reply), 0) + octet_length(a.url) \
             + coalesce(octet_length(a.error), 0) AS row_bytes"
        }
        false => {
            "coalesce(octet_length(a.reply), 0) + octet_length(a.url) + coalesce(octet_length(a.error), 0) AS row_bytes"
        }
    }
}

/// What an attempt is read from.
pub fn attempt_columns(dialect: Dialect, content: bool) -> String {
    let response = content_column(dialect, "a.response", content);
    format!(
        "a.id, a.message, a.endpoint, a.success, a.status, a.error_code, a.error, a.url, a.started_ms, a.duration_ms, \
         a.manual, {response}, a.reply"
    )
}

/// What a reply is read from, an attempt `a` of a message `m`.
pub const REPLY_COLUMNS: &str = "m.app, a.message, a.endpoint, a.id, a.reply";

/// What a job is read from.
pub const TASK_COLUMNS: &str = "id, env, app, kind, status, input, progress, cursor, updated_ms";

fn content_column(dialect: Dialect, column: &str, content: bool) -> String {
    match (content, dialect) {
        (true, _) => column.to_owned(),
        (false, Dialect::Sqlite) => "x''".to_owned(),
        (false, Dialect::Postgres) => "''::bytea".to_owned(),
    }
}

/// Messages of an application; those that went or go to `endpoint`, if one is given. The flag says whether
/// rows have to be looked at one by one.
pub fn messages(
    dialect: Dialect,
    app: AppId,
    endpoint: Option<EndpointId>,
    filter: &MessageFilter,
    page: Page,
) -> (Listing, bool) {
    let columns = format!("{}, {}", message_columns(dialect, page.content), message_bytes(page.content));
    let mut listing = Listing::new(dialect, "messages m", "m.id", columns, page);
    listing.within("m.app = ?", app.0);
    listing.ids(filter);
    listing.messages(filter, "m.created_ms");
    if let Some(endpoint) = endpoint {
        // Ids are eight bytes each, so a match must start at a multiple of eight.
        let place = match dialect {
            Dialect::Sqlite => "(instr(m.endpoints, ?) - 1) % 8 = 0",
            Dialect::Postgres => "(position(? IN m.endpoints) - 1) % 8 = 0",
        };
        listing.only(place, vec![Value::Bytes(endpoint.0.to_be_bytes().to_vec())]);
    }
    (listing, filter.is_selective() || endpoint.is_some())
}

/// Attempts, and whether rows have to be looked at one by one.
pub fn attempts(dialect: Dialect, of: AttemptsOf, filter: &AttemptFilter, page: Page) -> (Listing, bool) {
    let columns = format!("{}, {}", attempt_columns(dialect, page.content), attempt_bytes(page.content));
    let mut listing = Listing::new(dialect, "attempts a", "a.id", columns, page);
    if filter.messages.is_selective() {
        listing.join = " LEFT JOIN messages m ON m.id = a.message";
    }
    match of {
        AttemptsOf::Message(message) => listing.within("a.message = ?", message.0),
        AttemptsOf::Endpoint(endpoint) => listing.within("a.endpoint = ?", endpoint.0),
    }
    listing.ids(&filter.messages);
    if let Some(endpoint) = filter.endpoint {
        listing.only("a.endpoint = ?", vec![endpoint.0.into()]);
    }
    match filter.success {
        Some(true) => listing.only("a.success", vec![]),
        Some(false) => listing.only("NOT a.success", vec![]),
        None => {}
    }
    match filter.cancelled {
        Some(true) => listing.only("a.error_code = 'cancelled'", vec![]),
        Some(false) => listing.only("coalesce(a.error_code, '') <> 'cancelled'", vec![]),
        None => {}
    }
    if filter.says_something {
        listing.only("(NOT a.success OR a.reply IS NOT NULL)", vec![]);
    }
    if filter.uncleared {
        listing.only("NOT a.cleared", vec![]);
    }
    if let Some(class) = filter.status_class {
        listing.only("a.status / 100 = ?", vec![i64::from(class / 100).into()]);
    }
    listing.messages(&filter.messages, "a.started_ms");
    (listing, filter.is_selective())
}

/// Jobs of an environment. Few enough that no filter needs an index.
pub fn tasks(dialect: Dialect, filter: &TaskFilter, page: Page) -> Listing {
    let columns = format!("{TASK_COLUMNS}, octet_length(input) + octet_length(progress) AS row_bytes");
    let mut listing = Listing::new(dialect, "tasks", "id", columns, page);
    listing.within("env = ?", filter.env.0);
    listing.ids(&MessageFilter::default());
    if let Some(kind) = filter.kind {
        listing.only("kind = ?", vec![kind.name().to_owned().into()]);
    }
    if !filter.statuses.is_empty() {
        let marks = vec!["?"; filter.statuses.len()].join(", ");
        let names = filter.statuses.iter().map(|status| status.name().to_owned().into()).collect();
        listing.only(format!("status IN ({marks})"), names);
    }
    listing
}
