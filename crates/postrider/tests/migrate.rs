//! From the embedded database to PostgreSQL: everything is there, under the same ids and keys.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{Client, eventually, id};
use postrider_testkit::database;
use postrider_testkit::process::{Process, Serve};
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_postrider");
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// A server on the embedded database in `dir`, and one on PostgreSQL with the same keys.
fn servers(dir: &Path, url: &str) -> (Serve, Serve) {
    let embedded = Serve::embedded(BINARY, dir);
    let postgres = Serve { database: Some(url.to_owned()), ..Serve::new(BINARY, dir) };
    (embedded, postgres)
}

fn command(serve: &Serve, dir: &Path, url: &str) -> Command {
    let mut command = Command::new(BINARY);
    command.env_clear().envs(serve.env.iter().cloned()).arg("migrate");
    command.args(["--from", &format!("sqlite:{}", dir.display()), "--to", url]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it said, and how it ended; numbers of rows that vary are left out.
fn said(output: &Output, dir: &Path) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(&dir.display().to_string(), "[dir]");
    let out = text(&output.stdout);
    let rows = out.lines().map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["attempts" | "schedule", source, target] if source == target => format!("{} [n]\n", &line[..8]),
        _ => format!("{line}\n"),
    });
    format!("{}{}exit {}", rows.collect::<String>(), text(&output.stderr), output.status.code().unwrap())
}

async fn migrate(serve: &Serve, dir: &Path, url: &str) -> String {
    let mut command = command(serve, dir, url);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    said(&output, dir)
}

async fn stop(process: Process) {
    process.signal("TERM");
    assert!(process.ended().await.success());
}

/// What a person sees of it all.
async fn seen(client: &Client, message: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [
        "app",
        "app/acme/endpoint",
        "app/acme/endpoint/up/secret",
        "app/acme/endpoint/up/headers",
        "event-type",
        "app/acme/msg",
        &format!("app/acme/attempt/msg/{message}?event_types=kept"),
        "key",
    ] {
        seen.push(client.get(&format!("/api/v1/{path}")).await.expect(200));
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_moves_and_goes_on() {
    let Some(url) = database::fresh() else { return };
    let dir = TempDir::new().unwrap();
    let (embedded, postgres) = servers(dir.path(), &url);
    let receiver = Receiver::start().await;
    receiver.answer("/down", Answer::status(500));
    let server = embedded.start().await;
    let client = server.client.clone();

    let create = json!({"name": "Acme", "uid": "acme"}).to_string().into_bytes();
    let create = ("/api/v1/app", [("idempotency-key", "create-acme")], create);
    let created = client.request("POST", create.0, &create.1, Some(create.2.clone())).await.expect(201);
    for name in ["kept", "late"] {
        client.post("/api/v1/event-type", json!({"name": name, "description": "Stays"})).await.expect(201);
    }
    let up = json!({"uid": "up", "url": receiver.url("/up"), "secret": SECRET, "headers": {"x-tenant": "7"},
                    "eventTypes": ["kept"]});
    client.endpoint("acme", up).await;
    let retries = vec![1; 50];
    let down = json!({"uid": "down", "url": receiver.url("/down"), "eventTypes": ["late"], "retrySchedule": retries});
    client.endpoint("acme", down).await;
    let kept = json!({"eventType": "kept", "eventId": "event-1", "payload": {"n": 1}, "channels": ["a", "b"]});
    let kept = kept.to_string().into_bytes();
    let send = "/api/v1/app/acme/msg";
    let once = [("idempotency-key", "once")];
    let first = id(&client.request("POST", send, &once, Some(kept.clone())).await.expect(202));
    client.wait_for_attempts("acme", &first, 1).await;
    let late = client.send("acme", "late", json!({"n": 2})).await;
    client.wait_for_attempts("acme", &late, 1).await;
    let key = client.post("/api/v1/key", json!({"name": "billing"})).await.expect(201);
    let before = seen(&client, &first).await;

    insta::assert_snapshot!(migrate(&embedded, dir.path(), &url).await, @r"
    postrider: a server still runs on [dir]; stop it, and leave it off until the migration has ended
    exit 1
    ");
    stop(server).await;
    receiver.answer("/down", Answer::status(200));
    let delivered = receiver.count("/down");
    insta::assert_snapshot!(migrate(&embedded, dir.path(), &url).await, @r"
    TABLE         SQLITE  POSTGRESQL
    environments  1       1
    api_keys      2       2
    applications  1       1
    endpoints     2       2
    event_types   2       2
    messages      2       2
    attempts [n]
    untold        0       0
    variables     0       0
    polled        0       0
    consumers     0       0
    addresses     0       0
    event_ids     1       1
    idempotency   2       2
    schedule [n]
    tasks         0       0
    All is there. Start servers with: postrider serve --database URL
    exit 0
    ");

    assert!(!dir.path().join("postrider.db-wal").exists(), "the source is left tidy");

    let server = postgres.start().await;
    let mut client = server.client.clone();
    client.key = key["key"].as_str().unwrap().to_owned();
    assert_eq!(seen(&client, &first).await, before, "the same ids, keys, secrets, messages and attempts");
    let requests = receiver.wait_for("/down", delivered + 1).await;
    assert_eq!(requests.last().unwrap().json(), json!({"n": 2}), "the retry that waited is delivered");
    let settled = eventually(async || client.states("acme", &late).await == ["success"]).await;
    assert!(settled, "and its success is seen");

    let again = server.client.request("POST", send, &once, Some(kept)).await.expect(202);
    assert_eq!(id(&again), first, "an idempotent repeat gives the first answer");
    let again = server.client.request("POST", create.0, &create.1, Some(create.2)).await.expect(201);
    assert_eq!(again, created);
    let taken = json!({"eventType": "kept", "eventId": "event-1", "payload": {}});
    client.post(send, taken).await.expect(409);
    let new = client.send("acme", "kept", json!({"n": 3})).await;
    client.wait_for_attempts("acme", &new, 1).await;
    assert!(new > late, "new ids come after the old ones");
    assert_eq!(receiver.wait_for("/up", 2).await[1].header("x-tenant"), Some("7"));

    stop(server).await;
    insta::assert_snapshot!(migrate(&embedded, dir.path(), &url).await, @r"
    postrider: servers have run on the target since this migration ended: it has the data now, and what [dir] holds is old. To migrate again, make a new database (createdb)
    exit 1
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_addresses_lines_and_consumers_go_on_where_they_were() {
    let Some(url) = database::fresh() else { return };
    let dir = TempDir::new().unwrap();
    let (embedded, postgres) = servers(dir.path(), &url);
    let receiver = Receiver::start().await;
    let server = embedded.start().await;
    let client = server.client.clone();
    client.post("/api/v1/app", json!({"name": "Poll", "uid": "poll", "contract": "telerivet"})).await.expect(201);
    let sets = json!({"variables": {"state.id": "asked"}}).to_string();
    receiver.answer("/service", Answer::status(200).header("content-type", "application/json").body(sets));
    let service = json!({"url": receiver.url("/service"), "secret": "s", "eventTypes": ["incoming_message"]});
    client.endpoint("poll", service).await;
    let said = json!({"contact_id": "CT1", "from_number": "+1"});
    client
        .post("/api/v1/app/poll/msg?wait=20", json!({"eventType": "incoming_message", "payload": said}))
        .await
        .expect(202);
    let status = |status: &str| json!({"eventType": "send_status", "payload": {"id": "SM1", "status": status}});
    let mut named = status("queued");
    named["deliverTo"] = json!({"url": receiver.url("/status"), "secret": "t"});
    client.post("/api/v1/app/poll/msg", named).await.expect(202);
    receiver.wait_for("/status", 1).await;

    client.post("/api/v1/app", json!({"name": "Line", "uid": "line"})).await.expect(201);
    receiver.answer("/line", Answer::status(500));
    let line = json!({"uid": "line", "url": receiver.url("/line"), "ordered": true, "retrySchedule": vec![5; 50]});
    client.endpoint("line", line).await;
    client.endpoint("line", json!({"uid": "queue", "poll": true})).await;
    for n in 0..6 {
        client.send("line", "a", json!({"n": n})).await;
    }
    receiver.wait_for("/line", 1).await;
    let consumer = "/api/v1/app/line/poller/queue/consumer/one";
    let page = client.get(&format!("{consumer}?limit=2")).await.expect(200);
    let iterator = page["iterator"].as_str().unwrap().to_owned();
    client.get(&format!("{consumer}?limit=2&iterator={iterator}")).await.expect(200);
    stop(server).await;
    let moved = migrate(&embedded, dir.path(), &url).await;
    assert!(moved.contains("All is there"), "{moved}");

    receiver.answer("/line", Answer::status(200));
    let tried = receiver.count("/line");
    let server = postgres.start().await;
    let client = &server.client;
    let numbers = |page: &Value| -> Vec<u64> {
        page["data"].as_array().unwrap().iter().map(|row| row["payload"]["n"].as_u64().unwrap()).collect()
    };
    let rest = client.get(consumer).await.expect(200);
    assert_eq!(numbers(&rest), [2, 3, 4, 5], "what it had come back from is behind it");
    client.send("line", "a", json!({"n": 6})).await;
    let next = client.get(&format!("{consumer}?iterator={}", rest["iterator"].as_str().unwrap())).await.expect(200);
    assert_eq!(numbers(&next), [6]);
    let came = receiver.wait_for("/line", tried + 7).await;
    let came: Vec<u64> = came[tried..].iter().map(|request| request.json()["n"].as_u64().unwrap()).collect();
    assert_eq!(came, [0, 1, 2, 3, 4, 5, 6], "the one that held the others goes first");
    client.post("/api/v1/app/poll/msg", status("sent")).await.expect(202);
    receiver.wait_for("/status", 2).await;
    let again = json!({"eventType": "incoming_message", "payload": {"contact_id": "CT1", "from_number": "+1"}});
    client.post("/api/v1/app/poll/msg?wait=20", again).await.expect(202);
    let last = receiver.received("/service").last().unwrap().text();
    assert!(last.contains("state%5Bid%5D=asked"), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_was_sending_is_sent_after_the_migration() {
    let Some(url) = database::fresh() else { return };
    let dir = TempDir::new().unwrap();
    let (embedded, postgres) = servers(dir.path(), &url);
    let receiver = Receiver::start().await;
    receiver.answer("/slow", Answer::status(200).delay(Duration::from_secs(60)));
    let server = embedded.start().await;
    let app = server.client.application().await;
    server.client.endpoint(&app, json!({"url": receiver.url("/slow")})).await;
    let message = server.client.send(&app, "a", json!({})).await;
    receiver.wait_for("/slow", 1).await;
    server.kill();
    receiver.answer("/slow", Answer::status(200));

    let ended = migrate(&embedded, dir.path(), &url).await;
    assert!(ended.ends_with("exit 0"), "{ended}");
    let server = postgres.start().await;
    let attempts = server.client.wait_for_attempts(&app, &message, 1).await;
    assert_eq!((attempts.len(), &attempts[0]["statusText"]), (1, &json!("success")));
    assert_eq!(receiver.ids("/slow")[&message], 2, "both times with the same id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_was_killed_goes_on_where_it_stopped() {
    const MESSAGES: i64 = 400;
    let Some(url) = database::fresh() else { return };
    let dir = TempDir::new().unwrap();
    let (embedded, postgres) = servers(dir.path(), &url);
    let server = embedded.start().await;
    let client = server.client.clone();
    let app = client.application().await;
    let text = "x".repeat(200_000);
    for n in 0..MESSAGES {
        client.send(&app, "big", json!({"n": n, "text": text})).await;
    }
    let listed = client.get(&format!("/api/v1/app/{app}/msg?limit=250&with_content=false")).await.expect(200);
    stop(server).await;

    let target = postrider_testdb::connect(url.split('?').next().unwrap()).await.unwrap();
    let count = async |sql: &str| match target.query_one(sql, &[]).await {
        Ok(row) => row.get::<_, i64>(0),
        Err(_) => 0,
    };
    let mut child: Child = command(&embedded, dir.path(), &url).spawn().unwrap();
    let begun = eventually(async || count("SELECT count(*) FROM messages").await > 0).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(begun);
    let copied = count("SELECT count(*) FROM messages").await;
    assert!(copied < MESSAGES, "it was killed in the middle, not after {copied}");
    let too_early = postgres.command().output().unwrap();
    let too_early = String::from_utf8(too_early.stderr).unwrap();
    assert!(too_early.contains("has not ended: run `postrider migrate` again"), "{too_early}");
    let mut doctor = Command::new(BINARY);
    doctor.env_clear().envs(postgres.env.iter().cloned()).args(["doctor", "--database", &url]);
    let told = String::from_utf8(doctor.output().unwrap().stdout).unwrap();
    assert!(told.contains("Run the same `postrider migrate` again"), "{told}");

    for _ in 0..2 {
        // The second time there is nothing left to do, and nothing is doubled.
        let ended = migrate(&embedded, dir.path(), &url).await;
        let row = format!("messages      {MESSAGES}     {MESSAGES}\n");
        assert!(ended.contains(&row) && ended.ends_with("exit 0"), "{ended}");
        assert_eq!(count("SELECT count(DISTINCT id) FROM messages").await, MESSAGES);
    }
    let server = postgres.start().await;
    let path = format!("/api/v1/app/{app}/msg?limit=250&with_content=false");
    assert_eq!(server.client.get(&path).await.expect(200), listed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_migrated_is_refused_with_what_to_do() {
    let Some(url) = database::fresh() else { return };
    let dir = TempDir::new().unwrap();
    let (embedded, postgres) = servers(dir.path(), &url);
    insta::assert_snapshot!(migrate(&embedded, dir.path(), &url).await, @r"
    postrider: there is no database in [dir]; --from takes the data directory of `postrider serve`, the one with postrider.db in it
    exit 1
    ");
    let made = ["postrider.db", "lock", "secret.key"].map(|name| dir.path().join(name).exists());
    assert_eq!(made, [false; 3], "and nothing is made there");
    stop(embedded.start().await).await;

    let mut without_key = embedded.clone();
    without_key.env.clear();
    insta::assert_snapshot!(migrate(&without_key, dir.path(), &url).await, @r"
    postrider: there is no [dir]/secret.key; set POSTRIDER_SECRET_KEY to the key that the data was made with
    exit 1
    ");
    let mut other_key = embedded.clone();
    other_key.env = vec![("POSTRIDER_SECRET_KEY".into(), "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=".into())];
    insta::assert_snapshot!(migrate(&other_key, dir.path(), &url).await, @r"
    postrider: can't open the source: the secret key does not fit the data: it was encrypted with another one. Start with the POSTRIDER_SECRET_KEY (or the key file) it was created with
    exit 1
    ");
    stop(postgres.start().await).await;
    insta::assert_snapshot!(migrate(&embedded, dir.path(), &url).await, @r"
    postrider: the target is not empty: it holds API keys that are not from this migration. Make a new database (createdb) and migrate into that
    exit 1
    ");

    // The source goes on after a migration: what was copied is not what it holds now.
    let url = database::fresh().unwrap();
    assert!(migrate(&embedded, dir.path(), &url).await.ends_with("exit 0"));
    let server = embedded.start().await;
    server.client.application().await;
    stop(server).await;
    insta::assert_snapshot!(migrate(&embedded, dir.path(), &url).await, @r"
    postrider: what [dir] holds has changed since the migration into this database began. Make a new database (createdb), begin again, and leave the server off until the migration has ended
    exit 1
    ");
}
