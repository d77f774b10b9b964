//! Many messages in one request.

use super::started;
use postrider_testkit::app::{App, eventually};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn message(n: usize) -> Value {
    json!({"eventType": "a", "payload": {"n": n}})
}

#[tokio::test]
async fn a_thousand_messages_are_one_request_and_each_arrives() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let messages: Vec<Value> = (0..1_000).map(message).collect();
    assert_eq!(large_commits(&app).await, 0);
    let sent = app.post(&format!("/api/v1/app/{acme}/msg/batch"), json!({"messages": messages})).await.expect(202);
    let ids: BTreeSet<&str> =
        sent["data"].as_array().unwrap().iter().map(|item| item["message"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1_000);
    assert_eq!(large_commits(&app).await, 1, "all of them are in one");
    receiver.wait_for("/hook", 1_000).await;
    let came: BTreeSet<u64> =
        receiver.received("/hook").iter().map(|request| request.json()["n"].as_u64().unwrap()).collect();
    assert_eq!(came.len(), 1_000);
    let listed = app.get(&format!("/api/v1/app/{acme}/msg?limit=250")).await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 250);
}

/// Commits that carried more than 512 rows, and at most 1,024.
async fn large_commits(app: &App) -> u64 {
    let metrics = app.get("/metrics").await.expect(200);
    let upto = |bound: &str| {
        let name = format!("postrider_commit_batch_size_bucket{{le=\"{bound}\"}} ");
        let line = metrics.as_str().unwrap().lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap().parse::<u64>().unwrap()
    };
    upto("1024.0") - upto("512.0")
}

#[tokio::test]
async fn each_message_has_the_answer_that_it_would_have_had_alone() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let named = json!({"eventType": "a", "eventId": "order-1", "payload": {"n": 1}});
    let messages = json!([
        message(0), named, named, {"eventType": "a b", "payload": {}}, {"payload": {}}, 7,
        {"eventType": "a", "payload": {}, "deliverAt": "soon"},
        {"eventType": "a", "payload": {}, "application": {"name": "New"}},
        {"eventType": "a", "payload": {"n": 2}, "channels": ["x"], "tags": ["y"]},
    ]);
    let path = format!("/api/v1/app/{acme}/msg/batch");
    let sent = app.post(&path, json!({"messages": messages})).await.expect(202);
    let statuses: Vec<u64> =
        sent["data"].as_array().unwrap().iter().map(|item| item["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [202, 202, 409, 422, 422, 422, 422, 422, 202], "{sent}");
    assert_eq!(sent["data"][2]["error"]["code"], "event_exists", "{sent}");
    let places: Vec<&Value> = (3..8).map(|n| &sent["data"][n]["error"]["detail"][0]["loc"]).collect();
    let wanted = [
        json!(["body", "eventType"]),
        json!(["body", "eventType"]),
        json!(["body"]),
        json!(["body", "deliverAt"]),
        json!(["body", "application"]),
    ];
    assert_eq!(places, wanted.iter().collect::<Vec<_>>(), "{sent}");
    let last = &sent["data"][8]["message"];
    assert_eq!((&last["channels"], &last["tags"]), (&json!(["x"]), &json!(["y"])));
    receiver.wait_for("/hook", 3).await;

    for (wrong, why) in [
        (json!({"messages": []}), "has 0 messages; a batch has 1 to 1000"),
        (json!({"messages": vec![message(0); 1_001]}), "has 1001 messages; a batch has 1 to 1000"),
    ] {
        let refused = app.post(&path, wrong).await.expect(422);
        assert_eq!(refused["detail"][0]["msg"], why);
    }
    app.post("/api/v1/app/nobody/msg/batch", json!({"messages": [message(0)]})).await.expect(404);
    assert_eq!(receiver.count("/hook"), 3, "nothing of a batch that is refused is sent");
}

#[tokio::test]
async fn a_batch_that_is_sent_again_is_the_same_batch() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let path = format!("/api/v1/app/{acme}/msg/batch");
    let body = json!({"messages": [message(0), {"eventType": "a b", "payload": {}}, message(0)]}).to_string();
    let send = async || {
        let body = Some(body.clone().into_bytes());
        app.request("POST", &path, &[("idempotency-key", "once")], body).await.expect(202)
    };
    let first = send().await;
    assert_eq!(send().await, first);
    assert_ne!(first["data"][0]["message"]["id"], first["data"][2]["message"]["id"]);
    receiver.wait_for("/hook", 2).await;
    // Nothing of another batch is taken, not even in the place of what was refused.
    let other = json!({"messages": [message(1), message(2), message(3)]}).to_string().into_bytes();
    let other = app.request("POST", &path, &[("idempotency-key", "once")], Some(other)).await.expect(409);
    assert_eq!(other["code"], "idempotency_key_reused");
    assert_eq!(send().await, first);
    let all =
        async || app.get(&format!("/api/v1/app/{acme}/msg")).await.expect(200)["data"].as_array().unwrap().len() == 2;
    assert!(eventually(all).await);
    assert_eq!(receiver.count("/hook"), 2);
}

#[tokio::test]
async fn what_is_given_by_names_is_not_read_by_places() {
    let (app, _) = started().await;
    let acme = app.application().await;
    let path = format!("/api/v1/app/{acme}/msg/batch");
    let refused = app.post(&path, json!([message(1)])).await.expect(422);
    assert!(refused["detail"][0]["msg"].as_str().unwrap().starts_with("must be an object"), "{refused}");
    let positions = json!({"messages": [["a", {"n": 1}, null, null, null, null, null, null, null, null, null, null]]});
    assert_eq!(app.post(&path, positions).await.expect(202)["data"][0]["status"], 422);
    let wrong = json!({"eventType": "a", "payload": {}, "deliverTo": 1});
    let wrong = app.post(&format!("/api/v1/app/{acme}/msg"), wrong).await.expect(422);
    let msg = wrong["detail"][0]["msg"].as_str().unwrap();
    assert_eq!(msg, "must be an object, not the number 1");
}
