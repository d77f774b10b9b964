//! Lists of actions: the request among lines for the log, which know what the response set.

use super::started;
use postrider_testkit::app::{Client, id};
use postrider_testkit::receiver::Answer;
use serde_json::{Value, json};

async fn project(app: &Client) -> String {
    id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": "telerivet"})).await.expect(201))
}

fn line(text: &str) -> Value {
    json!({"type": "log_message", "text": text})
}

fn sets(variables: Value) -> Answer {
    let body = json!({"variables": variables}).to_string();
    Answer::status(200).header("content-type", "application/json").body(body)
}

async fn say(app: &Client, acme: &str) -> Value {
    let payload = json!({"id": "SM1", "contact_id": "CT1", "from_number": "+1", "content": "hello"});
    let form = json!({"eventType": "incoming_message", "payload": payload});
    app.post(&format!("/api/v1/app/{acme}/msg?wait=20"), form).await.expect(202)["reply"].clone()
}

/// The lines and errors of an endpoint's log, the newest first.
async fn log(app: &Client, acme: &str, endpoint: &str) -> Vec<Value> {
    let page = app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/log")).await.expect(200);
    page["data"].as_array().unwrap().iter().map(|row| json!([row["lines"], row["error"]])).collect()
}

#[tokio::test]
async fn the_documents_example_says_foo_is_42() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    let actions = json!([
        line("[[from_number]] says [[content]]"),
        {"type": "notify_webhook"},
        line("foo = [[$foo]]"),
        line("[[contact.name]] is at [[state.id]][[nothing]]"),
    ]);
    let form = json!({"url": receiver.url("/hook"), "secret": "s", "actions": actions});
    let endpoint = app.endpoint(&acme, form).await;
    assert_eq!(app.endpoint_now(&acme, &endpoint).await["actions"], actions);
    receiver.answer("/hook", sets(json!({"contact.name": "John Smith", "$foo": 42})));
    let reply = say(&app, &acme).await;
    let lines = json!(["+1 says hello", "foo = 42", "John Smith is at "]);
    assert_eq!(reply["data"][0]["log"], lines);
    // What is temporary is gone with the message; what is kept is not.
    receiver.answer("/hook", sets(json!({"state.id": "asked"})));
    say(&app, &acme).await;
    receiver.answer("/hook", Answer::status(200).header("content-type", "application/json").body("{oops"));
    say(&app, &acme).await;
    let error = "the response is not JSON: key must be a string at line 1 column 2";
    let wanted = [
        json!([["+1 says hello", "foo = ", "John Smith is at asked"], error]),
        json!([["+1 says hello", "foo = ", "John Smith is at asked"], null]),
        json!([lines, null]),
    ];
    assert_eq!(log(&app, &acme, &endpoint).await, wanted);
}

#[tokio::test]
async fn a_variable_for_the_moment_is_known_down_the_chain() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    receiver.answer("/one", sets(json!({"$foo": {"a": 1}})).body(r#"{"variables":{"$foo":"first","$bar":2}}"#));
    receiver.answer("/two", sets(json!({"$foo": "second"})));
    let actions = json!([line("before: [[$foo]]"), {"type": "notify_webhook"}, line("after: [[$foo]] [[$bar]]")]);
    let mut endpoints = vec![];
    for (n, path) in ["/one", "/two"].into_iter().enumerate() {
        let form = json!({"url": receiver.url(path), "secret": "s", "priority": n, "actions": actions});
        endpoints.push(app.endpoint(&acme, form).await);
    }
    assert_eq!(say(&app, &acme).await["done"], true);
    assert_eq!(log(&app, &acme, &endpoints[0]).await, [json!([["before: ", "after: first 2"], null])]);
    assert_eq!(log(&app, &acme, &endpoints[1]).await, [json!([["before: first", "after: second 2"], null])]);
}

#[tokio::test]
async fn a_webhook_that_fails_is_in_the_log_and_writes_the_lines_before_it_once() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    receiver.answer_in_turn("/hook", vec![Answer::status(403), Answer::status(200)]);
    let actions = json!([line("before"), {"type": "notify_webhook"}, line("after")]);
    let form = json!({"url": receiver.url("/hook"), "secret": "s", "retrySchedule": [0], "actions": actions});
    let endpoint = app.endpoint(&acme, form).await;
    assert_eq!(say(&app, &acme).await["done"], true);
    let why = "HTTP 403: the secret in the webhook's code is not the 'secret' that is sent; make them the same";
    assert_eq!(log(&app, &acme, &endpoint).await, [json!([["after"], null]), json!([["before"], why])]);
}

#[tokio::test]
async fn a_list_of_actions_that_is_wrong_is_told_so() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    for (actions, why) in [
        (json!([line("x")]), "has 0 of type notify_webhook; exactly one is needed"),
        (json!([{"type": "notify_webhook"}, {"type": "notify_webhook"}]), "has 2 of type notify_webhook"),
        (json!([{"type": "notify_webhook"}, line(&"x".repeat(1_001))]), "a text has more than 1000 characters"),
        (json!(vec![json!({"type": "notify_webhook"}); 21]), "has 21 entries; at most 20"),
        (json!([{"type": "send_message"}]), "\"send_message\" is not a known value"),
        (json!([{"type": "log_message", "text": "a", "y": 1}]), "\"y\" is not a known field"),
    ] {
        let form = json!({"url": receiver.url("/hook"), "secret": "s", "actions": actions});
        let refused = app.post(&format!("/api/v1/app/{acme}/endpoint"), form).await.expect(422);
        assert!(refused["detail"][0]["msg"].as_str().unwrap().starts_with(why), "{refused}");
        let place = refused["detail"][0]["loc"].as_array().unwrap().iter().map(|part| part.as_str().unwrap());
        let place: Vec<&str> = place.collect();
        assert!(
            [&["body", "actions"][..], &["body", "actions", "0", "type"], &["body", "actions", "0", "y"]]
                .contains(&&place[..]),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn lines_of_many_variables_over_a_large_payload_hold_up_nobody() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    let mut actions = vec![line(&"[[a]]".repeat(200)); 18];
    actions.push(line(&"[[many]]".repeat(100)));
    actions.push(json!({"type": "notify_webhook"}));
    let form = json!({"url": receiver.url("/hook"), "secret": "s", "actions": actions});
    let endpoint = app.endpoint(&acme, form).await;
    let many = vec![json!({"n": 1, "text": "some words"}); 20_000];
    let form = json!({"eventType": "incoming_message", "payload": {"id": "SM1", "a": "", "many": many}});
    let sent = app.post(&format!("/api/v1/app/{acme}/msg?wait=20"), form).await.expect(202);
    assert_eq!(sent["reply"]["done"], true, "within the time that a sender waits");
    let lines = log(&app, &acme, &endpoint).await[0][0].clone();
    assert_eq!((&lines[0], lines[18].as_str().unwrap().chars().count()), (&json!(""), 4_001));
}

#[tokio::test]
async fn an_error_template_leaves_the_log_as_it_is() {
    let (app, receiver) = started().await;
    let acme = project(&app).await;
    receiver.answer("/hook", Answer::status(200).body("no"));
    let actions = json!([line("before"), {"type": "notify_webhook"}, line("after")]);
    let form =
        json!({"url": receiver.url("/hook"), "secret": "s", "actions": actions, "errorTemplate": "it says {{body}}"});
    let endpoint = app.endpoint(&acme, form).await;
    say(&app, &acme).await;
    assert_eq!(log(&app, &acme, &endpoint).await, [json!([["before"], "it says no"])]);
}
