//! Retries, waits and disabling over days, on a clock that the test moves.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_clock::Clock;
use postrider_testkit::app::{App, Start, eventually};
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::time::Duration;

/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;
const HOUR: Duration = Duration::from_secs(3_600);

async fn started() -> (App, Clock, Receiver) {
    let clock = Clock::manual(START_MS);
    let app = Start { clock: clock.clone(), ..Start::default() }.start().await;
    (app, clock, Receiver::start().await)
}

/// Seconds from now to the next attempt at the message's only endpoint; `None` when it is final.
async fn next_attempt(app: &App, clock: &Clock, application: &str, message: &str) -> Option<f64> {
    let page = app.get(&format!("/api/v1/app/{application}/msg/{message}/endpoint")).await.expect(200);
    let text = page["data"][0]["nextAttempt"].as_str()?;
    let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap();
    Some((at.unix_timestamp_nanos() / 1_000_000) as f64 / 1_000.0 - clock.steady_ms() as f64 / 1_000.0)
}

/// Moves the clock from attempt to attempt until the delivery is final; the delays between them.
async fn run_out(app: &App, clock: &Clock, application: &str, message: &str) -> Vec<f64> {
    let mut delays = Vec::new();
    loop {
        app.wait_for_attempts(application, message, delays.len() + 1).await;
        let Some(wait) = next_attempt(app, clock, application, message).await else { return delays };
        delays.push(wait);
        clock.advance(Duration::from_secs_f64(wait + 0.002));
    }
}

#[tokio::test]
async fn a_delivery_is_tried_by_its_contracts_schedule_and_then_failed() {
    let (app, clock, receiver) = started().await;
    receiver.answer("/down", Answer::status(500).body("sorry"));
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/down")})).await;
    let message = app.send(&acme, "a", json!({})).await;

    let delays = run_out(&app, &clock, &acme, &message).await;
    let schedule = [5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0];
    assert_eq!(delays.len(), schedule.len());
    for (delay, wanted) in delays.iter().zip(schedule) {
        assert!((wanted..=wanted * 1.1 + 0.01).contains(delay), "{delay} s is {wanted} s with jitter");
    }
    assert!(delays.iter().zip(schedule).any(|(delay, wanted)| (delay - wanted).abs() > 0.001), "there is jitter");
    assert_eq!(app.states(&acme, &message).await, ["fail"]);
    let attempts = app.attempts(&acme, &message).await;
    assert_eq!(attempts.len(), 8);
    assert_eq!(
        attempts[0]["error"],
        json!({"code": "status", "message": "the endpoint answered 500 (Internal Server Error)"})
    );
    assert_eq!(attempts[0]["response"], "sorry");
    // Every try is the same message, signed anew at its own time.
    let received = receiver.received("/down");
    assert!(received.iter().all(|request| request.header("webhook-id") == Some(&message)));
    assert_ne!(received[0].header("webhook-timestamp"), received[7].header("webhook-timestamp"));
}

#[tokio::test]
async fn an_endpoint_may_have_a_schedule_of_its_own_or_none() {
    let (app, clock, receiver) = started().await;
    receiver.answer_in_turn("/back", vec![Answer::status(500), Answer::status(503), Answer::status(200)]);
    receiver.answer("/once", Answer::status(500));
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/back"), "retrySchedule": [60, 120]})).await;
    let message = app.send(&acme, "a", json!({})).await;
    let delays = run_out(&app, &clock, &acme, &message).await;
    assert_eq!(delays.len(), 2);
    assert!((60.0..67.0).contains(&delays[0]) && (120.0..133.0).contains(&delays[1]), "{delays:?}");
    assert_eq!(app.states(&acme, &message).await, ["success"]);

    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    app.patch(&path, json!({"url": receiver.url("/once"), "retrySchedule": []})).await.expect(200);
    let message = app.send(&acme, "a", json!({})).await;
    assert_eq!(run_out(&app, &clock, &acme, &message).await, Vec::<f64>::new());
}

#[tokio::test]
async fn retries_survive_a_restart() {
    let (app, clock, receiver) = started().await;
    receiver.answer_in_turn("/back", vec![Answer::status(500), Answer::status(200)]);
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/back"), "retrySchedule": [3600]})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    let dir = app.stop().await;
    let app = Start { clock: clock.clone(), dir: Some(dir), ..Start::default() }.start().await;
    assert_eq!(app.states(&acme, &message).await, ["pending"]);
    clock.advance(HOUR * 2);
    app.wait_for_attempts(&acme, &message, 2).await;
    assert_eq!(app.states(&acme, &message).await, ["success"]);
}

#[tokio::test]
async fn retry_after_is_honoured_and_slowing_down_holds_the_whole_endpoint() {
    let (app, clock, receiver) = started().await;
    let slow = Answer::status(429).header("retry-after", "600");
    receiver.answer_in_turn("/slow", vec![slow, Answer::status(200)]);
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/slow")})).await;
    let first = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &first, 1).await;
    let wait = next_attempt(&app, &clock, &acme, &first).await.unwrap();
    assert!((599.0..=601.0).contains(&wait), "{wait}");

    let second = app.send(&acme, "a", json!({})).await;
    receiver.expect_silence("/slow", Duration::from_millis(200)).await;
    assert_eq!(app.attempts(&acme, &second).await, Vec::<Value>::new());
    clock.advance(Duration::from_secs(601));
    app.wait_for_attempts(&acme, &second, 1).await;
    app.wait_for_attempts(&acme, &first, 2).await;
}

#[tokio::test]
async fn gone_disables_the_endpoint_at_once() {
    let (app, _clock, receiver) = started().await;
    receiver.answer("/gone", Answer::status(410));
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/gone")})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    assert_eq!(app.states(&acme, &message).await, ["fail"]);
    assert!(eventually(async || app.endpoint_now(&acme, &endpoint).await["disabled"] == true).await);
    app.send(&acme, "a", json!({})).await;
    receiver.expect_silence("/gone", Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_week_of_failure_disables_an_endpoint_after_five_days_and_a_success_starts_over() {
    let (app, clock, receiver) = started().await;
    // A success in the hundredth hour, and failures before and after it.
    let answers = (0..=100).map(|hour| Answer::status(if hour == 100 { 200 } else { 500 }));
    receiver.answer_in_turn("/week", answers.chain([Answer::status(500)]).collect());
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/week"), "retrySchedule": []})).await;
    let disabled = async || app.endpoint_now(&acme, &endpoint).await["disabled"] == true;
    // A message an hour, each tried once: one that comes too late would find nobody to be tried at.
    let tried_each_hour = async |hours: std::ops::Range<u32>| {
        for hour in hours {
            let message = app.send(&acme, "a", json!({"hour": hour})).await;
            app.wait_for_attempts(&acme, &message, 1).await;
            assert!(!disabled().await, "after {hour} hours");
            clock.advance(HOUR);
        }
    };
    let is_disabled_by_the_next = async || {
        let message = app.send(&acme, "a", json!({})).await;
        app.wait_for_attempts(&acme, &message, 1).await;
        // Disabling is a change of its own, committed after the attempt that led to it.
        eventually(disabled).await
    };
    // Five days are over 120 hours after the first failure that follows the success.
    tried_each_hour(0..221).await;
    assert!(is_disabled_by_the_next().await, "in the hour 221");

    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    app.patch(&path, json!({"disabled": false})).await.expect(200);
    clock.advance(HOUR);
    tried_each_hour(0..120).await;
    assert!(is_disabled_by_the_next().await, "enabling it again starts over");
}

#[tokio::test]
async fn telerivet_posts_the_same_until_the_answer_is_exactly_200() {
    let (app, clock, receiver) = started().await;
    let acme = app.application().await;
    let form = json!({"url": receiver.url("/hook"), "contract": "telerivet", "secret": "geheim"});
    app.endpoint(&acme, form).await;
    receiver.answer_in_turn("/hook", vec![Answer::status(500), Answer::status(204), Answer::status(200)]);
    let message = app.send(&acme, "incoming_message", json!({"id": "SMd1c5d1d4f9a2c7", "content": "hi"})).await;
    assert_eq!(run_out(&app, &clock, &acme, &message).await.len(), 2);
    let received = receiver.received("/hook");
    assert_eq!(received.len(), 3);
    assert!(received[0].text().contains("id=SMd1c5d1d4f9a2c7"));
    assert!(received.iter().all(|request| request.body == received[0].body), "{received:?}");
    let attempts = app.attempts(&acme, &message).await;
    let statuses: Vec<_> = attempts.iter().rev().map(|attempt| attempt["responseStatusCode"].clone()).collect();
    assert_eq!(statuses, [500, 204, 200]);
    assert_eq!((&attempts[0]["statusText"], &attempts[0]["response"]), (&json!("success"), &json!("")));
}
