//! `kill -9` while everything changes: limits, order, rates, endpoints that come and go, batches, messages for later, a
//! process that is stopped, and kills in the middle of recovery. After every kill the dead server's database must
//! account for every delivery, and in the end everything that was promised has arrived.
//!
//! The order of what happens comes from a seed, which is printed. `POSTRIDER_TEST_SEED` repeats a run,
//! `POSTRIDER_TEST_KILLS` makes it longer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use postrider_testkit::app::{Client, eventually};
use postrider_testkit::load::Load;
use postrider_testkit::process::{Process, Serve};
use postrider_testkit::receiver::{Answer, Receiver};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// The endpoints of the application under load.
struct Endpoints {
    app: String,
    /// Of these the settings change, and all messages must arrive.
    kept: Vec<String>,
    receiver: String,
    /// Made and deleted on the way.
    passing: Option<String>,
}

impl Endpoints {
    fn path(&self, endpoint: &str) -> String {
        format!("/api/v1/app/{}/endpoint/{endpoint}", self.app)
    }

    /// One change of the configuration. It may fail, for the server may die meanwhile.
    async fn change(&mut self, client: &Client, random: &mut StdRng) {
        let endpoint = self.path(&self.kept[random.random_range(0..self.kept.len())]);
        let limits = [
            json!({"throttleRate": 400}),
            json!({"throttleRate": null}),
            json!({"maxConcurrency": 3}),
            json!({"maxConcurrency": null}),
            json!({"ordered": true}),
            json!({"ordered": false}),
        ];
        let (method, path, body) = match random.random_range(0..10) {
            0 => ("PATCH", format!("/api/v1/app/{}", self.app), json!({"throttleRate": 600})),
            1 => ("PATCH", format!("/api/v1/app/{}", self.app), json!({"throttleRate": null})),
            2 => return self.come_or_go(client).await,
            3 => match &self.passing {
                Some(passing) => ("PATCH", self.path(passing), json!({"disabled": random.random_bool(0.5)})),
                None => return self.come_or_go(client).await,
            },
            _ => ("PATCH", endpoint, limits[random.random_range(0..limits.len())].clone()),
        };
        send(client, method, &path, Some(&body)).await;
    }

    async fn come_or_go(&mut self, client: &Client) {
        match self.passing.take() {
            Some(passing) => drop(send(client, "DELETE", &self.path(&passing), None).await),
            None => {
                let form = json!({"url": self.receiver, "retrySchedule": [0, 1]});
                let made = send(client, "POST", &format!("/api/v1/app/{}/endpoint", self.app), Some(&form)).await;
                self.passing = made.and_then(|body| body["id"].as_str().map(str::to_owned));
            }
        }
    }

    /// Without any limit, so that what is left arrives soon.
    async fn open_up(&self, client: &Client) {
        client.patch(&format!("/api/v1/app/{}", self.app), json!({"throttleRate": null})).await.expect(200);
        for endpoint in &self.kept {
            let open = json!({"throttleRate": null, "maxConcurrency": null, "ordered": false});
            client.patch(&self.path(endpoint), open).await.expect(200);
        }
    }
}

async fn send(client: &Client, method: &str, path: &str, body: Option<&Value>) -> Option<Value> {
    let sent = client.try_request(method, path, &[], body.map(|body| body.to_string().into_bytes()));
    tokio::time::timeout(Duration::from_secs(5), sent).await.ok()?.ok().map(|reply| reply.body)
}

/// Changes things for a random while, then kills the server.
async fn live_and_die(server: Process, endpoints: &mut Endpoints, random: &mut StdRng) {
    for _ in 0..random.random_range(1..8) {
        endpoints.change(&server.client, random).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..60))).await;
    }
    if random.random_bool(0.1) {
        server.signal("STOP");
        tokio::time::sleep(Duration::from_millis(random.random_range(100..1_500))).await;
        if random.random_bool(0.5) {
            server.signal("CONT");
            tokio::time::sleep(Duration::from_millis(random.random_range(0..100))).await;
        }
    }
    server.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_delivery_is_accounted_for_whatever_changes_while_the_server_dies() {
    let seed = given("POSTRIDER_TEST_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let kills = given("POSTRIDER_TEST_KILLS").unwrap_or(15);
    println!("POSTRIDER_TEST_SEED={seed} POSTRIDER_TEST_KILLS={kills}");
    let mut random = StdRng::seed_from_u64(seed);
    let receiver = Receiver::counting().await;
    let flaky = [500, 200, 200].map(Answer::status);
    receiver.answer_in_turn("/flaky", (0..3_000).map(|n| flaky[n % 3].clone()).collect());
    receiver.answer("/slow", Answer::status(200).delay(Duration::from_millis(150)));
    let data = TempDir::new().unwrap();
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), data.path());
    let mut server = serve.start().await;
    let mut load = Load::start(&server.client, 6, 100).await;
    load.mix();
    let mut endpoints =
        Endpoints { app: load.app().to_owned(), kept: vec![], receiver: receiver.url("/passing"), passing: None };
    for path in ["/steady", "/flaky", "/slow"] {
        endpoints.kept.push(load.endpoint(&receiver, path).await);
    }
    let mut in_recovery = 0;
    for _ in 0..kills {
        load.wait_for(random.random_range(10..60)).await;
        live_and_die(server, &mut endpoints, &mut random).await;
        serve.check_deliveries().await;
        while random.random_bool(0.25) {
            serve.start_and_kill(Duration::from_millis(random.random_range(5..250)));
            serve.check_deliveries().await;
            in_recovery += 1;
        }
        server = serve.start().await;
    }
    load.stop().await;
    endpoints.open_up(&server.client).await;
    let (messages, repeats) = load.check(&receiver).await;
    serve.check_deliveries().await;
    println!(
        "{messages} messages, {kills} kills and {in_recovery} at the start, {repeats} arrived more than once, none missing"
    );
}

/// What is given up to another lane was settled before: it must not settle another endpoint's delivery in its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_set_under_load_does_not_make_recovery_forget_what_another_endpoint_is_being_sent() {
    let receiver = Receiver::counting().await;
    receiver.answer("/hangs", Answer::status(200).delay(Duration::from_secs(25)));
    receiver.answer("/limited", Answer::status(200).delay(Duration::from_secs(7)));
    let data = TempDir::new().unwrap();
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), data.path());
    let server = serve.start().await;
    let client = server.client.clone();
    let acme = client.application().await;
    let hook = |path: &str| json!({"url": receiver.url(path), "timeoutSeconds": 30});
    let limited = client.endpoint(&acme, hook("/limited")).await;
    let backlog: Vec<Value> = (0..300).map(|n| json!({"eventType": "a", "payload": {"n": n}})).collect();
    client.post(&format!("/api/v1/app/{acme}/msg/batch"), json!({"messages": backlog})).await.expect(202);
    let hangs = client.endpoint(&acme, hook("/hangs")).await;
    let mut messages = Vec::new();
    for n in 0..6 {
        messages.push(client.send(&acme, "b", json!({"n": n})).await);
    }
    receiver.wait_for("/hangs", messages.len()).await;
    // At the other endpoint they wait behind its backlog, in memory and, after five seconds, in the store; what it was
    // being sent meanwhile has arrived.
    let path = format!("/api/v1/app/{acme}/endpoint/{limited}");
    let waiting = eventually(async || {
        let stats = client.get(&format!("{path}/stats")).await.expect(200);
        stats["success"].as_u64().unwrap() >= 8 && stats["pending"].as_u64().unwrap() >= 200
    });
    assert!(waiting.await, "{}", client.get(&format!("{path}/stats")).await.body);
    client.patch(&path, json!({"throttleRate": 5})).await.expect(200);
    // Recovery's mark is written every second.
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        serve.check_deliveries().await;
        client.send(&acme, "c", json!({})).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.kill();
    serve.check_deliveries().await;
    receiver.answer("/hangs", Answer::status(200));
    let server = serve.start().await;
    for message in &messages {
        let arrived = eventually(async || {
            let attempts = server.client.attempts(&acme, message).await;
            attempts.iter().any(|attempt| attempt["endpointId"] == hangs && attempt["status"] == 0)
        });
        assert!(arrived.await, "{message} did not arrive");
    }
}
