//! Resends by hand: each is a request, and goes at once.

use super::started;
use postrider_testkit::app::App;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::time::Duration;

/// An endpoint with these fields, and a message that it has had.
async fn delivered(app: &App, receiver: &Receiver, fields: Value) -> (String, String, String) {
    let acme = app.application().await;
    let mut endpoint = json!({"url": receiver.url("/hook")});
    endpoint.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let endpoint = app.endpoint(&acme, endpoint).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    (acme, endpoint, message)
}

async fn resend(app: &App, (acme, endpoint, message): &(String, String, String)) {
    app.post(&format!("/api/v1/app/{acme}/msg/{message}/endpoint/{endpoint}/resend"), json!({})).await.expect(202);
}

#[tokio::test]
async fn each_resend_is_a_request_also_while_another_one_is_under_way() {
    let (app, receiver) = started().await;
    for fields in [json!({}), json!({"throttleRate": 50}), json!({"ordered": true})] {
        let sent = delivered(&app, &receiver, fields.clone()).await;
        receiver.answer("/hook", Answer::status(200).delay(Duration::from_secs(1)));
        let before = receiver.count("/hook");
        for _ in 0..3 {
            resend(&app, &sent).await;
        }
        let (acme, _, message) = &sent;
        let attempts = app.wait_for_attempts(acme, message, 4).await;
        assert_eq!(attempts.iter().filter(|attempt| attempt["triggerType"] == 1).count(), 3, "{fields}: {attempts:?}");
        assert_eq!(receiver.count("/hook") - before, 3, "{fields}");
        receiver.answer("/hook", Answer::status(200));
    }
}

#[tokio::test]
async fn a_resend_goes_at_once_though_the_endpoint_asked_for_a_pause() {
    let (app, receiver) = started().await;
    let sent = delivered(&app, &receiver, json!({})).await;
    receiver.answer("/hook", Answer::status(429).header("retry-after", "86400"));
    let (acme, endpoint, message) = &sent;
    let refused = app.send(acme, "a", json!({"n": 2})).await;
    app.wait_for_attempts(acme, &refused, 1).await;
    receiver.answer("/hook", Answer::status(200));
    resend(&app, &sent).await;
    let attempts = app.wait_for_attempts(acme, message, 2).await;
    assert_eq!((&attempts[0]["triggerType"], &attempts[0]["status"]), (&json!(1), &json!(0)), "{attempts:?}");
    // The pause goes on for the others, and lasts an hour at most.
    let circuit = app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/circuit")).await.expect(200);
    let held = circuit["heldUntil"].as_str().unwrap();
    let refused = app.attempts(acme, &refused).await.remove(0);
    let at = |text: &str| time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap();
    let pause = at(held) - at(refused["timestamp"].as_str().unwrap());
    assert!((3_590..3_610).contains(&pause.whole_seconds()), "{pause}");
}

#[tokio::test]
async fn a_resend_passes_a_backlog() {
    let (app, receiver) = started().await;
    let sent = delivered(&app, &receiver, json!({"throttleRate": 1})).await;
    let (acme, _, message) = &sent;
    for n in 0..30 {
        app.send(acme, "a", json!({"n": n})).await;
    }
    resend(&app, &sent).await;
    app.wait_for_attempts(acme, message, 2).await;
    assert!(receiver.count("/hook") < 15, "after {} others", receiver.count("/hook") - 2);
}

#[tokio::test]
async fn resends_of_one_message_that_wait_are_limited() {
    let (app, receiver) = started().await;
    let sent = delivered(&app, &receiver, json!({"maxConcurrency": 1})).await;
    receiver.answer("/hook", Answer::status(200).delay(Duration::from_millis(300)));
    let (acme, endpoint, message) = &sent;
    let path = format!("/api/v1/app/{acme}/msg/{message}/endpoint/{endpoint}/resend");
    let mut accepted = 0;
    let refused = loop {
        let reply = app.post(&path, json!({})).await;
        match reply.status {
            202 => accepted += 1,
            _ => break reply.expect(409),
        }
        assert!(accepted < 200, "no limit");
    };
    assert_eq!(refused["code"], "too_many_resends", "{refused}");
    assert!(accepted > 20, "{accepted}");
    receiver.answer("/hook", Answer::status(200));
    // Each that was accepted is a request, and then there is room again.
    app.wait_for_attempts(acme, message, 1 + accepted).await;
    resend(&app, &sent).await;
    app.wait_for_attempts(acme, message, 2 + accepted).await;
}
