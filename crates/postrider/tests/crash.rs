//! `kill -9` in the middle of load, twenty times over: nothing that was answered 202 is missing.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{eventually, id};
use postrider_testkit::load::Load;
use postrider_testkit::process::Serve;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;

const KILLS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_missing_after_twenty_kills() {
    let receiver = Receiver::counting().await;
    let data = TempDir::new().unwrap();
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), data.path());
    let mut server = serve.start().await;
    // Every third answer of one endpoint is an error, so that retries are under way at each kill.
    let flaky = [500, 200, 200].map(Answer::status);
    receiver.answer_in_turn("/flaky", (0..3_000).map(|n| flaky[n % 3].clone()).collect());

    let mut load = Load::start(&server.client, 8, 100).await;
    load.endpoint(&receiver, "/steady").await;
    load.endpoint(&receiver, "/flaky").await;
    for round in 0..KILLS {
        load.wait_for(40).await;
        if round % 5 == 2 {
            load.endpoint(&receiver, &format!("/late-{round}")).await;
        }
        server.kill();
        server = serve.start().await;
    }
    load.stop().await;

    let (messages, repeats) = load.check(&receiver).await;
    println!("{messages} messages, {KILLS} kills, {repeats} arrived more than once, none missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_is_told_of_every_reply_and_under_one_id_whatever_dies() {
    let receiver = Receiver::start().await;
    let body = r#"{"messages":[{"content":"Thanks!"}]}"#;
    receiver.answer("/hook", Answer::status(200).header("content-type", "application/json").body(body));
    let data = TempDir::new().unwrap();
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), data.path());
    let mut server = serve.start().await;
    let ops = json!({"url": receiver.url("/ops"), "filterTypes": ["message.reply"]});
    server.client.post("/api/v1/operational-webhook/endpoint", ops).await.expect(201);
    let acme = json!({"name": "Acme", "contract": "telerivet"});
    let acme = id(&server.client.post("/api/v1/app", acme).await.expect(201));
    server.client.endpoint(&acme, json!({"url": receiver.url("/hook"), "retrySchedule": [0, 0, 0]})).await;
    let mut messages = Vec::new();
    for _ in 0..8 {
        for n in 0..25 {
            messages.push(server.client.send(&acme, "incoming_message", json!({"id": n, "from_number": "+1"})).await);
        }
        server.kill();
        server = serve.start().await;
    }
    let mut kept = BTreeSet::new();
    for message in &messages {
        let path = format!("/api/v1/app/{acme}/msg/{message}/reply");
        let mut replies = json!([]);
        let replied = eventually(async || {
            replies = server.client.get(&path).await.expect(200)["data"].clone();
            replies != json!([])
        });
        assert!(replied.await, "{message} has no reply");
        kept.extend(replies.as_array().unwrap().iter().map(|reply| reply["attemptId"].as_str().unwrap().to_owned()));
    }
    let mut told = BTreeMap::<String, BTreeSet<String>>::new();
    let all = eventually(async || {
        for request in receiver.received("/ops") {
            let attempt = request.json()["data"]["attemptId"].as_str().unwrap().to_owned();
            told.entry(attempt).or_default().insert(request.header("webhook-id").unwrap().to_owned());
        }
        kept.iter().all(|attempt| told.contains_key(attempt))
    });
    assert!(all.await, "{} of {} replies were told", told.len(), kept.len());
    assert!(told.values().all(|ids| ids.len() == 1), "{told:?}");
    println!("{} messages, 8 kills, {} replies, each told under one id", messages.len(), kept.len());
}
