//! What clients of other versions of Svix say and need: other names, numbers, and operations that are not here.

use super::started;
use postrider_api::NOT_IMPLEMENTED;
use serde_json::json;

#[tokio::test]
async fn older_names_of_fields_are_taken_and_given() {
    let (app, receiver) = started().await;
    let made = app.post("/api/v1/app", json!({"name": "Acme", "uid": "acme", "rateLimit": 50})).await.expect(201);
    assert_eq!((&made["rateLimit"], &made["throttleRate"]), (&json!(50), &json!(50)));
    let patched = app.patch("/api/v1/app/acme", json!({"rateLimit": null})).await.expect(200);
    assert!(patched.get("rateLimit").is_none() && patched.get("throttleRate").is_none(), "{patched}");
    app.patch("/api/v1/app/acme", json!({"rateLimit": 5, "throttleRate": 6})).await.expect(422);
    for name in ["a", "b"] {
        app.post("/api/v1/event-type", json!({"name": name, "description": name, "featureFlag": "beta"}))
            .await
            .expect(201);
    }
    let event_type = app.get("/api/v1/event-type/a").await.expect(200);
    assert_eq!((&event_type["featureFlag"], &event_type["featureFlags"]), (&json!("beta"), &json!(["beta"])));
    let patched = app.patch("/api/v1/event-type/a", json!({"featureFlag": null})).await.expect(200);
    assert_eq!((&patched["featureFlag"], &patched["featureFlags"]), (&json!(null), &json!([])));

    let given = json!({"url": receiver.url("/hook"), "filterTypes": ["a"], "rateLimit": 7, "version": 3});
    let made = app.post("/api/v1/app/acme/endpoint", given).await.expect(201);
    let path = format!("/api/v1/app/acme/endpoint/{}", made["id"].as_str().unwrap());
    let by_both = |endpoint: &serde_json::Value, types: serde_json::Value, rate: serde_json::Value| {
        assert_eq!([&endpoint["eventTypes"], &endpoint["filterTypes"]], [&types, &types]);
        assert_eq!([&endpoint["throttleRate"], &endpoint["rateLimit"]], [&rate, &rate]);
        assert_eq!(endpoint["version"], 1);
    };
    by_both(&made, json!(["a"]), json!(7));
    let patched = app.patch(&path, json!({"filterTypes": ["b"]})).await.expect(200);
    by_both(&patched, json!(["b"]), json!(7));
    let put = app.put(&path, json!({"url": receiver.url("/hook"), "eventTypes": ["a"], "filterTypes": ["a"]})).await;
    by_both(&put.expect(200), json!(["a"]), json!(null));
    let differ = app.patch(&path, json!({"filterTypes": ["a"], "eventTypes": ["b"]})).await.expect(422);
    assert_eq!(
        differ["detail"],
        json!([{
            "loc": ["body", "eventTypes"],
            "msg": "filterTypes is another name for eventTypes, and they differ; give one of them",
            "type": "value_error"
        }])
    );
    let secret = app.patch(&path, json!({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})).await.expect(422);
    assert_eq!(secret["detail"][0]["loc"], json!(["body", "secret"]));
    let all = app.patch(&path, json!({"filterTypes": null})).await.expect(200);
    by_both(&all, json!(null), json!(null));
    app.send("acme", "anything", json!({})).await;
    receiver.wait_for("/hook", 1).await;
}

#[tokio::test]
async fn what_would_change_a_delivery_and_is_not_here_is_refused() {
    let (app, _) = started().await;
    let acme = app.application().await;
    let message = json!({"eventType": "a", "payload": {}, "transformationsParams": {"a": 1}});
    let refused = app.post(&format!("/api/v1/app/{acme}/msg"), message).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "transformationsParams"]));
    assert_eq!(app.get(&format!("/api/v1/app/{acme}/msg")).await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn operations_of_svix_that_are_not_here_say_so() {
    let (app, _) = started().await;
    let mut stranger = app.client.clone();
    stranger.key = "no key at all".to_owned();
    let mut operations = 0;
    for (methods, path) in NOT_IMPLEMENTED {
        let path = path.replace(['{', '}'], "");
        for method in methods.split(' ') {
            let method = method.to_uppercase();
            let reply = app.request(&method, &path, &[], None).await;
            assert_eq!(reply.status, 501, "{method} {path}: {}", reply.body);
            assert_eq!(reply.body["code"], "not_implemented");
            assert!(
                reply.body["detail"].as_str().unwrap().starts_with(&format!("{method} {path} is an operation of Svix"))
            );
            stranger.request(&method, &path, &[], None).await.expect(401);
            operations += 1;
        }
    }
    assert_eq!(operations, 69);
    app.get("/api/v1/nothing").await.expect(404);
}
