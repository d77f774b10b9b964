//! Tokens of one application, and the link that carries one.

use super::{on_a_clock, started};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use postrider_testkit::app::{App, Client, id};
use serde_json::{Value, json};
use std::time::Duration;

/// A token's client.
async fn token(app: &App, application: &str, body: Value) -> Client {
    let made = app.post(&format!("/api/v1/auth/app-portal-access/{application}"), body).await.expect(200);
    app.with_key(made["token"].as_str().unwrap())
}

#[tokio::test]
async fn a_token_opens_its_application_and_finds_nothing_of_another() {
    let (app, receiver) = started().await;
    let (acme, other) = (app.application().await, app.application().await);
    let mine = app.endpoint(&acme, json!({"url": receiver.url("/mine")})).await;
    let theirs = app.endpoint(&other, json!({"url": receiver.url("/theirs")})).await;
    let (sent, foreign) = (app.send(&acme, "a", json!({})).await, app.send(&other, "a", json!({})).await);
    let my_attempt = id(&app.wait_for_attempts(&acme, &sent, 1).await[0]);
    let attempt = id(&app.wait_for_attempts(&other, &foreign, 1).await[0]);
    let token = token(&app, &acme, json!({})).await;

    for path in [
        format!("/api/v1/app/{acme}"),
        format!("/api/v1/app/{acme}/endpoint"),
        format!("/api/v1/app/{acme}/endpoint/{mine}"),
        format!("/api/v1/app/{acme}/endpoint/{mine}/secret"),
        format!("/api/v1/app/{acme}/endpoint/{mine}/stats"),
        format!("/api/v1/app/{acme}/msg/{sent}"),
        format!("/api/v1/app/{acme}/msg/{sent}/attempt/{my_attempt}"),
        format!("/api/v1/app/{acme}/attempt/endpoint/{mine}"),
        "/api/v1/event-type".to_owned(),
    ] {
        token.get(&path).await.expect(200);
    }
    for path in [
        format!("/api/v1/app/{other}"),
        format!("/api/v1/app/{other}/endpoint"),
        format!("/api/v1/app/{other}/endpoint/{theirs}"),
        format!("/api/v1/app/{acme}/endpoint/{theirs}"),
        format!("/api/v1/app/{acme}/endpoint/{theirs}/secret"),
        format!("/api/v1/app/{other}/msg/{foreign}"),
        format!("/api/v1/app/{acme}/msg/{foreign}"),
        format!("/api/v1/app/{acme}/msg/{foreign}/endpoint"),
        format!("/api/v1/app/{acme}/msg/{sent}/attempt/{attempt}"),
        format!("/api/v1/app/{acme}/attempt/msg/{foreign}"),
        format!("/api/v1/app/{acme}/attempt/endpoint/{theirs}"),
    ] {
        assert_eq!(token.get(&path).await.expect(404)["code"], "not_found", "{path}");
    }
    for path in ["endpoint", "msg"].map(|part| format!("/api/v1/app/{other}/{part}")) {
        let status =
            token.post(&path, json!({"url": "https://a.example", "eventType": "a", "payload": {}})).await.status;
        assert!([403, 404].contains(&status), "{path}: {status}");
    }
    let resend = |app: &str, message: &str, endpoint: &str| {
        format!("/api/v1/app/{app}/msg/{message}/endpoint/{endpoint}/resend")
    };
    token.post(&resend(&acme, &sent, &mine), json!({})).await.expect(202);
    token.post(&resend(&acme, &foreign, &mine), json!({})).await.expect(404);
    token.post(&resend(&acme, &sent, &theirs), json!({})).await.expect(404);

    // What is the provider's alone.
    for (method, path) in [
        ("GET", "/api/v1/app".to_owned()),
        ("GET", "/api/v1/key".to_owned()),
        ("GET", "/api/v1/environment".to_owned()),
        ("GET", "/api/v1/background-task".to_owned()),
        ("POST", format!("/api/v1/app/{acme}/msg")),
        ("PATCH", format!("/api/v1/app/{acme}")),
        ("DELETE", format!("/api/v1/app/{acme}")),
        ("POST", format!("/api/v1/auth/app-portal-access/{acme}")),
        ("POST", format!("/api/v1/auth/app/{acme}/expire-all")),
        ("POST", "/api/v1/event-type".to_owned()),
        ("DELETE", format!("/api/v1/app/{acme}/msg/{sent}/content")),
    ] {
        let reply = token.request(method, &path, &[], Some(br#"{"eventType": "a", "payload": {}}"#.to_vec())).await;
        assert_eq!(reply.expect(403)["code"], "not_allowed", "{method} {path}");
    }
    assert_eq!(receiver.count("/mine"), receiver.wait_for("/mine", 2).await.len(), "its message and the resend");
}

#[tokio::test]
async fn what_a_token_may_change_of_an_endpoint_is_fixed() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let decided = json!({
        "url": receiver.url("/hook"), "contract": "svix", "throttleRate": 50, "maxConcurrency": 3,
        "timeoutSeconds": 9, "retrySchedule": [60]
    });
    let endpoint = app.endpoint(&acme, decided.clone()).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let token = token(&app, &acme, json!({})).await;

    for (field, value) in [
        ("contract", json!("standard")),
        ("throttleRate", json!(1_000)),
        ("rateLimit", json!(1_000)),
        ("maxConcurrency", json!(100)),
        ("timeoutSeconds", json!(30)),
        ("retrySchedule", json!([1, 1])),
    ] {
        let mut url = json!({"url": receiver.url("/elsewhere")});
        url[field] = value;
        assert_eq!(token.patch(&path, url.clone()).await.expect(403)["code"], "not_allowed", "{field}");
        assert_eq!(token.put(&path, url.clone()).await.expect(403)["code"], "not_allowed", "{field}");
        token.post(&format!("/api/v1/app/{acme}/endpoint"), url).await.expect(403);
    }
    let is_as_decided = async || {
        let now = app.endpoint_now(&acme, &endpoint).await;
        let kept = ["contract", "throttleRate", "maxConcurrency", "timeoutSeconds", "retrySchedule"];
        kept.iter().all(|field| now[field] == decided[field])
    };
    assert!(is_as_decided().await);

    token
        .patch(&path, json!({"description": "Ours", "url": receiver.url("/new"), "channels": ["blue"]}))
        .await
        .expect(200);
    token.put(&path, json!({"url": receiver.url("/newer"), "eventTypes": ["a.*"]})).await.expect(200);
    assert!(is_as_decided().await, "what the token leaves out stays as the provider decided");
    let made =
        token.post(&format!("/api/v1/app/{acme}/endpoint"), json!({"url": receiver.url("/own")})).await.expect(201);
    assert_eq!(made["contract"], "standard", "the application's");
    token.post(&format!("{path}/secret/rotate"), json!({})).await.expect(200);
    token.put(&format!("{path}/headers"), json!({"headers": {"X-Own": "1"}})).await.expect(204);
    let chosen = json!({"eventType": "svix.ping", "payload": {"ours": true}});
    token.post(&format!("{path}/send-example"), chosen).await.expect(403);
    token.post(&format!("{path}/send-example"), json!({"eventType": "svix.ping"})).await.expect(200);
    token.delete(&path).await.expect(204);
}

#[tokio::test]
async fn a_token_may_do_what_its_capabilities_say() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let message = app.send(&acme, "a", json!({})).await;
    let resend = format!("/api/v1/app/{acme}/msg/{message}/endpoint/{endpoint}/resend");
    // What each token gets for: seeing the secret, rotating it, changing the endpoint, sending again.
    let cases = [
        (json!({"readOnly": true}), [403, 403, 403, 403]),
        (json!({"capabilities": ["ViewBase"]}), [403, 403, 403, 403]),
        (json!({"capabilities": ["ViewBase", "ViewEndpointSecret"]}), [200, 403, 403, 403]),
        (json!({"capabilities": ["ViewBase", "ManageEndpointSecret"]}), [200, 200, 403, 403]),
        (json!({"capabilities": ["ViewBase", "CreateAttempts"]}), [403, 403, 403, 202]),
        (json!({"capabilities": ["ViewBase", "ManageEndpoint"]}), [200, 200, 200, 403]),
        (json!({}), [200, 200, 200, 202]),
    ];
    for (access, wanted) in cases {
        let token = token(&app, &acme, access.clone()).await;
        let got = [
            token.get(&format!("{path}/secret")).await.status,
            token.post(&format!("{path}/secret/rotate"), json!({})).await.status,
            token.patch(&path, json!({"description": "x"})).await.status,
            token.post(&resend, json!({})).await.status,
        ];
        assert_eq!(got, wanted, "{access}");
        token.get(&path).await.expect(200);
    }
    let access = format!("/api/v1/auth/app-portal-access/{acme}");
    let wrong = app.post(&access, json!({"capabilities": ["ViewBase", "Fly"]})).await.expect(422);
    assert_eq!(wrong["detail"][0]["loc"], json!(["body", "capabilities", "1"]));
    app.post(&access, json!({"capabilities": ["ManageEndpoint"]})).await.expect(422);
    app.post(&access, json!({"expiry": 3_599})).await.expect(422);
    app.post(&access, json!({"expiry": 604_801})).await.expect(422);
}

#[tokio::test]
async fn a_token_ends_when_its_time_is_over_or_it_is_ended() {
    let (app, clock, _) = on_a_clock().await;
    let acme = app.application().await;
    let path = format!("/api/v1/app/{acme}");
    let expire = format!("/api/v1/auth/app/{acme}/expire-all");
    let hour = token(&app, &acme, json!({"expiry": 3_600})).await;
    let week = token(&app, &acme, json!({})).await;
    clock.advance(Duration::from_secs(3_599));
    hour.get(&path).await.expect(200);
    clock.advance(Duration::from_secs(2));
    assert_eq!(hour.get(&path).await.expect(401)["code"], "authentication_failed");
    week.get(&path).await.expect(200);

    // By what it was made for.
    let (blue, red) =
        (token(&app, &acme, json!({"sessionId": "blue"})).await, token(&app, &acme, json!({"sessionId": "red"})).await);
    app.post(&expire, json!({"sessionIds": ["blue"]})).await.expect(204);
    blue.get(&path).await.expect(401);
    red.get(&path).await.expect(200);

    // In a minute, all of them.
    app.post(&expire, json!({"expiry": 60})).await.expect(204);
    red.get(&path).await.expect(200);
    clock.advance(Duration::from_secs(61));
    red.get(&path).await.expect(401);
    week.get(&path).await.expect(401);

    // By itself, and nothing else with it.
    let (one, two) = (token(&app, &acme, json!({})).await, token(&app, &acme, json!({})).await);
    one.request("POST", "/api/v1/auth/logout", &[], None).await.expect(204);
    one.get(&path).await.expect(401);
    two.get(&path).await.expect(200);
    let key = app.request("POST", "/api/v1/auth/logout", &[], None).await.expect(403);
    assert_eq!(key["code"], "not_a_token", "a key is revoked, not logged out");

    // With its application.
    app.delete(&path).await.expect(204);
    two.get(&path).await.expect(401);
    app.get("/api/v1/app").await.expect(200);
}

#[tokio::test]
async fn a_token_sees_event_types_without_flags_and_with_its_own() {
    let (app, _) = started().await;
    let acme = app.application().await;
    for (name, flags) in [("open", json!([])), ("beta", json!(["beta"])), ("late", json!(["alpha", "gamma"]))] {
        let event_type = json!({"name": name, "description": name, "featureFlags": flags});
        app.post("/api/v1/event-type", event_type).await.expect(201);
    }
    let names = async |client: &Client| {
        let page = client.get("/api/v1/event-type").await.expect(200);
        page["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let plain = token(&app, &acme, json!({})).await;
    let beta = token(&app, &acme, json!({"featureFlags": ["beta", "gamma"]})).await;
    assert_eq!(names(&plain).await, ["open"]);
    assert_eq!(names(&beta).await, ["beta", "late", "open"]);
    assert_eq!(names(&app.client).await, ["beta", "late", "open"]);
    plain.get("/api/v1/event-type/beta").await.expect(404);
    beta.get("/api/v1/event-type/beta").await.expect(200);
}

#[tokio::test]
async fn a_portal_link_carries_the_token() {
    let (app, _) = started().await;
    let access = json!({"application": {"name": "New customer", "uid": "new"}});
    let made = app.post("/api/v1/auth/app-portal-access/new", access).await.expect(200);
    let (url, key) = made["url"].as_str().unwrap().split_once("/portal#key=").unwrap();
    assert_eq!(url, app.url, "where the request came to");
    let key: Value = serde_json::from_slice(&BASE64_STANDARD.decode(key).unwrap()).unwrap();
    assert_eq!(key["token"], made["token"]);
    let token = app.with_key(key["token"].as_str().unwrap());
    let shown = token.get(&format!("/api/v1/app/{}", key["appId"].as_str().unwrap())).await.expect(200);
    assert_eq!((&shown["name"], &shown["uid"]), (&json!("New customer"), &json!("new")));
    let again = app.post("/api/v1/auth/app-portal-access/new", json!({"application": {"name": "Other"}})).await;
    again.expect(200);
    assert_eq!(app.get("/api/v1/app/new").await.expect(200)["name"], "New customer", "it was there already");
    let older = app.request("POST", "/api/v1/auth/dashboard-access/new", &[], None).await.expect(200);
    app.with_key(older["token"].as_str().unwrap()).get("/api/v1/app/new").await.expect(200);
}
