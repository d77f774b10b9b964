//! A receiver that was away and comes back with a backlog before it: it gets what it can take, and little more.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use postrider_testkit::app::{App, eventually};
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// An application with an endpoint at `/hook`, and so many messages for it.
async fn backlog(app: &App, receiver: &Receiver, messages: usize) -> String {
    let acme = app.application().await;
    let retries = vec![1; 30];
    let form = json!({"url": receiver.url("/hook"), "retrySchedule": retries, "timeoutSeconds": 3});
    app.endpoint(&acme, form).await;
    let messages: Vec<Value> = (0..messages).map(|n| json!({"eventType": "a", "payload": {"n": n}})).collect();
    for batch in messages.chunks(1_000) {
        app.post(&format!("/api/v1/app/{acme}/msg/batch"), json!({"messages": batch})).await.expect(202);
    }
    acme
}

/// Waits until every message has arrived; how long that took, in seconds.
async fn arrived(receiver: &Receiver, messages: usize, (before, since): (usize, Instant)) -> f64 {
    for _ in 0..3 {
        if eventually(async || receiver.taken("/hook") - before >= messages).await {
            break;
        }
    }
    let taken = receiver.taken("/hook") - before;
    assert!(taken >= messages, "{taken} of {messages} arrived");
    since.elapsed().as_secs_f64()
}

/// A receiver that was away comes back, and takes so many requests a second.
async fn comes_back(capacity: u32, messages: usize) {
    let (app, receiver) = (App::start().await, Receiver::counting().await);
    receiver.take_per_second("/hook", 0);
    backlog(&app, &receiver, messages).await;
    assert!(eventually(async || receiver.refused("/hook") >= 12).await);
    // It is asked now and then, to see whether it is back.
    assert!(receiver.refused("/hook") < 40, "{} requests to a receiver that is away", receiver.refused("/hook"));

    // Refusals are counted from here; those before are not among what is taken.
    let start = (receiver.count("/hook"), Instant::now());
    receiver.take_per_second("/hook", capacity);
    let seconds = arrived(&receiver, messages, start).await;
    let refused = receiver.refused("/hook") as f64;
    let used = messages as f64 / (f64::from(capacity) * seconds);
    let share = refused / (refused + messages as f64);
    println!("{capacity} a second: {:.0} % used, {:.1} % refused", used * 100.0, share * 100.0);
    assert!(used >= 0.8, "{capacity} a second: {messages} in {seconds:.1} s");
    assert!(share < 0.1, "{capacity} a second: {refused} refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_goes_out_at_the_pace_that_the_receiver_takes() {
    tokio::join!(comes_back(5, 150), comes_back(20, 600), comes_back(200, 6_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_takes_one_at_a_time_is_not_sent_more_than_it_can_answer_in_time() {
    let (app, receiver) = (App::start().await, Receiver::counting().await);
    receiver.take_per_second("/hook", 0);
    let messages = 60;
    backlog(&app, &receiver, messages).await;
    assert!(eventually(async || receiver.refused("/hook") >= 8).await);

    // Five a second, one after the other: what comes while it is busy waits.
    let (before, since) = (receiver.count("/hook"), Instant::now());
    receiver.answer("/hook", Answer::status(200).delay(Duration::from_millis(200)));
    receiver.one_at_a_time("/hook");
    receiver.take_per_second("/hook", u32::MAX);
    let seconds = arrived(&receiver, messages, (before, since)).await;
    let requests = receiver.count("/hook") - before;
    let late = requests - messages;
    println!("{messages} in {seconds:.1} s, {late} of {requests} requests came to nothing");
    assert!(messages as f64 / (5.0 * seconds) >= 0.8, "{messages} in {seconds:.1} s");
    assert!(late * 10 < requests, "{late} of {requests} requests came to nothing");
}
