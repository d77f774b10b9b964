//! A message accepted is a message delivered: the main path and its edges, through HTTP.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{App, Start, id, redacted};
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

#[tokio::test]
async fn a_message_arrives_signed_byte_for_byte_and_can_be_looked_at() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    receiver.answer("/hook", Answer::status(200).body("thanks"));
    let acme = id(&app.post("/api/v1/app", json!({"name": "Acme", "uid": "acme"})).await.expect(201));
    let endpoint = app.endpoint("acme", json!({"url": receiver.url("/hook"), "uid": "main"})).await;
    let secret = app.get("/api/v1/app/acme/endpoint/main/secret").await.expect(200);

    app.post("/api/v1/event-type", json!({"name": "user.created", "description": ""})).await.expect(201);
    // Numbers, spaces and the order of keys are the provider's: they arrive as they came.
    let payload = r#"{"b": 1.50, "a":  [12345678901234567890], "text":"caf\u00e9"}"#;
    let body = format!(r#"{{"eventType": "user.created", "eventId": "ev-1", "payload": {payload}}}"#);
    let reply = app.request("POST", "/api/v1/app/acme/msg/", &[], Some(body.into_bytes())).await;
    let message = reply.expect(202);

    let received = receiver.wait_for("/hook", 1).await.remove(0);
    assert_eq!(received.text(), payload);
    assert_eq!(received.header("content-type"), Some("application/json"));
    assert_eq!(received.header("webhook-id"), message["id"].as_str());
    let mut headers = http_headers(&received.headers);
    let webhook = Webhook::new(secret["key"].as_str().unwrap()).unwrap();
    webhook.verify(&received.body, &headers).unwrap();
    headers.insert("webhook-id", "msg_forged".parse().unwrap());
    webhook.verify(&received.body, &headers).unwrap_err();

    let attempts = app.wait_for_attempts(&acme, message["id"].as_str().unwrap(), 1).await;
    let shown = redacted(&json!(attempts), &["id", "msgId", "endpointId", "url", "timestamp", "responseDurationMs"]);
    insta::assert_snapshot!(shown, @r#"
    [
      {
        "id": "[id]",
        "msgId": "[msgId]",
        "endpointId": "[endpointId]",
        "url": "[url]",
        "response": "thanks",
        "responseStatusCode": 200,
        "responseDurationMs": "[responseDurationMs]",
        "status": 0,
        "statusText": "success",
        "triggerType": 0,
        "timestamp": "[timestamp]"
      }
    ]
    "#);
    let by_endpoint = app.get("/api/v1/app/acme/attempt/endpoint/main").await.expect(200);
    assert_eq!(by_endpoint["data"], json!(attempts));
    let one = attempts[0]["id"].as_str().unwrap();
    let got = app.get(&format!("/api/v1/app/acme/msg/{}/attempt/{one}", message["id"].as_str().unwrap())).await;
    assert_eq!(got.expect(200), attempts[0]);
    let listed = app.get("/api/v1/app/acme/msg").await.expect(200);
    assert_eq!(listed["data"], json!([message]));
    assert_eq!(app.states("acme", message["id"].as_str().unwrap()).await, ["success"]);
    let at_endpoint = app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/msg")).await.expect(200);
    assert_eq!(at_endpoint["data"][0]["statusText"], "success");
}

#[tokio::test]
async fn only_endpoints_that_want_a_message_get_it() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let acme = app.application().await;
    app.post("/api/v1/event-type", json!({"name": "user.created", "description": "A user came"})).await.expect(201);
    let endpoint = |path: &str, filter: Value| {
        let mut endpoint = json!({"url": receiver.url(path)});
        endpoint.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        endpoint
    };
    app.endpoint(&acme, endpoint("/all", json!({}))).await;
    app.endpoint(&acme, endpoint("/exact", json!({"eventTypes": ["user.created"]}))).await;
    app.endpoint(&acme, endpoint("/pattern", json!({"eventTypes": ["user.*"]}))).await;
    app.endpoint(&acme, endpoint("/channel", json!({"channels": ["blue"]}))).await;
    app.endpoint(&acme, endpoint("/large", json!({"payloadFilter": {"amount": {"$gt": 100}}}))).await;
    app.endpoint(&acme, endpoint("/disabled", json!({"disabled": true}))).await;

    app.send(&acme, "user.created", json!({"amount": 5})).await;
    app.send(&acme, "user.deleted", json!({"amount": 500})).await;
    let blue = json!({"eventType": "other", "payload": {}, "channels": ["blue", "red"]});
    app.post(&format!("/api/v1/app/{acme}/msg"), blue).await.expect(202);

    for (path, count) in [("/all", 3), ("/exact", 1), ("/pattern", 2), ("/channel", 1), ("/large", 1)] {
        assert_eq!(receiver.wait_for(path, count).await.len(), count, "{path}");
    }
    // Everything that was to come has come: the rest got nothing.
    assert_eq!(receiver.all().len(), 8);
}

#[tokio::test]
async fn the_same_idempotency_key_gets_the_first_answer_even_at_once_and_after_a_restart() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let path = format!("/api/v1/app/{acme}/msg");
    let body = json!({"eventType": "a", "payload": {"n": 1}}).to_string().into_bytes();
    let key = [("idempotency-key", "once")];

    let together = futures_of((0..20).map(|_| app.request("POST", &path, &key, Some(body.clone())))).await;
    let first = together[0].clone().expect(202);
    assert!(together.iter().all(|reply| reply.status == 202 && reply.body == first));
    receiver.wait_for("/hook", 1).await;

    let other = json!({"eventType": "a", "payload": {"n": 2}}).to_string().into_bytes();
    let reused = app.request("POST", &path, &key, Some(other)).await;
    assert_eq!((reused.status, &reused.body["code"]), (409, &json!("idempotency_key_reused")));

    let dir = app.stop().await;
    let app = Start { dir: Some(dir), ..Start::default() }.start().await;
    let again = app.request("POST", &path, &key, Some(body)).await;
    assert_eq!(again.expect(202), first);
    assert_eq!(receiver.count("/hook"), 1);

    // Other things that are made keep their first answer too.
    let made = app.request("POST", "/api/v1/app", &key, Some(br#"{"name":"Once"}"#.to_vec())).await.expect(201);
    let again = app.request("POST", "/api/v1/app/", &key, Some(br#"{"name":"Once"}"#.to_vec())).await.expect(201);
    assert_eq!(made, again);
    // A refusal is not kept: the same key works once the request is right.
    let key = [("idempotency-key", "twice")];
    app.request("POST", "/api/v1/app", &key, Some(br#"{"name":""}"#.to_vec())).await.expect(422);
    app.request("POST", "/api/v1/app", &key, Some(br#"{"name":"Right"}"#.to_vec())).await.expect(201);
}

#[tokio::test]
async fn an_event_id_is_taken_once_per_application() {
    let app = App::start().await;
    let (acme, other) = (app.application().await, app.application().await);
    let message = json!({"eventType": "a", "eventId": "order-1", "payload": {}});
    app.post(&format!("/api/v1/app/{acme}/msg"), message.clone()).await.expect(202);
    let taken = app.post(&format!("/api/v1/app/{acme}/msg"), message.clone()).await.expect(409);
    assert_eq!(taken["code"], "event_exists");
    app.post(&format!("/api/v1/app/{other}/msg"), message).await.expect(202);
}

#[tokio::test]
async fn bad_input_is_refused_with_what_would_be_right_and_nothing_is_stored() {
    let app = App::start().await;
    let acme = app.application().await;
    let (messages, endpoints) = (format!("/api/v1/app/{acme}/msg"), format!("/api/v1/app/{acme}/endpoint"));
    let raw = async |body: &[u8]| app.request("POST", &messages, &[], Some(body.to_vec())).await;

    assert_eq!(raw(b"{\"eventType\": ").await.status, 400);
    assert_eq!(raw(b"{\"eventType\":\"a\",\"payload\":\"\xff\xfe\"}").await.status, 400);
    assert_eq!(raw(b"{\"eventType\":\"a\",\"payload\":{}} x").await.status, 400);
    assert_eq!(raw(b"{\"eventType\":\"a b\",\"payload\":{}}").await.status, 422);
    assert_eq!(raw(b"{\"payload\":{}}").await.status, 422);
    let deep = format!("{{\"eventType\":\"a\",\"payload\":{}{}}}", "[".repeat(129), "]".repeat(129));
    let deep = raw(deep.as_bytes()).await.expect(422);
    assert_eq!(
        deep["detail"][0],
        json!({"loc": ["body", "payload"], "msg": "is nested deeper than 128 levels", "type": "value_error"})
    );
    let large = format!("{{\"eventType\":\"a\",\"payload\":\"{}\"}}", "x".repeat(25 << 20));
    assert_eq!(raw(large.as_bytes()).await.status, 413);
    assert_eq!(app.get(&messages).await.expect(200)["data"], json!([]));

    let refused = app
        .post(
            &endpoints,
            json!({"url": "ftp://example.com", "eventTypes": ["nope"], "throttleRate": 0, "uid": "a b", "timeoutSeconds": 31,
                   "headers": {"Host": "x", "webhook-id": "y"}, "payloadFilter": {"a": {"$near": 1}}, "channels": ["a", "a"]}),
        )
        .await
        .expect(422);
    let line = |item: &Value| {
        let loc: Vec<&str> = item["loc"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
        format!("{}: {}", loc.join("."), item["msg"].as_str().unwrap())
    };
    let lines: Vec<String> = refused["detail"].as_array().unwrap().iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    body.uid: ' ' is not allowed; use letters, digits and any of "-_."
    body.url: has the scheme "ftp"; use https or http
    body.throttleRate: 0 would send nothing; use at least 1, or null for no limit
    body.channels: names "a" twice
    body.eventTypes.0: "nope" is not a registered event type; register it first (POST /api/v1/event-type)
    body.payloadFilter: at "a.$near": is no operator; there are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $startsWith, $endsWith, $contains, $and, $or, $not
    body.timeoutSeconds: must be 1 to 30
    body.headers.Host: Host can't be set: HTTP or the contract standard uses it
    body.headers.webhook-id: webhook-id can't be set: HTTP or the contract standard uses it
    "#);
    let wrong_type =
        app.post(&endpoints, json!({"url": "https://example.com", "throttleRate": "fast"})).await.expect(422);
    assert_eq!(wrong_type["detail"][0]["loc"], json!(["body", "throttleRate"]));
    assert_eq!(app.get(&endpoints).await.expect(200)["data"], json!([]));

    let mut stranger = app.client.clone();
    stranger.key = "another-key-entirely".into();
    assert_eq!(stranger.get("/api/v1/app").await.expect(401)["code"], "authentication_failed");
    assert_eq!(app.get("/api/v1/app/app_0000000000000000000000").await.expect(404)["code"], "not_found");
    assert_eq!(app.get("/api/v1/app?limit=many").await.expect(422)["detail"][0]["loc"], json!(["query", "limit"]));
}

#[tokio::test]
async fn a_uid_that_no_url_can_hold_is_refused() {
    let app = App::start().await;
    let acme = app.application().await;
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let problem = json!({
        "loc": ["body", "uid"],
        "msg": "stands for a folder in a URL, so no path could lead here; add a letter or digit",
        "type": "value_error",
    });
    for uid in [".", ".."] {
        let refused = app.post("/api/v1/app", json!({"name": "Acme", "uid": uid})).await.expect(422);
        assert_eq!(refused["detail"], json!([problem]));
        let refused = app.post(&endpoints, json!({"url": "https://example.com", "uid": uid})).await.expect(422);
        assert_eq!(refused["detail"], json!([problem]));
    }
    assert_eq!(app.get(&endpoints).await.expect(200)["data"], json!([]));

    app.post("/api/v1/app", json!({"name": "Dots", "uid": "..."})).await.expect(201);
    app.get("/api/v1/app/...").await.expect(200);
}

#[tokio::test]
async fn a_rotation_signs_with_both_secrets_and_a_single_signature_switches_at_once() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/standard")})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/secret");
    let old = app.get(&path).await.expect(200)["key"].as_str().unwrap().to_owned();
    app.post(&format!("{path}/rotate"), json!({})).await.expect(200);
    let new = app.get(&path).await.expect(200)["key"].as_str().unwrap().to_owned();
    assert_ne!(old, new);
    app.send(&acme, "a", json!({})).await;
    let received = receiver.wait_for("/standard", 1).await.remove(0);
    let headers = http_headers(&received.headers);
    for secret in [&old, &new] {
        Webhook::new(secret).unwrap().verify(&received.body, &headers).unwrap();
    }

    let uplodr = app.endpoint(&acme, json!({"url": receiver.url("/uplodr"), "contract": "uplodr"})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{uplodr}/secret/rotate");
    let grace = app.post(&path, json!({"gracePeriodSeconds": 60})).await.expect(422);
    assert_eq!(grace["detail"][0]["loc"], json!(["body", "gracePeriodSeconds"]));
    app.post(&path, json!({"key": "a new one"})).await.expect(200);
}

#[tokio::test]
async fn a_client_that_repeats_a_rotation_or_a_resend_does_it_once() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let key = [("idempotency-key", "again and again")];
    let post = async |path: &str, body: &str| app.request("POST", path, &key, Some(body.into())).await;

    let rotate = format!("/api/v1/app/{acme}/endpoint/{endpoint}/secret/rotate");
    let first = post(&rotate, "{}").await.expect(200);
    assert_eq!(post(&rotate, "{}").await.expect(200), first);
    assert_eq!(app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/secret")).await.expect(200), first);
    let other = post(&rotate, r#"{"gracePeriodSeconds": 60}"#).await.expect(409);
    assert_eq!(other["code"], "idempotency_key_reused");

    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    let resend = format!("/api/v1/app/{acme}/msg/{message}/endpoint/{endpoint}/resend");
    post(&resend, "").await.expect(202);
    post(&resend, "").await.expect(202);
    app.wait_for_attempts(&acme, &message, 2).await;
    app.send(&acme, "last", json!({})).await;
    assert_eq!(receiver.wait_for("/hook", 3).await.len(), 3, "the message, its resend, and the last");
    assert_eq!(app.attempts(&acme, &message).await.len(), 2);
}

#[tokio::test]
async fn a_message_can_be_sent_again_by_hand() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    app.post(&format!("/api/v1/app/{acme}/msg/{message}/endpoint/{endpoint}/resend"), json!({})).await.expect(202);
    let attempts = app.wait_for_attempts(&acme, &message, 2).await;
    assert_eq!(attempts[0]["triggerType"], 1);
    let received = receiver.wait_for("/hook", 2).await;
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
}

#[tokio::test]
async fn deleting_or_disabling_an_endpoint_ends_what_waits_for_it_visibly() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    receiver.answer("/down", Answer::status(500));
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/down"), "retrySchedule": [3600]})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    assert_eq!(app.states(&acme, &message).await, ["pending"]);

    app.patch(&format!("/api/v1/app/{acme}/endpoint/{endpoint}"), json!({"disabled": true})).await.expect(200);
    let attempts = app.wait_for_attempts(&acme, &message, 2).await;
    assert_eq!(attempts[0]["error"], json!({"code": "cancelled", "message": "the endpoint is disabled"}));
    assert_eq!(app.states(&acme, &message).await, ["fail"]);

    app.patch(&format!("/api/v1/app/{acme}/endpoint/{endpoint}"), json!({"disabled": false})).await.expect(200);
    let second = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &second, 1).await;
    app.delete(&format!("/api/v1/app/{acme}/endpoint/{endpoint}")).await.expect(204);
    let attempts = app.wait_for_attempts(&acme, &second, 2).await;
    assert_eq!(attempts[0]["error"]["message"], "the endpoint was deleted");
}

fn http_headers(headers: &[(String, String)]) -> reqwest::header::HeaderMap {
    headers
        .iter()
        .map(|(name, value)| (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}

async fn futures_of<F: Future<Output: Send + 'static> + Send>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut done = Vec::new();
    let mut all: Vec<_> = all.map(Box::pin).collect();
    // Polls all of them together, so that their requests are under way at once.
    std::future::poll_fn(|cx| {
        all.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                done.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}
