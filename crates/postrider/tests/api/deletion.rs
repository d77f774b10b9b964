//! Applications and endpoints that are deleted while deliveries are under way.

use super::{on_a_clock, started};
use postrider_testkit::app::{App, Start, eventually};
use postrider_testkit::receiver::Answer;
use serde_json::{Value, json};
use std::time::Duration;

/// Deliveries that are not final, as they were last counted: every 15 seconds.
async fn waiting(app: &App) -> u32 {
    let page = app.get("/metrics").await;
    let mut lines = page.body.as_str().unwrap().lines();
    lines.find_map(|line| line.strip_prefix("postrider_queue_depth ")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn deleting_an_application_ends_what_is_under_way_and_what_waits() {
    let (app, clock, receiver) = on_a_clock().await;
    let waits = async |is_right: fn(u32) -> bool| {
        let counted = eventually(async || {
            clock.advance(Duration::from_secs(15));
            is_right(waiting(&app).await)
        });
        assert!(counted.await, "{} deliveries wait", waiting(&app).await);
    };
    receiver.answer("/slow", Answer::status(500).delay(Duration::from_millis(300)));
    receiver.answer("/down", Answer::status(500));
    let (acme, other) = (app.application().await, app.application().await);
    app.endpoint(&acme, json!({"url": receiver.url("/slow"), "maxConcurrency": 2, "retrySchedule": [0, 0, 0]})).await;
    app.endpoint(&acme, json!({"url": receiver.url("/down"), "retrySchedule": [86400]})).await;
    app.endpoint(&other, json!({"url": receiver.url("/other")})).await;
    for n in 0..20 {
        app.send(&acme, "a", json!({"n": n})).await;
    }
    receiver.wait_for("/slow", 2).await;
    receiver.wait_for("/down", 20).await;
    waits(|count| count >= 20).await;
    app.delete(&format!("/api/v1/app/{acme}")).await.expect(204);
    let refused = app.post(&format!("/api/v1/app/{acme}/msg"), json!({"eventType": "a", "payload": {}})).await;
    refused.expect(404);
    app.get(&format!("/api/v1/app/{acme}/msg")).await.expect(404);
    waits(|count| count == 0).await;
    let seen = receiver.count("/slow");
    receiver.expect_silence("/slow", Duration::from_millis(400)).await;
    assert!(receiver.count("/slow") == seen && seen < 20, "{seen} requests");

    app.send(&other, "a", json!({})).await;
    receiver.wait_for("/other", 1).await;
    let dir = app.stop().await;
    let seen = receiver.count("/down");
    let app = Start { dir: Some(dir), clock: clock.clone(), ..Start::default() }.start().await;
    clock.advance(Duration::from_secs(2 * 86_400));
    app.send(&other, "a", json!({})).await;
    receiver.wait_for("/other", 2).await;
    receiver.expect_silence("/down", Duration::from_millis(400)).await;
    assert_eq!(receiver.count("/down"), seen, "nothing comes back after a restart");
}

#[tokio::test]
async fn deleting_an_endpoint_under_way_leaves_the_others_alone() {
    let (app, receiver) = started().await;
    receiver.answer("/slow", Answer::status(500).delay(Duration::from_millis(200)));
    receiver.answer("/kept", Answer::status(200).delay(Duration::from_millis(20)));
    let acme = app.application().await;
    let slow =
        app.endpoint(&acme, json!({"url": receiver.url("/slow"), "maxConcurrency": 1, "retrySchedule": [0]})).await;
    let kept = app.endpoint(&acme, json!({"url": receiver.url("/kept"), "maxConcurrency": 2})).await;
    let mut sent = Vec::new();
    for n in 0..30 {
        sent.push(app.send(&acme, "a", json!({"n": n})).await);
    }
    receiver.wait_for("/slow", 1).await;
    app.delete(&format!("/api/v1/app/{acme}/endpoint/{slow}")).await.expect(204);
    let at_deletion = receiver.count("/slow");
    assert!(at_deletion < 60, "all {at_deletion} were sent before it was deleted");
    receiver.wait_for("/kept", 30).await;
    let has_ended = |attempt: &Value| attempt["endpointId"] == *slow && attempt["status"] == 2;
    for message in &sent {
        let seen = eventually(async || app.attempts(&acme, message).await.iter().any(has_ended)).await;
        assert!(seen, "what became of it can be seen: {:?}", app.attempts(&acme, message).await);
        let destinations = app.get(&format!("/api/v1/app/{acme}/msg/{message}/endpoint")).await.expect(200);
        let ids: Vec<&str> =
            destinations["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [&kept]);
    }
    // One that had started may still have been on its way.
    let requests = receiver.count("/slow");
    assert!(requests <= at_deletion + 1, "{requests} requests to an endpoint that is gone, {at_deletion} before that");
}
