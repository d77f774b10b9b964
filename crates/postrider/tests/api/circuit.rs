//! How an endpoint stands: it gets all, less, or one try at a time.

use super::on_a_clock;
use postrider_testkit::app::{Client, eventually};
use postrider_testkit::receiver::Answer;
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

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
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": [5]})).await;
    receiver.answer("/hook", Answer::status(429).header("retry-after", "120"));
    let message = send(&app, &acme).await;
    let held = circuit(&app, &acme, &endpoint).await;
    assert_eq!(held["state"], "slowed");
    assert!(held["heldUntil"].as_str() > held["since"].as_str(), "{held}");
    assert!(held["nextProbe"].as_str() >= held["heldUntil"].as_str(), "{held}");
    receiver.answer("/hook", Answer::status(200));
    clock.advance(3 * MINUTE);
    app.wait_for_attempts(&acme, &message, 2).await;
    assert_eq!(circuit(&app, &acme, &endpoint).await["state"], "closed");
}
