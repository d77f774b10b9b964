//! The limits that disable an endpoint, as Scope has them, by the clock.

use super::on_a_clock;
use postrider_testkit::receiver::Answer;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_notification_that_fails_26_times_disables_its_endpoint_within_21_days() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    receiver.answer("/hook", Answer::status(500));
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "contract": "scope"})).await;
    let message = app.send(&acme, "user/created", json!({"id": "1"})).await;
    let started = clock.wall_ms();
    for n in 1..=26 {
        app.wait_for_attempts(&acme, &message, n).await;
        assert!(n == 26 || app.endpoint_now(&acme, &endpoint).await["disabled"] == json!(false), "after {n} attempts");
        // c⁴ + 15 + rand(10)·(c + 1), for the try that comes next.
        let c = (n - 1) as u64;
        let waited = c.pow(4) + 15 + 10 * (c + 1);
        clock.advance(Duration::from_secs(waited));
    }
    let disabled = async || app.endpoint_now(&acme, &endpoint).await["disabled"] == json!(true);
    assert!(postrider_testkit::app::eventually(disabled).await);
    let days = (clock.wall_ms() - started) / 86_400_000;
    assert!((20..=25).contains(&days), "{days}");
    assert_eq!(app.attempts(&acme, &message).await.len(), 26);
}

#[tokio::test]
async fn more_than_100_errors_within_an_hour_disable_an_endpoint_and_100_do_not() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    receiver.answer("/hook", Answer::status(500));
    let endpoint =
        app.endpoint(&acme, json!({"url": receiver.url("/hook"), "contract": "scope", "retrySchedule": []})).await;
    let fail = async |n: usize| {
        for _ in 0..n {
            let message = app.send(&acme, "user/created", json!({"id": "1"})).await;
            app.wait_for_attempts(&acme, &message, 1).await;
        }
    };
    let disabled = async || app.endpoint_now(&acme, &endpoint).await["disabled"] == json!(true);
    fail(100).await;
    assert!(!disabled().await);
    // An hour later they no longer count.
    clock.advance(Duration::from_secs(3_601));
    fail(100).await;
    assert!(!disabled().await);
    fail(1).await;
    assert!(postrider_testkit::app::eventually(disabled).await);
    assert_eq!(receiver.count("/hook"), 201);
}
