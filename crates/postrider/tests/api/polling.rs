//! Endpoints that are pulled, each consumer at its own pace.

use super::{on_a_clock, started};
use postrider_testkit::app::{Client, eventually};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

async fn poller(app: &Client, more: Value) -> (String, String) {
    let acme = app.application().await;
    let mut form = json!({"poll": true, "uid": "queue", "headers": {"x-tenant": "7"}});
    form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let endpoint = app.endpoint(&acme, form).await;
    (acme.clone(), format!("/api/v1/app/{acme}/poller/{endpoint}"))
}

/// The numbers of a page, its iterator and whether there is more.
async fn pull(app: &Client, path: &str) -> (Vec<u64>, String, bool) {
    let page = app.get(path).await.expect(200);
    let numbers = page["data"].as_array().unwrap().iter().map(|row| row["payload"]["n"].as_u64().unwrap()).collect();
    (numbers, page["iterator"].as_str().unwrap().to_owned(), page["done"].as_bool().unwrap())
}

#[tokio::test]
async fn a_consumer_gets_all_in_order_and_a_page_again_that_it_did_not_come_back_from() {
    let (app, receiver) = started().await;
    let (acme, path) = poller(&app, json!({"eventTypes": null, "channels": ["blue"]})).await;
    app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    for n in 0..7 {
        let message =
            json!({"eventType": "a", "payload": {"n": n}, "channels": if n == 3 { ["red"] } else { ["blue"] }});
        app.post(&format!("/api/v1/app/{acme}/msg"), message).await.expect(202);
    }
    receiver.wait_for("/hook", 7).await;
    let consumer = format!("{path}/consumer/one");
    let (first, iterator, done) = pull(&app, &format!("{consumer}?limit=4")).await;
    assert_eq!((first.as_slice(), done), (&[0, 1, 2, 4][..], false), "what it wants, and no more than it asked for");
    assert_eq!(pull(&app, &format!("{consumer}?limit=4")).await.0, [0, 1, 2, 4], "it never said that it was done");
    let (second, iterator, done) = pull(&app, &format!("{consumer}?limit=4&iterator={iterator}")).await;
    assert_eq!((second.as_slice(), done), (&[5, 6][..], true));
    assert_eq!(pull(&app, &consumer).await.0, [5, 6]);
    let (nothing, again, done) = pull(&app, &format!("{consumer}?iterator={iterator}")).await;
    assert_eq!((nothing.as_slice(), &again, done), (&[][..], &iterator, true));
    assert_eq!(pull(&app, &consumer).await.0, Vec::<u64>::new(), "its place is kept");
    // Another has a place of its own, and whoever keeps the iterator needs none.
    assert_eq!(pull(&app, &format!("{path}/consumer/two")).await.0, [0, 1, 2, 4, 5, 6]);
    assert_eq!(pull(&app, &path).await.0, [0, 1, 2, 4, 5, 6]);
    let page = app.get(&format!("{path}?limit=1")).await.expect(200);
    assert_eq!(page["data"][0]["headers"], json!({"x-tenant": "7"}));
    assert_eq!((&page["data"][0]["eventType"], &page["data"][0]["channels"]), (&json!("a"), &json!(["blue"])));
    // None of it was ever sent.
    let message = page["data"][0]["id"].as_str().unwrap();
    assert_eq!(app.attempts(&acme, message).await.len(), 1);
}

#[tokio::test]
async fn a_consumer_is_moved_to_a_time() {
    let (app, clock, _) = on_a_clock().await;
    let (acme, path) = poller(&app, json!({})).await;
    for n in 0..5 {
        app.send(&acme, if n % 2 == 0 { "even" } else { "odd" }, json!({"n": n})).await;
        clock.advance(Duration::from_secs(60));
    }
    let consumer = format!("{path}/consumer/one");
    assert_eq!(pull(&app, &consumer).await.0, [0, 1, 2, 3, 4]);
    let seek = async |after: &str| app.post(&format!("{consumer}/seek"), json!({"after": after})).await;
    let moved = seek("2026-01-01T00:02:00Z").await.expect(200);
    let (rest, ..) = pull(&app, &consumer).await;
    assert_eq!(rest, [2, 3, 4]);
    assert_eq!(pull(&app, &format!("{path}?iterator={}", moved["iterator"].as_str().unwrap())).await.0, [2, 3, 4]);
    seek("2026-01-01T00:59:00Z").await.expect(200);
    assert_eq!(pull(&app, &consumer).await.0, Vec::<u64>::new());
    seek("2020-01-01T00:00:00Z").await.expect(200);
    assert_eq!(pull(&app, &consumer).await.0, [0, 1, 2, 3, 4]);
    assert_eq!(pull(&app, &format!("{path}?event_type=odd")).await.0, [1, 3]);
    assert_eq!(pull(&app, &format!("{path}?after=2026-01-01T00:03:00Z")).await.0, [3, 4]);
    seek("soon").await.expect(422);
}

#[tokio::test]
async fn a_long_poll_ends_when_something_comes() {
    let (app, _) = started().await;
    let (acme, path) = poller(&app, json!({})).await;
    let (waiting, client) = (format!("{path}/consumer/one?wait=20"), app.client.clone());
    let waits = tokio::spawn(async move { pull(&client, &waiting).await });
    let nothing_for_a_second = async |query: &str| {
        let began = Instant::now();
        assert_eq!(pull(&app, &format!("{path}?wait=1{query}")).await.0, Vec::<u64>::new());
        assert!(began.elapsed() >= Duration::from_millis(990), "{query:?}: {:?}", began.elapsed());
    };
    // Whoever asked after it has waited a second and gone, and it is there all the same.
    nothing_for_a_second("").await;
    assert!(!waits.is_finished(), "nothing has come yet");
    let sent = Instant::now();
    app.send(&acme, "a", json!({"n": 1})).await;
    assert_eq!(waits.await.unwrap().0, [1]);
    assert!(sent.elapsed() < Duration::from_secs(15), "{:?}", sent.elapsed());
    nothing_for_a_second("&after=2090-01-01T00:00:00Z").await;
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let (app, receiver) = started().await;
    let (acme, path) = poller(&app, json!({})).await;
    let sent = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let refused = app.get(&format!("/api/v1/app/{acme}/poller/{sent}")).await.expect(409);
    assert_eq!(refused["code"], "not_polled");
    for wrong in ["iterator=x", "iterator=-1", "wait=31", "limit=x", "after=soon"] {
        let refused = app.get(&format!("{path}?{wrong}")).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"][0], "query", "{wrong}");
    }
    for filter in ["event_type=a", "channel=blue", "after=2026-01-01T00:00:00Z"] {
        let refused = app.get(&format!("{path}/consumer/c0?{filter}")).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["query", filter.split_once('=').unwrap().0]));
    }
    let refused = app.get(&format!("{path}/consumer/a%20b")).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["path", "consumer_id"]));
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    for (wrong, field) in [
        (json!({"poll": true, "url": "https://example.com"}), "url"),
        (json!({}), "url"),
        (json!({"poll": true, "ordered": true}), "poll"),
        (json!({"poll": true, "priority": 1}), "poll"),
    ] {
        let refused = app.post(&endpoints, wrong).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", field]));
    }
    let message = app.send(&acme, "a", json!({})).await;
    let endpoint = path.rsplit('/').next().unwrap();
    let resend = format!("/api/v1/app/{acme}/msg/{message}/endpoint/{endpoint}/resend");
    assert_eq!(app.post(&resend, json!({})).await.expect(409)["code"], "polled");
    let back =
        app.post(&format!("{path}/consumer/c0/seek"), json!({"after": "1970-01-01T00:00:00Z"})).await.expect(200);
    let again =
        app.get(&format!("{path}/consumer/c0?iterator={}", back["iterator"].as_str().unwrap())).await.expect(200);
    assert_eq!(again["data"][0]["id"], message);
    for n in 0..100 {
        app.get(&format!("{path}/consumer/c{n}")).await.expect(200);
    }
    assert_eq!(app.get(&format!("{path}/consumer/more")).await.expect(429)["code"], "too_many_consumers");
    app.get(&format!("{path}/consumer/c99")).await.expect(200);
}

#[tokio::test]
async fn what_is_expunged_or_expired_is_no_gap() {
    let (app, clock, _) = on_a_clock().await;
    let (acme, path) = poller(&app, json!({})).await;
    let first = app.send(&acme, "a", json!({"n": 0})).await;
    app.send(&acme, "a", json!({"n": 1})).await;
    app.delete(&format!("/api/v1/app/{acme}/msg/{first}/content")).await.expect(204);
    let page = app.get(&path).await.expect(200);
    assert_eq!(page["data"][0]["payload"], json!({"expired": true}));
    clock.advance(Duration::from_secs(100 * 86_400));
    app.send(&acme, "a", json!({"n": 2})).await;
    let only_the_last = async || {
        clock.advance(Duration::from_secs(3_600));
        let page = app.get(&path).await.expect(200);
        page["data"].as_array().unwrap().len() == 1
    };
    assert!(eventually(only_the_last).await);
}
