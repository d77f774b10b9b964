//! Messages for a given time: not before, once, and not at all when they were cancelled.

use super::on_a_clock;
use postrider_clock::Clock;
use postrider_testkit::app::{PATIENCE, Start, eventually, id};
use postrider_testkit::process::Serve;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3_600);

fn message(deliver_at: &str) -> Value {
    json!({"eventType": "reminder", "payload": {"n": 1}, "deliverAt": deliver_at})
}

#[tokio::test]
async fn a_message_waits_for_its_time_even_across_a_restart() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let path = format!("/api/v1/app/{acme}/msg");
    app.post("/api/v1/event-type", json!({"name": "reminder", "description": ""})).await.expect(201);
    let sent = app.post(&path, message("2026-01-02T00:00:00+01:00")).await.expect(202);
    assert_eq!(sent["deliverAt"], "2026-01-01T23:00:00Z");
    assert_eq!(app.get(&format!("{path}/{}", id(&sent))).await.expect(200), sent);
    let waits = async |app: &postrider_testkit::app::App| {
        let page = app.get(&format!("{path}/{}/endpoint", id(&sent))).await.expect(200);
        (page["data"][0]["statusText"].clone(), page["data"][0]["nextAttempt"].clone())
    };
    let until = (json!("pending"), json!("2026-01-01T23:00:00Z"));
    assert!(eventually(async || waits(&app).await == until).await, "{:?}", waits(&app).await);

    clock.advance(HOUR * 22);
    let dir = app.stop().await;
    let app = Start { clock: clock.clone(), dir: Some(dir), ..Start::default() }.start().await;
    assert_eq!(waits(&app).await, until);
    receiver.expect_silence("/hook", Duration::from_millis(200)).await;
    clock.advance(HOUR);
    app.wait_for_attempts(&acme, &id(&sent), 1).await;
    clock.advance(HOUR * 100);
    app.post(&path, json!({"eventType": "last", "payload": {}})).await.expect(202);
    assert_eq!(receiver.wait_for("/hook", 2).await.len(), 2, "once, and the last");

    // A time that has passed is no reason to wait.
    app.post(&path, message("2026-01-01T00:00:00Z")).await.expect(202);
    receiver.wait_for("/hook", 3).await;
    for wrong in ["tomorrow", "2029-01-01T00:00:00Z"] {
        let refused = app.post(&path, message(wrong)).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "deliverAt"]), "{wrong}");
    }
}

#[tokio::test]
async fn a_scheduled_message_is_not_early_after_kill_9() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), dir.path());
    let mut server = serve.start().await;
    let acme = server.client.application().await;
    server.client.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let due = Instant::now().into_std() + Duration::from_secs(4);
    let at_ns = i128::from(Clock::system().wall_ms() + 4_000) * 1_000_000;
    let deliver_at = OffsetDateTime::from_unix_timestamp_nanos(at_ns).unwrap().format(&Rfc3339).unwrap();
    let mut sent = 0;
    for _ in 0..3 {
        for _ in 0..10 {
            server.client.post(&format!("/api/v1/app/{acme}/msg"), message(&deliver_at)).await.expect(202);
            sent += 1;
        }
        server.kill();
        server = serve.start().await;
    }
    let received = receiver.wait_for_within("/hook", sent, PATIENCE).await;
    // The time is given in milliseconds.
    let early = received.iter().filter(|request| request.at + Duration::from_millis(5) < due).count();
    assert_eq!(early, 0, "of {sent}");
    assert_eq!(receiver.ids("/hook").len(), sent);
}

#[tokio::test]
async fn a_cancelled_message_is_not_sent_and_that_can_be_seen() {
    let (app, clock, receiver) = on_a_clock().await;
    receiver.answer("/down", Answer::status(500));
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let path = format!("/api/v1/app/{acme}/msg");
    let scheduled = id(&app.post(&path, message("2026-01-02T00:00:00Z")).await.expect(202));
    let kept = id(&app.post(&path, message("2026-01-02T00:00:00Z")).await.expect(202));
    app.post(&format!("{path}/{scheduled}/cancel"), json!({})).await.expect(204);
    let attempts = app.wait_for_attempts(&acme, &scheduled, 1).await;
    assert_eq!(attempts[0]["error"], json!({"code": "cancelled", "message": "the message was cancelled"}));
    assert_eq!(app.states(&acme, &scheduled).await, ["fail"]);
    clock.advance(HOUR * 25);
    receiver.wait_for("/hook", 1).await;
    assert!(receiver.ids("/hook").contains_key(&kept) && !receiver.ids("/hook").contains_key(&scheduled));
    let resend = format!("{path}/{scheduled}/endpoint/{endpoint}/resend");
    assert_eq!(app.post(&resend, json!({})).await.expect(409)["code"], "cancelled");

    // What waits for another try ends too.
    app.patch(&format!("/api/v1/app/{acme}/endpoint/{endpoint}"), json!({"url": receiver.url("/down")}))
        .await
        .expect(200);
    let failing = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &failing, 1).await;
    app.post(&format!("{path}/{failing}/cancel"), json!({})).await.expect(204);
    let attempts = app.wait_for_attempts(&acme, &failing, 2).await;
    assert_eq!(attempts[0]["error"]["code"], "cancelled");
    app.post(&format!("{path}/msg_0000000000000000000000/cancel"), json!({})).await.expect(404);
}

#[tokio::test]
async fn a_replay_sends_no_message_before_its_time_and_none_that_was_cancelled() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    let path = format!("/api/v1/app/{acme}/msg");
    let later = id(&app.post(&path, message("2026-01-02T00:00:00Z")).await.expect(202));
    let cancelled = id(&app.post(&path, json!({"eventType": "a", "payload": {}})).await.expect(202));
    app.post(&format!("{path}/{cancelled}/cancel"), json!({})).await.expect(204);
    let missed = app.send(&acme, "a", json!({})).await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let replay = format!("/api/v1/app/{acme}/endpoint/{endpoint}/replay-missing");
    let task = app.post(&replay, json!({"since": "2025-12-31T00:00:00Z"})).await.expect(202);
    let task = format!("/api/v1/background-task/{}", id(&task));
    assert!(eventually(async || app.get(&task).await.expect(200)["status"] == "finished").await);
    assert_eq!(app.get(&task).await.expect(200)["data"]["done"], 1);
    receiver.wait_for("/hook", 1).await;
    assert!(receiver.ids("/hook").contains_key(&missed) && !receiver.ids("/hook").contains_key(&later));
    clock.advance(HOUR * 25);
    receiver.expect_silence("/hook", Duration::from_millis(100)).await;
}
