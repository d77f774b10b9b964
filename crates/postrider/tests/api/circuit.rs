//! How an endpoint stands: it gets all, less, or one try at a time.

use super::on_a_clock;
use postrider_testkit::app::{Client, eventually};
use postrider_testkit::receiver::Answer;
use serde_json::{Value, json};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Epoch ms of a time that the API tells.
fn ms(time: &Value) -> i128 {
    OffsetDateTime::parse(time.as_str().unwrap(), &Rfc3339).unwrap().unix_timestamp_nanos() / 1_000_000
}

async fn circuit(app: &Client, acme: &str, endpoint: &str) -> Value {
    app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/circuit")).await.expect(200)
}

async fn send(app: &Client, acme: &str) -> String {
    let message = app.send(acme, "a", json!({})).await;
    app.wait_for_attempts(acme, &message, 1).await;
    message
}

#[tokio::test]
async fn it_opens_with_failure_after_failure_and_closes_with_one_success() {
    let (app, _, receiver) = on_a_clock().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": [600]})).await;
    let closed = json!({"state": "closed", "since": null, "heldUntil": null, "nextProbe": null});
    assert_eq!(circuit(&app, &acme, &endpoint).await, closed);
    receiver.answer("/hook", Answer::status(500));
    send(&app, &acme).await;
    let slowed = circuit(&app, &acme, &endpoint).await;
    assert_eq!((&slowed["state"], &slowed["heldUntil"]), (&json!("slowed"), &Value::Null));
    for _ in 0..2 {
        send(&app, &acme).await;
    }
    let mut open = Value::Null;
    let known = eventually(async || {
        open = circuit(&app, &acme, &endpoint).await;
        open["nextProbe"].as_str() > open["since"].as_str()
    });
    assert!(known.await, "{open}");
    assert_eq!((&open["state"], &open["since"]), (&json!("open"), &slowed["since"]));
    let stats = app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/stats")).await.expect(200);
    assert_eq!(stats["pending"], 3);

    receiver.answer("/hook", Answer::status(200));
    send(&app, &acme).await;
    assert_eq!(circuit(&app, &acme, &endpoint).await, closed);
    app.get(&format!("/api/v1/app/{acme}/endpoint/nobody/circuit")).await.expect(404);
}

#[tokio::test]
async fn one_that_asks_for_a_pause_is_shown_as_held_and_probed_after_it() {
    let (app, clock, receiver) = on_a_clock().await;
    let seconds = 120;
    for status in [429, 502, 504] {
        let path = format!("/{status}");
        let acme = app.application().await;
        let endpoint = app.endpoint(&acme, json!({"url": receiver.url(&path), "retrySchedule": [5]})).await;
        receiver.answer(&path, Answer::status(status).header("retry-after", "120"));
        let message = send(&app, &acme).await;
        let held = circuit(&app, &acme, &endpoint).await;
        assert_eq!(held["state"], "slowed", "{path}: {held}");
        assert_eq!(ms(&held["heldUntil"]) - ms(&held["since"]), i128::from(seconds) * 1_000, "{path}: {held}");
        assert!(ms(&held["nextProbe"]) >= ms(&held["heldUntil"]), "{path}: {held}");

        // Until then it gets nothing at all, and then what has come meanwhile, too.
        let next = app.send(&acme, "a", json!({})).await;
        clock.advance(Duration::from_secs(seconds - 1));
        receiver.expect_silence(&path, Duration::from_millis(100)).await;
        receiver.answer(&path, Answer::status(200));
        clock.advance(Duration::from_secs(2));
        app.wait_for_attempts(&acme, &next, 1).await;
        app.wait_for_attempts(&acme, &message, 2).await;
        assert_eq!(circuit(&app, &acme, &endpoint).await["state"], "closed", "{path}");
    }
}
