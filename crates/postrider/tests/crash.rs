//! `kill -9` in the middle of load, twenty times over: nothing that was answered 202 is missing.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::load::Load;
use postrider_testkit::process::Serve;
use postrider_testkit::receiver::{Answer, Receiver};
use tempfile::TempDir;

const KILLS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_missing_after_twenty_kills() {
    let receiver = Receiver::counting().await;
    let data = TempDir::new().unwrap();
    let serve = Serve::new(env!("CARGO_BIN_EXE_postrider"), data.path());
    let mut server = serve.start().await;
    // Every third answer of one endpoint is an error, so that retries are under way at each kill.
    let flaky = [500, 200, 200].map(Answer::status);
    receiver.answer_in_turn("/flaky", (0..3_000).map(|n| flaky[n % 3].clone()).collect());

    let mut load = Load::start(&server.client, 8, 100).await;
    load.endpoint(&receiver, "/steady").await;
    load.endpoint(&receiver, "/flaky").await;
    for round in 0..KILLS {
        load.wait_for(40).await;
        if round % 5 == 2 {
            load.endpoint(&receiver, &format!("/late-{round}")).await;
        }
        server.kill();
        server = serve.start().await;
    }
    load.stop().await;

    let (messages, repeats) = load.check(&receiver).await;
    println!("{messages} messages, {KILLS} kills, {repeats} arrived more than once, none missing");
}
