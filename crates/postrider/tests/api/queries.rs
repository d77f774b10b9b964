//! Payload queries: an endpoint's GraphQL, asked of the provider's API at each attempt.

use postrider_clock::Clock;
use postrider_testkit::app::{App, Start, id};
use postrider_testkit::dns::Dns;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::time::Duration;

const QUERY: &str = "query ($nodeId: ID!, $nodeType: String) { node(id: $nodeId) { ... on User { name } } }";

/// A server whose GraphQL API is `receiver`'s `/graphql`, which endpoints may not reach; endpoints are on 127.0.0.1.
async fn asking(api: &Receiver, clock: Clock) -> App {
    let graphql = Some(api.url("/graphql"));
    Start { graphql, clock, allow: vec!["127.0.0.1/32"], ..Start::default() }.start().await
}

fn endpoint(receiver: &Receiver, fields: Value) -> Value {
    let mut endpoint = json!({"url": receiver.url("/hook"), "contract": "scope", "query": QUERY});
    endpoint.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    endpoint
}

#[tokio::test]
async fn the_result_replaces_the_body_and_templates_see_it() {
    let receiver = Receiver::start().await;
    let app = asking(&receiver, Clock::system()).await;
    let acme = app.application().await;
    receiver.answer("/graphql", Answer::status(200).body(r#"{"data": {"node": {"name": "Zoë", "n": 1.50}}}"#));
    app.endpoint(&acme, endpoint(&receiver, json!({}))).await;
    let validation = r#"{% if data.node.name == "Zoë" %}true{% else %}false{% endif %}"#;
    let templated =
        json!({"url": receiver.url("/template"), "validationTemplate": validation, "template": "{{ data.node.name }}"});
    app.endpoint(&acme, endpoint(&receiver, templated)).await;
    let xml = json!({"url": receiver.url("/xml"), "contentType": "application/xml"});
    app.endpoint(&acme, endpoint(&receiver, xml)).await;
    app.send(&acme, "scenario_session/created", json!({"id": "ab/c+="})).await;

    assert_eq!(receiver.wait_for("/hook", 1).await[0].text(), r#"{"data":{"node": {"name": "Zoë", "n": 1.50}}}"#);
    assert_eq!(receiver.wait_for("/template", 1).await[0].text(), "Zoë");
    assert!(receiver.wait_for("/xml", 1).await[0].text().contains("<name>Zoë</name>"));
    let asked = receiver.wait_for("/graphql", 3).await.remove(0);
    let variables = json!({"nodeId": "ab/c+=", "nodeType": "ScenarioSession"});
    assert_eq!(asked.json(), json!({"query": QUERY, "variables": variables}));
    assert_eq!(asked.header("authorization"), Some("Bearer graphql-token"));
    assert_eq!(asked.header("x-postrider-application"), Some(acme.as_str()));
    assert_eq!((asked.header("x-postrider-user"), asked.header("x-postrider-organization")), (None, None));
}

#[tokio::test]
async fn a_query_runs_as_whoever_gave_it_and_nobody_can_say_otherwise() {
    let receiver = Receiver::start().await;
    let app = asking(&receiver, Clock::system()).await;
    let acme = app.application().await;
    receiver.answer("/graphql", Answer::status(200).body(r#"{"data": {}}"#));
    let link = format!("/api/v1/auth/app-portal-access/{acme}");
    let token = async |user: &str| {
        let made = app.post(&link, json!({"user": user, "organization": "org-7"})).await.expect(200);
        app.with_key(made["token"].as_str().unwrap())
    };
    let (alice, bob) = (token("alice").await, token("bob").await);
    app.post(&link, json!({"user": "two words"})).await.expect(422);
    app.patch(&format!("/api/v1/app/{acme}"), json!({"contract": "scope"})).await.expect(200);
    let mut form = endpoint(&receiver, json!({"queryAs": {"user": "root"}, "user": "root"}));
    form.as_object_mut().unwrap().remove("contract");
    let made = id(&alice.post(&format!("/api/v1/app/{acme}/endpoint"), form).await.expect(201));
    let asked_as = async |n: usize| {
        app.send(&acme, "user/created", json!({"id": "1"})).await;
        let asked = receiver.wait_for("/graphql", n).await.remove(n - 1);
        (
            asked.header("x-postrider-user").unwrap().to_owned(),
            asked.header("x-postrider-organization").unwrap().to_owned(),
        )
    };
    assert_eq!(asked_as(1).await, ("alice".into(), "org-7".into()));
    // Someone else changes it: it stays hers until he says what is asked, or where the answer goes.
    let path = format!("/api/v1/app/{acme}/endpoint/{made}");
    bob.patch(&path, json!({"description": "seen"})).await.expect(200);
    assert_eq!(asked_as(2).await.0, "alice");
    bob.patch(&path, json!({"url": receiver.url("/bobs")})).await.expect(200);
    assert_eq!(asked_as(3).await.0, "bob");
    alice.patch(&path, json!({"url": receiver.url("/hook")})).await.expect(200);
    assert_eq!(asked_as(4).await.0, "alice");
    bob.patch(&path, json!({"query": "{ viewer { secrets } }"})).await.expect(200);
    assert_eq!(asked_as(5).await.0, "bob");
    // And what a preview shows is what the one who looks may see.
    let preview = json!({"eventType": "user/created", "payload": {"id": "1"}});
    alice.post(&format!("{path}/preview"), preview).await.expect(200);
    let asked = receiver.wait_for("/graphql", 6).await.remove(5);
    assert_eq!(asked.header("x-postrider-user"), Some("alice"));
}

#[tokio::test]
async fn what_the_operator_opens_for_queries_stays_closed_to_endpoints() {
    let receiver = Receiver::start().await;
    let dns = Dns::start().await;
    dns.set("graphql.test", vec!["127.0.0.1".parse().unwrap()]);
    let graphql = Some(receiver.url("/graphql"));
    let app = Start { graphql, allow: vec![], dns: Some(dns.addr()), ..Start::default() }.start().await;
    let acme = app.application().await;
    receiver.answer("/graphql", Answer::status(200).body(r#"{"data": {}}"#));
    let url = format!("http://graphql.test:{}/hook", receiver.port());
    app.endpoint(&acme, endpoint(&receiver, json!({"url": url}))).await;
    let message = app.send(&acme, "user/created", json!({"id": "1"})).await;
    assert_eq!(app.wait_for_attempts(&acme, &message, 1).await[0]["error"]["code"], "refused_address");
    assert_eq!((receiver.count("/graphql"), receiver.count("/hook")), (1, 0));
}

#[tokio::test]
async fn what_can_t_be_asked_is_refused_when_it_is_saved() {
    let receiver = Receiver::start().await;
    let app = asking(&receiver, Clock::system()).await;
    let acme = app.application().await;
    let path = format!("/api/v1/app/{acme}/endpoint");
    for (query, said) in [
        ("{ node(id: $nodeId) {", "line 1, column "),
        ("mutation { deleteUser(id: 1) { id } }", "is a mutation; only a query can be asked for a payload"),
        ("query A { a } query B { b }", "has 2 operations; give one query"),
        ("query ($other: ID!) { a(id: $other) }", "needs $other, which nobody gives; there are $nodeId and $nodeType"),
        (&format!("{{ a(x: \"{}\") }}", "x".repeat(70_000)), "at most 65536 are allowed"),
    ] {
        let refused = app.post(&path, endpoint(&receiver, json!({"query": query}))).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "query"]), "{refused}");
        assert!(refused["detail"][0]["msg"].as_str().unwrap().contains(said), "{refused}");
    }
    let standard = json!({"url": receiver.url("/x"), "query": "{ a }"});
    let refused = app.post(&path, standard).await.expect(422);
    assert_eq!(refused["detail"][0]["msg"], "the contract standard has no payload queries; leave it out");
    let without = App::start().await;
    let acme = without.application().await;
    let refused =
        without.post(&format!("/api/v1/app/{acme}/endpoint"), endpoint(&receiver, json!({}))).await.expect(422);
    assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("not available on this server"), "{refused}");
}

#[tokio::test]
async fn a_query_that_fails_is_an_error_of_the_delivery_and_tried_again() {
    let receiver = Receiver::start().await;
    let clock = Clock::manual(super::START_MS);
    let app = asking(&receiver, clock.clone()).await;
    let acme = app.application().await;
    app.endpoint(&acme, endpoint(&receiver, json!({"retrySchedule": [60, 60, 60]}))).await;
    receiver.answer_in_turn(
        "/graphql",
        vec![
            Answer::status(200).body(r#"{"data": null, "errors": [{"message": "Not authorized to read object"}]}"#),
            Answer::status(503),
            Answer::status(200).body("<html>"),
            Answer::status(200).body(r#"{"data": {"node": null}}"#),
        ],
    );
    let message = app.send(&acme, "user/created", json!({"id": "1"})).await;
    for n in 1..4 {
        app.wait_for_attempts(&acme, &message, n).await;
        clock.advance(Duration::from_secs(90));
    }
    let attempts = app.wait_for_attempts(&acme, &message, 4).await;
    let errors: Vec<&Value> = attempts.iter().rev().map(|attempt| &attempt["error"]).collect();
    assert_eq!(errors[0], &json!({"code": "query", "message": "the query failed: Not authorized to read object"}));
    assert_eq!(errors[1]["message"], "the GraphQL API answered 503 Service Unavailable");
    assert!(errors[2]["message"].as_str().unwrap().starts_with("the GraphQL API's answer is not the JSON of a result"));
    assert_eq!((&attempts[0]["statusText"], receiver.received("/hook").len()), (&json!("success"), 1));
}

#[tokio::test]
async fn a_query_that_is_never_answered_ends_and_others_do_not_wait_for_it() {
    let receiver = Receiver::start().await;
    let app = asking(&receiver, Clock::system()).await;
    let acme = app.application().await;
    receiver.answer("/graphql", Answer::status(200).delay(Duration::from_secs(60)));
    app.endpoint(&acme, endpoint(&receiver, json!({"retrySchedule": []}))).await;
    app.endpoint(&acme, endpoint(&receiver, json!({"url": receiver.url("/plain"), "query": null}))).await;
    let message = app.send(&acme, "user/created", json!({"id": "1"})).await;
    receiver.wait_for("/plain", 1).await;
    let attempts = app.wait_for_attempts(&acme, &message, 2).await;
    let asked = attempts.iter().find(|attempt| attempt["error"] != Value::Null).unwrap();
    assert_eq!(asked["error"]["code"], "query");
    assert!(asked["error"]["message"].as_str().unwrap().contains("within 10 s"), "{asked}");
}
