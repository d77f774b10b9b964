//! Headers of an endpoint's own, and what an endpoint's URL may be.

use super::started;
use postrider_testkit::app::{App, Start};
use serde_json::json;

#[tokio::test]
async fn headers_are_set_patched_and_removed_and_keep_their_capitals() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let given = json!({"X-Team": "ops", "x-lower": "1", "Authorization": "Bearer hidden", "X-MIXED-Case": "ja"});
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "headers": given})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/headers");
    let shown =
        json!({"headers": {"X-MIXED-Case": "ja", "X-Team": "ops", "x-lower": "1"}, "sensitive": ["Authorization"]});
    assert_eq!(app.get(&path).await.expect(200), shown);

    app.send(&acme, "a", json!({})).await;
    let received = receiver.wait_for("/hook", 1).await.remove(0);
    for (name, value) in given.as_object().unwrap() {
        assert_eq!(received.header(name), value.as_str(), "{name}");
    }

    // Whatever its capitals, it is the same header.
    app.patch(&path, json!({"headers": {"x-team": "dev", "X-Lower": null, "X-New": "2"}})).await.expect(204);
    let shown =
        json!({"headers": {"X-MIXED-Case": "ja", "X-New": "2", "x-team": "dev"}, "sensitive": ["Authorization"]});
    assert_eq!(app.get(&path).await.expect(200), shown);
    app.patch(&path, json!({"headers": {}, "deleteHeaders": ["authorization"]})).await.expect(204);
    assert_eq!(app.get(&path).await.expect(200)["sensitive"], json!([]));
    app.put(&path, json!({"headers": {"X-Only": "this"}})).await.expect(204);
    assert_eq!(app.get(&path).await.expect(200), json!({"headers": {"X-Only": "this"}, "sensitive": []}));

    app.send(&acme, "a", json!({})).await;
    let received = receiver.wait_for("/hook", 2).await.remove(1);
    assert_eq!((received.header("x-only"), received.header("x-team")), (Some("this"), None));

    let wrong =
        json!({"headers": {"webhook-signature": "forged", "Content-Length": "1", "bad name": "x", "X-Line": "a\nb"}});
    let refused = app.put(&path, wrong).await.expect(422);
    let places: Vec<&str> =
        refused["detail"].as_array().unwrap().iter().map(|one| one["loc"][2].as_str().unwrap()).collect();
    assert_eq!(places, ["Content-Length", "X-Line", "bad name", "webhook-signature"], "{refused}");
    let twice = app.put(&path, json!({"headers": {"X-Twice": "1", "x-twice": "2"}})).await.expect(422);
    assert!(twice["detail"][0]["msg"].as_str().unwrap().contains("twice"), "{twice}");
    assert_eq!(app.get(&path).await.expect(200)["headers"], json!({"X-Only": "this"}), "nothing was changed");
}

#[tokio::test]
async fn a_contract_that_wants_https_gets_it() {
    let app: App = Start { relax_contracts: false, ..Start::default() }.start().await;
    let acme = app.application().await;
    let path = format!("/api/v1/app/{acme}/endpoint");
    let hook = |url: &str| json!({"url": url, "contract": "scope", "secret": "my_shared_secret"});
    let plain = hook("http://example.com/hook");
    let refused = app.post(&path, plain).await.expect(422);
    assert_eq!(
        refused["detail"],
        json!([{
            "loc": ["body", "url"],
            "msg": "must be https: the contract scope requires it",
            "type": "value_error"
        }])
    );
    let endpoint = app.endpoint(&acme, hook("https://example.com/hook")).await;
    app.patch(&format!("{path}/{endpoint}"), json!({"url": "http://example.com/hook"})).await.expect(422);
    assert_eq!(app.endpoint_now(&acme, &endpoint).await["url"], "https://example.com/hook");
}
