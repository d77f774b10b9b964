//! Endpoints that fail now and then, or over restarts, and attempts by hand that fail.

use super::on_a_clock;
use postrider_clock::Clock;
use postrider_testkit::app::{App, Start, eventually};
use postrider_testkit::receiver::Answer;
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// The same server again, on the same data and the same clock.
async fn restarted(app: App, clock: &Clock) -> App {
    let dir = app.stop().await;
    Start { clock: clock.clone(), dir: Some(dir), ..Start::default() }.start().await
}

/// Sends a message now, which is tried once; whether its endpoint is disabled afterwards.
async fn is_disabled_after_one_more(app: &App, acme: &str, endpoint: &str) -> bool {
    let message = app.send(acme, "a", json!({})).await;
    app.wait_for_attempts(acme, &message, 1).await;
    app.endpoint_now(acme, endpoint).await["disabled"] == true
}

#[tokio::test]
async fn an_endpoint_that_fails_now_and_then_is_not_disabled() {
    let (app, clock, receiver) = on_a_clock().await;
    // A success on each fourth day, for three weeks: never five days of nothing but failures.
    let answers = (0..21).map(|day| if day % 4 == 3 { Answer::status(200) } else { Answer::status(500) });
    receiver.answer_in_turn("/moody", answers.collect());
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/moody"), "retrySchedule": []})).await;
    for day in 0..20 {
        let message = app.send(&acme, "a", json!({"day": day})).await;
        app.wait_for_attempts(&acme, &message, 1).await;
        clock.advance(HOUR * 24);
    }
    assert_eq!(app.endpoint_now(&acme, &endpoint).await["disabled"], false);

    // And then nothing but failures: the last success was on day 19, and five days without one begin on day 20.
    receiver.answer("/moody", Answer::status(500));
    for day in 20..25 {
        assert!(!is_disabled_after_one_more(&app, &acme, &endpoint).await, "on day {day}");
        clock.advance(HOUR * 24);
    }
    app.send(&acme, "last", json!({})).await;
    let disabled = eventually(async || app.endpoint_now(&acme, &endpoint).await["disabled"] == true);
    assert!(disabled.await, "five days of failures disable it");
    let last = app.send(&acme, "a", json!({})).await;
    assert_eq!(app.states(&acme, &last).await, Vec::<String>::new(), "nothing is sent to it any more");
}

#[tokio::test]
async fn since_when_an_endpoint_fails_is_remembered_over_restarts() {
    let (mut app, clock, receiver) = on_a_clock().await;
    receiver.answer("/down", Answer::status(500));
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/down"), "retrySchedule": []})).await;
    // Each day has two failures before its restart, so that no process sees more than a few hours of them.
    for day in 0..5 {
        for hours in [6, 18] {
            assert!(!is_disabled_after_one_more(&app, &acme, &endpoint).await, "on day {day}");
            clock.advance(HOUR * hours);
        }
        app = restarted(app, &clock).await;
    }
    app.send(&acme, "a", json!({})).await;
    let disabled = eventually(async || app.endpoint_now(&acme, &endpoint).await["disabled"] == true);
    assert!(disabled.await, "five days of failures, five restarts");
}

#[tokio::test]
async fn a_success_is_remembered_over_restarts_too() {
    let (mut app, clock, receiver) = on_a_clock().await;
    // Three days of failures, a success, and three days more.
    let answers = (0..7).map(|day| Answer::status(if day == 3 { 200 } else { 500 }));
    receiver.answer_in_turn("/moody", answers.collect());
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/moody"), "retrySchedule": []})).await;
    for day in 0..7 {
        assert!(!is_disabled_after_one_more(&app, &acme, &endpoint).await, "on day {day}");
        app = restarted(app, &clock).await;
        clock.advance(HOUR * 24);
    }
    // The fifth day since the first failure after the success has not come.
    assert!(!is_disabled_after_one_more(&app, &acme, &endpoint).await);
}

#[tokio::test]
async fn an_attempt_by_hand_that_fails_is_tried_again_like_any_other() {
    let (app, clock, receiver) = on_a_clock().await;
    receiver.answer("/down", Answer::status(500));
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/down"), "retrySchedule": [60]})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    clock.advance(HOUR);
    app.wait_for_attempts(&acme, &message, 2).await;
    assert_eq!(app.states(&acme, &message).await, ["fail"], "given up");

    app.post(&format!("/api/v1/app/{acme}/msg/{message}/endpoint/{endpoint}/resend"), json!({})).await.expect(202);
    app.wait_for_attempts(&acme, &message, 3).await;
    assert_eq!(app.states(&acme, &message).await, ["pending"], "and taken up again");
    receiver.answer("/down", Answer::status(200));
    clock.advance(HOUR);
    let attempts = app.wait_for_attempts(&acme, &message, 4).await;
    let kinds: Vec<_> =
        attempts.iter().map(|attempt| (attempt["triggerType"].clone(), attempt["status"].clone())).collect();
    // The delivery was asked for by hand, and so are its retries.
    assert_eq!(kinds[..2], [(json!(1), json!(0)), (json!(1), json!(2))], "{kinds:?}");
    assert_eq!(app.states(&acme, &message).await, ["success"]);
}
