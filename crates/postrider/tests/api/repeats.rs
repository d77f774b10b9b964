//! Idempotency keys: each belongs to the caller that gave it.

use super::started;
use postrider_testkit::app::{Client, id};
use serde_json::{Value, json};

const KEY: [(&str, &str); 1] = [("idempotency-key", "the same text")];

async fn post(client: &Client, path: &str, body: &Value) -> Value {
    let body = Some(body.to_string().into_bytes());
    let reply = client.request("POST", path, &KEY, body).await;
    assert!([200, 201, 202].contains(&reply.status), "{path}: {reply:?}");
    reply.body
}

/// What each of two callers gets for the same key with the same body, then with another, and then once more.
async fn each_has_its_own(callers: [&Client; 2], paths: [&str; 2], bodies: [Value; 2]) {
    let [one, two] = callers;
    let first = post(one, paths[0], &bodies[0]).await;
    // The second caller's body differs: were the key shared, this would be a 409.
    let second = post(two, paths[1], &bodies[1]).await;
    assert_ne!(id(&first), id(&second));
    assert_eq!(id(&post(one, paths[0], &bodies[0]).await), id(&first), "it is the first caller's still");
    assert_eq!(id(&post(two, paths[1], &bodies[1]).await), id(&second), "and the second's");
}

#[tokio::test]
async fn the_same_idempotency_key_of_two_api_keys_stands_for_two_requests() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let other = app.post("/api/v1/key", json!({"name": "another"})).await.expect(201);
    let other = app.with_key(other["key"].as_str().unwrap());
    let path = format!("/api/v1/app/{acme}/msg");
    let message = |n| json!({"eventType": "a", "payload": {"n": n}});
    each_has_its_own([&app.client, &other], [&path, &path], [message(1), message(2)]).await;
    let application = |name: &str| json!({"name": name});
    let apps = "/api/v1/app";
    each_has_its_own([&app.client, &other], [apps, apps], [application("One"), application("Two")]).await;

    // The same body: the second caller gets a message of its own, not the first's.
    let third = app.post("/api/v1/key", json!({"name": "a third"})).await.expect(201);
    let third = app.with_key(third["key"].as_str().unwrap());
    let (first, again) = (post(&app.client, &path, &message(1)).await, post(&third, &path, &message(1)).await);
    assert_ne!(id(&first), id(&again));
    let mut came: Vec<Value> = receiver.wait_for("/hook", 3).await.iter().map(|request| request.json()).collect();
    came.sort_by_key(|payload| payload["n"].as_u64());
    assert_eq!(came, [json!({"n": 1}), json!({"n": 1}), json!({"n": 2})]);
}

#[tokio::test]
async fn the_same_idempotency_key_in_two_environments_stands_for_two_requests() {
    let (app, _) = started().await;
    let staging = app.post("/api/v1/environment", json!({"name": "Staging"})).await.expect(201);
    let staging = app.with_key(staging["key"].as_str().unwrap());
    for client in [&app.client, &staging] {
        client.post("/api/v1/app", json!({"name": "Acme", "uid": "acme"})).await.expect(201);
    }
    // The same path in both, for the uid is the same.
    let path = "/api/v1/app/acme/msg";
    let message = |n| json!({"eventType": "a", "payload": {"n": n}});
    each_has_its_own([&app.client, &staging], [path, path], [message(1), message(2)]).await;
    let event_type = |description: &str| json!({"name": "user.created", "description": description});
    let paths = ["/api/v1/event-type"; 2];
    let (ours, theirs) = (event_type("ours"), event_type("theirs"));
    post(&app.client, paths[0], &ours).await;
    post(&staging, paths[1], &theirs).await;
    assert_eq!(post(&staging, paths[1], &theirs).await["description"], "theirs");
    assert_eq!(post(&app.client, paths[0], &ours).await["description"], "ours");
}
