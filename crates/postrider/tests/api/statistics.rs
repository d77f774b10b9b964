//! How an endpoint's deliveries stand, in numbers.

use super::on_a_clock;
use postrider_testkit::app::eventually;
use postrider_testkit::receiver::Answer;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn deliveries_are_counted_by_how_they_stand_in_a_time() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": [3600]})).await;
    app.endpoint(&acme, json!({"url": receiver.url("/other")})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/stats");
    let stats = async |query: &str| app.get(&format!("{path}{query}")).await.expect(200);
    let counts = |success: u8, pending: u8, fail: u8, canceled: u8| json!({"success": success, "pending": pending, "sending": 0, "fail": fail, "canceled": canceled});
    assert_eq!(stats("").await, counts(0, 0, 0, 0));
    for n in 0..3 {
        app.send(&acme, "a", json!({"n": n})).await;
    }
    assert!(eventually(async || stats("").await == counts(3, 0, 0, 0)).await, "{}", stats("").await);
    clock.advance(Duration::from_secs(86_400));
    receiver.answer("/hook", Answer::status(500));
    for n in 0..2 {
        app.send(&acme, "a", json!({"n": n})).await;
    }
    assert!(eventually(async || stats("").await == counts(3, 2, 0, 0)).await, "{}", stats("").await);
    clock.advance(Duration::from_secs(7_200));
    assert!(eventually(async || stats("").await == counts(3, 0, 2, 0)).await, "{}", stats("").await);
    let late = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &late, 2).await;
    app.patch(&format!("/api/v1/app/{acme}/endpoint/{endpoint}"), json!({"disabled": true})).await.expect(200);
    assert!(eventually(async || stats("").await == counts(3, 0, 2, 1)).await, "{}", stats("").await);

    assert_eq!(stats("?until=2026-01-01T12:00:00Z").await, counts(3, 0, 0, 0), "the first day");
    assert_eq!(stats("?since=2026-01-01T12:00:00Z").await, counts(0, 0, 2, 1), "the second");
    clock.advance(Duration::from_secs(40 * 86_400));
    assert_eq!(stats("").await, counts(0, 0, 0, 0), "four weeks, where nothing is said");
    assert_eq!(stats("?since=2026-01-01T00:00:00Z").await, counts(3, 0, 2, 1));
    app.get(&format!("{path}?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z")).await.expect(422);
}
