//! One tenant attacks the server with its portal token, and another tenant's messages are accepted as fast as before.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use postrider_testkit::app::{Client, eventually};
use postrider_testkit::hostile::{Behaviour, Hostile};
use postrider_testkit::process::{Process, Serve};
use postrider_testkit::raw::Raw;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_postrider");
/// Sends that are timed before an attack, and during one.
const SENDS: usize = 200;
/// Beside twice the latency of before: what the scheduler of a busy machine with two cores adds to one send in a
/// hundred, in a build without optimisations. Each attack took 500 ms or more, or made sends fail, before it was held off.
const NOISE: Duration = Duration::from_millis(150);

/// A server with two tenants: `attacker` with nothing but a portal token, `neighbour` whose provider sends messages.
struct Tenants {
    server: Process,
    provider: Client,
    token: Client,
    attacker: String,
    neighbour: String,
    dir: TempDir,
}

impl Tenants {
    async fn start(args: &[&str]) -> Tenants {
        let dir = TempDir::new().unwrap();
        let mut serve = Serve::new(BINARY, dir.path());
        serve.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        let server = serve.start().await;
        let provider = server.client.clone();
        let (attacker, neighbour) = (provider.application().await, provider.application().await);
        let access = provider.post(&format!("/api/v1/auth/app-portal-access/{attacker}"), json!({})).await.expect(200);
        let token = provider.with_key(access["token"].as_str().unwrap());
        Tenants { server, provider, token, attacker, neighbour, dir }
    }

    /// The latency that 99 of 100 of the neighbour tenant's sends stay within. All of them are accepted.
    async fn p99(&self) -> Duration {
        let mut took = Vec::new();
        for n in 0..SENDS {
            let began = Instant::now();
            self.provider.send(&self.neighbour, "a", json!({"n": n})).await;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        took[SENDS * 99 / 100]
    }

    /// Sends during an attack are about as fast as those before it.
    async fn is_undisturbed(&self, before: Duration) {
        let during = self.p99().await;
        println!("p99 before: {before:?}, during: {during:?}");
        assert!(during <= before * 2 + NOISE, "p99 of sends: {before:?} before, {during:?} during the attack");
    }

    /// The file of the embedded database, where the test runs on that.
    fn embedded(&self) -> Option<PathBuf> {
        Some(self.dir.path().join("postrider.db")).filter(|file| file.exists())
    }

    /// A path of the attacker tenant.
    fn path(&self, rest: &str) -> String {
        format!("/api/v1/app/{}/{rest}", self.attacker)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_stall_hold_what_they_sent_and_end_after_ten_seconds() {
    let tenants = Tenants::start(&[]).await;
    let before = tenants.p99().await;
    let mut stalled = Vec::new();
    for n in 0..40 {
        // The memory for all bodies is 5 times 25 MiB and 3 MiB.
        let announced = if n < 20 { 25 << 20 } else { 1 << 20 };
        let mut upload = Raw::connect(&tenants.token).await;
        assert!(upload.head(&tenants.token, "POST", &tenants.path("endpoint"), Some(announced)).await);
        assert!(upload.send(b"{").await);
        stalled.push(upload);
    }
    tenants.is_undisturbed(before).await;
    let answers = stalled.iter_mut().map(async |upload| upload.status().await);
    for answer in answers {
        assert_eq!(answer.await, 408);
    }
    let mut slow = Raw::connect(&tenants.token).await;
    slow.head(&tenants.token, "POST", &tenants.path("endpoint"), Some(25 << 20)).await;
    let began = Instant::now();
    while slow.send(b"{").await && began.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "a byte now and then is too slow as well: {took:?}");
    let answer = slow.rest().await;
    assert!(
        answer.is_empty() || (answer.contains("body_too_slow") && answer.contains("connection: close")),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_take_no_more_than_a_share_of_the_memory_for_bodies() {
    let tenants = Tenants::start(&[]).await;
    let mut uploads = Vec::new();
    for _ in 0..4 {
        let mut upload = Raw::connect(&tenants.token).await;
        upload.head(&tenants.token, "POST", &tenants.path("endpoint"), Some(25 << 20)).await;
        // Almost all of it, so that it is not answered yet.
        upload.send(&vec![b' '; (25 << 20) - 1]).await;
        uploads.push(upload);
    }
    // The neighbour tenant's provider still has room for large messages.
    let large = json!({"text": "x".repeat(20 << 20)});
    tenants.provider.send(&tenants.neighbour, "a", large).await;
    let mut statuses = Vec::new();
    for upload in &mut uploads {
        upload.send(b"x").await;
        statuses.push(upload.status().await);
    }
    assert!(statuses.contains(&503) || statuses.contains(&0), "nobody was refused: {statuses:?}");
    assert!(statuses.contains(&400), "its first uploads were read: {statuses:?}");
    // Without a key, nothing of a body is waited for.
    let mut stranger = Raw::connect(&tenants.token).await;
    stranger.head(&tenants.token.with_key("no-such-key"), "POST", &tenants.path("endpoint"), Some(25 << 20)).await;
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), stranger.status()).await.unwrap(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_that_nobody_reads_take_a_share_of_the_memory_for_responses() {
    let tenants = Tenants::start(&[]).await;
    for n in 0..4 {
        tenants.provider.send(&tenants.attacker, "a", json!({"n": n, "text": "x".repeat(20 << 20)})).await;
    }
    for n in 0..100 {
        let metadata: Value =
            (0..8).map(|n| (format!("key{n}"), Value::from("v".repeat(500)))).collect::<serde_json::Map<_, _>>().into();
        let description = "d".repeat(4_000);
        let endpoint = json!({"url": format!("http://127.0.0.1:1/{n}"), "disabled": true, "metadata": metadata,
            "description": description, "template": "t".repeat(60_000)});
        let made = tenants.provider.post(&tenants.path("endpoint"), endpoint).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    let before = tenants.p99().await;
    let peak = tenants.server.memory_mib();
    let mut unread = Vec::new();
    for listing in ["msg?limit=250", "endpoint?limit=250"] {
        for _ in 0..40 {
            let mut connection = Raw::connect(&tenants.token).await;
            connection.head(&tenants.token, "GET", &tenants.path(listing), None).await;
            unread.push(connection);
        }
    }
    tenants.is_undisturbed(before).await;
    let took = tenants.server.memory_mib().saturating_sub(peak);
    println!("unread responses took {took} MiB");
    assert!(took < 400, "unread responses took {took} MiB");
    let refused = tenants.token.get(&tenants.path("msg?limit=250")).await;
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("busy")), "{}", refused.body);
    assert_eq!(refused.headers["retry-after"], "1");
    // Another caller reads on.
    tenants.provider.get(&tenants.path("msg?limit=1")).await.expect(200);
    drop(unread);
    let free = eventually(async || tenants.token.get(&tenants.path("endpoint?limit=1")).await.status == 200).await;
    assert!(free, "what is read or given up counts no more");
    // Allocators keep some of what was freed; without a bound it was 6 GiB here.
    let after = tenants.server.memory_mib();
    println!("memory: at most {peak} MiB before, {after} MiB in the end");
    assert!(after < peak + 500, "{after} MiB in the end, {peak} MiB before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_cut_off() {
    let tenants = Tenants::start(&[]).await;
    tenants.provider.send(&tenants.attacker, "a", json!({"text": "x".repeat(20 << 20)})).await;
    let mut unread = Raw::connect(&tenants.token).await;
    unread.head(&tenants.token, "GET", &tenants.path("msg"), None).await;
    tokio::time::sleep(Duration::from_secs(33)).await;
    let got = unread.rest().await.len();
    assert!(got < 20 << 20, "after 30 seconds the rest of the response is not sent: {got} bytes came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_rows_make_short_pages_that_lead_on_to_each_other() {
    let tenants = Tenants::start(&[]).await;
    for n in 0..6 {
        tenants.provider.send(&tenants.attacker, "a", json!({"n": n, "text": "x".repeat(3 << 20)})).await;
    }
    let (mut seen, mut pages, mut iterator) = (Vec::new(), 0, String::new());
    loop {
        let page = tenants.token.get(&tenants.path(&format!("msg?limit=250{iterator}"))).await.expect(200);
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["payload"]["n"].as_i64().unwrap()));
        pages += 1;
        if page["done"] == true {
            break;
        }
        iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
    }
    assert_eq!((seen, pages), (vec![5, 4, 3, 2, 1, 0], 6));
    // Back from the oldest, in steps of the same size.
    let oldest = tenants.token.get(&tenants.path("msg?limit=1&order=ascending")).await.expect(200);
    let back = oldest["prevIterator"].as_str().unwrap();
    let page = tenants.token.get(&tenants.path(&format!("msg?limit=250&iterator={back}"))).await.expect(200);
    assert_eq!(page["data"][0]["payload"]["n"], 1, "the one beside it, not the newest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_make_room_for_new_ones() {
    let tenants = Tenants::start(&["--max-connections", "64"]).await;
    let before = tenants.p99().await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        let mut connection = Raw::connect(&tenants.token).await;
        connection.send(b"GET / HTTP/1.1\r\nhost: ").await;
        idle.push(connection);
    }
    tenants.is_undisturbed(before).await;
    for _ in 0..20 {
        // A new client each time, and so a new connection.
        let client = Client::new(&tenants.provider.url, &tenants.provider.key);
        client.send(&tenants.neighbour, "a", json!({})).await;
    }
    drop(idle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_in_use_leave_room_for_other_addresses_and_for_health_checks() {
    let tenants = Tenants::start(&["--max-connections", "64"]).await;
    let mut busy = Vec::new();
    for _ in 0..60 {
        let mut connection = Raw::from(&tenants.token, Ipv4Addr::new(127, 0, 0, 3)).await;
        connection.head(&tenants.token, "POST", &tenants.path("endpoint"), Some(1_000)).await;
        busy.push(connection);
    }
    let ask = async |address: Ipv4Addr, path: &str| {
        let mut connection = Raw::from(&tenants.provider, address).await;
        connection.head(&tenants.provider, "GET", path, None).await;
        connection.status().await
    };
    let (crowded, other) = (Ipv4Addr::new(127, 0, 0, 3), Ipv4Addr::new(127, 0, 0, 2));
    assert_eq!(ask(other, &tenants.path("endpoint")).await, 200, "another address has connections left");
    assert_eq!(ask(crowded, "/api/v1/health").await, 204, "health checks have a reserve");
    assert_eq!(ask(crowded, &tenants.path("endpoint")).await, 503, "the reserve is for nothing else");
}

/// An endpoint whose filter looks for 84 texts in a payload, of which the last is nowhere to be found.
fn searching(n: usize) -> Value {
    let terms: Vec<Value> =
        (0..42).map(|term| json!({"text": {"$not": {"$contains": format!("needle {term}")}}})).collect();
    json!({"url": format!("http://127.0.0.1:1/{n}"), "eventTypes": ["big"], "payloadFilter": {"$and": terms}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payload_filters_take_a_budget_and_their_application_s_turns() {
    let tenants = Tenants::start(&[]).await;
    for name in ["big", "other"] {
        tenants.provider.post("/api/v1/event-type", json!({"name": name, "description": "An event"})).await.expect(201);
    }
    for n in 0..300 {
        let made = tenants.token.post(&tenants.path("endpoint"), searching(n)).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    let before = tenants.p99().await;
    let big = |bytes: usize| json!({"eventType": "big", "payload": {"text": "x".repeat(bytes)}});
    // Once each within the budget, and far beyond it.
    let within = tenants.provider.post(&tenants.path("msg"), big(10_000)).await;
    assert_eq!(within.status, 202, "{}", within.body);
    let attack = |bytes: usize| {
        let (client, path, big) = (tenants.provider.clone(), tenants.path("msg"), big(bytes));
        tokio::spawn(async move {
            loop {
                client.post(&path, big.clone()).await;
            }
        })
    };
    let mut attacks = Vec::new();
    for bytes in [20_000, 90_000, 90_000, 90_000] {
        attacks.push(attack(bytes));
    }
    tenants.is_undisturbed(before).await;
    attacks.iter().for_each(tokio::task::JoinHandle::abort);
    let beyond = tenants.provider.post(&tenants.path("msg"), big(90_000)).await.expect(422);
    let problem = &beyond["detail"][0];
    assert_eq!(problem["type"], "filter_budget", "{beyond}");
    let text = problem["msg"].as_str().unwrap();
    assert!(text.contains("the filter of ep_") && text.contains("fewer conditions"), "{text}");
    // Another type of event is not looked into by any of them.
    let other = json!({"eventType": "other", "payload": {"text": "x".repeat(90_000)}});
    assert_eq!(tenants.provider.post(&tenants.path("msg"), other).await.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_was_changed_holds_for_the_next_message() {
    let tenants = Tenants::start(&[]).await;
    let endpoint = json!({"url": "http://127.0.0.1:1/", "payloadFilter": {"n": 1}});
    let endpoint = tenants.provider.endpoint(&tenants.attacker, endpoint).await;
    let goes_to = async |n: i64| {
        let message = tenants.provider.send(&tenants.attacker, "a", json!({"n": n})).await;
        tenants.provider.states(&tenants.attacker, &message).await.len()
    };
    assert_eq!((goes_to(1).await, goes_to(2).await), (1, 0));
    let change = json!({"payloadFilter": {"n": 2}});
    tenants.provider.patch(&tenants.path(&format!("endpoint/{endpoint}")), change).await.expect(200);
    assert_eq!((goes_to(1).await, goes_to(2).await), (0, 1));
    // A large payload takes another way to the same answer.
    let large = json!({"n": 2, "text": "x".repeat(2 << 20)});
    let message = tenants.provider.send(&tenants.attacker, "a", large).await;
    assert_eq!(tenants.provider.states(&tenants.attacker, &message).await.len(), 1);
}

/// How long deliveries of a tenant take that 99 of 100 stay within: from the send to the receiver.
async fn delivered(tenants: &Tenants, receiver: &Receiver) -> Duration {
    let mut took = Vec::new();
    for n in 0..SENDS {
        let began = Instant::now();
        let before = receiver.count("/neighbour");
        tenants.provider.send(&tenants.neighbour, "a", json!({"n": n})).await;
        receiver.wait_for("/neighbour", before + 1).await;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took[SENDS * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_hang_hold_up_no_other_applications_deliveries() {
    let (tenants, receiver) = (Tenants::start(&[]).await, Receiver::counting().await);
    let hangs = Hostile::start(Behaviour::AcceptsAndNeverAnswers).await;
    tenants.provider.endpoint(&tenants.neighbour, json!({"url": receiver.url("/neighbour")})).await;
    // More than there were slots for all applications together.
    for n in 0..1_200 {
        let form = json!({"url": format!("{}{n}", hangs.url())});
        tenants.token.post(&tenants.path("endpoint"), form).await.expect(201);
    }
    let before = delivered(&tenants, &receiver).await;
    tenants.provider.send(&tenants.attacker, "a", json!({})).await;
    let during = delivered(&tenants, &receiver).await;
    println!("p99 of deliveries before: {before:?}, during: {during:?}");
    assert!(during <= before * 2 + NOISE, "p99 of deliveries: {before:?} before, {during:?} during the attack");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_that_the_database_refuses_hold_up_nobody_and_end() {
    let (tenants, receiver) = (Tenants::start(&[]).await, Receiver::counting().await);
    let Some(database) = tenants.embedded() else { return };
    receiver.answer("/refused", Answer::status(500));
    let form = json!({"url": receiver.url("/refused"), "retrySchedule": [0, 0]});
    let endpoint = tenants.provider.endpoint(&tenants.attacker, form).await;
    let refuse = "CREATE TRIGGER refused BEFORE INSERT ON attempts WHEN NEW.url LIKE '%/refused'
                  BEGIN SELECT raise(ABORT, 'refused'); END";
    rusqlite::Connection::open(database).unwrap().execute_batch(refuse).unwrap();
    let before = tenants.p99().await;
    let messages: Vec<Value> = (0..1_000).map(|n| json!({"eventType": "a", "payload": {"n": n}})).collect();
    let batch = format!("/api/v1/app/{}/msg/batch", tenants.attacker);
    tenants.provider.post(&batch, json!({"messages": messages})).await.expect(202);
    // What a thousand messages cost when they are accepted is another matter.
    assert!(eventually(async || receiver.count("/refused") > 100).await);
    tenants.is_undisturbed(before).await;
    let stats = format!("/api/v1/app/{}/endpoint/{endpoint}/stats", tenants.attacker);
    let mut ended = Value::Null;
    let all = eventually(async || {
        ended = tenants.provider.get(&stats).await.expect(200);
        ended["fail"] == 1_000
    });
    assert!(all.await, "{ended}");
    assert_eq!(receiver.count("/refused"), 3_000, "each was tried three times, and no more");
}
