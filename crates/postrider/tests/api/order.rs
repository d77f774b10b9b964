//! First in, first out: one message at a time, and none passes one that failed.

use super::{on_a_clock, started};
use postrider_testkit::app::{Client, Start, eventually, id};
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::time::Duration;

/// With what chance adds to a delay.
const MINUTE: Duration = Duration::from_secs(67);

/// What came, by the payload's number, in order.
fn came(receiver: &Receiver) -> Vec<u64> {
    receiver.received("/hook").iter().map(|request| request.json()["n"].as_u64().unwrap()).collect()
}

async fn line(app: &Client, receiver: &Receiver, retries: Value) -> (String, String) {
    let acme = app.application().await;
    let form = json!({"url": receiver.url("/hook"), "ordered": true, "retrySchedule": retries});
    let endpoint = app.endpoint(&acme, form).await;
    (acme, endpoint)
}

async fn send(app: &Client, acme: &str, n: usize) -> String {
    app.send(acme, "a", json!({"n": n})).await
}

async fn order(app: &Client, acme: &str, endpoint: &str) -> Value {
    app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/order")).await.expect(200)
}

#[tokio::test]
async fn two_hundred_messages_arrive_in_their_order_and_one_at_a_time() {
    let (app, receiver) = started().await;
    let (acme, endpoint) = line(&app, &receiver, json!([])).await;
    app.endpoint(&acme, json!({"url": receiver.url("/other")})).await;
    receiver.answer("/hook", Answer::status(200).delay(Duration::from_millis(2)));
    let messages: Vec<Value> = (0..150).map(|n| json!({"eventType": "a", "payload": {"n": n}})).collect();
    app.post(&format!("/api/v1/app/{acme}/msg/batch"), json!({"messages": messages})).await.expect(202);
    for n in 150..200 {
        send(&app, &acme, n).await;
    }
    receiver.wait_for("/hook", 200).await;
    assert_eq!(came(&receiver), (0..200).collect::<Vec<_>>());
    let all = receiver.received("/hook");
    assert!(all.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_millis(2)), "one at a time");
    receiver.wait_for("/other", 200).await;
    let empty = json!({"ordered": true, "waiting": 0, "heldBy": null});
    assert!(eventually(async || order(&app, &acme, &endpoint).await == empty).await);
}

#[tokio::test]
async fn a_failure_holds_the_rest_back_until_it_succeeds_or_is_given_up() {
    let (app, clock, receiver) = on_a_clock().await;
    let (acme, endpoint) = line(&app, &receiver, json!([60, 60])).await;
    let answers = [500, 500, 200, 500, 500, 500, 200].map(Answer::status);
    receiver.answer_in_turn("/hook", answers.into());
    let first = send(&app, &acme, 0).await;
    app.wait_for_attempts(&acme, &first, 1).await;
    let mut sent = vec![first.clone()];
    for n in 1..4 {
        sent.push(send(&app, &acme, n).await);
    }
    let held = async |message: &str, attempts: u64| {
        let now = order(&app, &acme, &endpoint).await;
        now["heldBy"]["msgId"] == message && now["heldBy"]["attempts"] == attempts
    };
    assert!(eventually(async || held(&first, 1).await).await);
    let standing = order(&app, &acme, &endpoint).await;
    assert_eq!(standing["waiting"], 4);
    assert_eq!(standing["heldBy"]["since"], "2026-01-01T00:00:00Z");
    let next = standing["heldBy"]["nextAttempt"].as_str().unwrap();
    assert!(next.starts_with("2026-01-01T00:01:0"), "{next}");
    receiver.expect_silence("/hook", Duration::from_millis(100)).await;
    clock.advance(MINUTE);
    assert!(eventually(async || held(&first, 2).await).await);
    assert_eq!(came(&receiver), [0, 0]);
    clock.advance(MINUTE);
    // The second one is given up after three tries, and the others follow.
    for attempts in 1..3 {
        assert!(eventually(async || held(&sent[1], attempts).await).await);
        clock.advance(MINUTE);
    }
    receiver.wait_for("/hook", 8).await;
    assert_eq!(came(&receiver), [0, 0, 0, 1, 1, 1, 2, 3]);
    assert_eq!(app.states(&acme, &sent[1]).await, ["fail"]);
}

#[tokio::test]
async fn the_one_that_holds_the_others_can_be_left_out() {
    let (app, clock, receiver) = on_a_clock().await;
    let (acme, endpoint) = line(&app, &receiver, json!([600])).await;
    receiver.answer_in_turn("/hook", vec![Answer::status(500), Answer::status(200)]);
    let first = send(&app, &acme, 0).await;
    app.wait_for_attempts(&acme, &first, 1).await;
    send(&app, &acme, 1).await;
    let third = send(&app, &acme, 2).await;
    let skip = format!("/api/v1/app/{acme}/endpoint/{endpoint}/order/skip");
    app.post(&skip, json!({"msgId": first})).await.expect(204);
    receiver.wait_for("/hook", 3).await;
    assert_eq!(came(&receiver), [0, 1, 2]);
    let attempts = app.wait_for_attempts(&acme, &first, 2).await;
    assert_eq!(attempts[0]["response"], "it was left out by hand");
    app.wait_for_attempts(&acme, &third, 1).await;
    assert!(eventually(async || app.post(&skip, json!({"msgId": third})).await.status == 409).await);
    app.post(&skip, json!({"msgId": "msg_none"})).await.expect(404);

    // What is sent again by hand does not stand in line.
    receiver.answer_in_turn("/hook", vec![Answer::status(500), Answer::status(200)]);
    let held = send(&app, &acme, 3).await;
    app.wait_for_attempts(&acme, &held, 1).await;
    send(&app, &acme, 4).await;
    app.post(&format!("/api/v1/app/{acme}/msg/{first}/endpoint/{endpoint}/resend"), json!({})).await.expect(202);
    receiver.wait_for("/hook", 5).await;
    assert_eq!(came(&receiver), [0, 1, 2, 3, 0]);
    receiver.expect_silence("/hook", Duration::from_millis(100)).await;
    clock.advance(MINUTE * 10);
    receiver.wait_for("/hook", 7).await;
    assert_eq!(came(&receiver), [0, 1, 2, 3, 0, 3, 4]);

    // What is left out is left out, though it was sent again by hand.
    receiver.answer_in_turn("/hook", vec![Answer::status(500), Answer::status(500), Answer::status(200)]);
    let last = send(&app, &acme, 5).await;
    app.wait_for_attempts(&acme, &last, 1).await;
    app.post(&format!("/api/v1/app/{acme}/msg/{last}/endpoint/{endpoint}/resend"), json!({})).await.expect(202);
    app.wait_for_attempts(&acme, &last, 2).await;
    app.post(&skip, json!({"msgId": last})).await.expect(204);
    assert!(eventually(async || order(&app, &acme, &endpoint).await["waiting"] == 0).await);
    app.post(&skip, json!({"msgId": last})).await.expect(409);
    clock.advance(MINUTE * 10);
    receiver.expect_silence("/hook", Duration::from_millis(100)).await;
    assert_eq!(came(&receiver)[7..], [5, 5]);
}

#[tokio::test]
async fn the_order_outlives_a_restart_and_a_message_for_later_takes_its_place_when_its_time_comes() {
    let (app, clock, receiver) = on_a_clock().await;
    let (acme, _) = line(&app, &receiver, json!([60])).await;
    let later = json!({"eventType": "a", "payload": {"n": 9}, "deliverAt": "2026-01-01T00:00:30Z"});
    app.post(&format!("/api/v1/app/{acme}/msg"), later).await.expect(202);
    receiver.answer_in_turn("/hook", vec![Answer::status(500), Answer::status(200)]);
    let first = send(&app, &acme, 0).await;
    app.wait_for_attempts(&acme, &first, 1).await;
    for n in 1..5 {
        send(&app, &acme, n).await;
    }
    let dir = app.stop().await;
    let app = Start { clock: clock.clone(), dir: Some(dir), ..Start::default() }.start().await;
    receiver.expect_silence("/hook", Duration::from_millis(200)).await;
    clock.advance(MINUTE);
    receiver.wait_for("/hook", 7).await;
    assert_eq!(came(&receiver), [0, 9, 0, 1, 2, 3, 4], "by the time they were accepted, of all that is due");
    send(&app, &acme, 5).await;
    receiver.wait_for("/hook", 8).await;
}

#[tokio::test]
async fn an_endpoint_that_becomes_a_line_or_ends_to_be_one_loses_nothing() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    receiver.answer("/hook", Answer::status(200).delay(Duration::from_millis(5)));
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "maxConcurrency": 2})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    for n in 0..120 {
        send(&app, &acme, n).await;
        if n % 20 == 19 {
            app.patch(&path, json!({"ordered": n % 40 == 19})).await.expect(200);
        }
    }
    receiver.wait_for("/hook", 120).await;
    let mut all = came(&receiver);
    all.sort();
    all.dedup();
    assert_eq!(all, (0..120).collect::<Vec<_>>());
    // What waits for one that is deleted ends at once, all of it.
    receiver.answer("/hook", Answer::status(500));
    app.patch(&path, json!({"ordered": true, "retrySchedule": [3600]})).await.expect(200);
    let mut sent = vec![];
    for n in 0..20 {
        sent.push(send(&app, &acme, n).await);
    }
    app.wait_for_attempts(&acme, &sent[0], 1).await;
    app.delete(&path).await.expect(204);
    for message in &sent[1..] {
        let attempts = app.wait_for_attempts(&acme, message, 1).await;
        assert_eq!(attempts[0]["response"], "the endpoint was deleted");
    }
}

#[tokio::test]
async fn order_and_pulling_are_the_providers_to_decide() {
    let (app, receiver) = started().await;
    let (acme, endpoint) = line(&app, &receiver, json!([])).await;
    let access = app.post(&format!("/api/v1/auth/app-portal-access/{acme}"), json!({})).await.expect(200);
    let customer = app.with_key(access["token"].as_str().unwrap());
    let form = json!({"url": receiver.url("/x"), "ordered": true});
    let refused = customer.post(&format!("/api/v1/app/{acme}/endpoint"), form).await.expect(403);
    assert!(refused["detail"].as_str().unwrap().contains("ordered"), "{refused}");
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    assert_eq!(customer.patch(&path, json!({"description": "x"})).await.expect(200)["ordered"], true);
    assert_eq!(id(&app.get(&path).await.expect(200)), endpoint);
}

#[tokio::test]
async fn what_is_left_out_while_it_is_tried_or_about_to_be_stays_out() {
    let (app, _, receiver) = on_a_clock().await;
    let (acme, endpoint) = line(&app, &receiver, json!([600])).await;
    let skip = format!("/api/v1/app/{acme}/endpoint/{endpoint}/order/skip");
    let slow = || Answer::status(500).delay(Duration::from_millis(400));
    receiver.answer_in_turn("/hook", vec![slow(), Answer::status(200)]);
    let mut sent = Vec::new();
    for n in 0..4 {
        sent.push(send(&app, &acme, n).await);
    }
    receiver.wait_for("/hook", 1).await;
    // The first is under way, the third waits behind it.
    app.post(&skip, json!({"msgId": sent[0]})).await.expect(204);
    app.post(&skip, json!({"msgId": sent[2]})).await.expect(204);
    receiver.wait_for("/hook", 3).await;
    assert!(eventually(async || order(&app, &acme, &endpoint).await["waiting"] == 0).await);
    assert_eq!(came(&receiver), [0, 1, 3]);
    for n in [0, 2] {
        assert_eq!(app.attempts(&acme, &sent[n]).await[0]["response"], "it was left out by hand");
    }
}

#[tokio::test]
async fn disabling_and_enabling_lets_none_pass() {
    let (app, clock, receiver) = on_a_clock().await;
    let (acme, endpoint) = line(&app, &receiver, json!([600])).await;
    receiver.answer_in_turn("/hook", vec![Answer::status(500), Answer::status(200)]);
    let first = send(&app, &acme, 0).await;
    app.wait_for_attempts(&acme, &first, 1).await;
    let messages: Vec<Value> = (1..300).map(|n| json!({"eventType": "a", "payload": {"n": n}})).collect();
    app.post(&format!("/api/v1/app/{acme}/msg/batch"), json!({"messages": messages})).await.expect(202);
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    app.patch(&path, json!({"disabled": true})).await.expect(200);
    app.patch(&path, json!({"disabled": false})).await.expect(200);
    send(&app, &acme, 300).await;
    let empty = async || {
        clock.advance(Duration::from_secs(60));
        order(&app, &acme, &endpoint).await["waiting"] == 0
    };
    assert!(eventually(empty).await);
    let came = came(&receiver);
    assert!(came.is_sorted() && came.last() == Some(&300), "{came:?}");
}

#[tokio::test]
async fn many_that_are_sent_again_by_hand_pass_a_line_that_is_held() {
    let (app, _, receiver) = on_a_clock().await;
    let (acme, endpoint) = line(&app, &receiver, json!([36_000])).await;
    let messages: Vec<Value> = (0..170).map(|n| json!({"eventType": "a", "payload": {"n": n}})).collect();
    app.post(&format!("/api/v1/app/{acme}/msg/batch"), json!({"messages": messages})).await.expect(202);
    receiver.wait_for("/hook", 170).await;
    receiver.answer_in_turn("/hook", vec![Answer::status(500), Answer::status(200)]);
    let held = send(&app, &acme, 170).await;
    app.wait_for_attempts(&acme, &held, 1).await;
    send(&app, &acme, 171).await;
    let replay = format!("/api/v1/app/{acme}/endpoint/{endpoint}/bulk-replay");
    app.post(&replay, json!({"since": "2020-01-01T00:00:00Z", "status": 0})).await.expect(202);
    receiver.wait_for("/hook", 171 + 170).await;
    assert!(!came(&receiver).contains(&171), "what stands in line waits");
}

#[tokio::test]
async fn a_message_that_is_cancelled_while_it_is_sent_holds_nobody_back_when_it_fails() {
    let (app, _clock, receiver) = on_a_clock().await;
    let (acme, _) = line(&app, &receiver, json!([3600, 3600])).await;
    let slow = Answer::status(500).delay(Duration::from_millis(500));
    receiver.answer_in_turn("/hook", vec![slow, Answer::status(200)]);
    let head = send(&app, &acme, 0).await;
    let behind = send(&app, &acme, 1).await;
    receiver.wait_for("/hook", 1).await;
    app.post(&format!("/api/v1/app/{acme}/msg/{head}/cancel"), json!({})).await.expect(204);
    // Though no time passes.
    receiver.wait_for("/hook", 2).await;
    app.wait_for_attempts(&acme, &behind, 1).await;
    assert_eq!(came(&receiver), [0, 1]);
    let ended = eventually(async || app.states(&acme, &head).await == ["fail"]).await;
    assert!(ended, "{:?}", app.states(&acme, &head).await);
}
