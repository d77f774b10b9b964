//! What is kept how long, told by the clock, and that its space comes back.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_clock::Clock;
use postrider_testkit::app::{App, Start, eventually, id};
use postrider_testkit::database;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::json;
use std::time::Duration;

const NOW: i64 = 1_700_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

/// Moves the clock on by days, in steps that a sweep takes place in.
async fn pass(clock: &Clock, days: u32) {
    for _ in 0..days {
        clock.advance(DAY);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Bytes of the database.
async fn size(app: &App) -> u64 {
    match database::of(app.dir.path()) {
        None => std::fs::metadata(app.dir.path().join("postrider.db")).unwrap().len(),
        Some(url) => {
            let client = postrider_testdb::connect(url.split('?').next().unwrap()).await.unwrap();
            let row = client.query_one("SELECT pg_database_size(current_database())", &[]).await.unwrap();
            row.get::<_, i64>(0).cast_unsigned()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_when_their_time_is_over_and_never_before_their_last_delivery() {
    let clock = Clock::manual(NOW);
    let (app, receiver) = (Start { clock: clock.clone(), ..Start::default() }.start().await, Receiver::start().await);
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook"), "uid": "fine"})).await;
    let path = format!("/api/v1/app/{acme}/msg");
    let send = async |event: &str, days: u16| {
        let body = json!({"eventType": "a", "eventId": event, "payload": {}, "payloadRetentionPeriod": days});
        id(&app.post(&path, body).await.expect(202))
    };
    let short = send("short", 5).await;
    let long = send("long", 90).await;
    app.wait_for_attempts(&acme, &short, 1).await;
    // One, of another day, whose delivery is tried again only after its time.
    pass(&clock, 1).await;
    receiver.answer("/down", Answer::status(500));
    let month = 30 * 86_400;
    let down = json!({"url": receiver.url("/down"), "channels": ["late"], "retrySchedule": [month]});
    app.endpoint(&acme, down).await;
    let body = json!({"eventType": "a", "payload": {}, "payloadRetentionPeriod": 5, "channels": ["late"]});
    let pending = id(&app.post(&path, body).await.expect(202));
    app.wait_for_attempts(&acme, &pending, 2).await;

    let found = async |message: &str| app.get(&format!("{path}/{message}")).await.status == 200;
    pass(&clock, 5).await;
    assert!(found(&short).await, "a class of a week is the shortest that is long enough");
    pass(&clock, 3).await;
    assert!(eventually(async || !found(&short).await).await, "its week is over");
    assert!(found(&long).await && found(&pending).await);
    // The name is free again, and the attempts are still there.
    send("short", 5).await;
    let attempts = async || {
        let page = app.get(&format!("/api/v1/app/{acme}/attempt/endpoint/fine")).await.expect(200);
        page["data"].as_array().unwrap().len()
    };
    assert!(eventually(async || attempts().await == 4).await, "{} attempts", attempts().await);

    receiver.answer("/down", Answer::status(200));
    pass(&clock, 25).await;
    assert!(eventually(async || !found(&pending).await).await, "delivered, and then its time was over");
    assert_eq!(receiver.count("/down"), 2);
    assert!(found(&long).await);
    pass(&clock, 100).await;
    assert!(eventually(async || !found(&long).await).await);
    assert!(eventually(async || attempts().await == 0).await, "attempts go after 90 days");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_stands_for_its_request_for_a_day() {
    let clock = Clock::manual(NOW);
    let app = Start { clock: clock.clone(), ..Start::default() }.start().await;
    let acme = app.application().await;
    let path = format!("/api/v1/app/{acme}/msg");
    let send = async |payload: &str| {
        let body = format!(r#"{{"eventType": "a", "payload": {payload}}}"#);
        app.request("POST", &path, &[("idempotency-key", "one")], Some(body.into_bytes())).await
    };
    let first = id(&send("1").await.expect(202));
    clock.advance(Duration::from_secs(23 * 3_600));
    assert_eq!(id(&send("1").await.expect(202)), first);
    send("2").await.expect(409);
    clock.advance(Duration::from_secs(3_601));
    let second = id(&send("2").await.expect(202));
    assert_ne!(first, second);
    assert_eq!(id(&send("2").await.expect(202)), second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_space_of_what_is_gone_comes_back() {
    let clock = Clock::manual(NOW);
    let app = Start { clock: clock.clone(), ..Start::default() }.start().await;
    let acme = app.application().await;
    let empty = size(&app).await;
    let path = format!("/api/v1/app/{acme}/msg");
    // Not compressible, or the database would keep less than was sent.
    let text: String = (0..60_000_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    for n in 0..40 {
        let body = json!({"eventType": "a", "payload": format!("{n}{text}"), "payloadRetentionPeriod": 7});
        app.post(&path, body).await.expect(202);
    }
    let grown = async || size(&app).await > empty + (20 << 20);
    assert!(eventually(grown).await, "{} bytes", size(&app).await);
    pass(&clock, 9).await;
    let shrunk = eventually(async || {
        // Slices go between commits, so the more there are, the sooner it is done.
        app.post(&path, json!({"eventType": "a", "payload": "x"})).await.expect(202);
        size(&app).await < empty + (8 << 20)
    })
    .await;
    assert!(shrunk, "{} bytes of {empty}", size(&app).await);
}
