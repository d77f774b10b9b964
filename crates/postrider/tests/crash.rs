//! `kill -9` in the middle of load, twenty times over: nothing that was answered 202 is missing.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{eventually, id};
use postrider_testkit::load::Load;
use postrider_testkit::process::Serve;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
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
        serve.check_deliveries().await;
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
        serve.check_deliveries().await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_skips_nobody_and_goes_no_further_than_it_was_decided_whatever_dies() {
    let receiver = Receiver::start().await;
    let says = |body: &str| Answer::status(200).header("content-type", "application/json").body(body.to_owned());
    receiver.answer("/first", says(r#"{"variables":{"contact.first":"yes"}}"#));
    receiver.answer("/second", says(r#"{"variables":{"contact.second":"yes"}}"#));
    receiver.answer("/third", says(r#"{"messages":[{"content":"mine"}]}"#));
    let data = TempDir::new().unwrap();
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), data.path());
    let mut server = serve.start().await;
    let acme = json!({"name": "Acme", "contract": "telerivet"});
    let acme = id(&server.client.post("/api/v1/app", acme).await.expect(201));
    let mut links = Vec::new();
    for (priority, path) in (0..).zip(["/first", "/second", "/third", "/fourth"]) {
        let form = json!({"url": receiver.url(path), "secret": "s", "priority": priority, "retrySchedule": [0, 0, 0]});
        links.push(server.client.endpoint(&acme, form).await);
    }
    let mut sent = Vec::new();
    // How many requests may come to each of the first three more than there are messages. All are answered 200, so one
    // process asks once, and a message comes again only where a kill found no outcome of it on disk. An endpoint's
    // concurrency is no bound of that, for an attempt that has ended makes room for the next before its outcome is on
    // disk; but what is recorded a moment before the kill is so at the kill.
    let mut may_repeat = [0_usize; 3];
    for round in 0..12 {
        for _ in 0..15 {
            let contact = format!("CT{}", sent.len());
            let payload = json!({"id": contact, "contact_id": contact, "from_number": "+1"});
            sent.push((server.client.send(&acme, "incoming_message", payload).await, contact));
        }
        // While the last of them are on their way, each somewhere else.
        receiver.wait_for("/third", sent.len() - 1 - round % 7).await;
        for (more, link) in may_repeat.iter_mut().zip(&links) {
            let stats = server.client.get(&format!("/api/v1/app/{acme}/endpoint/{link}/stats")).await.expect(200);
            *more += sent.len() - usize::try_from(stats["success"].as_u64().unwrap()).unwrap();
        }
        server.kill();
        serve.check_deliveries().await;
        server = serve.start().await;
    }
    for (message, _) in &sent {
        let decided = eventually(async || server.client.states(&acme, message).await == ["success"; 3]);
        assert!(decided.await, "{message}: {:?}", server.client.states(&acme, message).await);
    }
    assert_eq!(receiver.count("/fourth"), 0, "the third one took every message");
    // Each came to the next one with what the one before had set: both are in one commit.
    let with = |path: &str, contact: &str, set: &str| {
        let of = format!("contact_id={contact}&");
        let requests: Vec<String> =
            receiver.received(path).iter().map(|request| request.text()).filter(|text| text.contains(&of)).collect();
        !requests.is_empty() && requests.iter().all(|text| text.contains(set))
    };
    for (_, contact) in &sent {
        assert!(with("/first", contact, ""), "{contact}");
        assert!(with("/second", contact, "contact%5Bfirst%5D=yes"), "{contact}");
        assert!(with("/third", contact, "contact%5Bsecond%5D=yes"), "{contact}");
    }
    // What an outcome was recorded of is not tried again, and nobody is asked again whose outcome let it pass.
    let mut places = BTreeMap::<(String, String), Vec<usize>>::new();
    for (place, request) in receiver.all().iter().enumerate() {
        let text = request.text();
        let contact = text.split('&').find_map(|field| field.strip_prefix("contact_id=")).unwrap();
        places.entry((request.path.clone(), contact.to_owned())).or_default().push(place);
    }
    for (message, contact) in &sent {
        let attempts = server.client.attempts(&acme, message).await;
        let of: BTreeSet<&str> = attempts.iter().map(|attempt| attempt["endpointId"].as_str().unwrap()).collect();
        assert_eq!((attempts.len(), of.len()), (3, 3), "{message}: {attempts:#?}");
        let [first, second, third] =
            ["/first", "/second", "/third"].map(|path| places[&(path.to_owned(), contact.clone())].clone());
        assert!(first.last() < second.first(), "{contact} came to the first at {first:?}, to the second at {second:?}");
        assert!(second.last() < third.first(), "{contact} came to the second at {second:?}, to the third at {third:?}");
    }
    let requests = ["/first", "/second", "/third"].map(|path| receiver.count(path));
    let within = requests.iter().zip(may_repeat).all(|(count, more)| *count <= sent.len() + more);
    assert!(within, "{requests:?} requests for {} messages, where {may_repeat:?} might be repeated", sent.len());
    println!("{} messages, 12 kills, requests to each of the chain: {requests:?}", sent.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_keeps_its_order_whatever_dies() {
    let receiver = Receiver::start().await;
    let answers = (0..1_000).map(|n| Answer::status(if n % 5 == 2 { 500 } else { 200 }));
    receiver.answer_in_turn("/hook", answers.collect());
    let data = TempDir::new().unwrap();
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), data.path());
    let mut server = serve.start().await;
    let acme = server.client.application().await;
    let form = json!({"url": receiver.url("/hook"), "ordered": true, "retrySchedule": [0, 0, 0, 0, 0]});
    let endpoint = server.client.endpoint(&acme, form).await;
    let mut kills = 0;
    for n in 0..200 {
        server.client.send(&acme, "a", json!({"n": n})).await;
        if n % 20 == 19 {
            server.kill();
            serve.check_deliveries().await;
            kills += 1;
            server = serve.start().await;
        }
    }
    let order = format!("/api/v1/app/{acme}/endpoint/{endpoint}/order");
    let empty = eventually(async || server.client.get(&order).await.expect(200)["waiting"] == 0);
    assert!(empty.await, "the line is not done after {} requests", receiver.count("/hook"));
    let numbers = receiver.received("/hook").into_iter().map(|request| request.json()["n"].as_u64().unwrap());
    let mut came: Vec<u64> = numbers.collect();
    let requests = came.len();
    // What failed comes again, and so does what was answered and not recorded when the process died; both before
    // anything behind it.
    assert!(came.is_sorted(), "{came:?}");
    came.dedup();
    assert_eq!(came, (0..200).collect::<Vec<_>>());
    // One at a time is under way, so each kill makes one that was answered 200 come again, at most.
    let failed = (0..requests).filter(|n| n % 5 == 2).count();
    assert!(requests - failed <= 200 + kills, "{requests} requests, {failed} of them answered 500");
    println!("200 messages in order, {kills} kills, {requests} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resends_of_one_message_are_as_many_requests_though_the_server_dies() {
    let data = TempDir::new().unwrap();
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), data.path());
    let server = serve.start().await;
    let receiver = Receiver::start().await;
    let client = &server.client;
    let acme = client.application().await;
    let endpoint = client.endpoint(&acme, json!({"url": receiver.url("/first"), "timeoutSeconds": 30})).await;
    let message = client.send(&acme, "a", json!({})).await;
    client.wait_for_attempts(&acme, &message, 1).await;
    // They are under way, and nothing is recorded of them.
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    receiver.answer("/slow", Answer::status(200).delay(Duration::from_secs(60)));
    client.patch(&path, json!({"url": receiver.url("/slow")})).await.expect(200);
    let resend = format!("/api/v1/app/{acme}/msg/{message}/endpoint/{endpoint}/resend");
    for _ in 0..3 {
        client.post(&resend, json!({})).await.expect(202);
    }
    receiver.wait_for("/slow", 3).await;
    client.patch(&path, json!({"url": receiver.url("/again")})).await.expect(200);
    server.kill();
    serve.check_deliveries().await;
    let server = serve.start().await;
    receiver.wait_for("/again", 3).await;
    let attempts = server.client.wait_for_attempts(&acme, &message, 4).await;
    assert_eq!(attempts.iter().filter(|attempt| attempt["triggerType"] == 1).count(), 3, "{attempts:?}");
}
