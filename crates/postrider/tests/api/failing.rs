//! Endpoints that fail now and then, and attempts by hand that fail.

use super::on_a_clock;
use postrider_testkit::app::eventually;
use postrider_testkit::receiver::Answer;
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

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

    // And then nothing but failures.
    receiver.answer("/moody", Answer::status(500));
    for _ in 0..6 {
        app.send(&acme, "a", json!({})).await;
        receiver.wait_for("/moody", receiver.count("/moody")).await;
        clock.advance(HOUR * 24);
    }
    let is_disabled = eventually(async || {
        app.send(&acme, "last", json!({})).await;
        app.endpoint_now(&acme, &endpoint).await["disabled"] == true
    });
    assert!(is_disabled.await, "a week of failures disables it");
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
