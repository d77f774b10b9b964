//! What can happen to a process and its disk: nothing acknowledged is missing afterwards.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{KEY, eventually, eventually_within};
use postrider_testkit::load::{self, Load};
use postrider_testkit::process::Serve;
use postrider_testkit::receiver::{Answer, Receiver};
use postrider_testkit::skip::skip;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_postrider");

/// A file system of its own, unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, with a line that says so, where mounting is not allowed; in CI it must be.
    fn mount(size: &str) -> Option<SmallDisk> {
        let dir = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            skip("mounting a small file system needs root");
            return None;
        }
        Some(SmallDisk(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_messages_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("48m") else { return };
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![0u8; 30 << 20]).unwrap();
    let receiver = Receiver::counting().await;
    let serve = Serve::embedded(BINARY, &disk.path().join("data"));
    let server = serve.start().await;
    let mut load = Load::start(&server.client, 4, 20_000).await;
    load.endpoint(&receiver, "/hook").await;

    let full = eventually(async || load.refused() > 20).await;
    assert!(full, "the disk did not fill up");
    let path = format!("/api/v1/app/{}/msg", load.app());
    let refused = server.client.post(&path, json!({"eventType": "a", "payload": "x".repeat(200_000)})).await;
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("disk_full")), "{refused:?}");
    assert_eq!(refused.headers["retry-after"], "1");
    // Reading still works.
    server.client.get(&format!("{path}?limit=5")).await.expect(200);

    std::fs::remove_file(&filler).unwrap();
    load.wait_for(20).await;
    load.stop().await;
    server.signal("TERM");
    assert!(server.ended().await.success());
    let _server = serve.start().await;
    let (messages, repeats) = load.check(&receiver).await;
    println!("{messages} messages, {repeats} arrived more than once");
}

/// Takes all the room that is left.
fn fill(dir: &Path, name: &str) {
    let file = std::fs::File::create(dir.join(name)).unwrap();
    while std::io::Write::write(&mut &file, &[0; 4_096]).is_ok_and(|written| written > 0) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_on_a_full_disk_starts_again_reads_delivers_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("64m") else { return };
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![0u8; 24 << 20]).unwrap();
    let receiver = Receiver::counting().await;
    let serve = Serve::embedded(BINARY, &disk.path().join("data"));
    let server = serve.start().await;
    let mut load = Load::start(&server.client, 4, 20_000).await;
    load.endpoint(&receiver, "/hook").await;
    let later = server.client.application().await;
    server.client.endpoint(&later, json!({"url": receiver.url("/later"), "retrySchedule": [2, 2, 2, 2]})).await;
    receiver.answer("/later", Answer::status(503));
    for n in 0..5 {
        server.client.send(&later, "a", json!({"n": n})).await;
    }
    receiver.wait_for("/later", 5).await;
    assert!(eventually(async || load.refused() > 20).await, "the disk did not fill up");
    // Nothing is left, not even what the last refused commit gave back.
    fill(disk.path(), "rest");
    server.kill();
    serve.check_deliveries().await;

    // Without the log's index there is not even room to read, as after the machine itself went down.
    std::fs::remove_file(serve.data.join("postrider.db-shm")).unwrap();
    fill(disk.path(), "more");

    receiver.answer("/later", Answer::status(200));
    let before = receiver.count("/later");
    let server = serve.start().await;
    let path = format!("/api/v1/app/{}/msg", load.app());
    server.client.get(&format!("{path}?limit=5")).await.expect(200);
    receiver.wait_for("/later", before + 5).await;
    let mut refused = json!(null);
    let is_full = eventually(async || {
        let large = json!({"eventType": "a", "payload": "x".repeat(200_000)});
        refused = server.client.post(&path, large).await.body;
        refused["code"] == "disk_full"
    });
    assert!(is_full.await, "{refused:?}");
    // Once more: what the first start needed is there for the next.
    server.kill();
    let server = serve.start().await;
    server.client.get(&format!("{path}?limit=5")).await.expect(200);

    for name in ["rest", "more", "filler"] {
        std::fs::remove_file(disk.path().join(name)).unwrap();
    }
    load.wait_for(20).await;
    load.stop().await;
    server.signal("TERM");
    assert!(server.ended().await.success());
    let _server = serve.start().await;
    load.check(&receiver).await;
    serve.check_deliveries().await;
}

/// Stopped for longer than its attempts and its callers have patience, and longer than a lease lasts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_stopped_until_its_callers_give_up_goes_on() {
    let receiver = Receiver::counting().await;
    receiver.answer("/slow", Answer::status(200).delay(Duration::from_millis(500)));
    let data = TempDir::new().unwrap();
    let server = Serve::new(BINARY, data.path()).start().await;
    let senders = 4;
    let mut load = Load::start(&server.client, senders, 100).await;
    load.endpoint(&receiver, "/hook").await;
    // Of this one, attempts are under way whenever the process stops, and too late when it goes on.
    let slow = load.endpoint(&receiver, "/slow").await;
    let slow = format!("/api/v1/app/{}/endpoint/{slow}", load.app());
    server.client.patch(&slow, json!({"timeoutSeconds": 2})).await.expect(200);
    load.wait_for(100).await;
    receiver.wait_for("/slow", 1).await;
    server.signal("STOP");
    // The senders give up their first requests, and then those that they sent instead.
    let given_up = load.refused() + 2 * senders;
    let gave_up = eventually_within(4 * load::PATIENCE, async || load.refused() >= given_up).await;
    assert!(gave_up, "{} were given up instead of {given_up}", load.refused());
    server.signal("CONT");
    load.wait_for(100).await;
    load.stop().await;
    load.check(&receiver).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_come_change_and_go_under_load_get_what_they_were_promised() {
    let receiver = Receiver::counting().await;
    let data = TempDir::new().unwrap();
    let server = Serve::new(BINARY, data.path()).start().await;
    let client = server.client.clone();
    let mut load = Load::start(&client, 8, 100).await;
    for n in 0..20 {
        let path = format!("/promised-{n}");
        let endpoint = load.endpoint(&receiver, &path).await;
        let endpoint = format!("/api/v1/app/{}/endpoint/{endpoint}", load.app());
        client.patch(&endpoint, json!({"description": "changed"})).await.expect(200);
        let passing = json!({"url": receiver.url("/passing")});
        let passing = client.endpoint(load.app(), passing).await;
        load.wait_for(10).await;
        client.delete(&format!("/api/v1/app/{}/endpoint/{passing}", load.app())).await.expect(204);
    }
    load.stop().await;
    let (messages, repeats) = load.check(&receiver).await;
    assert!(messages >= 200);
    assert_eq!(repeats, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_what_is_under_way_and_exits_with_0() {
    let receiver = Receiver::start().await;
    receiver.answer("/slow", Answer::status(200).delay(Duration::from_millis(700)));
    let data = TempDir::new().unwrap();
    let serve = Serve::new(BINARY, data.path());
    let server = serve.start().await;
    let app = server.client.application().await;
    server.client.endpoint(&app, json!({"url": receiver.url("/slow"), "maxConcurrency": 1})).await;
    let first = server.client.send(&app, "a", json!({})).await;
    let second = server.client.send(&app, "a", json!({})).await;
    receiver.wait_for("/slow", 1).await;
    server.signal("TERM");
    assert!(server.ended().await.success());

    // The one under way was finished and recorded; the other goes out after the next start, once.
    let server = serve.start().await;
    assert_eq!(server.client.states(&app, &first).await, ["success"]);
    server.client.wait_for_attempts(&app, &second, 1).await;
    assert_eq!(receiver.received("/slow").len(), 2);
}

#[tokio::test]
async fn a_wrong_start_says_what_would_be_right() {
    let data = TempDir::new().unwrap();
    let run = |env: &[(&str, &str)], args: &[&str]| {
        let args =
            if args.contains(&"--listen") { args.to_vec() } else { [args, &["--listen", "127.0.0.1:0"]].concat() };
        let mut command = Command::new(BINARY);
        command.arg("serve").arg("--data").arg(data.path()).args(args).env("RUST_LOG", "off");
        command.env_remove("POSTRIDER_API_KEY").envs(env.iter().copied());
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let key = |byte: &str| byte.repeat(42) + "A=";
    // Makes the data with one key, then ends.
    let mut first = Serve::embedded(BINARY, data.path());
    first.env.push(("POSTRIDER_SECRET_KEY".to_owned(), key("A")));
    let server = first.start().await;
    let taken = run(&[("POSTRIDER_API_KEY", KEY), ("POSTRIDER_SECRET_KEY", &key("A"))], &[]);
    assert!(taken.contains("another Postrider is running on this data directory"), "{taken}");
    let busy = format!("127.0.0.1:{}", first.port);
    let busy = run(&[("POSTRIDER_SECRET_KEY", &key("A"))], &["--listen", &busy]);
    assert!(busy.contains("--listen"), "{busy}");
    server.signal("TERM");
    assert!(server.ended().await.success());

    let wrong = run(&[("POSTRIDER_SECRET_KEY", &key("B"))], &[]);
    assert!(wrong.contains("encrypted with another one"), "{wrong}");
    let short = run(&[("POSTRIDER_SECRET_KEY", "c2hvcnQ=")], &[]);
    assert!(short.contains("32 bytes in standard base64"), "{short}");
    let weak = run(&[("POSTRIDER_SECRET_KEY", &key("A")), ("POSTRIDER_API_KEY", "short")], &[]);
    assert!(weak.contains("16 to 256 printable"), "{weak}");
    let contract = run(&[("POSTRIDER_SECRET_KEY", &key("A"))], &["--default-contract", "nope"]);
    assert!(contract.contains("\"nope\" is not a contract; there are scope, standard"), "{contract}");
    let database = run(&[], &["--database", "mysql://me:secret@x"]);
    assert!(database.contains("--database") && !database.contains("secret"), "{database}");
    let postgres = ["--database", "postgres://me:secret@127.0.0.1:1/x"];
    let keyless = run(&[], &postgres);
    assert!(keyless.contains("POSTRIDER_SECRET_KEY must be set"), "{keyless}");
    let away = run(&[("POSTRIDER_SECRET_KEY", &key("A"))], &postgres);
    assert!(away.contains("can't open the database") && !away.contains("secret"), "{away}");
}
