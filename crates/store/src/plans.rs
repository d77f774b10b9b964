//! Every listing follows an index: the databases are asked how they would go about it.

use crate::id::{AppId, EndpointId, EnvId, MessageId};
use crate::listing::{self, Dialect, Sql, Value};
use crate::query::{AttemptFilter, AttemptsOf, MessageFilter, Page, TaskFilter};

fn pages() -> Vec<Page> {
    let page = |after, ascending| Page { limit: 51, after, ascending, content: false };
    vec![page(None, false), page(Some(1 << 60), false), page(None, true), page(Some(1), true)]
}

fn message_filters() -> Vec<MessageFilter> {
    let none = MessageFilter::default();
    vec![
        none.clone(),
        MessageFilter { before_ms: Some(1_900_000_000_000), ..none.clone() },
        MessageFilter { after_ms: Some(1_700_000_000_000), ..none.clone() },
        MessageFilter { channel: Some("blue".into()), tag: Some("vip".into()), ..none.clone() },
        MessageFilter { event_types: vec!["a".into(), "b".into()], ..none },
    ]
}

/// Every listing that there is, with every filter.
fn listings(dialect: Dialect) -> Vec<Sql> {
    let mut all = Vec::new();
    for page in pages() {
        let mut push = |(listing, one_by_one): (listing::Listing, bool)| {
            all.push(listing.rows(one_by_one.then_some(if page.ascending { 1 << 61 } else { 5 })));
            if one_by_one {
                all.push(listing.looked_to());
            }
        };
        for filter in message_filters() {
            push(listing::messages(dialect, AppId(1), None, &filter, page));
            push(listing::messages(dialect, AppId(1), Some(EndpointId(2)), &filter, page));
            for of in [AttemptsOf::Message(MessageId(1)), AttemptsOf::Endpoint(EndpointId(2))] {
                for success in [None, Some(true), Some(false)] {
                    let filter = AttemptFilter {
                        success,
                        cancelled: success.map(|success| !success),
                        says_something: false,
                        uncleared: success == Some(false),
                        status_class: success.map(|_| 200),
                        endpoint: None,
                        messages: filter.clone(),
                    };
                    push(listing::attempts(dialect, of, &filter, page));
                }
            }
        }
        let tasks = TaskFilter { env: EnvId(1), kind: None, statuses: vec![] };
        push((listing::tasks(dialect, &tasks, page), false));
    }
    all
}

#[test]
fn sqlite_follows_an_index_for_every_page() {
    let mut conn = rusqlite::Connection::open_in_memory().unwrap();
    crate::sqlite::migrate(&mut conn).unwrap();
    for sql in listings(Dialect::Sqlite) {
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.text)).unwrap();
        let plan: Vec<String> = explain
            .query_map(rusqlite::params_from_iter(&sql.values), |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let follows = |step: &String| {
            let sorts = step == "USE TEMP B-TREE FOR ORDER BY";
            // The attempts of one message are few.
            (sorts && sql.text.contains("a.message = ?")) || (step.starts_with("SEARCH") && step.contains("USING"))
        };
        assert!(plan.iter().all(follows), "{plan:?}\n{}", sql.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_follows_an_index_for_every_page() {
    let Some(url) = postrider_testdb::fresh().await else { return };
    let mut client = postrider_testdb::connect(&url).await.unwrap();
    crate::postgres::migrate(&mut client).await.unwrap();
    // With nothing in them, tables are read whole; as if there were much, they are not.
    client.batch_execute(FILL).await.unwrap();
    for sql in listings(Dialect::Postgres) {
        // Its values as literals, for a plan made for them.
        let mut text = sql.text.clone();
        for (n, value) in sql.values.iter().enumerate().rev() {
            let literal = match value {
                Value::Int(value) => value.to_string(),
                Value::Text(value) => format!("'{value}'"),
                Value::Bytes(_) => "'\\x0000000000000002'::bytea".to_owned(),
            };
            text = text.replace(&format!("${}", n + 1), &literal);
        }
        let rows = client.query(&format!("EXPLAIN {text}"), &[]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        let (table, _) = text.split_once(" WHERE").unwrap();
        let table = if table.contains("attempts a") { "attempts" } else { "messages" };
        let whole = format!("Seq Scan on {table}");
        assert!(!plan.contains(&whole) && plan.contains("Index"), "{plan}\n{text}");
    }
}

const FILL: &str = "
CREATE TABLE messages_90 PARTITION OF messages FOR VALUES IN (90) PARTITION BY RANGE (id);
CREATE TABLE messages_90_all PARTITION OF messages_90 DEFAULT;
CREATE TABLE attempts_all PARTITION OF attempts DEFAULT;
INSERT INTO messages (id, class, app, node, event_type, endpoints, created_ms, payload)
  SELECT n, 90, n % 10, 1, 'a', '\\x0000000000000002', n, '{}' FROM generate_series(1, 30000) n;
INSERT INTO attempts SELECT n, n / 2, n % 10, n % 100 <> 0, 200, NULL, NULL, 'http://a', n, 1, false, ''
  FROM generate_series(1, 60000) n;
INSERT INTO tasks SELECT n, n % 10, 1, 'endpoint.recover', 'finished', '{}', '{}', 0, 0 FROM generate_series(1, 5000) n;
ANALYZE;
";
