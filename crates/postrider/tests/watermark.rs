//! A delivery that is under way when the process is killed is found again at the next start, whatever was recorded of
//! its message meanwhile: retries that fail beside it, and resends by hand, settle nothing of it.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{Client, eventually};
use postrider_testkit::process::Serve;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::json;
use std::time::Duration;
use tempfile::TempDir;

const MESSAGES: usize = 5;
const NEVER: Duration = Duration::from_secs(3_600);
/// Twice the time after which the store writes down how far recovery has to look back.
const MARK_IS_KEPT: Duration = Duration::from_secs(2);

/// Sends messages to an endpoint that hangs and to one beside it that answers with `status`. When each has come to
/// both, `meanwhile` happens; then the process is killed. After the next start all of them must arrive.
async fn hangs_beside(status: u16, meanwhile: impl AsyncFnOnce(&Client, &str, &str, &[String])) {
    let receiver = Receiver::start().await;
    receiver.answer("/hangs", Answer::status(200).delay(NEVER));
    receiver.answer("/beside", Answer::status(status));
    let data = TempDir::new().unwrap();
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), data.path());
    let server = serve.start().await;
    let client = server.client.clone();
    let app = client.application().await;
    let endpoint = |path: &str| json!({"url": receiver.url(path), "timeoutSeconds": 30, "retrySchedule": [0, 0, 0, 0]});
    client.endpoint(&app, endpoint("/hangs")).await;
    let beside = client.endpoint(&app, endpoint("/beside")).await;
    let mut messages = Vec::new();
    for n in 0..MESSAGES {
        messages.push(client.send(&app, "a", json!({"n": n})).await);
    }
    receiver.wait_for("/hangs", MESSAGES).await;
    meanwhile(&client, &app, &beside, &messages).await;
    // Messages of others come and go, and with each commit the store may write its mark.
    let other = client.application().await;
    client.endpoint(&other, json!({"url": receiver.url("/other")})).await;
    receiver.expect_silence("/hangs", MARK_IS_KEPT).await;
    client.send(&other, "a", json!({})).await;
    receiver.wait_for("/other", 1).await;
    receiver.expect_silence("/hangs", MARK_IS_KEPT).await;
    server.kill();

    for path in ["/hangs", "/beside"] {
        receiver.answer(path, Answer::status(200));
    }
    let server = serve.start().await;
    for message in &messages {
        let arrived = eventually(async || receiver.ids("/hangs")[message] >= 2).await;
        assert!(arrived, "{message} was under way at the kill and never came again");
        let states = async || server.client.states(&app, message).await;
        assert!(eventually(async || states().await[0] == "success").await, "{message}: {:?}", states().await);
    }
    // What is beside it was settled before, and stays as it was.
    let before = receiver.count("/beside");
    receiver.expect_silence("/beside", Duration::from_millis(500)).await;
    assert_eq!(receiver.count("/beside"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_that_are_recorded_do_not_hide_a_delivery_that_hangs_from_recovery() {
    hangs_beside(500, async |client, app, _, messages| {
        for message in messages {
            // The first try and all its retries; the endpoint that hangs has none yet.
            client.wait_for_attempts(app, message, 5).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resends_that_are_recorded_do_not_hide_a_delivery_that_hangs_from_recovery() {
    hangs_beside(200, async |client, app, beside, messages| {
        for message in messages {
            client.wait_for_attempts(app, message, 1).await;
            let resend = format!("/api/v1/app/{app}/msg/{message}/endpoint/{beside}/resend");
            for resent in 1..=2 {
                client.post(&resend, json!({})).await.expect(202);
                client.wait_for_attempts(app, message, 1 + resent).await;
            }
        }
    })
    .await;
}
