//! A node that can't reach the database but can reach every receiver.

use super::node;
use super::outages::behind_a_cutter;
use postrider_testkit::app::eventually;
use postrider_testkit::database;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The lease of a test's database.
const LEASE: Duration = Duration::from_secs(4);
const MESSAGES: usize = 800;
const A_BATCH: usize = 100;

/// It sends what it has in memory, to receivers that answer it, until its lease is over; by then others may take over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_its_lease_starts_no_attempt_though_receivers_answer_it() {
    let Some(url) = database::fresh() else { return };
    let (cutter, cut_off) = behind_a_cutter(&url).await;
    let receiver = Receiver::start().await;
    // At most 64 at once, a second each: for more than twice the lease there is something to send.
    receiver.answer("/hook", Answer::status(200).delay(Duration::from_secs(1)));
    let client = &cut_off.client;
    let app = client.application().await;
    client.endpoint(&app, json!({"url": receiver.url("/hook")})).await;
    let path = format!("/api/v1/app/{app}/msg/batch");
    for first in (0..MESSAGES).step_by(A_BATCH) {
        let message = |n: usize| json!({"eventType": "a", "payload": {"n": first + n}});
        let batch: Vec<Value> = (0..A_BATCH).map(message).collect();
        client.post(&path, json!({"messages": batch})).await.expect(202);
    }
    receiver.wait_for("/hook", 30).await;
    cutter.fall_silent();
    let cut = Instant::now();

    // It goes on for a moment, and then it is quiet for longer than any attempt takes.
    let last = || receiver.received("/hook").last().unwrap().at;
    let is_quiet = eventually(async || last().elapsed() > Duration::from_secs(3)).await;
    assert!(is_quiet, "it still sends {:?} after it was cut off", cut.elapsed());
    let (sent, until) = (receiver.count("/hook"), last().saturating_duration_since(cut));
    assert!(until <= LEASE, "an attempt began {until:?} after the cut, and its lease lasts {LEASE:?}");
    assert!(sent < MESSAGES, "nothing was left to send, so that it was quiet says nothing");

    // Another node takes over while the first is still cut off; then the first comes back.
    receiver.answer("/hook", Answer::status(200));
    let other = node(&url).start().await;
    let all_came = eventually(async || receiver.ids("/hook").len() == MESSAGES).await;
    assert!(all_came, "{} of {MESSAGES} came", receiver.ids("/hook").len());
    cutter.break_off();
    let message = json!({"eventType": "a", "payload": {"n": MESSAGES}});
    let back = eventually(async || client.post(&format!("/api/v1/app/{app}/msg"), message.clone()).await.status == 202);
    assert!(back.await, "the node did not come back");
    assert!(eventually(async || receiver.ids("/hook").len() > MESSAGES).await);
    println!("{sent} sent until {until:?} after the cut, the rest by another node at {}", other.client.url);
}
