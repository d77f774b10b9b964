//! Event types that are more than a name: versions, several names of one event, and what never leaves.

use super::started;
use postrider_testkit::app::Start;
use postrider_testkit::receiver::Receiver;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn an_event_that_is_emitted_goes_out_under_its_own_name_too() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    for (path, event_type) in
        [("/all", "event.emit"), ("/typing", "event.emit.typing.start"), ("/other", "event.emit.typing.end")]
    {
        let form = json!({"url": receiver.url(path), "contract": "tiledesk", "eventTypes": [event_type]});
        app.endpoint(&acme, form).await;
    }
    app.send(&acme, "event.emit", json!({"name": "typing.start", "attributes": {}})).await;
    for (path, event_type) in [("/all", "event.emit"), ("/typing", "event.emit.typing.start")] {
        let body = receiver.wait_for(path, 1).await[0].json();
        assert_eq!((&body["hook"]["event"], &body["payload"]["name"]), (&json!(event_type), &json!("typing.start")));
    }
    // The other way round, and one without a name.
    app.send(&acme, "event.emit.typing.start", json!({"name": "typing.start"})).await;
    receiver.wait_for("/all", 2).await;
    receiver.wait_for("/typing", 2).await;
    app.send(&acme, "event.emit", json!({})).await;
    receiver.wait_for("/all", 3).await;
    receiver.expect_silence("/other", Duration::from_millis(100)).await;
    assert_eq!(receiver.count("/typing"), 2);
}

#[tokio::test]
async fn a_topic_without_a_version_is_the_latest() {
    let dir = tempfile::TempDir::new().unwrap();
    let shipped = include_str!("../../../../contracts/scope.toml");
    let two = shipped.replace(r#"versions = ["1.1"]"#, r#"versions = ["1.0", "1.1"]"#);
    assert_ne!(two, shipped);
    std::fs::write(dir.path().join("scope.toml"), two).unwrap();
    let app = Start { contracts: Some(dir.path().to_owned()), ..Start::default() }.start().await;
    let receiver = Receiver::start().await;
    let acme = app.application().await;
    let form = |path: &str, topic: &str| json!({"url": receiver.url(path), "contract": "scope", "eventTypes": ["call/completed", topic]});
    app.endpoint(&acme, form("/old", "user/created@1.0")).await;
    app.endpoint(&acme, form("/latest", "user/created")).await;
    app.send(&acme, "user/created", json!({"id": "1"})).await;
    for (path, version) in [("/old", "1.0"), ("/latest", "1.1")] {
        let received = receiver.wait_for(path, 1).await.remove(0);
        assert_eq!(received.header("x-scope-topic"), Some("user/created"));
        assert_eq!(received.header("x-scope-topic-version"), Some(version));
    }
    let path = format!("/api/v1/app/{acme}/endpoint");
    let unknown = app.post(&path, form("/x", "user/created@2.0")).await.expect(422);
    assert_eq!(unknown["detail"][0]["msg"], r#""2.0" is not a version of it; there are 1.0, 1.1"#);
    let standard = json!({"url": receiver.url("/x"), "eventTypes": ["user.created@1.0"]});
    let none = app.post(&path, standard).await.expect(422);
    assert!(none["detail"][0]["msg"].as_str().unwrap().starts_with("'@' is not allowed"), "{none}");
}

#[tokio::test]
async fn passwords_and_secrets_of_records_never_leave() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook"), "contract": "tellescope"})).await;
    let user = json!({"id": "1", "fname": "Zoë", "hashedPassword": "x", "keys": [{"clientSecret": "y", "n": 1}]});
    let payload = json!({
        "records": [user], "relatedRecords": {"2": {"id": "2", "PASSWORD": "z"}},
        "updates": [{"recordBeforeUpdate": user, "update": {"password": "new", "fname": "Zoë"}}],
    });
    app.send(&acme, "users.update", payload).await;
    let body = receiver.wait_for("/hook", 1).await[0].json();
    let clean = json!({"id": "1", "fname": "Zoë", "keys": [{"n": 1}]});
    assert_eq!(body["records"], json!([clean]));
    assert_eq!(body["relatedRecords"], json!({"2": {"id": "2"}}));
    assert_eq!(body["updates"], json!([{"recordBeforeUpdate": clean, "update": {"fname": "Zoë"}}]));
    // Where there is nothing to hide, every byte stays.
    let plain = br#"{"eventType": "users.create", "payload": {"records": [{"id": "3", "n": 1.50}]}}"#.to_vec();
    app.request("POST", &format!("/api/v1/app/{acme}/msg"), &[], Some(plain)).await.expect(202);
    let text = receiver.wait_for("/hook", 2).await[1].text();
    assert!(text.contains(r#"[{"id": "3", "n": 1.50}]"#), "{text}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["type"], "create");
}
