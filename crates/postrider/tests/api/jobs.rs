//! Jobs that send again what fits a filter, at a pace, and that somebody pauses or ends; and those that remove and count.

use super::{on_a_clock, started};
use postrider_testkit::app::{App, Client, eventually, id};
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::time::Duration;

/// An application with an endpoint that got ten messages: of types a and b in turn, the last four of them in vain.
async fn ten(app: &Client, receiver: &Receiver) -> (String, String) {
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": []})).await;
    for n in 0..10 {
        receiver.answer(
            "/hook",
            Answer::status(if n < 6 {
                200
            } else if n < 8 {
                500
            } else {
                404
            }),
        );
        let message = json!({
            "eventType": if n % 2 == 0 { "a" } else { "b" }, "payload": {"n": n},
            "channels": if n == 3 { ["x"] } else { ["y"] }, "tags": if n == 4 { ["vip"] } else { ["plain"] },
        });
        let sent = id(&app.post(&format!("/api/v1/app/{acme}/msg"), message).await.expect(202));
        app.wait_for_attempts(&acme, &sent, 1).await;
    }
    receiver.answer("/hook", Answer::status(200));
    (acme, endpoint)
}

async fn replay(app: &Client, path: &str, form: Value) -> String {
    let mut all = json!({"since": "2020-01-01T00:00:00Z"});
    all.as_object_mut().unwrap().extend(form.as_object().unwrap().clone());
    id(&app.post(path, all).await.expect(202))
}

async fn task(app: &Client, task: &str) -> Value {
    app.get(&format!("/api/v1/background-task/{task}")).await.expect(200)
}

async fn finished(app: &Client, name: &str) -> Value {
    assert!(eventually(async || task(app, name).await["status"] != "running").await, "{}", task(app, name).await);
    task(app, name).await
}

/// The numbers that came after the first ten.
fn came(receiver: &Receiver, from: usize) -> Vec<u64> {
    receiver.received("/hook")[from..].iter().map(|request| request.json()["n"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn what_fits_a_filter_is_sent_again() {
    let (app, receiver) = started().await;
    let (acme, endpoint) = ten(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/bulk-replay");
    for (filter, wanted) in [
        (json!({"statusCodeClass": 400}), vec![8, 9]),
        (json!({"channel": "x"}), vec![3]),
        (json!({"tag": "vip"}), vec![4]),
        (json!({"status": 2}), vec![6, 7]),
        (json!({"eventTypes": ["b"], "status": 0}), vec![1, 3, 5, 7, 9]),
        (json!({}), (0..10).collect()),
        (json!({"until": "2020-01-02T00:00:00Z"}), vec![]),
    ] {
        let before = receiver.count("/hook");
        let job = replay(&app, &path, filter.clone()).await;
        let done = finished(&app, &job).await;
        assert_eq!((&done["status"], &done["task"]), (&json!("finished"), &json!("endpoint.bulk-replay")), "{filter}");
        assert_eq!(done["data"]["messagesSent"], wanted.len(), "{filter}: {done}");
        receiver.wait_for("/hook", before + wanted.len()).await;
        let mut numbers = came(&receiver, before);
        numbers.sort();
        assert_eq!(numbers, wanted, "{filter}");
        // Each is recorded before the next filter looks at how it stands.
        let waits = async || {
            app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/stats")).await.expect(200)["pending"] == 0
        };
        assert!(eventually(waits).await);
    }
    for wrong in
        [json!({"status": 1}), json!({"statusCodeClass": 250}), json!({"perSecond": 0}), json!({"order": "random"})]
    {
        let mut form = json!({"since": "2020-01-01T00:00:00Z"});
        form.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        app.post(&path, form).await.expect(422);
    }
}

#[tokio::test]
async fn a_job_keeps_its_pace_begins_where_it_is_told_and_is_paused_and_ended() {
    let (app, clock, receiver) = on_a_clock().await;
    let (acme, endpoint) = ten(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/bulk-replay");
    let job = replay(&app, &path, json!({"order": "newest", "perSecond": 2})).await;
    receiver.wait_for("/hook", 12).await;
    receiver.expect_silence("/hook", Duration::from_millis(100)).await;
    let mut first = came(&receiver, 10);
    first.sort();
    assert_eq!(first, [8, 9], "two in a second, from the newest");
    let second = async |count: usize| {
        clock.advance(Duration::from_secs(1));
        receiver.wait_for("/hook", 10 + count).await;
        assert!(eventually(async || task(&app, &job).await["data"]["done"] == count).await);
    };
    second(4).await;
    let set = async |what: &str| app.post(&format!("/api/v1/background-task/{job}/{what}"), json!({})).await;
    assert_eq!(set("pause").await.expect(200)["data"]["paused"], true);
    clock.advance(Duration::from_secs(60));
    receiver.expect_silence("/hook", Duration::from_millis(100)).await;
    assert_eq!(task(&app, &job).await["status"], "running", "as Svix's clients know it");
    assert_eq!(found_under(&app).await, ["running", "paused"]);
    set("resume").await.expect(200);
    receiver.wait_for("/hook", 16).await;
    let mut six = came(&receiver, 10);
    six.sort();
    assert_eq!(six, [4, 5, 6, 7, 8, 9]);
    let ended = set("cancel").await.expect(200);
    assert_eq!((&ended["status"], &ended["data"]["reason"]), (&json!("failed"), &json!("it was cancelled")));
    assert_eq!(set("resume").await.expect(409)["code"], "ended");
    assert_eq!(found_under(&app).await, ["failed", "cancelled"]);
    clock.advance(Duration::from_secs(60));
    receiver.expect_silence("/hook", Duration::from_millis(100)).await;
    app.post("/api/v1/background-task/qtask_none/pause", json!({})).await.expect(404);
}

/// The statuses under which the only job is listed.
async fn found_under(app: &App) -> Vec<&'static str> {
    let mut found = vec![];
    for status in ["running", "paused", "finished", "failed", "cancelled"] {
        let listed = app.get(&format!("/api/v1/background-task?status={status}")).await.expect(200);
        if !listed["data"].as_array().unwrap().is_empty() {
            found.push(status);
        }
    }
    found
}

#[tokio::test]
async fn all_payloads_of_an_application_are_removed() {
    let (app, receiver) = started().await;
    let (acme, endpoint) = ten(&app, &receiver).await;
    let (other, _) = ten(&app, &receiver).await;
    let bulk = format!("/api/v1/app/{acme}/msg/bulk-expunge");
    let first = app.get(&format!("/api/v1/app/{acme}/msg?limit=1")).await.expect(200)["data"][0]["id"].clone();
    let results = app.post(&bulk, json!({"ids": [first, "msg_none"]})).await.expect(200);
    assert_eq!(results["results"], json!({first.as_str().unwrap(): "expunged", "msg_none": "not-found"}));
    app.post(&bulk, json!({"ids": vec!["msg_none"; 1_001]})).await.expect(422);

    let job = id(&app.post(&format!("/api/v1/app/{acme}/msg/expunge-all-contents"), json!({})).await.expect(202));
    let done = finished(&app, &job).await;
    assert_eq!((&done["task"], &done["data"]["messagesPurged"]), (&json!("application.purge_content"), &json!(10)));
    let payloads = async |app: &Client, acme: &str| {
        let page = app.get(&format!("/api/v1/app/{acme}/msg")).await.expect(200);
        let expired = |row: &&Value| row["payload"] == json!({"expired": true});
        page["data"].as_array().unwrap().iter().filter(expired).count()
    };
    assert_eq!((payloads(&app, &acme).await, payloads(&app, &other).await), (10, 0));
    // Of those there is nothing to send.
    let job = replay(&app, &format!("/api/v1/app/{acme}/endpoint/{endpoint}/bulk-replay"), json!({})).await;
    assert_eq!(finished(&app, &job).await["data"]["done"], 0);
}

#[tokio::test]
async fn the_newest_go_first_and_a_wrong_filter_is_told() {
    let (app, receiver) = started().await;
    let (acme, endpoint) = ten(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    app.patch(&path, json!({"maxConcurrency": 1})).await.expect(200);
    let path = format!("{path}/bulk-replay");
    let job = replay(&app, &path, json!({"order": "newest"})).await;
    assert_eq!(finished(&app, &job).await["data"]["done"], 10);
    receiver.wait_for("/hook", 20).await;
    assert_eq!(came(&receiver, 10), (0..10).rev().collect::<Vec<u64>>());
    let wrong = app.post(&path, json!({"since": "2020-01-01T00:00:00Z", "eventType": "a"})).await.expect(422);
    assert!(wrong["detail"][0]["msg"].as_str().unwrap().contains("eventTypes"), "{wrong}");
}

#[tokio::test]
async fn what_applications_use_is_counted() {
    let (app, receiver) = started().await;
    let (acme, endpoint) = ten(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let stats = app.get(&format!("{path}/attempt-stats")).await.expect(200);
    assert_eq!(stats, json!({"success": 6, "fail": 4, "canceled": 0}));
    app.get(&format!("{path}/attempt-stats?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z")).await.expect(422);
    app.endpoint(&acme, json!({"url": receiver.url("/second")})).await;
    let message = app.send(&acme, "a", json!({"n": 11})).await;
    app.wait_for_attempts(&acme, &message, 2).await;
    let quiet = id(&app.post("/api/v1/app", json!({"name": "Quiet", "uid": "quiet"})).await.expect(201));
    app.post("/api/v1/event-type", json!({"name": "order.paid", "description": "x"})).await.expect(201);
    app.endpoint(&quiet, json!({"url": receiver.url("/quiet"), "eventTypes": ["order.paid"]})).await;

    let window =
        |apps: Value| json!({"since": "2020-01-01T00:00:00Z", "until": "2090-01-01T00:00:00Z", "appIds": apps});
    let made = app.post("/api/v1/stats/usage/app", window(json!([acme, "quiet", "nobody"]))).await.expect(202);
    assert_eq!(made["unresolvedAppIds"], json!(["nobody"]));
    let done = finished(&app, &id(&made)).await;
    let wanted = json!([
        {"appId": acme, "appUid": null, "messageDestinations": 12},
        {"appId": quiet, "appUid": "quiet", "messageDestinations": 0},
    ]);
    assert_eq!((&done["task"], &done["data"]["appStats"]), (&json!("application.stats"), &wanted));
    app.post("/api/v1/stats/usage/app", window(json!(["nobody"]))).await.expect(422);
    let all = finished(&app, &id(&app.post("/api/v1/stats/usage/app", window(Value::Null)).await.expect(202))).await;
    assert_eq!(all["data"]["appStats"], wanted, "all of the environment");

    let made = app.put("/api/v1/stats/usage/event-types", json!({})).await.expect(202);
    let done = finished(&app, &id(&made)).await;
    let wanted = json!([
        {"appId": acme, "appUid": null, "explicitlySubscribedEventTypes": [], "hasCatchAllEndpoint": true},
        {"appId": quiet, "appUid": "quiet", "explicitlySubscribedEventTypes": ["order.paid"], "hasCatchAllEndpoint": false},
    ]);
    assert_eq!((&done["task"], &done["data"]["event_types"]), (&json!("event-type.aggregate"), &wanted));
}

#[tokio::test]
async fn whether_anybody_wants_a_message_is_told_before_it_is_made() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    app.post("/api/v1/event-type", json!({"name": "order.paid", "description": "x"})).await.expect(201);
    let form = json!({
        "url": receiver.url("/hook"), "eventTypes": ["order.paid"], "channels": ["eu"],
        "payloadFilter": {"amount": {"$gt": 100}},
    });
    let endpoint = app.endpoint(&acme, form).await;
    let active = async |form: Value| {
        app.post(&format!("/api/v1/app/{acme}/msg/precheck/active"), form).await.expect(200)["active"].clone()
    };
    assert_eq!(active(json!({"eventType": "order.paid", "channels": ["eu"]})).await, true);
    assert_eq!(active(json!({"eventType": "order.paid", "channels": ["us"]})).await, false);
    assert_eq!(active(json!({"eventType": "order.lost", "channels": ["eu"]})).await, false);
    let paid = |amount: u32| json!({"eventType": "order.paid", "channels": ["eu"], "payload": {"amount": amount}});
    assert_eq!((active(paid(101)).await, active(paid(100)).await), (json!(true), json!(false)));
    app.patch(&format!("/api/v1/app/{acme}/endpoint/{endpoint}"), json!({"disabled": true})).await.expect(200);
    assert_eq!(active(paid(101)).await, false);

    let refused = json!({"eventType": "order.paid", "channels": ["!"]});
    let refused = app.post(&format!("/api/v1/app/{acme}/msg/precheck/active"), refused).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "channels", "0"]));

    let matches = async |filter: Value, payload: Value| {
        app.post("/api/v1/payload-filter/try", json!({"filter": filter, "payload": payload})).await
    };
    let filter = json!({"amount": {"$gt": 100}, "currency": {"$in": ["EUR", "CHF"]}});
    let yes = matches(filter.clone(), json!({"amount": 101, "currency": "CHF"})).await.expect(200);
    let no = matches(filter, json!({"amount": 101, "currency": "USD"})).await.expect(200);
    assert_eq!((yes, no), (json!({"matches": true}), json!({"matches": false})));
    let refused = matches(json!({"amount": {"$near": 1}}), json!({})).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "filter"]));
}

/// Jobs of another environment are nobody's business here.
#[tokio::test]
async fn a_job_is_its_environments() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let (acme, endpoint) = ten(&app, &receiver).await;
    let job = replay(&app, &format!("/api/v1/app/{acme}/endpoint/{endpoint}/bulk-replay"), json!({})).await;
    finished(&app, &job).await;
    let other = app.post("/api/v1/environment", json!({"name": "Other"})).await.expect(201);
    let stranger = app.with_key(other["key"].as_str().unwrap());
    stranger.get(&format!("/api/v1/background-task/{job}")).await.expect(404);
    stranger.post(&format!("/api/v1/background-task/{job}/cancel"), json!({})).await.expect(404);
}
