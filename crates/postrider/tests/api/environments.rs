//! Environments: each has applications, event types and keys of its own.

use super::started;
use serde_json::json;

#[tokio::test]
async fn environments_know_nothing_of_one_another() {
    let (app, receiver) = started().await;
    let made = app.post("/api/v1/environment", json!({"name": "Staging"})).await.expect(201);
    let staging = app.with_key(made["key"].as_str().unwrap());
    let path = format!("/api/v1/environment/{}", made["id"].as_str().unwrap());
    for client in [&app.client, &staging] {
        client.post("/api/v1/app", json!({"name": "Acme", "uid": "acme"})).await.expect(201);
        client.post("/api/v1/event-type", json!({"name": "user.created", "description": "x"})).await.expect(201);
    }
    staging.endpoint("acme", json!({"url": receiver.url("/staging"), "eventTypes": ["user.created"]})).await;
    app.send("acme", "user.created", json!({})).await;
    staging.send("acme", "user.created", json!({"n": 1})).await;
    assert_eq!(receiver.wait_for("/staging", 1).await[0].json(), json!({"n": 1}), "its own message alone");
    let ids = [&app.client, &staging].map(|client| async move {
        let page = client.get("/api/v1/app").await.expect(200);
        assert_eq!(page["data"].as_array().unwrap().len(), 1);
        page["data"][0]["id"].as_str().unwrap().to_owned()
    });
    let [ours, theirs] = ids;
    let (ours, theirs) = (ours.await, theirs.await);
    app.get(&format!("/api/v1/app/{theirs}")).await.expect(404);
    staging.get(&format!("/api/v1/app/{ours}")).await.expect(404);

    // The first sees all of them and looks after them, another sees itself.
    let names = |page: serde_json::Value| {
        page["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(app.get("/api/v1/environment").await.expect(200)).len(), 2);
    assert_eq!(names(staging.get("/api/v1/environment").await.expect(200)), ["Staging"]);
    let refused = staging.post("/api/v1/environment", json!({"name": "Mine"})).await.expect(403);
    assert_eq!(refused["code"], "not_the_first_environment");
    let patched = app.patch(&path, json!({"name": "Test", "retentionDays": 7})).await.expect(200);
    assert_eq!((&patched["name"], &patched["retentionDays"]), (&json!("Test"), &json!(7)));
    app.patch(&path, json!({"retentionDays": 0})).await.expect(422);

    let full = app.delete(&path).await.expect(409);
    assert!(full["detail"].as_str().unwrap().contains("application"), "{full}");
    staging.delete("/api/v1/app/acme").await.expect(204);
    app.delete(&path).await.expect(204);
    staging.get("/api/v1/app").await.expect(401);
    let first = app.get("/api/v1/environment").await.expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.delete(&format!("/api/v1/environment/{first}")).await.expect(409)["code"], "first_environment");
}
