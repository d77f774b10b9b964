//! A server whose database breaks off, is away, or refuses.

use super::node;
use postrider_testkit::app::{Client, eventually, id};
use postrider_testkit::cutter::Cutter;
use postrider_testkit::database;
use postrider_testkit::load::Load;
use postrider_testkit::postgres::Postgres;
use postrider_testkit::process::Process;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::json;
use std::process::Command;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A server that reaches the database through what can be cut.
pub async fn behind_a_cutter(url: &str) -> (Cutter, Process) {
    let (address, name) = url.rsplit_once('@').unwrap().1.split_once('/').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    let cutter = Cutter::start(host.to_owned(), port.parse().unwrap()).await;
    let server = node(&format!("postgres://postgres@127.0.0.1:{}/{name}", cutter.port)).start().await;
    (cutter, server)
}

/// The message arrives at so many endpoints.
async fn arrives(client: &Client, app: &str, message: &str, endpoints: usize) {
    let delivered = eventually(async || client.states(app, message).await == vec!["success"; endpoints]).await;
    assert!(delivered, "{message}: {:?}", client.states(app, message).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_outcome_is_unknown_is_read_back() {
    let Some(url) = database::fresh() else { return };
    let (cutter, server) = behind_a_cutter(&url).await;
    let receiver = Receiver::counting().await;
    let flaky = [500, 200, 200].map(Answer::status);
    receiver.answer_in_turn("/flaky", (0..3_000).map(|n| flaky[n % 3].clone()).collect());
    let mut load = Load::start(&server.client, 8, 100).await;
    load.endpoint(&receiver, "/steady").await;
    load.endpoint(&receiver, "/flaky").await;
    cutter.cut_every(8);
    let cut = eventually(async || cutter.cuts() >= 30).await;
    assert!(cut, "only {} cuts", cutter.cuts());
    cutter.cut_every(0);
    load.stop().await;
    let (messages, _) = load.check(&receiver).await;
    let repeats = receiver.ids("/steady").values().filter(|count| **count > 1).count();
    println!("{messages} messages, {} commits cut, {repeats} arrived more than once, none missing", cutter.cuts());
    assert_eq!(repeats, 0, "no outcome was lost, so nothing was sent again");
}

/// The database refuses the first outcomes, and nobody knows why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_can_not_be_stored_is_stored_later_and_holds_up_no_line() {
    let Some(url) = database::fresh() else { return };
    let server = node(&url).start().await;
    let refuses = "CREATE SEQUENCE outcomes;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF nextval('outcomes') <= 4 THEN RAISE 'not today'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION refuse()";
    let psql = Command::new("psql").args([url.split('?').next().unwrap(), "-qc", refuses]).status();
    assert!(psql.unwrap().success());
    let receiver = Receiver::start().await;
    let app = server.client.application().await;
    server.client.endpoint(&app, json!({"url": receiver.url("/hook"), "ordered": true})).await;
    server.client.endpoint(&app, json!({"url": receiver.url("/straight"), "retrySchedule": []})).await;
    let mut messages = Vec::new();
    for n in 0..3 {
        messages.push(server.client.send(&app, "a", json!({"n": n})).await);
    }
    for message in &messages {
        arrives(&server.client, &app, message, 2).await;
    }
    let came: Vec<u64> = receiver.received("/hook").iter().map(|one| one.json()["n"].as_u64().unwrap()).collect();
    assert!(came.is_sorted(), "{came:?}");
}

/// Its endpoint has no retries, so that a try that failed would be the last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_the_database_did_not_give_in_time_is_not_given_up() {
    let Some(url) = database::fresh() else { return };
    let (cutter, server) = behind_a_cutter(&url).await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", Answer::status(200).delay(Duration::from_secs(1)));
    let app = server.client.application().await;
    let form = json!({"url": receiver.url("/hook"), "maxConcurrency": 1, "retrySchedule": []});
    server.client.endpoint(&app, form).await;
    // For later, so that each is read when it is sent.
    let at = (OffsetDateTime::now_utc() + Duration::from_secs(2)).format(&Rfc3339).unwrap();
    let mut messages = Vec::new();
    for n in 0..3 {
        let message = json!({"eventType": "a", "payload": {"n": n}, "deliverAt": at});
        messages.push(id(&server.client.post(&format!("/api/v1/app/{app}/msg"), message).await.expect(202)));
    }
    receiver.wait_for("/hook", 1).await;
    cutter.fall_silent();
    receiver.expect_silence("/hook", Duration::from_secs(2)).await;
    cutter.break_off();
    for message in &messages {
        arrives(&server.client, &app, message, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stops_while_its_database_is_away_and_sends_the_rest_when_both_are_back() {
    let Some(postgres) = Postgres::start("127.0.0.1") else { return };
    let serve = node(&postgres.url());
    let server = serve.start().await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", Answer::status(200).delay(Duration::from_millis(300)));
    let app = server.client.application().await;
    server.client.endpoint(&app, json!({"url": receiver.url("/hook"), "maxConcurrency": 1})).await;
    let mut messages = Vec::new();
    for n in 0..10 {
        messages.push(server.client.send(&app, "a", json!({"n": n})).await);
    }
    receiver.wait_for("/hook", 1).await;
    postgres.crash();
    server.signal("TERM");
    assert!(server.ended().await.success());
    postgres.up();
    let server = serve.start().await;
    for message in &messages {
        arrives(&server.client, &app, message, 1).await;
    }
}
