//! `throttleRate`: so many attempts a second, of an endpoint or of a whole application.

use super::started;
use postrider_testkit::app::App;
use postrider_testkit::receiver::Receiver;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Requests a second at these paths, from the first to the last.
fn rate(receiver: &Receiver, paths: &[&str]) -> f64 {
    let mut at: Vec<Instant> =
        paths.iter().flat_map(|path| receiver.received(path)).map(|request| request.at).collect();
    at.sort();
    (at.len() - 1) as f64 / (at[at.len() - 1] - at[0]).as_secs_f64()
}

/// Accepts so many messages in one request, so that how fast the test can ask plays no part.
async fn send_at_once(app: &App, acme: &str, count: usize) {
    let messages: Vec<Value> = (0..count).map(|n| json!({"eventType": "a", "payload": {"n": n}})).collect();
    app.post(&format!("/api/v1/app/{acme}/msg/batch"), json!({"messages": messages})).await.expect(202);
}

/// When the `n`th request came to this path.
fn last(receiver: &Receiver, path: &str, n: usize) -> Instant {
    receiver.received(path)[n - 1].at
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
    send_at_once(&app, &acme, 60).await;
    receiver.wait_for("/paced", 60).await;
    let got = rate(&receiver, &["/paced"]);
    assert!((5.0..=22.0).contains(&got), "{got} a second where 20 are allowed");
    assert!(last(&receiver, "/free", 60) < last(&receiver, "/paced", 60), "the other one is not held up");

    // A new rate holds for what comes next: at 20 a second it would take 5 seconds.
    app.patch(&format!("/api/v1/app/{acme}/endpoint/{paced}"), json!({"throttleRate": null})).await.expect(200);
    send_at_once(&app, &acme, 100).await;
    let came = receiver.wait_for("/paced", 160).await;
    assert!(came[159].at - came[60].at < Duration::from_secs(3), "{:?}", came[159].at - came[60].at);
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
    // All of them wait before the other application's first is there.
    send_at_once(&app, acme, 60).await;
    send_at_once(&app, &other, 60).await;
    for path in ["/other", "/one", "/two"] {
        receiver.wait_for(path, 60).await;
    }
    let got = rate(&receiver, &["/one", "/two"]);
    assert!((10.0..=44.0).contains(&got), "{got} a second where 40 are allowed");
    for path in ["/one", "/two"] {
        assert!(last(&receiver, "/other", 60) < last(&receiver, path, 60), "another application is not held up");
    }

    // At 40 a second, these would take 5 seconds.
    app.patch(&format!("/api/v1/app/{acme}"), json!({"throttleRate": null})).await.expect(200);
    send_at_once(&app, acme, 100).await;
    for path in ["/one", "/two"] {
        let came = receiver.wait_for(path, 160).await;
        assert!(came[159].at - came[60].at < Duration::from_secs(3), "{path}: {:?}", came[159].at - came[60].at);
    }
}
