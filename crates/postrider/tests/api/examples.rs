//! Examples of events and tests, sent to one endpoint.

use super::started;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn an_example_goes_to_its_endpoint_alone_whatever_that_filters_by() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let schema = json!({
        "type": "object",
        "properties": {"id": {"type": "string", "example": "inv_1"}, "paid": {"type": "boolean"}},
    });
    let listed = json!({"examples": [{"id": "first"}, {"id": "second"}]});
    for (name, schemas) in [
        ("invoice.paid", json!({"1": {"type": "string"}, "2": schema})),
        ("user.left", json!({"1": listed})),
        ("bare", json!(null)),
    ] {
        let event_type = json!({"name": name, "description": name, "schemas": schemas});
        app.post("/api/v1/event-type", event_type).await.expect(201);
    }
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "eventTypes": ["bare"]})).await;
    app.endpoint(&acme, json!({"url": receiver.url("/other")})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/send-example");

    let sent = app.post(&path, json!({"eventType": "invoice.paid"})).await.expect(200);
    assert_eq!((&sent["eventType"], &sent["payload"]), (&json!("invoice.paid"), &json!({"id": "inv_1", "paid": true})));
    app.post(&path, json!({"eventType": "user.left", "exampleIndex": 1})).await.expect(200);
    app.post(&path, json!({"eventType": "svix.ping"})).await.expect(200);
    let own = br#"{"eventType": "bare", "payload": {"own": [1.50]}}"#.to_vec();
    app.request("POST", &path, &[], Some(own)).await.expect(200);
    let received = receiver.wait_for("/hook", 4).await;
    let mut bodies: Vec<String> = received.iter().map(|request| request.text()).collect();
    bodies.sort();
    let wanted = [r#"{"id":"inv_1","paid":true}"#, r#"{"id":"second"}"#, r#"{"own": [1.50]}"#, r#"{"success":true}"#];
    assert_eq!(bodies, wanted);
    receiver.expect_silence("/other", Duration::from_millis(100)).await;
    let listed = app.get(&format!("/api/v1/app/{acme}/msg/{}", sent["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(listed, sent, "an example is a message like another");

    assert_eq!(
        app.post(&path, json!({"eventType": "bare"})).await.expect(422)["detail"][0]["loc"],
        json!(["body", "eventType"])
    );
    app.post(&path, json!({"eventType": "unheard.of"})).await.expect(404);
    app.patch(path.trim_end_matches("/send-example"), json!({"disabled": true})).await.expect(200);
    assert_eq!(app.post(&path, json!({"eventType": "svix.ping"})).await.expect(409)["code"], "endpoint_disabled");
}

#[tokio::test]
async fn an_endpoint_is_tried_with_a_payload_or_the_last_message_of_a_type() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    for name in ["a", "b"] {
        app.post("/api/v1/event-type", json!({"name": name, "description": name})).await.expect(201);
    }
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "eventTypes": ["b"]})).await;
    app.endpoint(&acme, json!({"url": receiver.url("/other"), "eventTypes": ["none.*"]})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/test");
    assert_eq!(app.post(&path, json!({})).await.expect(409)["code"], "no_message");

    for n in 0..3 {
        app.send(&acme, "a", json!({"n": n})).await;
    }
    // The last of its type, though the endpoint filters by another.
    let tried = app.post(&path, json!({"eventType": "a"})).await.expect(202);
    assert_eq!(receiver.wait_for("/hook", 1).await[0].json(), json!({"n": 2}));
    let tried = app.wait_for_attempts(&acme, tried["msgId"].as_str().unwrap(), 1).await;
    assert_eq!((tried.len(), &tried[0]["endpointId"]), (1, &json!(endpoint)));
    app.send(&acme, "b", json!({"n": 9})).await;
    receiver.wait_for("/hook", 2).await;
    app.send(&acme, "a", json!({"n": 10})).await;
    app.post(&path, json!({})).await.expect(202);
    assert_eq!(receiver.wait_for("/hook", 3).await[2].json(), json!({"n": 9}));
    let given = app.post(&path, json!({"eventType": "a", "payload": {"mine": true}})).await.expect(202);
    assert_eq!(receiver.wait_for("/hook", 4).await[3].json(), json!({"mine": true}));
    let attempts = app.wait_for_attempts(&acme, given["msgId"].as_str().unwrap(), 1).await;
    assert_eq!(attempts[0]["endpointId"], endpoint);
    receiver.expect_silence("/other", Duration::from_millis(100)).await;

    assert_eq!(
        app.post(&path, json!({"payload": {}})).await.expect(422)["detail"][0]["loc"],
        json!(["body", "eventType"])
    );
    let token = app.post(&format!("/api/v1/auth/app-portal-access/{acme}"), json!({})).await.expect(200);
    let token = app.with_key(token["token"].as_str().unwrap());
    token.post(&path, json!({"eventType": "a", "payload": {}})).await.expect(403);
    token.post(&path, json!({"eventType": "a"})).await.expect(202);
    app.patch(path.trim_end_matches("/test"), json!({"disabled": true})).await.expect(200);
    assert_eq!(app.post(&path, json!({})).await.expect(409)["code"], "endpoint_disabled");
}
