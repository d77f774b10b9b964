//! `throttleRate`: so many attempts a second, of an endpoint or of a whole application.

use super::started;
use postrider_testkit::receiver::Receiver;
use serde_json::json;
use std::time::{Duration, Instant};

/// Requests a second at these paths, from the first to the last.
fn rate(receiver: &Receiver, paths: &[&str]) -> f64 {
    let mut at: Vec<Instant> =
        paths.iter().flat_map(|path| receiver.received(path)).map(|request| request.at).collect();
    at.sort();
    (at.len() - 1) as f64 / (at[at.len() - 1] - at[0]).as_secs_f64()
}

/// Each has gone before the next comes, so that nothing waits in between.
#[tokio::test]
async fn an_endpoint_gets_no_more_than_its_rate_when_messages_come_one_by_one() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/paced"), "throttleRate": 2})).await;
    app.endpoint(&acme, json!({"url": receiver.url("/free")})).await;
    for n in 0..6 {
        app.send(&acme, "a", json!({"n": n})).await;
        receiver.wait_for("/free", n + 1).await;
        receiver.expect_silence("/free", Duration::from_millis(50)).await;
    }
    receiver.wait_for("/paced", 6).await;
    let got = rate(&receiver, &["/paced"]);
    assert!((1.0..=2.5).contains(&got), "{got} a second where 2 are allowed");
}

#[tokio::test]
async fn an_endpoint_gets_no_more_than_its_rate() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let paced = app.endpoint(&acme, json!({"url": receiver.url("/paced"), "throttleRate": 20})).await;
    app.endpoint(&acme, json!({"url": receiver.url("/free")})).await;
    for n in 0..60 {
        app.send(&acme, "a", json!({"n": n})).await;
    }
    receiver.wait_for("/free", 60).await;
    assert!(receiver.count("/paced") < 60, "the other one is not held up");
    receiver.wait_for("/paced", 60).await;
    let got = rate(&receiver, &["/paced"]);
    assert!((5.0..=22.0).contains(&got), "{got} a second where 20 are allowed");

    // A new rate holds for what comes next.
    app.patch(&format!("/api/v1/app/{acme}/endpoint/{paced}"), json!({"throttleRate": null})).await.expect(200);
    for n in 0..60 {
        app.send(&acme, "a", json!({"n": n})).await;
    }
    receiver.wait_for_within("/paced", 120, Duration::from_secs(2)).await;
    app.patch(&format!("/api/v1/app/{acme}/endpoint/{paced}"), json!({"throttleRate": 0})).await.expect(422);
}

#[tokio::test]
async fn an_application_gets_no_more_than_its_rate_over_all_its_endpoints() {
    let (app, receiver) = started().await;
    let acme = app.post("/api/v1/app", json!({"name": "Acme", "throttleRate": 40})).await.expect(201);
    let acme = acme["id"].as_str().unwrap();
    let other = app.application().await;
    for path in ["/one", "/two"] {
        app.endpoint(acme, json!({"url": receiver.url(path)})).await;
    }
    app.endpoint(&other, json!({"url": receiver.url("/other")})).await;
    for n in 0..50 {
        app.send(acme, "a", json!({"n": n})).await;
        app.send(&other, "a", json!({"n": n})).await;
    }
    receiver.wait_for("/other", 50).await;
    receiver.wait_for("/one", 50).await;
    receiver.wait_for("/two", 50).await;
    let got = rate(&receiver, &["/one", "/two"]);
    assert!((20.0..=44.0).contains(&got), "{got} a second where 40 are allowed");
    let free = rate(&receiver, &["/other"]);
    assert!(free > 44.0, "another application is not held up: {free}");

    app.patch(&format!("/api/v1/app/{acme}"), json!({"throttleRate": null})).await.expect(200);
    for n in 0..50 {
        app.send(acme, "a", json!({"n": n})).await;
    }
    receiver.wait_for_within("/one", 100, Duration::from_secs(2)).await;
}
