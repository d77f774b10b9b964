//! Jobs: recover what failed in a time, replay what was missed.

use super::{on_a_clock, started};
use postrider_testkit::app::{Client, PATIENCE, Start, eventually, id};
use postrider_testkit::process::Serve;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// The job when it has ended.
async fn ended(client: &Client, task: &Value) -> Value {
    let path = format!("/api/v1/background-task/{}", id(task));
    let mut last = Value::Null;
    let ended = eventually(async || {
        last = client.get(&path).await.expect(200);
        last["status"] != "running"
    });
    assert!(ended.await, "{last}");
    last
}

#[tokio::test]
async fn recovering_sends_again_what_failed_in_a_time_and_nothing_else() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    receiver.answer("/hook", Answer::status(500));
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": []})).await;
    let (mut sent, mut times) = (Vec::new(), Vec::new());
    for n in 0..10 {
        // The fifth arrives.
        receiver.answer("/hook", Answer::status(if n == 5 { 200 } else { 500 }));
        let message = app.send(&acme, "a", json!({"n": n})).await;
        app.wait_for_attempts(&acme, &message, 1).await;
        times.push(app.get(&format!("/api/v1/app/{acme}/msg/{message}")).await.expect(200)["timestamp"].clone());
        sent.push(message);
        clock.advance(MINUTE);
    }
    receiver.answer("/hook", Answer::status(200));
    let recover = format!("/api/v1/app/{acme}/endpoint/{endpoint}/recover");
    let task = app.post(&recover, json!({"since": times[3], "until": times[8]})).await.expect(202);
    assert_eq!((&task["task"], &task["status"]), (&json!("endpoint.recover"), &json!("running")));
    let done = ended(&app, &task).await;
    assert_eq!(done["status"], "finished");
    let data = &done["data"];
    assert_eq!((&data["done"], &data["toDo"], &data["messagesSent"]), (&json!(4), &json!(0), &json!(4)), "{done}");
    for n in [3, 4, 6, 7] {
        let attempts = app.wait_for_attempts(&acme, &sent[n], 2).await;
        assert_eq!(attempts[0]["status"], 0);
        assert_eq!(app.states(&acme, &sent[n]).await, ["success"]);
    }
    for n in [0, 1, 2, 5, 8, 9] {
        assert_eq!(app.attempts(&acme, &sent[n]).await.len(), 1, "{n} is outside, or had arrived");
    }

    // All that is left, up to now; again there is nothing.
    let rest = app.post(&recover, json!({"since": times[0]})).await.expect(202);
    assert_eq!(ended(&app, &rest).await["data"]["done"], 5);
    receiver.wait_for("/hook", 19).await;
    let again = app.post(&recover, json!({"since": times[0]})).await.expect(202);
    assert_eq!(ended(&app, &again).await["data"]["done"], 0);

    let listed = app.get("/api/v1/background-task?status=finished&task=endpoint.recover&limit=2").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert_eq!(listed["done"], false);
    assert_eq!(app.get("/api/v1/background-task?task=endpoint.replay").await.expect(200)["data"], json!([]));
    app.get("/api/v1/background-task?status=asleep").await.expect(422);
    app.get("/api/v1/background-task/qtask_0000000000000000000000").await.expect(404);
    app.post(&recover, json!({"since": "2030-01-01T00:00:00Z"})).await.expect(422);
    app.post(&recover, json!({"since": times[3], "until": times[3]})).await.expect(422);
    app.post(&recover, json!({"since": "last week"})).await.expect(422);
}

#[tokio::test]
async fn what_is_recovered_and_fails_is_tried_again_as_usual() {
    let (app, clock, receiver) = on_a_clock().await;
    receiver.answer("/down", Answer::status(500));
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/down"), "retrySchedule": [60]})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    clock.advance(MINUTE * 2);
    app.wait_for_attempts(&acme, &message, 2).await;
    assert_eq!(app.states(&acme, &message).await, ["fail"]);
    let recover = format!("/api/v1/app/{acme}/endpoint/{endpoint}/recover");
    let task = app.post(&recover, json!({"since": "2025-12-31T00:00:00Z"})).await.expect(202);
    assert_eq!(ended(&app, &task).await["data"]["done"], 1);
    app.wait_for_attempts(&acme, &message, 3).await;
    assert_eq!(app.states(&acme, &message).await, ["pending"]);
    // What waits for its next attempt is not sent twice.
    let again = app.post(&recover, json!({"since": "2025-12-31T00:00:00Z"})).await.expect(202);
    assert_eq!(ended(&app, &again).await["data"]["done"], 0);
    clock.advance(MINUTE * 2);
    app.wait_for_attempts(&acme, &message, 4).await;
}

#[tokio::test]
async fn what_an_endpoint_missed_while_it_was_disabled_is_replayed_to_it() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "eventTypes": ["a.*"]})).await;
    app.endpoint(&acme, json!({"url": receiver.url("/other")})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let before = app.send(&acme, "a.before", json!({})).await;
    receiver.wait_for("/hook", 1).await;
    app.patch(&path, json!({"disabled": true})).await.expect(200);
    let missed = [app.send(&acme, "a.one", json!({})).await, app.send(&acme, "a.two", json!({})).await];
    let unwanted = app.send(&acme, "b", json!({})).await;
    let since = json!({"since": "2020-01-01T00:00:00Z"});
    let refused = app.post(&format!("{path}/replay-missing"), since.clone()).await.expect(409);
    assert_eq!(refused["code"], "endpoint_disabled");
    app.patch(&path, json!({"disabled": false})).await.expect(200);

    let task = app.post(&format!("{path}/replay-missing"), since.clone()).await.expect(202);
    assert_eq!(task["task"], "endpoint.replay");
    assert_eq!(ended(&app, &task).await["data"]["done"], 2);
    receiver.wait_for("/hook", 3).await;
    let arrived = receiver.ids("/hook");
    let wanted: Vec<&String> = [&before].into_iter().chain(&missed).collect();
    assert!(wanted.iter().all(|message| arrived.get(*message) == Some(&1)) && !arrived.contains_key(&unwanted));
    let seen = eventually(async || app.states(&acme, &missed[0]).await == ["success", "success"]).await;
    assert!(seen, "it is seen as one of its destinations: {:?}", app.states(&acme, &missed[0]).await);
    assert!(receiver.ids("/other").values().all(|times| *times == 1), "the other one gets nothing twice");
    let again = app.post(&format!("{path}/replay-missing"), since).await.expect(202);
    assert_eq!(ended(&app, &again).await["data"]["done"], 0);
}

#[tokio::test]
async fn a_job_ends_when_its_endpoint_does() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    receiver.answer("/down", Answer::status(500));
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/down"), "retrySchedule": []})).await;
    let message = app.send(&acme, "a", json!({})).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let key = [("idempotency-key", "once")];
    let body = br#"{"since": "2020-01-01T00:00:00Z"}"#.to_vec();
    let first = app.request("POST", &format!("{path}/recover"), &key, Some(body.clone())).await.expect(202);
    let second = app.request("POST", &format!("{path}/recover"), &key, Some(body)).await.expect(202);
    assert_eq!(id(&first), id(&second), "asked for twice, it is one job");
    ended(&app, &first).await;
    app.delete(&path).await.expect(204);
    app.post(&format!("{path}/recover"), json!({"since": "2020-01-01T00:00:00Z"})).await.expect(404);
    app.get(&format!("/api/v1/background-task/{}", id(&first))).await.expect(200);
}

#[tokio::test]
async fn a_job_goes_on_after_kill_9() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), dir.path());
    let server = serve.start().await;
    let client = server.client.clone();
    let acme = client.application().await;
    receiver.answer("/hook", Answer::status(500));
    let endpoint = client.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": []})).await;
    let mut failed = BTreeSet::new();
    for n in 0..1_200 {
        failed.insert(client.send(&acme, "a", json!({"n": n})).await);
    }
    receiver.wait_for_within("/hook", failed.len(), PATIENCE * 2).await;
    let stats = format!("/api/v1/app/{acme}/endpoint/{endpoint}/stats");
    assert!(eventually(async || client.get(&stats).await.expect(200)["fail"] == failed.len()).await);
    receiver.answer("/hook", Answer::status(200).delay(Duration::from_millis(1)));
    let recover = format!("/api/v1/app/{acme}/endpoint/{endpoint}/recover");
    let task = client.post(&recover, json!({"since": "2020-01-01T00:00:00Z"})).await.expect(202);
    server.kill();
    let server = serve.start().await;
    let done = ended(&server.client, &task).await;
    assert_eq!((&done["status"], &done["data"]["done"]), (&json!("finished"), &json!(failed.len())), "{done}");
    assert!(eventually(async || server.client.get(&stats).await.expect(200)["success"] == failed.len()).await);
    let again = receiver.ids("/hook");
    assert!(failed.iter().all(|message| again.get(message).is_some_and(|times| *times >= 2)));
}

#[tokio::test]
async fn a_job_goes_on_after_a_restart() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    receiver.answer("/hook", Answer::status(500));
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": []})).await;
    for n in 0..50 {
        app.send(&acme, "a", json!({"n": n})).await;
    }
    let stats = format!("/api/v1/app/{acme}/endpoint/{endpoint}/stats");
    assert!(eventually(async || app.get(&stats).await.expect(200)["fail"] == 50).await);
    receiver.answer("/hook", Answer::status(200));
    let recover = format!("/api/v1/app/{acme}/endpoint/{endpoint}/recover");
    let task = app.post(&recover, json!({"since": "2020-01-01T00:00:00Z"})).await.expect(202);
    let dir = app.stop().await;
    let app = Start { dir: Some(dir), ..Start::default() }.start().await;
    assert_eq!(ended(&app, &task).await["data"]["done"], 50);
    assert!(eventually(async || app.get(&stats).await.expect(200)["success"] == 50).await);
}

/// Jobs and usage go by when a message was accepted, counts of attempts by when they were made. The first message is
/// from before the time, and was tried again in it; the last is from its end, which is not part of it.
#[tokio::test]
async fn a_time_leaves_out_what_came_before_and_after_it() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    receiver.answer("/hook", Answer::status(500));
    let hook = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": [60]})).await;
    let mut sent = Vec::new();
    for n in 0..3 {
        sent.push(app.send(&acme, "a", json!({"n": n})).await);
        app.wait_for_attempts(&acme, &sent[n], 1).await;
        clock.advance(2 * MINUTE);
        app.wait_for_attempts(&acme, &sent[n], 2).await;
    }
    let at = |minute: u32| format!("2026-01-01T00:0{minute}:00Z");
    let path = format!("/api/v1/app/{acme}/endpoint/{hook}/attempt-stats");
    let attempted = async |query: String| app.get(&format!("{path}{query}")).await.expect(200);
    let counts = |success: u32, fail: u32| json!({"success": success, "fail": fail, "canceled": 0});
    let within = format!("?since={}&until={}", at(2), at(4));
    assert_eq!(attempted(String::new()).await, counts(0, 6));
    assert_eq!(attempted(format!("?until={}", at(2))).await, counts(0, 1), "the first try of the first");
    assert_eq!(attempted(within.clone()).await, counts(0, 2), "its second, and the first of the next");
    assert_eq!(attempted(format!("?since={}", at(4))).await, counts(0, 3));

    receiver.answer("/hook", Answer::status(200));
    let late = app.endpoint(&acme, json!({"url": receiver.url("/late")})).await;
    let jobs = [
        (&hook, "/hook", "recover", json!({})),
        (&hook, "/hook", "bulk-replay", json!({})),
        (&hook, "/hook", "bulk-replay", json!({"order": "newest"})),
        (&late, "/late", "replay-missing", json!({})),
    ];
    for (n, (endpoint, path, job, more)) in jobs.into_iter().enumerate() {
        let before = receiver.count(path);
        let mut form = json!({"since": at(2), "until": at(4)});
        form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let task = app.post(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/{job}"), form).await.expect(202);
        let done = ended(&app, &task).await;
        assert_eq!((&done["status"], &done["data"]["done"]), (&json!("finished"), &json!(1)), "{job} {more}: {done}");
        // Recorded before the next job looks at how it stands.
        app.wait_for_attempts(&acme, &sent[1], 3 + n).await;
        receiver.expect_silence(path, Duration::from_millis(100)).await;
        let received = receiver.received(path);
        let came: Vec<u64> = received[before..].iter().map(|request| request.json()["n"].as_u64().unwrap()).collect();
        assert_eq!(came, [1], "{job} {more}");
    }
    for n in [0, 2] {
        assert_eq!(app.attempts(&acme, &sent[n]).await.len(), 2, "{n} is outside");
    }
    assert_eq!(attempted(within).await, counts(0, 2), "what is tried again now is tried now");
    assert_eq!(attempted(format!("?since={}", at(4))).await, counts(3, 3));

    // The one in the middle went to two endpoints.
    for (since, until, destinations) in [(0, 2, 1), (2, 4, 2), (4, 6, 1), (0, 6, 4)] {
        let form = json!({"since": at(since), "until": at(until), "appIds": [acme]});
        let task = app.post("/api/v1/stats/usage/app", form).await.expect(202);
        let wanted = json!([{"appId": acme, "appUid": null, "messageDestinations": destinations}]);
        assert_eq!(ended(&app, &task).await["data"]["appStats"], wanted, "{since} to {until}");
    }
}

#[tokio::test]
async fn a_replay_keeps_its_place_its_pace_and_its_pause_over_a_restart() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    let form = json!({"url": receiver.url("/hook"), "maxConcurrency": 1});
    let endpoint = app.endpoint(&acme, form).await;
    let mut sent = Vec::new();
    for n in 0..6 {
        sent.push(app.send(&acme, "a", json!({"n": n})).await);
        app.wait_for_attempts(&acme, &sent[n], 1).await;
    }
    let form = json!({"since": "2020-01-01T00:00:00Z", "order": "newest", "perSecond": 2});
    let task = app.post(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/bulk-replay"), form).await.expect(202);
    let task = format!("/api/v1/background-task/{}", id(&task));
    receiver.wait_for("/hook", 8).await;

    let dir = app.stop().await;
    let app = Start { clock: clock.clone(), dir: Some(dir), ..Start::default() }.start().await;
    receiver.expect_silence("/hook", Duration::from_millis(200)).await;
    // Time enough for another node to take it over; however long that is, the next slice is one of two messages.
    clock.advance(Duration::from_secs(20));
    receiver.wait_for("/hook", 10).await;
    receiver.expect_silence("/hook", Duration::from_millis(100)).await;
    let paused = app.post(&format!("{task}/pause"), json!({})).await.expect(200);
    assert_eq!((&paused["data"]["done"], &paused["data"]["paused"]), (&json!(4), &json!(true)), "{paused}");

    let dir = app.stop().await;
    let app = Start { clock: clock.clone(), dir: Some(dir), ..Start::default() }.start().await;
    clock.advance(MINUTE);
    receiver.expect_silence("/hook", Duration::from_millis(200)).await;
    let still = app.get(&task).await.expect(200);
    assert_eq!(still["data"], paused["data"], "nobody let it go on");
    app.post(&format!("{task}/resume"), json!({})).await.expect(200);
    let mut last = Value::Null;
    let finished = eventually(async || {
        clock.advance(Duration::from_secs(5));
        last = app.get(&task).await.expect(200);
        last["status"] == "finished"
    });
    assert!(finished.await, "{last}");
    assert_eq!((&last["data"]["done"], &last["data"]["paused"]), (&json!(6), &json!(false)), "{last}");

    receiver.wait_for("/hook", 12).await;
    receiver.expect_silence("/hook", Duration::from_millis(100)).await;
    let received = receiver.received("/hook");
    let came: Vec<u64> = received.iter().map(|request| request.json()["n"].as_u64().unwrap()).collect();
    assert_eq!(came, [0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0], "each once more, from the newest");
    for message in &sent {
        app.wait_for_attempts(&acme, message, 2).await;
    }
}
