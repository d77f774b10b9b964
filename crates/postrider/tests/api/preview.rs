//! What an endpoint would get, looked at beforehand.

use super::on_a_clock;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_preview_is_what_is_sent_and_sends_nothing() {
    let (app, _, receiver) = on_a_clock().await;
    let acme = app.application().await;
    for (contract, event_type, payload) in [
        ("standard", "user.created", r#"{"price": 1.50, "name": "Zoë"}"#),
        ("telerivet", "incoming_message", r#"{"content": "a b", "media": [{"size": 3}]}"#),
        ("scope", "user/created", r#"{"id": "abc="}"#),
    ] {
        let path = format!("/{contract}");
        let mut endpoint = json!({"url": receiver.url(&path), "contract": contract, "headers": {"X-Own": "1"}});
        if contract != "standard" {
            endpoint["secret"] = json!("the secret of this test");
            endpoint["eventTypes"] = json!([event_type]);
        }
        let endpoint = app.endpoint(&acme, endpoint).await;
        let preview = format!("/api/v1/app/{acme}/endpoint/{endpoint}/preview");
        let body = format!(r#"{{"eventType": "{event_type}", "payload": {payload}}}"#);
        let before = app.request("POST", &preview, &[], Some(body.clone().into_bytes())).await.expect(200);
        receiver.expect_silence(&path, Duration::from_millis(100)).await;
        // The clock stands still, so what is sent is signed at the same time.
        let sent =
            app.request("POST", &format!("/api/v1/app/{acme}/msg"), &[], Some(body.into_bytes())).await.expect(202);
        let received = receiver.wait_for(&path, 1).await.remove(0);
        let after = app.post(&preview, json!({"msgId": sent["id"]})).await.expect(200);
        assert_eq!(
            (&before["url"], &before["body"]),
            (&json!(receiver.url(&path)), &json!(received.text())),
            "{contract}"
        );
        assert_eq!(after["body"], received.text());
        for (name, value) in after["headers"].as_object().unwrap() {
            assert_eq!(received.header(name), value.as_str(), "{contract}: {name}");
        }
        app.delete(&format!("/api/v1/app/{acme}/endpoint/{endpoint}")).await.expect(204);
    }
}

#[tokio::test]
async fn a_preview_needs_something_to_show_and_the_right_to_see_secrets() {
    let (app, _, receiver) = on_a_clock().await;
    let acme = app.application().await;
    let form = json!({"url": receiver.url("/x"), "contract": "telerivet", "secret": "secret"});
    let endpoint = app.endpoint(&acme, form).await;
    let preview = format!("/api/v1/app/{acme}/endpoint/{endpoint}/preview");
    let wrong = async |body: Value| app.post(&preview, body).await.expect(422)["detail"][0].clone();
    assert_eq!(wrong(json!({})).await["loc"], json!(["body", "msgId"]));
    assert_eq!(wrong(json!({"payload": {}})).await["loc"], json!(["body", "eventType"]));
    let no_form = wrong(json!({"eventType": "send_status", "payload": "text"})).await;
    assert!(no_form["msg"].as_str().unwrap().starts_with("makes no request: "), "{no_form}");
    app.post(&preview, json!({"msgId": "msg_nothing"})).await.expect(404);
    let look = app.post(&format!("/api/v1/auth/app-portal-access/{acme}"), json!({"readOnly": true})).await.expect(200);
    let look = app.with_key(look["token"].as_str().unwrap());
    look.post(&preview, json!({"eventType": "send_status", "payload": {"id": "1"}})).await.expect(403);
}
