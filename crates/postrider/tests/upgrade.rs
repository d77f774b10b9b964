//! A data directory of the first version opens in every later one.
//!
//! `data/first` was made once by `KEEP_DATA=DIR cargo test -p postrider --test upgrade`, with the version that
//! landed first, and is never made again.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_clock::Clock;
use postrider_testkit::app::Start;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// 2026-01-01T00:00:00Z: when the data was made.
const MADE_MS: i64 = 1_767_225_600_000;
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

async fn make(keep: &Path) {
    let receiver = Receiver::start().await;
    receiver.answer("/down", Answer::status(500));
    let app = Start { clock: Clock::manual(MADE_MS), ..Start::default() }.start().await;
    app.post("/api/v1/app", json!({"name": "First", "uid": "first", "metadata": {"plan": "gold"}})).await.expect(201);
    app.post("/api/v1/event-type", json!({"name": "user.created", "description": "A user came"})).await.expect(201);
    let endpoints = [
        json!({"uid": "up", "url": receiver.url("/up"), "secret": SECRET, "headers": {"x-tenant": "7"}}),
        json!({"uid": "down", "url": receiver.url("/down"), "eventTypes": ["user.created"], "retrySchedule": [3600, 7200]}),
    ];
    for endpoint in endpoints {
        app.endpoint("first", endpoint).await;
    }
    let message = json!({"eventType": "user.created", "eventId": "event-1", "payload": {"amount": 1}});
    let message = app.post("/api/v1/app/first/msg", message).await.expect(202);
    app.wait_for_attempts("first", message["id"].as_str().unwrap(), 2).await;
    let dir = app.stop().await;
    std::fs::create_dir_all(keep).unwrap();
    std::fs::copy(dir.path().join("postrider.db"), keep.join("postrider.db")).unwrap();
}

#[tokio::test]
async fn the_first_versions_data_opens_and_goes_on() {
    if let Some(keep) = std::env::var_os("KEEP_DATA") {
        make(Path::new(&keep)).await;
    }
    let dir = TempDir::new().unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/first/postrider.db");
    std::fs::copy(kept, dir.path().join("postrider.db")).unwrap();
    let clock = Clock::manual(MADE_MS + 1_000);
    let app = Start { clock: clock.clone(), dir: Some(dir), ..Start::default() }.start().await;

    let first = app.get("/api/v1/app/first").await.expect(200);
    assert_eq!((&first["name"], &first["metadata"]), (&json!("First"), &json!({"plan": "gold"})));
    assert_eq!(app.get("/api/v1/app/first/endpoint/up/secret").await.expect(200)["key"], SECRET);
    assert_eq!(app.get("/api/v1/app/first/endpoint/up/headers").await.expect(200)["headers"]["x-tenant"], "7");
    assert_eq!(app.get("/api/v1/event-type/user.created").await.expect(200)["description"], "A user came");
    let messages = app.get("/api/v1/app/first/msg").await.expect(200)["data"].clone();
    assert_eq!(messages[0]["payload"], json!({"amount": 1}));
    let message = messages[0]["id"].as_str().unwrap();
    assert_eq!(app.states("first", message).await, ["success", "pending"]);

    // The retry that waited goes out when its time has come, to where the endpoint points now.
    let receiver = Receiver::start().await;
    app.patch("/api/v1/app/first/endpoint/down", json!({"url": receiver.url("/down")})).await.expect(200);
    clock.advance(Duration::from_secs(2 * 3_600));
    assert_eq!(receiver.wait_for("/down", 1).await[0].json(), json!({"amount": 1}));
    let taken = json!({"eventType": "user.created", "eventId": "event-1", "payload": {}});
    app.post("/api/v1/app/first/msg", taken).await.expect(409);
}
