//! API keys and how far they go.

use super::started;
use postrider_testkit::app::{App, Client};
use serde_json::json;

async fn key(app: &App, scope: &str) -> Client {
    let made = app.post("/api/v1/key", json!({"name": scope, "scope": scope})).await.expect(201);
    assert_eq!(made["scope"], scope);
    app.with_key(made["key"].as_str().unwrap())
}

#[tokio::test]
async fn a_key_does_what_its_scope_says() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    // What each gets for: sending, looking, seeing a secret, changing, sending again, making a token.
    let cases = [
        ("all", [202, 200, 200, 200, 202, 200]),
        ("read", [403, 200, 403, 403, 403, 403]),
        ("send", [202, 403, 403, 403, 403, 403]),
    ];
    let message = app.send(&acme, "a", json!({})).await;
    let resend = format!("/api/v1/app/{acme}/msg/{message}/endpoint/{endpoint}/resend");
    for (scope, wanted) in cases {
        let key = key(&app, scope).await;
        let got = [
            key.post(&format!("/api/v1/app/{acme}/msg"), json!({"eventType": "a", "payload": {}})).await.status,
            key.get("/api/v1/app").await.status,
            key.get(&format!("{path}/secret")).await.status,
            key.patch(&path, json!({"description": scope})).await.status,
            key.post(&resend, json!({})).await.status,
            key.post(&format!("/api/v1/auth/app-portal-access/{acme}"), json!({})).await.status,
        ];
        assert_eq!(got, wanted, "{scope}");
    }
    let send = key(&app, "send").await;
    let inline = json!({"eventType": "a", "payload": {}, "application": {"name": "New", "uid": "new"}});
    assert_eq!(send.post("/api/v1/app/new/msg", inline).await.expect(403)["code"], "not_allowed");
    app.get("/api/v1/app/new").await.expect(404);
    let refused = app.post("/api/v1/key", json!({"name": "x", "scope": "write"})).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "scope"]));
    let listed = app.get("/api/v1/key").await.expect(200);
    let scopes: Vec<&str> =
        listed["data"].as_array().unwrap().iter().map(|row| row["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["all", "all", "read", "send", "send"], "{listed}");
    assert!(listed["data"].as_array().unwrap().iter().all(|row| row.get("key").is_none()));
}
