//! Operational webhooks: what the provider itself hears.

use super::on_a_clock;
use postrider_testkit::app::{App, eventually, id};
use postrider_testkit::receiver::{Answer, Received, Receiver};
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/api/v1/operational-webhook/endpoint";

async fn listener(app: &App, receiver: &Receiver, fields: Value) -> String {
    let mut form = json!({"url": receiver.url("/ops")});
    form.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    id(&app.post(PATH, form).await.expect(201))
}

fn types(received: &[Received]) -> Vec<String> {
    received.iter().map(|request| request.json()["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_provider_hears_of_messages_that_fail_recover_and_are_given_up() {
    let (app, clock, receiver) = on_a_clock().await;
    let filter = ["message.attempt.failing", "message.attempt.exhausted", "message.attempt.recovered"];
    let ops = listener(&app, &receiver, json!({"filterTypes": filter})).await;
    let acme = id(&app.post("/api/v1/app", json!({"name": "Acme", "uid": "acme"})).await.expect(201));
    let form = json!({"url": receiver.url("/hook"), "retrySchedule": [10, 10, 10, 10, 10], "uid": "orders"});
    let endpoint = app.endpoint(&acme, form).await;
    let mut answers = vec![Answer::status(500); 4];
    answers.extend([Answer::status(200), Answer::status(500)]);
    receiver.answer_in_turn("/hook", answers);

    let message = json!({"eventType": "a.b", "eventId": "evt-1", "payload": {}});
    let recovers = id(&app.post("/api/v1/app/acme/msg", message).await.expect(202));
    for n in 1..=5 {
        app.wait_for_attempts(&acme, &recovers, n).await;
        clock.advance(Duration::from_secs(20));
    }
    let told = receiver.wait_for("/ops", 2).await;
    assert_eq!(types(&told), ["message.attempt.failing", "message.attempt.recovered"]);
    let attempts = app.attempts(&acme, &recovers).await;
    let last = |n: usize| json!({"id": attempts[n]["id"], "responseStatusCode": attempts[n]["responseStatusCode"], "timestamp": attempts[n]["timestamp"]});
    let mut wanted =
        json!({"appId": acme, "appUid": "acme", "endpointId": endpoint, "msgId": recovers, "msgEventId": "evt-1"});
    wanted["lastAttempt"] = last(1);
    let mut got = told[0].json()["data"].clone();
    // The same moment, spelled with as many digits as it needs.
    got["lastAttempt"]["timestamp"] = wanted["lastAttempt"]["timestamp"].clone();
    assert_eq!(got, wanted);
    assert_eq!(told[1].json()["data"]["lastAttempt"]["id"], attempts[0]["id"]);
    // Signed as everybody's webhooks are.
    assert!(told[0].header("webhook-signature").unwrap().starts_with("v1,"));

    let given_up = app.send("acme", "a.b", json!({})).await;
    for n in 1..=6 {
        app.wait_for_attempts(&acme, &given_up, n).await;
        clock.advance(Duration::from_secs(20));
    }
    let told = receiver.wait_for("/ops", 4).await;
    assert_eq!(types(&told[2..]), ["message.attempt.failing", "message.attempt.exhausted"]);
    assert_eq!(told[3].json()["data"]["msgId"], json!(given_up));

    // What the provider's own endpoint does not take is tried again, and told to nobody.
    receiver.answer("/ops", Answer::status(500));
    app.patch(&format!("/api/v1/app/acme/endpoint/{endpoint}"), json!({"retrySchedule": []})).await.expect(200);
    app.send("acme", "a.b", json!({})).await;
    receiver.wait_for("/ops", 5).await;
    let again = async || {
        clock.advance(Duration::from_secs(10));
        receiver.count("/ops") == 6
    };
    assert!(eventually(again).await);
    assert_eq!(types(&receiver.received("/ops")[5..]), ["message.attempt.exhausted"]);
    app.delete(&format!("{PATH}/{ops}")).await.expect(204);
}

#[tokio::test]
async fn the_provider_hears_of_changes_to_endpoints_and_of_jobs_that_end() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    listener(&app, &receiver, json!({})).await;
    receiver.answer("/gone", Answer::status(410));
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/gone"), "uid": "orders"})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    app.patch(&path, json!({"description": "new"})).await.expect(200);
    app.send(&acme, "a.b", json!({})).await;
    let told = receiver.wait_for("/ops", 4).await;
    let mut names = types(&told);
    names[2..].sort();
    let wanted = ["endpoint.created", "endpoint.updated", "endpoint.disabled", "message.attempt.exhausted"];
    assert_eq!(names, wanted);
    let disabled = told.iter().map(Received::json).find(|told| told["type"] == "endpoint.disabled").unwrap();
    assert_eq!(
        disabled["data"],
        json!({"appId": acme, "endpointId": endpoint, "endpointUid": "orders", "failSince": "2026-01-01T00:00:00Z"})
    );
    app.patch(&path, json!({"disabled": false, "url": receiver.url("/hook")})).await.expect(200);
    clock.advance(Duration::from_secs(5));
    app.post(&format!("{path}/recover"), json!({"since": "2025-12-31T00:00:00Z"})).await.expect(202);
    let told = receiver.wait_for("/ops", 6).await;
    assert_eq!(types(&told[4..]), ["endpoint.enabled", "background_task.finished"]);
    let finished = told[5].json();
    assert_eq!(
        (&finished["data"]["task"], &finished["data"]["status"]),
        (&json!("endpoint.recover"), &json!("finished"))
    );
    app.delete(&path).await.expect(204);
    assert_eq!(types(&receiver.wait_for("/ops", 7).await[6..]), ["endpoint.deleted"]);

    // Jobs about no endpoint, about no application, and one that was cancelled.
    let purge = app.post(&format!("/api/v1/app/{acme}/msg/expunge-all-contents"), json!({})).await.expect(202);
    let told = receiver.wait_for("/ops", 8).await;
    let data = json!({"appId": acme, "taskId": id(&purge), "task": "application.purge_content", "status": "finished"});
    assert_eq!(told[7].json()["data"], data);
    let counted = app.put("/api/v1/stats/usage/event-types", json!({})).await.expect(202);
    let told = receiver.wait_for("/ops", 9).await;
    let data = json!({"taskId": id(&counted), "task": "event-type.aggregate", "status": "finished"});
    assert_eq!(told[8].json()["data"], data);
    let slow = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    for _ in 0..3 {
        app.send(&acme, "a.b", json!({})).await;
    }
    let replay = json!({"since": "2025-12-31T00:00:00Z", "perSecond": 1});
    let replay = app.post(&format!("/api/v1/app/{acme}/endpoint/{slow}/bulk-replay"), replay).await.expect(202);
    app.post(&format!("/api/v1/background-task/{}/cancel", id(&replay)), json!({})).await.expect(200);
    let told = receiver.wait_for("/ops", 11).await;
    let mut rest = types(&told[9..]);
    rest.sort();
    assert_eq!(rest, ["background_task.finished", "endpoint.created"]);
    let ended = told.iter().map(Received::json).rfind(|told| told["type"] == "background_task.finished").unwrap();
    assert_eq!((&ended["data"]["status"], &ended["data"]["endpointId"]), (&json!("failed"), &json!(slow)));
}

#[tokio::test]
async fn operational_endpoints_are_managed_by_their_own_paths_and_found_by_no_other() {
    let (app, _, receiver) = on_a_clock().await;
    let acme = app.application().await;
    assert_eq!(app.get(PATH).await.expect(200)["data"], json!([]));
    let unknown = json!({"url": receiver.url("/ops"), "filterTypes": ["endpoint.exploded"]});
    let refused = app.post(PATH, unknown).await.expect(422);
    let says = refused["detail"][0]["msg"].as_str().unwrap();
    assert!(
        says.starts_with("\"endpoint.exploded\" is not an operational event; valid events: background_task.finished, "),
        "{refused}"
    );
    let form = json!({"uid": "mine", "rateLimit": 7, "filterTypes": ["endpoint.disabled"]});
    let made = listener(&app, &receiver, form).await;
    let got = app.get(&format!("{PATH}/mine")).await.expect(200);
    assert_eq!((&got["id"], &got["rateLimit"]), (&json!(made), &json!(7)));
    app.put(&format!("{PATH}/mine/headers"), json!({"headers": {"X-Own": "1"}})).await.expect(204);
    let put = json!({"url": receiver.url("/ops2"), "uid": "mine"});
    let put = app.put(&format!("{PATH}/mine"), put).await.expect(200);
    assert_eq!((&put["url"], &put["filterTypes"]), (&json!(receiver.url("/ops2")), &Value::Null));
    assert_eq!(app.get(&format!("{PATH}/mine/headers")).await.expect(200)["headers"], json!({"X-Own": "1"}));
    let before = app.get(&format!("{PATH}/mine/secret")).await.expect(200);
    let after = app.post(&format!("{PATH}/mine/secret/rotate"), json!({})).await.expect(200);
    assert_ne!(before["key"], after["key"]);

    // Its application is nobody's: not in the list, not by its name, and not for who may not manage.
    let listed = app.get("/api/v1/app").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    app.get("/api/v1/app/postrider:operational/endpoint").await.expect(404);
    app.get("/api/v1/app/postrider%3Aoperational").await.expect(404);
    app.post("/api/v1/app", json!({"name": "x", "uid": "postrider:operational"})).await.expect(422);
    let forged = json!({"eventType": "endpoint.disabled", "payload": {}});
    app.post("/api/v1/app/postrider:operational/msg", forged).await.expect(404);
    let token = app.post(&format!("/api/v1/auth/app-portal-access/{acme}"), json!({})).await.expect(200);
    app.with_key(token["token"].as_str().unwrap()).get(PATH).await.expect(403);
}
