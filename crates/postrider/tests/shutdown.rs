//! A server that gets SIGTERM exits in time, whatever its clients do, and loses nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use postrider_testkit::process::Serve;
use postrider_testkit::raw::Raw;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::json;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_postrider");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_can_keep_the_server_from_ending() {
    let (dir, receiver) = (TempDir::new().unwrap(), Receiver::start().await);
    let mut serve = Serve::new(BINARY, dir.path());
    serve.args.extend(["--drain-seconds", "2"].map(str::to_owned));
    let server = serve.start().await;
    let client = server.client.clone();
    let app = client.application().await;
    receiver.answer("/slow", Answer::status(200).delay(Duration::from_millis(1_000)));
    client.endpoint(&app, json!({"url": receiver.url("/slow")})).await;
    client.send(&app, "large", json!({"text": "x".repeat(20 << 20)})).await;

    receiver.answer("/hangs", Answer::status(200).delay(Duration::from_secs(60)));
    let other = client.application().await;
    client.endpoint(&other, json!({"url": receiver.url("/hangs"), "timeoutSeconds": 30})).await;
    let hanging = client.send(&other, "a", json!({})).await;
    receiver.wait_for("/hangs", 1).await;

    let mut never_sent = Raw::connect(&client).await;
    never_sent.head(&client, "POST", &format!("/api/v1/app/{app}/msg"), Some(1_000)).await;
    let mut half_a_head = Raw::connect(&client).await;
    half_a_head.send(b"POST / HTTP/1.1\r\n").await;
    let mut never_read = Raw::connect(&client).await;
    never_read.head(&client, "GET", &format!("/api/v1/app/{app}/msg"), None).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let last = client.send(&app, "a", json!({"last": true})).await;

    let began = Instant::now();
    server.signal("TERM");
    assert!(server.ended().await.success());
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "it took {took:?}");

    serve.check_deliveries().await;
    receiver.answer("/hangs", Answer::status(200));
    let again = serve.start().await;
    let attempts = again.client.wait_for_attempts(&other, &hanging, 1).await;
    assert_eq!(attempts[0]["status"], 0, "what was given up is sent again");
    let attempts = again.client.wait_for_attempts(&app, &last, 1).await;
    assert_eq!(attempts[0]["status"], 0, "a delivery of the last moment is recorded");
    let arrived = receiver.wait_for("/slow", 2).await;
    let last = arrived.iter().filter(|request| request.header("webhook-id") == Some(last.as_str())).count();
    assert_eq!(last, 1, "and not repeated");
}
