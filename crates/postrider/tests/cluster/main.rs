//! Several nodes on one PostgreSQL database, whatever happens to them, to it, and between them.
// How long things really take is what some of these tests are about.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod lease;
mod outages;

use postrider_testkit::app::{Client, eventually};
use postrider_testkit::certs::Authority;
use postrider_testkit::load::Load;
use postrider_testkit::postgres::Postgres;
use postrider_testkit::process::{Process, Serve};
use postrider_testkit::receiver::{Answer, Receiver};
use postrider_testkit::skip::skip;
use postrider_testkit::{database, network, packages};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

const BINARY: &str = env!("CARGO_BIN_EXE_postrider");

/// A node that is not started, on the database.
fn node(url: &str) -> Serve {
    Serve { database: Some(url.to_owned()), ..Serve::new(BINARY, std::env::temp_dir().as_path()) }
}

async fn nodes<const N: usize>(url: &str) -> [Process; N] {
    let mut started = Vec::new();
    for _ in 0..N {
        started.push(node(url).start().await);
    }
    started.try_into().unwrap()
}

fn clients(nodes: &[Process]) -> Vec<Client> {
    nodes.iter().map(|node| node.client.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_make_the_tables_once() {
    let Some(url) = database::fresh() else { return };
    let [a, b, c, d, e] = [(); 5].map(|()| node(&url));
    let started = tokio::join!(a.start(), b.start(), c.start(), d.start(), e.start());
    let keys = started.0.client.get("/api/v1/key").await.expect(200);
    assert_eq!(keys["data"].as_array().unwrap().len(), 1, "one first key: {keys}");
    let client = postrider_testdb::connect(url.split('?').next().unwrap()).await.unwrap();
    let count = |sql: &'static str| {
        let client = &client;
        async move { client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) }
    };
    let newest = count("SELECT max(version) FROM postrider_schema").await;
    assert_eq!(count("SELECT count(*) FROM postrider_schema").await, newest);
    assert_eq!(count("SELECT count(DISTINCT slot) FROM nodes WHERE NOT dead").await, 5);

    // A newer version has migrated: this one may go on beside it, for one minor version.
    let newer = format!("INSERT INTO postrider_schema (version) VALUES ({})", newest + 1);
    client.batch_execute(&newer).await.unwrap();
    node(&url).start().await;
    client.batch_execute("INSERT INTO postrider_schema (version) VALUES (100)").await.unwrap();
    let output = node(&url).command().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("newer Postrider"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_on_one_node_holds_on_all_at_once() {
    let Some(url) = database::fresh() else { return };
    let [one, two] = nodes(&url).await;
    let (one, two) = (&one.client, &two.client);
    let receiver = Receiver::start().await;
    for n in 0..20 {
        // Made on one, used on the other, with nothing in between.
        let app = one.application().await;
        let path = format!("/made-{n}");
        let endpoint = one.endpoint(&app, json!({"url": receiver.url(&path)})).await;
        let message = two.send(&app, "a", json!({})).await;
        receiver.wait_for(&path, 1).await;
        assert!(receiver.ids(&path).contains_key(&message));
        assert_eq!(two.endpoint_now(&app, &endpoint).await["url"], receiver.url(&path));

        let late = format!("/late-{n}");
        two.endpoint(&app, json!({"url": receiver.url(&late)})).await;
        let message = one.send(&app, "a", json!({})).await;
        receiver.wait_for(&late, 1).await;
        assert!(receiver.ids(&late).contains_key(&message));

        let key = one.post("/api/v1/key", json!({"name": "short-lived"})).await.expect(201);
        let mut stranger = two.clone();
        stranger.key = key["key"].as_str().unwrap().to_owned();
        stranger.send(&app, "a", json!({})).await;
        one.delete(&format!("/api/v1/key/{}", key["id"].as_str().unwrap())).await.expect(204);
        let path = format!("/api/v1/app/{app}/msg");
        let refused = stranger.post(&path, json!({"eventType": "a", "payload": {}})).await;
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!("authentication_failed")));
        stranger.get(&path).await.expect(401);

        let access = one.post(&format!("/api/v1/auth/app-portal-access/{app}"), json!({})).await.expect(200);
        let token = two.with_key(access["token"].as_str().unwrap());
        token.get(&path).await.expect(200);
        one.post(&format!("/api/v1/auth/app/{app}/expire-all"), json!({})).await.expect(204);
        token.get(&path).await.expect(401);

        one.delete(&format!("/api/v1/app/{app}")).await.expect(204);
        two.post(&path, json!({"eventType": "a", "payload": {}})).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_an_endpoint_hold_over_all_nodes() {
    let Some(url) = database::fresh() else { return };
    let nodes: [Process; 3] = nodes(&url).await;
    let clients = clients(&nodes);
    let receiver = Receiver::start().await;
    receiver.answer("/narrow", Answer::status(200).delay(Duration::from_millis(50)));
    let app = clients[0].application().await;
    clients[0].endpoint(&app, json!({"url": receiver.url("/paced"), "throttleRate": 20})).await;
    clients[0].endpoint(&app, json!({"url": receiver.url("/narrow"), "maxConcurrency": 2})).await;
    let started = Instant::now();
    for n in 0..100 {
        clients[n % 3].send(&app, "a", json!({"n": n})).await;
    }
    receiver.wait_for_within("/paced", 100, Duration::from_secs(30)).await;
    let seconds = started.elapsed().as_secs_f64();
    let rate = 100.0 / seconds;
    assert!(rate <= 22.0, "{rate} a second where 20 are allowed");
    assert!(rate >= 10.0, "{rate} a second where 20 are allowed: the limit is not used");
    let narrow = receiver.wait_for_within("/narrow", 100, Duration::from_secs(30)).await;
    // Each takes 50 ms, so of those that began within 50 ms of each other there are never more than two.
    let mut began: Vec<Instant> = narrow.iter().map(|request| request.at).collect();
    began.sort();
    let crowded = began.windows(3).filter(|three| three[2] - three[0] < Duration::from_millis(45)).count();
    assert!(crowded <= 2, "{crowded} times more than two at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_an_application_hold_over_all_nodes() {
    let Some(url) = database::fresh() else { return };
    let nodes: [Process; 3] = nodes(&url).await;
    let clients = clients(&nodes);
    let receiver = Receiver::start().await;
    let app = clients[0].post("/api/v1/app", json!({"name": "Acme", "throttleRate": 40})).await.expect(201);
    let app = app["id"].as_str().unwrap();
    for path in ["/one", "/two"] {
        clients[0].endpoint(app, json!({"url": receiver.url(path)})).await;
    }
    // A batch on each node, so that how fast the test can ask plays no part.
    for client in &clients {
        let messages: Vec<Value> = (0..34).map(|n| json!({"eventType": "a", "payload": {"n": n}})).collect();
        client.post(&format!("/api/v1/app/{app}/msg/batch"), json!({"messages": messages})).await.expect(202);
    }
    for path in ["/one", "/two"] {
        receiver.wait_for_within(path, 102, Duration::from_secs(30)).await;
    }
    let mut at: Vec<Instant> = receiver.all().iter().map(|request| request.at).collect();
    at.sort();
    let rate = (at.len() - 1) as f64 / (at[at.len() - 1] - at[0]).as_secs_f64();
    assert!((20.0..=44.0).contains(&rate), "{rate} a second where 40 are allowed, over both endpoints");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_when_its_node_dies() {
    let Some(url) = database::fresh() else { return };
    let [one, two] = nodes(&url).await;
    let client = two.client.clone();
    let receiver = Receiver::start().await;
    receiver.answer("/hook", Answer::status(500));
    let app = client.application().await;
    let endpoint = client.endpoint(&app, json!({"url": receiver.url("/hook"), "retrySchedule": []})).await;
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    let mut failed = Vec::new();
    for n in 0..2_000 {
        failed.push(client.send(&app, "a", json!({"n": n})).await);
    }
    let stats = format!("{path}/stats");
    let all_failed = eventually(async || client.get(&stats).await.expect(200)["fail"] == failed.len()).await;
    assert!(all_failed, "{}", client.get(&stats).await.body);
    receiver.answer("/hook", Answer::status(200));
    let task = one.client.post(&format!("{path}/recover"), json!({"since": "2020-01-01T00:00:00Z"})).await.expect(202);
    one.kill();
    // The other takes it up when it has not moved for 15 s.
    let task = format!("/api/v1/background-task/{}", task["id"].as_str().unwrap());
    let mut last = Value::Null;
    for _ in 0..3 {
        let ended = eventually(async || {
            last = client.get(&task).await.expect(200);
            last["status"] != "running"
        });
        if ended.await {
            break;
        }
    }
    assert_eq!((&last["status"], &last["data"]["done"]), (&json!("finished"), &json!(failed.len())), "{last}");
    let all_there = eventually(async || client.get(&stats).await.expect(200)["success"] == failed.len()).await;
    assert!(all_there, "{}", client.get(&stats).await.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_missing_whatever_dies() {
    let Some(postgres) = Postgres::start("127.0.0.1") else { return };
    let url = postgres.url();
    let serves: Vec<Serve> = (0..3).map(|_| node(&url)).collect();
    let mut nodes = Vec::new();
    for serve in &serves {
        nodes.push(serve.start().await);
    }
    let receiver = Receiver::counting().await;
    let flaky = [500, 200, 200].map(Answer::status);
    receiver.answer_in_turn("/flaky", (0..30_000).map(|n| flaky[n % 3].clone()).collect());
    let mut load = Load::over(clients(&nodes), 6, 100).await;
    load.endpoint(&receiver, "/steady").await;
    load.endpoint(&receiver, "/flaky").await;
    load.wait_for(100).await;

    // One is stopped until it is given up, while the others die in turn, and the database with them.
    nodes[2].signal("STOP");
    for round in 0..6 {
        load.wait_for(50).await;
        let victim = round % 2;
        nodes.remove(victim).kill();
        if round % 3 == 1 {
            postgres.crash();
            postgres.up();
        }
        nodes.insert(victim, serves[victim].start().await);
        if round == 3 {
            load.endpoint(&receiver, "/late").await;
        }
    }
    let client = postrider_testdb::connect(url.split('?').next().unwrap()).await.unwrap();
    let dead = format!("SELECT count(*) FROM nodes WHERE dead AND name LIKE '%process {}'", nodes[2].pid());
    let is_dead = async || client.query_one(&dead, &[]).await.unwrap().get::<_, i64>(0) == 1;
    assert!(eventually(is_dead).await, "nobody took over from the node that was stopped");
    nodes[2].signal("CONT");
    load.wait_for(50).await;
    load.stop().await;
    let (messages, repeats) = load.check(&receiver).await;
    println!(
        "{messages} messages, 6 kills, 2 crashes of the database, one node stopped: {repeats} repeats, none missing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_is_fast_makes_nobody_wait() {
    let Some(url) = database::fresh() else { return };
    let Some(library) = packages::faketime() else { return };
    let mut fast = node(&url);
    for (name, value) in [("LD_PRELOAD", library.as_str()), ("FAKETIME", "+60s"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]
    {
        fast.env.push((name.to_owned(), value.to_owned()));
    }
    let fast = fast.start().await;
    let receiver = Receiver::start().await;
    receiver.answer_in_turn("/flaky", vec![Answer::status(500), Answer::status(200)]);
    let app = fast.client.application().await;
    fast.client.endpoint(&app, json!({"url": receiver.url("/flaky")})).await;
    let message = fast.client.send(&app, "a", json!({})).await;
    fast.client.wait_for_attempts(&app, &message, 1).await;
    fast.kill();

    let right = node(&url).start().await;
    receiver.wait_for_within("/flaky", 2, Duration::from_secs(30)).await;
    right.client.wait_for_attempts(&app, &message, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_from_the_database_stops_and_comes_back() {
    let Some(network) = network::Pair::new() else { return };
    let Some(postgres) = Postgres::start(&network.database_host) else { return };
    let url = postgres.url();
    let apart = Serve { host: network.node_address.clone(), wrapper: network.inside(), ..node(&url) };
    let apart =
        Serve { args: [apart.args.clone(), vec!["--allow-network".into(), network.subnet.clone()]].concat(), ..apart };
    let cut_off = apart.start().await;
    let receiver = Receiver::start_on(format!("{}:0", network.host_address).parse().unwrap()).await;
    let app = cut_off.client.application().await;
    cut_off
        .client
        .endpoint(
            &app,
            json!({"url": receiver.url_on(&network.host_address, "/hook"), "retrySchedule": [1, 1, 1, 1, 1, 1, 1, 1]}),
        )
        .await;
    // Open deliveries: the receiver refuses at first.
    receiver.answer("/hook", Answer::status(503));
    let mut messages = Vec::new();
    for n in 0..20 {
        messages.push(cut_off.client.send(&app, "a", json!({"n": n})).await);
    }
    receiver.wait_for("/hook", 20).await;

    network.cut();
    let path = format!("/api/v1/app/{app}/msg");
    let body = json!({"eventType": "a", "payload": {}});
    let mut last = Value::Null;
    let refused = eventually(async || {
        let reply = cut_off.client.post(&path, body.clone()).await;
        last = json!([reply.status, reply.body["code"], reply.headers.get("retry-after")]);
        last == json!([503, "database_unavailable", "1"])
    })
    .await;
    assert!(refused, "{last}");
    // Another node takes over what it had.
    receiver.answer("/hook", Answer::status(200));
    let serve = Serve { host: network.host_address.clone(), ..node(&url) };
    let args = [serve.args.clone(), vec!["--allow-network".into(), network.subnet.clone()]].concat();
    let other = Serve { args, ..serve }.start().await;
    for message in &messages {
        let delivered = eventually(async || other.client.states(&app, message).await == ["success"]).await;
        assert!(delivered, "{message} was not adopted");
    }
    let by_others = receiver.count("/hook");

    network.heal();
    let back = eventually(async || {
        cut_off
            .client
            .try_request("POST", &path, &[], Some(body.to_string().into_bytes()))
            .await
            .is_ok_and(|r| r.status == 202)
    })
    .await;
    assert!(back, "the node did not come back");
    assert!(eventually(async || receiver.count("/hook") > by_others).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for message in &messages {
        let attempts = other.client.attempts(&app, message).await;
        let successes = attempts.iter().filter(|attempt| attempt["status"] == 0).count();
        assert_eq!(successes, 1, "{message} has one owner at a time: {attempts:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_works_on_is_found() {
    let Some(url) = database::fresh() else { return };
    let server = node(&url).start().await;
    let receiver = Receiver::start().await;
    let app = server.client.application().await;
    server.client.endpoint(&app, json!({"url": receiver.url("/hook")})).await;
    server.client.send(&app, "a", json!({})).await;
    receiver.wait_for("/hook", 1).await;
    let url = url.split('?').next().unwrap();
    // A message of almost a minute ago, as a fault of ours or of the database might leave it.
    leave_a_message(url, "57 seconds").await;
    receiver.wait_for("/hook", 2).await;
    // And one from before an outage of all servers, which looked through the messages two hours ago.
    let swept = "UPDATE sweep SET message = ((extract(epoch FROM now() - interval '2 hours') * 1000)::bigint
                   - 1577836800000) << 20";
    // In this order, for a sweep may come in between.
    leave_a_message(url, "90 minutes").await;
    postrider_testdb::connect(url).await.unwrap().batch_execute(swept).await.unwrap();
    receiver.wait_for("/hook", 3).await;
}

/// Copies the first message to one that was accepted so long ago, with nothing that would have it sent.
async fn leave_a_message(url: &str, ago: &str) {
    let client = postrider_testdb::connect(url).await.unwrap();
    let lost = format!(
        "WITH t AS (SELECT (extract(epoch FROM now() - interval '{ago}') * 1000)::bigint - 1577836800000 AS ms)
         SELECT ms << 20 AS id, ms / 86400000 AS day FROM t"
    );
    let row = client.query_one(&lost, &[]).await.unwrap();
    let (id, day): (i64, i64) = (row.get(0), row.get(1));
    let (from, to) = ((day * 86_400_000) << 20, ((day + 1) * 86_400_000) << 20);
    let partition = format!(
        "CREATE TABLE IF NOT EXISTS messages_90_{day} PARTITION OF messages_90 FOR VALUES FROM ({from}) TO ({to})"
    );
    client.batch_execute(&partition).await.unwrap();
    let columns = "class, app, node, event_type, event_id, channels, endpoints, created_ms, payload";
    let insert = format!("INSERT INTO messages (id, {columns}) SELECT {id}, {columns} FROM messages LIMIT 1");
    client.batch_execute(&insert).await.unwrap();
}

/// Sends through a node on this database, with retries and a restart, and checks that all arrives.
async fn works_on(url: &str) {
    let serve = node(url);
    let mut server = serve.start().await;
    let receiver = Receiver::counting().await;
    receiver.answer_in_turn("/flaky", (0..3_000).map(|n| Answer::status([500, 200, 200][n % 3])).collect());
    let mut load = Load::start(&server.client, 4, 100).await;
    load.endpoint(&receiver, "/steady").await;
    load.endpoint(&receiver, "/flaky").await;
    for _ in 0..2 {
        load.wait_for(40).await;
        server.kill();
        server = serve.start().await;
    }
    load.wait_for(40).await;
    load.stop().await;
    let (messages, _) = load.check(&receiver).await;
    assert!(messages >= 120);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_may_stand_between() {
    let Some(url) = database::fresh() else { return };
    let pooled = url.replace(":54329/", ":54330/") + "&pooler=transaction";
    let plain = pooled.split('?').next().unwrap();
    if postrider_testdb::connect(plain).await.is_none() {
        return skip("no PgBouncer on 54330, `scripts/services start` starts one");
    }
    works_on(&pooled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_spoken_to_over_tls_and_must_be_who_it_says() {
    let authority = Authority::new();
    let Some(postgres) = Postgres::start_tls("127.0.0.1", &authority.identity(&["127.0.0.1"])) else { return };
    let ca = NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), authority.pem()).unwrap();
    let url = |mode: &str| format!("{}&sslmode={mode}", postgres.url());
    works_on(&format!("{}&sslrootcert={}", url("verify-full"), ca.path().display())).await;
    node(&url("require")).start().await;

    let output = node(&url("verify-full")).command().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("certificate"), "{said}");
    let output = node(&url("disable")).command().output().unwrap();
    assert!(!output.status.success(), "this server takes no plain connections");
}

/// The numbers that came, each as often as it came, in order.
fn came(receiver: &Receiver) -> Vec<u64> {
    receiver.received("/hook").iter().map(|request| request.json()["n"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_line_over_all_nodes_keeps_its_order_though_nodes_die() {
    let Some(url) = database::fresh() else { return };
    let receiver = Receiver::start().await;
    // Every seventh try fails, so that somebody often holds the line.
    let answers = (0..1_000).map(|n| Answer::status(if n % 7 == 3 { 500 } else { 200 }));
    receiver.answer_in_turn("/hook", answers.collect());
    let mut nodes: Vec<Process> = nodes::<3>(&url).await.into();
    let app = nodes[0].client.application().await;
    let form = json!({"url": receiver.url("/hook"), "ordered": true, "retrySchedule": [0, 0, 0, 0, 0]});
    let endpoint = nodes[0].client.endpoint(&app, form).await;
    let started = Instant::now();
    for n in 0..240 {
        // Each message is accepted before the next one is sent, wherever that is.
        nodes[n % 3].client.send(&app, "a", json!({"n": n})).await;
        if n % 60 == 59 {
            let place = n / 60 % 3;
            nodes.remove(place).kill();
            nodes.insert(place, node(&url).start().await);
        }
    }
    let order = format!("/api/v1/app/{app}/endpoint/{endpoint}/order");
    let empty = eventually(async || {
        let reply = nodes[0].client.get(&order).await;
        reply.status == 200 && reply.body["waiting"] == 0
    });
    assert!(empty.await, "the line is not done: {:?}", came(&receiver));
    let mut came = came(&receiver);
    // What failed comes again, and so does what was on its way when its node died; both before anything behind it.
    assert!(came.is_sorted(), "{came:?}");
    let requests = came.len();
    came.dedup();
    assert_eq!(came, (0..240).collect::<Vec<_>>());
    println!("240 messages in order over 3 nodes, 4 of them killed, {requests} requests in {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_commits_late_is_pulled_late_and_is_not_skipped() {
    let Some(url) = database::fresh() else { return };
    let [here, there] = nodes(&url).await;
    let app = here.client.application().await;
    // Accepted before anybody pulls, so it stands for one whose commit takes its time.
    here.client.send(&app, "a", json!({"n": 0})).await;
    let endpoint = here.client.endpoint(&app, json!({"poll": true})).await;
    let plain = url.split('?').next().unwrap();
    let held = postrider_testdb::connect(plain).await.unwrap();
    held.batch_execute("BEGIN; INSERT INTO polled (endpoint, message) SELECT e.id, m.id FROM endpoints e, messages m")
        .await
        .unwrap();
    for (n, client) in [(1, &here.client), (2, &there.client), (3, &here.client)] {
        client.send(&app, "a", json!({"n": n})).await;
    }
    let path = format!("/api/v1/app/{app}/poller/{endpoint}/consumer/one");
    let pull = async |client: &Client, query: &str| {
        let page = client.get(&format!("{path}{query}")).await.expect(200);
        let numbers: Vec<u64> =
            page["data"].as_array().unwrap().iter().map(|row| row["payload"]["n"].as_u64().unwrap()).collect();
        (numbers, page["iterator"].as_str().unwrap().to_owned())
    };
    let (first, iterator) = pull(&there.client, "").await;
    assert_eq!(first, [1, 2, 3]);
    let (nothing, iterator) = pull(&here.client, &format!("?iterator={iterator}")).await;
    assert_eq!(nothing, Vec::<u64>::new());
    held.batch_execute("COMMIT").await.unwrap();
    let (late, _) = pull(&there.client, &format!("?iterator={iterator}")).await;
    assert_eq!(late, [0], "its id is the lowest, and it is not skipped");
    assert_eq!(pull(&here.client, "").await.0, [0], "until the consumer says that it is done");
}
