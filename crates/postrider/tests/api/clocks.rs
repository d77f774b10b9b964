//! Clocks that are set, and machines that start with a wrong one.

use super::on_a_clock;
use postrider_clock::Clock;
use postrider_testkit::app::{App, Start, eventually, id};
use postrider_testkit::database;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const HOUR_MS: i64 = 3_600_000;

/// With PostgreSQL the schedule uses the database's clock; the tests in `cluster` cover that.
fn goes_by_the_database(app: &App) -> bool {
    let does = database::of(app.dir.path()).is_some();
    if does {
        println!("not on PostgreSQL: there the schedule uses the database's clock");
    }
    does
}

/// What a message's only delivery says of its next attempt.
async fn next_attempt(app: &App, acme: &str, message: &str) -> Value {
    let page = app.get(&format!("/api/v1/app/{acme}/msg/{message}/endpoint")).await.expect(200);
    page["data"][0]["nextAttempt"].clone()
}

#[tokio::test]
async fn a_message_for_a_certain_time_goes_out_at_that_time_by_the_wall_clock_however_it_is_set() {
    for by_ms in [4 * HOUR_MS, -2 * HOUR_MS] {
        let (app, clock, receiver) = on_a_clock().await;
        if goes_by_the_database(&app) {
            return;
        }
        let acme = app.application().await;
        app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
        let at = "2026-01-01T10:00:00Z";
        let message = json!({"eventType": "reminder", "payload": {}, "deliverAt": at});
        let message = id(&app.post(&format!("/api/v1/app/{acme}/msg"), message).await.expect(202));
        assert!(eventually(async || next_attempt(&app, &acme, &message).await == at).await);

        clock.set_wall(clock.wall_ms() + by_ms);
        // The store has noticed when it tells the same time by the new clock.
        let noticed = eventually(async || next_attempt(&app, &acme, &message).await == at).await;
        assert!(noticed, "{}", next_attempt(&app, &acme, &message).await);
        let left_ms = 10 * HOUR_MS - by_ms;
        clock.advance(Duration::from_millis(left_ms as u64 - 60_000));
        receiver.expect_silence("/hook", Duration::from_millis(300)).await;
        clock.advance(Duration::from_millis(60_000));
        app.wait_for_attempts(&acme, &message, 1).await;
        // One that is sent after the clock was set keeps its time, too.
        let message = json!({"eventType": "reminder", "payload": {}, "deliverAt": "2026-01-01T12:00:00Z"});
        let message = id(&app.post(&format!("/api/v1/app/{acme}/msg"), message).await.expect(202));
        clock.advance(HOUR * 2 - Duration::from_secs(60));
        receiver.expect_silence("/hook", Duration::from_millis(300)).await;
        clock.advance(Duration::from_secs(60));
        app.wait_for_attempts(&acme, &message, 1).await;
    }
}

#[tokio::test]
async fn a_server_that_starts_with_a_clock_behind_that_of_its_last_run_retries_no_later() {
    let (clock, receiver) = (Clock::manual(super::START_MS), Receiver::start().await);
    receiver.answer_in_turn("/hook", vec![Answer::status(500), Answer::status(200)]);
    let app = Start { clock: clock.clone(), ..Start::default() }.start().await;
    if goes_by_the_database(&app) {
        return;
    }
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": [7_200]})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    let dir = app.stop().await;

    // The machine was off for a moment, and has not asked for the time yet.
    let behind = Clock::manual(super::START_MS - 24 * HOUR_MS);
    let app = Start { clock: behind.clone(), dir: Some(dir), ..Start::default() }.start().await;
    behind.advance(HOUR);
    receiver.expect_silence("/hook", Duration::from_millis(300)).await;
    behind.advance(HOUR + HOUR / 4);
    app.wait_for_attempts(&acme, &message, 2).await;
    assert_eq!(app.states(&acme, &message).await, ["success"]);
}
