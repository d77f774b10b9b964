//! Applications and endpoints that are deleted while deliveries are under way.

use super::started;
use postrider_testkit::app::{App, eventually};
use postrider_testkit::receiver::Answer;
use serde_json::json;
use std::time::Duration;

/// Deliveries that wait, as the server counts them.
async fn waiting(app: &App) -> String {
    let page = app.get("/metrics").await;
    let lines = page.body.as_str().unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    lines.into_iter().find(|line| line.starts_with("postrider_queue_depth ")).unwrap()
}

#[tokio::test]
async fn deleting_an_application_ends_what_is_under_way_and_what_waits() {
    let (app, receiver) = started().await;
    receiver.answer("/slow", Answer::status(500).delay(Duration::from_millis(300)));
    receiver.answer("/down", Answer::status(500));
    let (acme, other) = (app.application().await, app.application().await);
    app.endpoint(&acme, json!({"url": receiver.url("/slow"), "maxConcurrency": 2, "retrySchedule": [0, 0, 0]})).await;
    app.endpoint(&acme, json!({"url": receiver.url("/down"), "retrySchedule": [3600]})).await;
    app.endpoint(&other, json!({"url": receiver.url("/other")})).await;
    for n in 0..20 {
        app.send(&acme, "a", json!({"n": n})).await;
    }
    receiver.wait_for("/slow", 2).await;
    receiver.wait_for("/down", 20).await;
    app.delete(&format!("/api/v1/app/{acme}")).await.expect(204);
    let refused = app.post(&format!("/api/v1/app/{acme}/msg"), json!({"eventType": "a", "payload": {}})).await;
    refused.expect(404);
    app.get(&format!("/api/v1/app/{acme}/msg")).await.expect(404);
    assert!(eventually(async || waiting(&app).await == "postrider_queue_depth 0").await, "{}", waiting(&app).await);
    let seen = receiver.count("/slow");
    receiver.expect_silence("/slow", Duration::from_millis(400)).await;
    assert!(receiver.count("/slow") == seen && seen < 20, "{seen} requests");

    app.send(&other, "a", json!({})).await;
    receiver.wait_for("/other", 1).await;
    let dir = app.stop().await;
    let app = postrider_testkit::app::Start { dir: Some(dir), ..Default::default() }.start().await;
    assert_eq!(waiting(&app).await, "postrider_queue_depth 0", "nothing comes back after a restart");
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
    receiver.wait_for("/kept", 30).await;
    let settled = eventually(async || waiting(&app).await == "postrider_queue_depth 0").await;
    assert!(settled, "{}", waiting(&app).await);
    let requests = receiver.count("/slow");
    assert!(requests <= 3, "{requests} requests to an endpoint that is gone");
    for message in &sent {
        let destinations = app.get(&format!("/api/v1/app/{acme}/msg/{message}/endpoint")).await.expect(200);
        let ids: Vec<&str> =
            destinations["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [&kept]);
        let attempts = app.attempts(&acme, message).await;
        let of_slow: Vec<_> = attempts.iter().filter(|attempt| attempt["endpointId"] == *slow).collect();
        assert!(!of_slow.is_empty(), "what became of it can be seen: {attempts:?}");
        assert!(of_slow.iter().any(|attempt| attempt["status"] == 2));
    }
}
