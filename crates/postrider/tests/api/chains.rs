//! Endpoints that see a message one after the other.

use super::{on_a_clock, started};
use postrider_testkit::app::{Client, eventually, id};
use postrider_testkit::receiver::Answer;
use serde_json::{Value, json};
use std::time::Duration;

async fn project(app: &Client) -> String {
    id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": "telerivet"})).await.expect(201))
}

async fn service(app: &Client, acme: &str, url: String, priority: Option<u32>) -> String {
    app.endpoint(acme, json!({"url": url, "secret": "s", "priority": priority})).await
}

fn says(body: Value) -> Answer {
    Answer::status(200).header("content-type", "application/json").body(body.to_string())
}

fn incoming() -> Value {
    json!({"eventType": "incoming_message", "payload": {"id": "SM1", "from_number": "+1", "content": "hi"}})
}

async fn wait_for_all(app: &Client, acme: &str) -> Value {
    app.post(&format!("/api/v1/app/{acme}/msg?wait=20"), incoming()).await.expect(202)
}

#[tokio::test]
async fn the_next_service_sees_a_message_only_if_those_before_sent_nothing() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    // Made in another order than theirs.
    let third = service(&app, &acme, receiver.url("/third"), Some(30)).await;
    let first = service(&app, &acme, receiver.url("/first"), Some(10)).await;
    let second = service(&app, &acme, receiver.url("/second"), Some(20)).await;
    service(&app, &acme, receiver.url("/always"), None).await;
    let nothing = json!({});
    let sends = json!({"messages": [{"content": "x"}]});
    let both = json!({"messages": [{"content": "x"}], "variables": {"return_value": false}});
    for (one, two, reached) in [
        (says(nothing.clone()), says(nothing.clone()), 3),
        (says(sends.clone()), says(nothing.clone()), 1),
        (says(both.clone()), says(sends.clone()), 2),
        (Answer::status(200).body("{oops"), says(both), 3),
        (says(json!({"variables": {"$foo": 1}})), says(sends), 2),
    ] {
        let before = ["/first", "/second", "/third", "/always"].map(|path| receiver.count(path));
        receiver.answer("/first", one);
        receiver.answer("/second", two);
        let sent = wait_for_all(&app, &acme).await;
        assert_eq!(sent["reply"]["done"], true);
        let message = app.get(&format!("/api/v1/app/{acme}/msg/{}", id(&sent))).await.expect(200);
        assert_eq!(message["chain"], json!([first, second, third]));
        let after = ["/first", "/second", "/third", "/always"].map(|path| receiver.count(path));
        let came = [0, 1, 2, 3].map(|n| after[n] - before[n]);
        assert_eq!(came, [1, usize::from(reached > 1), usize::from(reached > 2), 1], "reached {reached}: {sent}");
        assert_eq!(app.states(&acme, &id(&sent)).await.len(), reached + 1, "the others never had it");
        let all = receiver.all();
        let order: Vec<&str> = all[all.len() - reached - 1..].iter().map(|request| request.path.as_str()).collect();
        let chained: Vec<&str> = order.into_iter().filter(|path| *path != "/always").collect();
        assert_eq!(chained, ["/first", "/second", "/third"][..reached]);
    }
}

#[tokio::test]
async fn a_service_that_fails_holds_the_others_until_it_is_given_up_or_gone() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = project(&app).await;
    receiver.answer("/down", Answer::status(500));
    let down = json!({"url": receiver.url("/down"), "priority": 1, "retrySchedule": [60, 600]});
    let down = app.endpoint(&acme, down).await;
    service(&app, &acme, receiver.url("/next"), Some(2)).await;
    let path = format!("/api/v1/app/{acme}/msg");
    let sent = id(&app.post(&path, incoming()).await.expect(202));
    app.wait_for_attempts(&acme, &sent, 1).await;
    clock.advance(Duration::from_secs(60));
    app.wait_for_attempts(&acme, &sent, 2).await;
    assert_eq!(receiver.count("/next"), 0, "it is tried again, so nothing is decided");
    clock.advance(Duration::from_secs(600));
    receiver.wait_for("/next", 1).await;
    let states = eventually(async || app.states(&acme, &sent).await == ["fail", "success"]);
    assert!(states.await, "{:?}", app.states(&acme, &sent).await);

    // One that is disabled, or deleted, while others wait behind it.
    for end in ["disabled", "deleted"] {
        app.patch(&format!("/api/v1/app/{acme}/endpoint/{down}"), json!({"disabled": false})).await.expect(200);
        let sent = id(&app.post(&path, incoming()).await.expect(202));
        app.wait_for_attempts(&acme, &sent, 1).await;
        let before = receiver.count("/next");
        if end == "disabled" {
            app.patch(&format!("/api/v1/app/{acme}/endpoint/{down}"), json!({"disabled": true})).await.expect(200);
        } else {
            app.delete(&format!("/api/v1/app/{acme}/endpoint/{down}")).await.expect(204);
        }
        receiver.wait_for("/next", before + 1).await;
    }
    assert_eq!(receiver.count("/down"), 5);
}

#[tokio::test]
async fn what_is_cancelled_goes_to_nobody_and_what_is_resent_moves_nothing() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = project(&app).await;
    receiver.answer("/first", Answer::status(500));
    let first = json!({"url": receiver.url("/first"), "priority": 1, "retrySchedule": [60]});
    let first = app.endpoint(&acme, first).await;
    let second = service(&app, &acme, receiver.url("/second"), Some(2)).await;
    let path = format!("/api/v1/app/{acme}/msg");
    let sent = id(&app.post(&path, incoming()).await.expect(202));
    app.wait_for_attempts(&acme, &sent, 1).await;
    app.post(&format!("{path}/{sent}/cancel"), json!({})).await.expect(204);
    app.wait_for_attempts(&acme, &sent, 2).await;

    receiver.answer("/first", says(json!({"messages": [{"content": "x"}]})));
    let sent = id(&app.post(&path, incoming()).await.expect(202));
    app.wait_for_attempts(&acme, &sent, 1).await;
    receiver.answer("/first", says(json!({})));
    app.post(&format!("{path}/{sent}/endpoint/{first}/resend"), json!({})).await.expect(202);
    app.wait_for_attempts(&acme, &sent, 2).await;
    // A replay sends nothing that the chain decided against.
    let since = json!({"since": "2020-01-01T00:00:00Z"});
    let replay = app.post(&format!("/api/v1/app/{acme}/endpoint/{second}/replay-missing"), since).await.expect(202);
    let done = async || {
        let task = app.get(&format!("/api/v1/background-task/{}", id(&replay))).await.expect(200);
        task["status"] == "finished"
    };
    assert!(eventually(done).await);
    clock.advance(Duration::from_secs(3_600));
    let last = id(&app.post(&path, incoming()).await.expect(202));
    app.wait_for_attempts(&acme, &last, 2).await;
    assert_eq!(receiver.count("/second"), 1, "the last message's alone");
}

#[tokio::test]
async fn with_another_contract_a_chain_is_a_way_round_what_is_down() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    receiver.answer("/main", Answer::status(503));
    let main = json!({"url": receiver.url("/main"), "priority": 1, "retrySchedule": []});
    app.endpoint(&acme, main).await;
    app.endpoint(&acme, json!({"url": receiver.url("/spare"), "priority": 2})).await;
    let sent = app.send(&acme, "a", json!({"n": 1})).await;
    receiver.wait_for("/spare", 1).await;
    assert!(eventually(async || app.states(&acme, &sent).await == ["fail", "success"]).await);
    receiver.answer("/main", Answer::status(204));
    let sent = app.send(&acme, "a", json!({"n": 2})).await;
    assert!(eventually(async || app.states(&acme, &sent).await == ["success"]).await);
    assert_eq!((receiver.count("/main"), receiver.count("/spare")), (2, 1));
}

#[tokio::test]
async fn a_token_leaves_the_order_as_it_is() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "priority": 7})).await;
    let access = app.post(&format!("/api/v1/auth/app-portal-access/{acme}"), json!({})).await.expect(200);
    let customer = app.with_key(access["token"].as_str().unwrap());
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let refused = customer.patch(&path, json!({"priority": 1})).await.expect(403);
    assert!(refused["detail"].as_str().unwrap().contains("priority"), "{refused}");
    let kept = customer.patch(&path, json!({"description": "ours"})).await.expect(200);
    assert_eq!((&kept["priority"], &kept["description"]), (&json!(7), &json!("ours")));
    app.patch(&path, json!({"priority": -1})).await.expect(422);
}
