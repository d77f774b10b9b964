//! A user and a password in an endpoint's URL.

use super::started;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

#[tokio::test]
async fn a_user_and_a_password_in_a_url_are_sent_as_basic_authentication_and_not_as_part_of_it() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let at = format!("127.0.0.1:{}", receiver.port());
    for (path, given, pair) in [
        ("/both", "ann:secret", "ann:secret"),
        ("/encoded", "a%40b:p%3Aw%2F%C3%BC", "a@b:p:w/ü"),
        ("/user", "ann", "ann:"),
        ("/password", ":secret", ":secret"),
    ] {
        let endpoint = app.endpoint(&acme, json!({"url": format!("http://{given}@{at}{path}?to=x")})).await;
        app.send(&acme, "a", json!({})).await;
        let request = receiver.wait_for(path, 1).await.remove(0);
        let wanted = format!("Basic {}", BASE64_STANDARD.encode(pair));
        assert_eq!(request.header("authorization"), Some(wanted.as_str()), "{given}");
        assert_eq!((request.header("host"), request.query.as_deref()), (Some(at.as_str()), Some("to=x")), "{given}");
        app.delete(&format!("/api/v1/app/{acme}/endpoint/{endpoint}")).await.expect(204);
    }
    app.endpoint(&acme, json!({"url": receiver.url("/none")})).await;
    app.send(&acme, "a", json!({})).await;
    assert_eq!(receiver.wait_for("/none", 1).await[0].header("authorization"), None);
}
