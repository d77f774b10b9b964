//! Third parties with a key of their own, and environments that are copied.

use super::started;
use postrider_testkit::app::id;
use serde_json::{Value, json};

#[tokio::test]
async fn an_integration_looks_after_one_application_with_a_key_of_its_own() {
    let (app, receiver) = started().await;
    let (acme, other) = (app.application().await, app.application().await);
    app.post("/api/v1/event-type", json!({"name": "beta.thing", "description": "x", "featureFlags": ["beta"]}))
        .await
        .expect(201);
    let path = format!("/api/v1/app/{acme}/integration");
    let made = app.post(&path, json!({"name": "Flows", "featureFlags": ["beta"]})).await.expect(200);
    let one = format!("{path}/{}", id(&made));
    assert_eq!(app.get(&one).await.expect(200), made);
    assert_eq!(app.get(&path).await.expect(200)["data"], json!([made]));
    assert_eq!(app.get(&format!("{one}/key")).await.expect(409)["code"], "shown_once");
    let key = app.post(&format!("{one}/key/rotate"), json!({})).await.expect(200);
    let flows = app.with_key(key["key"].as_str().unwrap());
    let endpoint = flows.endpoint(&acme, json!({"url": receiver.url("/flows"), "eventTypes": ["beta.thing"]})).await;
    assert_eq!(flows.get("/api/v1/event-type").await.expect(200)["data"][0]["name"], "beta.thing");
    flows.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/secret")).await.expect(200);
    flows.get(&format!("/api/v1/app/{other}/endpoint")).await.expect(404);
    flows.post(&format!("/api/v1/app/{acme}/msg"), json!({"eventType": "a", "payload": {}})).await.expect(403);
    flows.get(&path).await.expect(403);

    // Another key, and the first is in force no more; the application's own settings touch neither.
    app.patch(&format!("/api/v1/app/{acme}"), json!({"name": "Acme Corp"})).await.expect(200);
    let second = app.post(&format!("{one}/key/rotate"), json!({})).await.expect(200);
    flows.get(&format!("/api/v1/app/{acme}/endpoint")).await.expect(401);
    let flows = app.with_key(second["key"].as_str().unwrap());
    flows.get(&format!("/api/v1/app/{acme}/endpoint")).await.expect(200);
    // A provider that ends its customer's visits ends no integrations.
    app.post(&format!("/api/v1/auth/app/{acme}/expire-all"), json!({})).await.expect(204);
    flows.get(&format!("/api/v1/app/{acme}/endpoint")).await.expect(200);
    let changed = app.put(&one, json!({"name": "Flows 2"})).await.expect(200);
    assert_eq!((&changed["name"], &changed["featureFlags"]), (&json!("Flows 2"), &json!([])));
    // The key that is in force sees what the integration may see now.
    assert_eq!(flows.get("/api/v1/event-type").await.expect(200)["data"], json!([]));
    app.delete(&one).await.expect(204);
    flows.get(&format!("/api/v1/app/{acme}/endpoint")).await.expect(401);
    app.get(&one).await.expect(404);
    app.post(&path, json!({"name": " "})).await.expect(422);
    for n in 0..100 {
        app.post(&path, json!({"name": format!("n{n}")})).await.expect(200);
    }
    assert_eq!(app.post(&path, json!({"name": "more"})).await.expect(429)["code"], "too_many_integrations");
}

#[tokio::test]
async fn what_an_environment_is_set_up_with_is_set_up_elsewhere() {
    let (app, _) = started().await;
    let schemas = json!({"1": {"type": "object"}, "2": {"type": "object", "required": ["id"]}});
    let order = json!({"name": "order.paid", "description": "An order was paid", "schemas": schemas, "groupName": "order",
        "featureFlags": ["beta", "gold"], "payloadValidation": "enforce"});
    app.post("/api/v1/event-type", order).await.expect(201);
    app.post("/api/v1/event-type", json!({"name": "gone", "description": "x", "archived": true})).await.expect(201);
    let environments = app.get("/api/v1/environment").await.expect(200);
    let first = format!("/api/v1/environment/{}", id(&environments["data"][0]));
    app.patch(&first, json!({"retentionDays": 7})).await.expect(200);
    let export = app.post("/api/v1/environment/export", json!({})).await.expect(200);
    assert_eq!((&export["version"], &export["settings"]), (&json!(1), &json!({"retentionDays": 7})));

    let made = app.post("/api/v1/environment", json!({"name": "Staging"})).await.expect(201);
    let staging = app.with_key(made["key"].as_str().unwrap());
    staging.post("/api/v1/environment/import", export.clone()).await.expect(204);
    let again = staging.post("/api/v1/environment/export", json!({})).await.expect(200);
    let without_times = |export: &Value| {
        let mut export = export.clone();
        for row in export["eventTypes"].as_array_mut().unwrap() {
            row["createdAt"] = Value::Null;
            row["updatedAt"] = Value::Null;
        }
        (export["eventTypes"].clone(), export["settings"].clone())
    };
    assert_eq!(without_times(&again), without_times(&export));
    // All of it is right, or none of it is taken.
    let wrong =
        json!({"eventTypes": [{"name": "new.one", "description": "x"}, {"name": "new one", "description": "x"}]});
    let refused = staging.post("/api/v1/environment/import", wrong).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "eventTypes", "1", "name"]));
    let good = json!([{"name": "new.one", "description": "x"}]);
    let wrong = json!({"eventTypes": good, "settings": {"retentionDays": 0}});
    let refused = staging.post("/api/v1/environment/import", wrong).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "settings", "retentionDays"]));
    staging.get("/api/v1/event-type/new.one").await.expect(404);
    staging.post("/api/v1/environment/import", json!({"connectors": [{"name": "x"}]})).await.expect(422);
}
