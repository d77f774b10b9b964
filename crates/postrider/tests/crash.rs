//! `kill -9` in the middle of load, twenty times over: nothing that was answered 202 is missing.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{Client, eventually, id};
use postrider_testkit::process::Serve;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Mutex;

const KILLS: usize = 20;
const SENDERS: usize = 8;

/// What the provider was told, by path: message ids that must arrive there.
#[derive(Default)]
struct Promised {
    messages: Mutex<Vec<(String, usize)>>,
    /// Paths of endpoints whose creation was answered, in their order.
    paths: Mutex<Vec<String>>,
    sent: AtomicUsize,
    stop: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_missing_after_twenty_kills() {
    let receiver = Receiver::counting().await;
    let data = TempDir::new().unwrap();
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), data.path());
    let mut server = serve.start().await;
    let app = server.client.application().await;
    let promised = Arc::new(Promised::default());
    // Every third answer of one endpoint is an error, so that retries are under way at each kill.
    let flaky = [500, 200, 200].map(Answer::status);
    receiver.answer_in_turn("/flaky", (0..3_000).map(|n| flaky[n % 3].clone()).collect());
    for path in ["/steady", "/flaky"] {
        create(&server.client, &app, &receiver, path).await.unwrap();
        promised.paths.lock().await.push(path.to_owned());
    }

    let senders: Vec<_> =
        (0..SENDERS).map(|_| tokio::spawn(send(server.client.clone(), app.clone(), promised.clone()))).collect();
    for round in 0..KILLS {
        let before = promised.sent.load(Ordering::Relaxed);
        assert!(eventually(async || promised.sent.load(Ordering::Relaxed) >= before + 40).await, "round {round}");
        if round % 5 == 2 {
            let path = format!("/late-{round}");
            create(&server.client, &app, &receiver, &path).await.unwrap();
            promised.paths.lock().await.push(path);
        }
        server.kill();
        server = serve.start().await;
    }
    promised.stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }

    let messages = promised.messages.lock().await.clone();
    let paths = promised.paths.lock().await.clone();
    for (n, path) in paths.iter().enumerate() {
        let must: Vec<&String> = messages.iter().filter(|(_, known)| *known > n).map(|(id, _)| id).collect();
        let arrived = eventually(async || {
            let ids = receiver.ids(path);
            must.iter().all(|id| ids.contains_key(*id))
        })
        .await;
        let ids = receiver.ids(path);
        let missing: Vec<_> = must.iter().filter(|id| !ids.contains_key(**id)).collect();
        assert!(arrived, "{} of {} are missing at {path}: {missing:?}", missing.len(), must.len());
    }
    let listed = everything(&server.client, &app).await;
    assert!(messages.iter().all(|(id, _)| listed.contains_key(id)), "our own API knows every message");
    for (message, _) in messages.iter().step_by(25) {
        let mut states = Vec::new();
        let known = eventually(async || {
            states = server.client.states(&app, message).await;
            states.iter().all(|state| state == "success")
        })
        .await;
        assert!(known, "{message}: {states:?}");
    }
    let repeats: usize = paths.iter().map(|path| receiver.ids(path).values().map(|n| n - 1).sum::<usize>()).sum();
    println!(
        "{} messages to {} endpoints over {KILLS} kills, {repeats} repeats, none missing",
        messages.len(),
        paths.len()
    );
}

async fn create(client: &Client, app: &str, receiver: &Receiver, path: &str) -> Option<String> {
    let endpoint = json!({"url": receiver.url(path), "retrySchedule": [0, 0, 1, 1, 1, 1]});
    let reply = client.post(&format!("/api/v1/app/{app}/endpoint"), endpoint).await;
    (reply.status == 201).then(|| id(&reply.body))
}

/// Sends until told to stop; a message counts once it was answered 202. What got no answer is sent
/// again with its key, as the published clients do.
async fn send(client: Client, app: String, promised: Arc<Promised>) {
    let path = format!("/api/v1/app/{app}/msg?with_content=false");
    while !promised.stop.load(Ordering::Relaxed) {
        let n = promised.sent.fetch_add(1, Ordering::Relaxed);
        let known = promised.paths.lock().await.len();
        let body = json!({"eventType": "load", "payload": {"n": n}}).to_string().into_bytes();
        let key = format!("key-{n}");
        let accepted = loop {
            match client.try_request("POST", &path, &[("idempotency-key", &key)], Some(body.clone())).await {
                Ok(reply) if reply.status == 202 => break reply.body,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        promised.messages.lock().await.push((id(&accepted), known));
    }
}

/// Every message that the API lists, page by page.
async fn everything(client: &Client, app: &str) -> HashMap<String, Value> {
    let mut all = HashMap::new();
    let mut iterator = String::new();
    loop {
        let page =
            client.get(&format!("/api/v1/app/{app}/msg?limit=250&with_content=false{iterator}")).await.expect(200);
        for message in page["data"].as_array().unwrap() {
            assert!(all.insert(id(message), message.clone()).is_none(), "listed twice");
        }
        if page["done"] == true {
            return all;
        }
        iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
    }
}
