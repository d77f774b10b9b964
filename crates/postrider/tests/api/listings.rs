//! Listings: pages in both directions, while more comes in, and what they leave out.

use super::{on_a_clock, started};
use postrider_testkit::app::{Client, id};
use postrider_testkit::receiver::Answer;
use serde_json::{Value, json};
use std::time::Duration;

async fn page(client: &Client, path: &str, query: &str) -> Value {
    client.get(&format!("{path}?{query}")).await.expect(200)
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(id).collect()
}

/// The page's iterator, as a query.
fn beyond(page: &Value, name: &str) -> String {
    format!("iterator={}", page[name].as_str().unwrap())
}

#[tokio::test]
async fn pages_go_forward_and_back_while_more_comes_in() {
    let (app, _) = started().await;
    let acme = app.application().await;
    let path = format!("/api/v1/app/{acme}/msg");
    let mut sent = Vec::new();
    for n in 0..25 {
        sent.push(app.send(&acme, "a", json!({"n": n})).await);
    }
    sent.reverse();

    // Someone sends all the while.
    let (client, application) = (app.client.clone(), acme.clone());
    let sender = tokio::spawn(async move {
        for n in 0..200 {
            client.send(&application, "late", json!({"n": n})).await;
        }
    });
    let first = page(&app, &path, "limit=10&event_types=a").await;
    assert_eq!(ids(&first), sent[..10]);
    assert_eq!(first["done"], false);
    let second = page(&app, &path, &format!("limit=10&event_types=a&{}", beyond(&first, "iterator"))).await;
    let third = page(&app, &path, &format!("limit=10&event_types=a&{}", beyond(&second, "iterator"))).await;
    assert_eq!([ids(&second), ids(&third)].concat(), sent[10..]);
    assert_eq!(third["done"], true);
    let back = page(&app, &path, &format!("limit=10&event_types=a&{}", beyond(&third, "prevIterator"))).await;
    assert_eq!(ids(&back), ids(&second), "the page before, as it was");
    let back = page(&app, &path, &format!("limit=10&event_types=a&{}", beyond(&back, "prevIterator"))).await;
    assert_eq!(ids(&back), ids(&first));
    sender.await.unwrap();

    // Unfiltered: what came meanwhile is before the first page, and nothing is seen twice or missed.
    let mut all = Vec::new();
    let mut query = "limit=50".to_owned();
    loop {
        let page = page(&app, &path, &query).await;
        all.extend(ids(&page));
        if page["done"] == true {
            break;
        }
        query = format!("limit=50&{}", beyond(&page, "iterator"));
    }
    assert_eq!(all.len(), 225);
    assert_eq!(all[200..], sent);
    let mut distinct = all.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), all.len());
    let newer = page(&app, &path, &format!("limit=250&iterator=-{}", sent[0])).await;
    assert_eq!(ids(&newer), all[..200], "all that came after the newest of the first");
}

#[tokio::test]
async fn small_listings_have_pages_and_both_orders_too() {
    let (app, receiver) = started().await;
    let mut apps = Vec::new();
    for n in 0..7 {
        let made = app.post("/api/v1/app", json!({"name": format!("app {n}")})).await.expect(201);
        apps.push(id(&made));
    }
    let newest_first: Vec<String> = apps.iter().rev().cloned().collect();
    for (order, wanted) in [("descending", &newest_first), ("ascending", &apps)] {
        let first = page(&app, "/api/v1/app", &format!("limit=3&order={order}")).await;
        let second = page(&app, "/api/v1/app", &format!("limit=3&order={order}&{}", beyond(&first, "iterator"))).await;
        let third = page(&app, "/api/v1/app", &format!("limit=3&order={order}&{}", beyond(&second, "iterator"))).await;
        assert_eq!([ids(&first), ids(&second), ids(&third)].concat(), **wanted, "{order}");
        assert_eq!([&first["done"], &second["done"], &third["done"]], [false, false, true]);
        // One that comes between the pages does not shift them.
        let late = id(&app.post("/api/v1/app", json!({"name": "late"})).await.expect(201));
        let back =
            page(&app, "/api/v1/app", &format!("limit=3&order={order}&{}", beyond(&third, "prevIterator"))).await;
        assert_eq!(ids(&back), ids(&second), "{order}");
        app.delete(&format!("/api/v1/app/{late}")).await.expect(204);
    }
    let endpoints = format!("/api/v1/app/{}/endpoint", apps[0]);
    let mut made = Vec::new();
    for n in 0..4 {
        made.push(app.endpoint(&apps[0], json!({"url": receiver.url(&format!("/{n}"))})).await);
    }
    assert_eq!(ids(&page(&app, &endpoints, "order=ascending").await), made);
    app.patch(&format!("{endpoints}/{}", made[0]), json!({"disabled": true})).await.expect(200);
    let with = page(&app, "/api/v1/app", "exclude_apps_with_no_endpoints=true").await;
    assert_eq!(ids(&with), [apps[0].clone()]);
    let enabled = page(&app, "/api/v1/app", "exclude_apps_with_disabled_endpoints=true").await;
    assert_eq!(ids(&enabled), newest_first[..6]);

    for wrong in ["order=sideways", "limit=-1", "iterator=nonsense%20", "exclude_apps_with_no_endpoints=maybe"] {
        let reply = app.get(&format!("/api/v1/app?{wrong}")).await;
        assert!([200, 422].contains(&reply.status), "{wrong}: {}", reply.status);
    }
    app.get(&format!("/api/v1/app/{}/msg?iterator=nonsense", apps[0])).await.expect(422);
    app.get(&format!("/api/v1/app/{}/msg?before=yesterday", apps[0])).await.expect(422);
}

#[tokio::test]
async fn messages_are_found_by_channel_tag_type_and_time() {
    let (app, clock, _) = on_a_clock().await;
    let acme = app.application().await;
    let path = format!("/api/v1/app/{acme}/msg");
    let mut sent = Vec::new();
    for (event_type, channels, tags) in [
        ("user.created", json!(["blue"]), json!(["vip", "eu:de"])),
        ("user.left", json!(["blue", "red"]), json!(["eu:de"])),
        ("user.created", json!(null), json!(null)),
    ] {
        let message = json!({"eventType": event_type, "payload": {}, "channels": channels, "tags": tags});
        sent.push(app.post(&path, message).await.expect(202));
        clock.advance(Duration::from_secs(60));
    }
    assert_eq!((&sent[0]["tags"], &sent[1]["channels"]), (&json!(["vip", "eu:de"]), &json!(["blue", "red"])));
    let found = async |query: &str| {
        let listed = page(&app, &path, query).await;
        let mut found: Vec<usize> =
            ids(&listed).iter().map(|one| sent.iter().position(|sent| id(sent) == *one).unwrap()).collect();
        found.sort();
        found
    };
    assert_eq!(found("channel=blue").await, [0, 1]);
    assert_eq!(found("channel=red").await, [1]);
    assert_eq!(found("tag=eu:de").await, [0, 1]);
    assert_eq!(found("tag=vip").await, [0]);
    assert_eq!(found("tag=vi").await, Vec::<usize>::new());
    assert_eq!(found("event_types=user.created").await, [0, 2]);
    assert_eq!(found("event_types=user.created,user.left&channel=blue").await, [0, 1]);
    assert_eq!(found("event_types=user.created&event_types=user.left").await, [0, 1, 2]);
    let time = |n: usize| sent[n]["timestamp"].as_str().unwrap();
    assert_eq!(found(&format!("before={}", time(2))).await, [0, 1]);
    assert_eq!(found(&format!("after={}", time(0))).await, [1, 2]);
    assert_eq!(found(&format!("after={}&before={}", time(0), time(2))).await, [1]);
    let bare = page(&app, &path, "with_content=false&limit=1").await;
    assert_eq!(bare["data"][0]["payload"], json!({}));
    let long = json!({"eventType": "a", "payload": {}, "tags": ["1", "2", "3", "4", "5", "6", "7", "8", "9"]});
    app.post(&path, long).await.expect(422);
}

#[tokio::test]
async fn attempted_messages_and_destinations_are_found_by_status_before_and_after() {
    let (app, clock, receiver) = on_a_clock().await;
    receiver.answer_in_turn("/moody", vec![Answer::status(200), Answer::status(500), Answer::status(500)]);
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/moody"), "retrySchedule": [3600]})).await;
    let good = app.endpoint(&acme, json!({"url": receiver.url("/good")})).await;
    let mut sent = Vec::new();
    for n in 0..3 {
        let message = app.send(&acme, "a", json!({"n": n})).await;
        app.wait_for_attempts(&acme, &message, 2).await;
        sent.push(message);
        clock.advance(Duration::from_secs(60));
    }
    receiver.answer("/moody", Answer::status(500));
    app.post(&format!("/api/v1/app/{acme}/msg/{}/endpoint/{endpoint}/resend", sent[2]), json!({})).await.expect(202);
    app.wait_for_attempts(&acme, &sent[2], 3).await;

    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/msg");
    let listed = page(&app, &path, "").await;
    let rows: Vec<_> =
        listed["data"].as_array().unwrap().iter().map(|row| (id(row), row["statusText"].clone())).collect();
    let wanted =
        [(2, "pending"), (1, "pending"), (0, "success")].map(|(n, text): (usize, _)| (sent[n].clone(), json!(text)));
    assert_eq!(rows, wanted);
    assert!(listed["data"][0]["nextAttempt"].is_string() && listed["data"][2].get("nextAttempt").is_none());
    assert_eq!(ids(&page(&app, &path, "status=0").await), [sent[0].clone()]);
    assert_eq!(ids(&page(&app, &path, "status=1").await), [sent[2].clone(), sent[1].clone()]);
    assert_eq!(ids(&page(&app, &path, "status=2").await), Vec::<String>::new());
    let first = page(&app, &path, "status=1&limit=1").await;
    assert_eq!(ids(&first), [sent[2].clone()]);
    assert_eq!(
        ids(&page(&app, &path, &format!("status=1&limit=1&{}", beyond(&first, "iterator"))).await),
        [sent[1].clone()]
    );
    let time = |n: usize| listed["data"][2 - n]["timestamp"].as_str().unwrap().to_owned();
    assert_eq!(ids(&page(&app, &path, &format!("before={}", time(1))).await), [sent[0].clone()]);
    assert_eq!(ids(&page(&app, &path, &format!("after={}", time(1))).await), [sent[2].clone()]);

    let destinations = format!("/api/v1/app/{acme}/msg/{}/endpoint", sent[1]);
    let rows = page(&app, &destinations, "").await;
    let mut states: Vec<_> =
        rows["data"].as_array().unwrap().iter().map(|row| (id(row), row["status"].clone())).collect();
    states.sort_by_key(|(id, _)| *id != endpoint);
    assert_eq!(states, [(endpoint.clone(), json!(1)), (good.clone(), json!(0))]);
    let first = page(&app, &destinations, "limit=1").await;
    let second = page(&app, &destinations, &format!("limit=1&{}", beyond(&first, "iterator"))).await;
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&rows));

    let attempts = format!("/api/v1/app/{acme}/attempt/endpoint/{endpoint}");
    assert_eq!(page(&app, &attempts, "status=0").await["data"].as_array().unwrap().len(), 1);
    assert_eq!(page(&app, &attempts, "status=2").await["data"].as_array().unwrap().len(), 3);
    assert_eq!(page(&app, &attempts, "status_code_class=500").await["data"].as_array().unwrap().len(), 3);
    assert_eq!(page(&app, &attempts, "status_code_class=400").await["data"], json!([]));
    let after = page(&app, &attempts, &format!("after={}&with_msg=true", time(1))).await;
    assert_eq!(after["data"].as_array().unwrap().len(), 2, "of the third, and by hand: {after}");
    assert_eq!(after["data"][0]["msg"]["payload"], json!({"n": 2}));
    app.patch(&format!("/api/v1/app/{acme}/endpoint/{endpoint}"), json!({"disabled": true})).await.expect(200);
    app.wait_for_attempts(&acme, &sent[1], 3).await;
    let cancelled = page(&app, &attempts, "status=4&expanded_statuses=true").await;
    assert_eq!(cancelled["data"][0]["statusText"], "canceled", "{cancelled}");
    assert_eq!(page(&app, &attempts, "status=2&expanded_statuses=true").await["data"].as_array().unwrap().len(), 3);
}
