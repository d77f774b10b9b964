//! Making what may be there already, and changing a part of it.

use super::{on_a_clock, started};
use postrider_testkit::app::id;
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[tokio::test]
async fn an_application_is_got_or_created() {
    let (app, _) = started().await;
    let acme = json!({"name": "Acme", "uid": "acme", "metadata": {"plan": "gold"}});
    let made = app.post("/api/v1/app?get_if_exists=true", acme.clone()).await.expect(201);
    let got = app.post("/api/v1/app?get_if_exists=true", json!({"name": "Other", "uid": "acme"})).await.expect(200);
    assert_eq!(got, made, "as it is, whatever was given");
    assert_eq!(app.post("/api/v1/app", acme).await.expect(409)["code"], "conflict");
}

#[tokio::test]
async fn put_makes_what_is_not_there_and_replaces_what_is() {
    // The clock stands still: what is new and what is replaced must not be told by the time.
    let (app, _, receiver) = on_a_clock().await;
    let made = app.put("/api/v1/app/acme", json!({"name": "Acme", "throttleRate": 9})).await.expect(201);
    assert_eq!(made["uid"], "acme");
    let put = app.put("/api/v1/app/acme", json!({"name": "Acme Inc", "uid": "acme"})).await.expect(200);
    assert_eq!((&put["id"], put.get("throttleRate")), (&made["id"], None), "what is left out is reset");
    let path = "/api/v1/app/acme/endpoint/main";
    let made = app.put(path, json!({"url": receiver.url("/1"), "description": "x"})).await.expect(201);
    let put = app.put(path, json!({"url": receiver.url("/2"), "uid": "main"})).await.expect(200);
    assert_eq!((&put["id"], &put["description"], &put["uid"]), (&made["id"], &json!(""), &json!("main")));
    // Whoever names it by its uid may say so again and again, with or without the uid.
    for _ in 0..2 {
        let put = app.put(path, json!({"url": receiver.url("/2")})).await.expect(200);
        assert_eq!((&put["id"], &put["uid"]), (&made["id"], &json!("main")));
    }
    let put = app.put("/api/v1/app/acme", json!({"name": "Acme"})).await.expect(200);
    assert_eq!(put["uid"], "acme");
    let put = app.put(&format!("/api/v1/app/acme/endpoint/{}", id(&made)), json!({"url": receiver.url("/2")})).await;
    assert_eq!(put.expect(200)["uid"], Value::Null);
    app.put("/api/v1/event-type/user.created", json!({"description": "x"})).await.expect(201);
    let put = app.put("/api/v1/event-type/user.created", json!({"description": "y", "deprecated": true})).await;
    assert_eq!(put.expect(200)["deprecated"], true);
    app.put("/api/v1/app/app_0000000000000000000000", json!({"name": "An id is ours to give"})).await.expect(404);
}

#[tokio::test]
async fn a_patch_tells_null_from_absent() {
    let (app, receiver) = started().await;
    app.post("/api/v1/app", json!({"name": "Acme", "uid": "acme", "throttleRate": 9})).await.expect(201);
    let same = app.patch("/api/v1/app/acme", json!({})).await.expect(200);
    assert_eq!((&same["throttleRate"], &same["uid"]), (&json!(9), &json!("acme")));
    let cleared = app.patch("/api/v1/app/acme", json!({"throttleRate": null})).await.expect(200);
    assert_eq!((cleared.get("throttleRate"), &cleared["uid"]), (None, &json!("acme")));
    let given = json!({"url": receiver.url("/hook"), "uid": "main", "channels": ["blue"], "throttleRate": 5});
    app.endpoint("acme", given).await;
    let path = "/api/v1/app/acme/endpoint/main";
    let patched = app.patch(path, json!({"channels": null})).await.expect(200);
    assert_eq!((&patched["channels"], &patched["throttleRate"]), (&json!(null), &json!(5)));
    let wrong = app.patch(path, json!({"url": null})).await.expect(422);
    assert_eq!(wrong["detail"][0]["loc"], json!(["body", "url"]));
    app.patch(path, json!({"uid": null})).await.expect(200);
    app.get(path).await.expect(404);
}

#[tokio::test]
async fn a_message_may_bring_its_application_with_it() {
    let (app, receiver) = started().await;
    let message = json!({
        "eventType": "a", "payload": {"n": 1},
        "application": {"name": "New", "uid": "new", "metadata": {"from": "a message"}}
    });
    let first = app.post("/api/v1/app/new/msg", message.clone()).await.expect(202);
    let made = app.get("/api/v1/app/new").await.expect(200);
    assert_eq!(made["metadata"], json!({"from": "a message"}));
    app.patch("/api/v1/app/new", json!({"name": "Renamed"})).await.expect(200);
    app.endpoint("new", json!({"url": receiver.url("/hook")})).await;
    let second = app.post("/api/v1/app/new/msg", message).await.expect(202);
    assert_ne!(id(&first), id(&second));
    receiver.wait_for("/hook", 1).await;
    assert_eq!(app.get("/api/v1/app/new").await.expect(200)["name"], "Renamed", "one that is there stays as it is");
    let other = json!({"eventType": "a", "payload": {}, "application": {"name": "X", "uid": "another"}});
    let refused = app.post("/api/v1/app/unheard-of/msg", other).await;
    assert_eq!(refused.expect(422)["detail"][0]["loc"], json!(["body", "application", "uid"]));
    for uid in ["unheard-of", "another"] {
        app.get(&format!("/api/v1/app/{uid}")).await.expect(404);
    }
}

#[tokio::test]
async fn an_archived_event_type_is_taken_up_again() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let event_type = json!({"name": "user.created", "description": "first"});
    app.post("/api/v1/event-type", event_type.clone()).await.expect(201);
    app.endpoint(&acme, json!({"url": receiver.url("/hook"), "eventTypes": ["user.created"]})).await;
    assert_eq!(app.post("/api/v1/event-type", event_type).await.expect(409)["code"], "conflict");
    app.delete("/api/v1/event-type/user.created").await.expect(204);
    assert_eq!(app.get("/api/v1/event-type").await.expect(200)["data"], json!([]));
    let listed = app.get("/api/v1/event-type?include_archived=true").await.expect(200);
    assert_eq!(listed["data"][0]["archived"], true);
    let again = json!({"name": "user.created", "description": "second"});
    let made = app.post("/api/v1/event-type", again).await.expect(201);
    assert_eq!((&made["archived"], &made["description"]), (&json!(false), &json!("second")));
    app.send(&acme, "user.created", json!({})).await;
    receiver.wait_for("/hook", 1).await;
    app.delete("/api/v1/event-type/user.created?expunge=true").await.expect(204);
    app.get("/api/v1/event-type/user.created").await.expect(404);
    for name in ["..", "a/../b"] {
        app.post("/api/v1/event-type", json!({"name": name, "description": "x"})).await.expect(422);
    }
}

#[tokio::test]
async fn the_most_event_types_are_ten_thousand_however_they_are_made() {
    let (app, _) = started().await;
    let mut clients = JoinSet::new();
    for first in 0..40 {
        let client = app.client.clone();
        clients.spawn(async move {
            for n in (first..10_000).step_by(40) {
                client.put(&path_of(n), json!({"description": "x"})).await.expect(201);
            }
        });
    }
    clients.join_all().await;
    assert_eq!(
        app.put(&path_of(10_000), json!({"description": "x"})).await.expect(429)["code"],
        "too_many_event_types"
    );
    let one_more = json!({"name": "n10000", "description": "x"});
    let refused = app.post("/api/v1/event-type", one_more.clone()).await.expect(429);
    assert_eq!(refused["code"], "too_many_event_types");
    // What is there can still be changed, and what is taken away makes room.
    app.put(&path_of(7), json!({"description": "y"})).await.expect(200);
    app.delete(&format!("{}?expunge=true", path_of(7))).await.expect(204);
    app.post("/api/v1/event-type", one_more).await.expect(201);
}

fn path_of(n: usize) -> String {
    format!("/api/v1/event-type/n{n}")
}
