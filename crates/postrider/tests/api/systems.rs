//! What the documents of the five systems promise, asked of a server with the system's own contract: which events
//! come, which responses succeed, which are tried again and how often.

use super::{on_a_clock, started};
use postrider_clock::Clock;
use postrider_testkit::app::{App, id};
use postrider_testkit::hostile::{Behaviour, Hostile};
use postrider_testkit::process::free_port;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An application with an endpoint for each thing that can come back, each with its own name.
struct Responses {
    app: App,
    clock: Clock,
    receiver: Receiver,
    acme: String,
    contract: Value,
    /// Names by endpoint.
    names: BTreeMap<String, String>,
    hostile: Vec<Hostile>,
}

/// How often each was tried, and how its delivery stands.
type Outcomes = BTreeMap<String, (usize, String)>;

impl Responses {
    async fn of(contract: Value) -> Responses {
        let (app, clock, receiver) = on_a_clock().await;
        let acme = app.application().await;
        Responses { app, clock, receiver, acme, contract, names: BTreeMap::new(), hostile: vec![] }
    }

    async fn at(&mut self, name: &str, url: String) {
        let mut endpoint = self.contract.clone();
        endpoint["url"] = json!(url);
        let endpoint = self.app.endpoint(&self.acme, endpoint).await;
        self.names.insert(endpoint, name.to_owned());
    }

    async fn status(&mut self, status: u16) {
        let path = format!("/{status}");
        self.receiver.answer(&path, Answer::status(status).header("location", &self.receiver.url("/elsewhere")));
        self.at(&status.to_string(), self.receiver.url(&path)).await;
    }

    async fn hostile(&mut self, name: &str, behaviour: Behaviour) {
        let hostile = Hostile::start(behaviour).await;
        self.at(name, hostile.url()).await;
        self.hostile.push(hostile);
    }

    /// Sends one message to all of them. After the first try of each, lets so much time pass, as often as this, each
    /// time with as many more tries as are given.
    async fn follow(&self, event_type: &str, rounds: &[(Duration, usize)]) -> Outcomes {
        let message = self.app.send(&self.acme, event_type, json!({"id": "1"})).await;
        let mut tries = self.names.len();
        self.app.wait_for_attempts(&self.acme, &message, tries).await;
        for (wait, more) in rounds {
            self.clock.advance(*wait);
            tries += more;
            self.app.wait_for_attempts(&self.acme, &message, tries).await;
        }
        let path = format!("/api/v1/app/{}/msg/{message}/endpoint?limit=250", self.acme);
        let page = self.app.get(&path).await.expect(200);
        let attempts = self.app.attempts(&self.acme, &message).await;
        let row = |row: &Value| {
            let tried = attempts.iter().filter(|attempt| attempt["endpointId"] == row["id"]).count();
            (self.names[&id(row)].clone(), (tried, row["statusText"].as_str().unwrap().to_owned()))
        };
        page["data"].as_array().unwrap().iter().map(row).collect()
    }
}

/// The names of those that were tried so often and stand so.
fn which(outcomes: &Outcomes, tried: usize, state: &str) -> BTreeSet<String> {
    let wanted = (tried, state.to_owned());
    outcomes.iter().filter(|(_, outcome)| **outcome == wanted).map(|(name, _)| name.clone()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const A_DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn tiledesk_takes_2xx_and_tries_1xx_429_5xx_and_network_errors_three_times() {
    let contract = json!({"contract": "tiledesk", "eventTypes": ["lead.create"]});
    let mut responses = Responses::of(contract).await;
    for status in [200, 201, 204, 299, 301, 302, 304, 400, 404, 410, 428, 429, 430, 499, 500, 503, 599] {
        responses.status(status).await;
    }
    responses.hostile("101", Behaviour::Says("HTTP/1.1 101 Switching Protocols\r\n\r\n")).await;
    responses.hostile("102", Behaviour::Says("HTTP/1.1 102 Processing\r\n\r\n")).await;
    responses.hostile("reset", Behaviour::Resets).await;
    responses.at("closed", format!("http://127.0.0.1:{}/", free_port())).await;
    let tried_again = ["101", "102", "429", "500", "503", "599", "closed", "reset"];
    // The second try is due after 2 to 3 seconds, the third after 4 to 5 more; then never again.
    let n = tried_again.len();
    let rounds = [(Duration::from_secs(3), n), (Duration::from_secs(5), n), (A_DAY, 0)];
    let outcomes = responses.follow("lead.create", &rounds).await;
    assert_eq!(which(&outcomes, 1, "success"), set(&["200", "201", "204", "299"]));
    assert_eq!(which(&outcomes, 3, "fail"), set(&tried_again));
    assert_eq!(
        which(&outcomes, 1, "fail"),
        set(&["301", "302", "304", "400", "404", "410", "428", "430", "499"]),
        "{outcomes:?}"
    );
    assert_eq!(responses.receiver.count("/elsewhere"), 0, "redirects are not followed");
}

#[tokio::test]
async fn scope_takes_200_to_299_and_tries_all_else_again() {
    let contract = json!({"contract": "scope", "eventTypes": ["user/created"]});
    let mut responses = Responses::of(contract).await;
    for status in [200, 201, 204, 299, 300, 301, 302, 304, 307, 308, 400, 404, 410, 429, 500, 503] {
        responses.status(status).await;
    }
    // A status below 200 ends nothing in HTTP; that the connection then closes makes it an error.
    responses.hostile("199", Behaviour::Says("HTTP/1.1 199 Odd\r\n\r\n")).await;
    let tried_again = ["199", "300", "301", "302", "304", "307", "308", "400", "404", "410", "429", "500", "503"];
    // The first retry is due after 15 to 24 seconds, the second after 16 to 34 more.
    let n = tried_again.len();
    let rounds = [(Duration::from_secs(25), n), (Duration::from_secs(35), n)];
    let outcomes = responses.follow("user/created", &rounds).await;
    assert_eq!(which(&outcomes, 1, "success"), set(&["200", "201", "204", "299"]));
    assert_eq!(which(&outcomes, 3, "pending"), set(&tried_again), "{outcomes:?}");
    assert_eq!(responses.receiver.count("/elsewhere"), 0, "redirects are errors, and are not followed");
}

#[tokio::test]
async fn tiledesk_makes_a_random_secret_for_each_subscription_and_sends_it() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let mut secrets = BTreeSet::new();
    for path in ["/one", "/two", "/three"] {
        let form = json!({"url": receiver.url(path), "contract": "tiledesk", "eventTypes": ["lead.create"]});
        let endpoint = app.endpoint(&acme, form).await;
        let secret = app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/secret")).await.expect(200);
        app.send(&acme, "lead.create", json!({"_id": path})).await;
        let request = receiver.wait_for(path, 1).await.remove(0);
        assert_eq!(request.header("x-hook-secret"), secret["key"].as_str(), "{path}");
        assert!(!request.text().contains(secret["key"].as_str().unwrap()), "the body names no secret");
        secrets.insert(secret["key"].as_str().unwrap().to_owned());
    }
    assert_eq!(secrets.len(), 3, "{secrets:?}");
    assert!(secrets.iter().all(|secret| secret.len() == 36), "each is a UUID: {secrets:?}");
}

/// An endpoint with these event types gets of `sent` those that are `wanted`, and nothing of the others was ever meant
/// for it.
async fn gets(contract: &str, event_types: &[&str], sent: &[&str], wanted: &[&str], event_of: fn(&Value) -> String) {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let secret = "sixteen or more of them";
    let form = |path: &str, event_types: Value| json!({"url": receiver.url(path), "contract": contract, "secret": secret, "eventTypes": event_types});
    app.endpoint(&acme, form("/hook", json!(event_types))).await;
    // Beside it one that gets everything, so that what is missing here was not lost.
    app.endpoint(&acme, form("/everything", Value::Null)).await;
    for event_type in sent {
        let message = app.send(&acme, event_type, json!({"id": "1", "records": [{"id": "1"}]})).await;
        let endpoints = if wanted.contains(event_type) { 2 } else { 1 };
        assert_eq!(app.states(&acme, &message).await.len(), endpoints, "{event_type}");
    }
    receiver.wait_for("/everything", sent.len()).await;
    receiver.wait_for("/hook", wanted.len()).await;
    let mut came: Vec<String> = receiver.received("/hook").iter().map(|request| event_of(&request.json())).collect();
    came.sort();
    assert_eq!(came, wanted);
}

#[tokio::test]
async fn tellescope_sends_no_model_and_no_action_that_was_not_subscribed_to() {
    let sent =
        ["endusers.update", "endusers.delete", "tasks.create", "tasks.delete", "endusers.create", "tasks.update"];
    let event_of = |body: &Value| format!("{}.{}", body["model"].as_str().unwrap(), body["type"].as_str().unwrap());
    gets("tellescope", &["endusers.create", "tasks.update"], &sent, &["endusers.create", "tasks.update"], event_of)
        .await;
}

#[tokio::test]
async fn uplodr_sends_no_event_that_was_not_selected() {
    let sent = ["question.created", "question.updated", "question.deleted", "store.updated", "employee.created"];
    let event_of = |body: &Value| body["type"].as_str().unwrap().to_owned();
    gets(
        "uplodr",
        &["employee.created", "question.updated"],
        &sent,
        &["employee.created", "question.updated"],
        event_of,
    )
    .await;
}
