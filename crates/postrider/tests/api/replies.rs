//! What comes back: responses that ask for something, kept, told to the provider, and waited for.

use super::{on_a_clock, started};
use postrider_testkit::app::{App, Client, eventually, id};
use postrider_testkit::receiver::{Answer, Received, Receiver};
use serde_json::{Value, json};
use std::time::Duration;

/// An application of Telerivet's contract with one endpoint.
async fn telerivet(app: &Client, receiver: &Receiver) -> (String, String) {
    let acme = id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": "telerivet"})).await.expect(201));
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook"), "secret": "s"})).await;
    (acme, endpoint)
}

fn incoming() -> Value {
    json!({"id": "SM1", "from_number": "+16505550001", "phone_id": "PN1", "content": "hello"})
}

fn answer(body: &str) -> Answer {
    Answer::status(200).header("content-type", "application/json; charset=utf-8").body(body.to_owned())
}

/// Sends an incoming message and waits for what its webhook says.
async fn asked(app: &Client, acme: &str) -> Value {
    let form = json!({"eventType": "incoming_message", "payload": incoming()});
    app.post(&format!("/api/v1/app/{acme}/msg?wait=20"), form).await.expect(202)["reply"].clone()
}

/// The seven responses of Telerivet's document, each with what it is expected to do.
fn documented() -> Vec<(Answer, Value)> {
    let path = format!("{}/../contract/tests/vectors/telerivet.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let answered = |case: &Value| {
        let http = &case["http"];
        let answer = Answer::status(u16::try_from(http["status"].as_u64().unwrap()).unwrap());
        match http["content_type"].as_str() {
            Some(kind) => answer.header("content-type", kind).body(http["body"].as_str().unwrap().to_owned()),
            None => answer,
        }
    };
    let cases: Vec<(Answer, Value)> =
        vectors["responses"].as_array().unwrap().iter().map(|case| (answered(case), case.clone())).collect();
    assert_eq!(cases.len(), 7);
    cases
}

#[tokio::test]
async fn the_documents_responses_ask_for_what_the_document_says() {
    let (app, receiver) = started().await;
    let (acme, endpoint) = telerivet(&app, &receiver).await;
    for (answer, case) in documented() {
        let expect = &case["expect"];
        receiver.answer("/hook", answer);
        if expect["failure"] == true {
            let form = json!({"eventType": "incoming_message", "payload": incoming()});
            let sent = app.post(&format!("/api/v1/app/{acme}/msg?wait=1"), form).await.expect(202);
            assert_eq!(sent["reply"], json!({"done": false, "data": []}), "{}: it is tried again later", case["name"]);
            continue;
        }
        let reply = asked(&app, &acme).await;
        assert_eq!(reply["done"], true, "{}", case["name"]);
        let data = &reply["data"];
        let actions = data[0]["actions"].as_array().cloned().unwrap_or_default();
        let of = |kind: &str| actions.iter().filter(|action| action["type"] == kind).cloned().collect::<Vec<_>>();
        assert_eq!(json!(of("send_message").len()), expect["sends"], "{}: {reply}", case["name"]);
        let set: serde_json::Map<String, Value> = of("set_variable")
            .iter()
            .filter(|action| action["name"] != "return_value")
            .map(|action| (action["name"].as_str().unwrap().to_owned(), action["value"].clone()))
            .collect();
        assert_eq!(json!(set), expect.get("set").cloned().unwrap_or(json!({})), "{}", case["name"]);
        assert_eq!(data[0].get("error").is_some(), expect["log_error"] == true, "{}: {reply}", case["name"]);
        if let Some(reply) = data.get(0) {
            assert_eq!(reply["endpointId"], json!(endpoint));
        }
    }
}

#[tokio::test]
async fn the_documents_responses_let_the_next_service_see_the_message_or_keep_it_from_it() {
    let (app, receiver) = started().await;
    let acme = id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": "telerivet"})).await.expect(201));
    for (priority, path) in [(1, "/hook"), (2, "/next")] {
        app.endpoint(&acme, json!({"url": receiver.url(path), "secret": "s", "priority": priority})).await;
    }
    for (answer, case) in documented() {
        let (name, expect) = (&case["name"], &case["expect"]);
        receiver.answer("/hook", answer);
        let before = ["/hook", "/next"].map(|path| receiver.count(path));
        // One that fails is tried again in a minute, and nothing is decided before.
        let fails = expect["failure"] == true;
        assert_eq!(expect["fall_through"].is_boolean(), !fails, "{name}");
        let falls_through = expect["fall_through"] == true;
        let form = json!({"eventType": "incoming_message", "payload": incoming()});
        let path = format!("/api/v1/app/{acme}/msg?wait={}", if fails { 1 } else { 20 });
        let sent = app.post(&path, form).await.expect(202);
        receiver.wait_for("/hook", before[0] + 1).await;
        assert_eq!(sent["reply"]["done"], !fails, "{name}: {sent}");
        let came = [receiver.count("/hook") - before[0], receiver.count("/next") - before[1]];
        assert_eq!(came, [1, usize::from(falls_through)], "{name}: {sent}");
        let states: &[&str] = match (fails, falls_through) {
            (true, _) => &["pending"],
            (false, false) => &["success"],
            (false, true) => &["success", "success"],
        };
        assert_eq!(app.states(&acme, &id(&sent)).await, states, "{name}");
    }
}

#[tokio::test]
async fn what_is_left_out_of_a_reply_has_its_default() {
    let (app, receiver) = started().await;
    let (acme, endpoint) = telerivet(&app, &receiver).await;
    let body = r#"{"messages":[{"content":"Reply message text"},
        {"content":"Another","to_number":"+16505550123","route_id":"PN2","status_url":"http://a.example/s","status_secret":"x"},
        {"to_number":"*104*1#","message_type":"ussd","content":"not for a ussd"},
        {"message_type":"ussd","content":null}],
        "variables":{"contact.name":"John Smith","$foo":42,"state.id":null}}"#;
    receiver.answer("/hook", answer(body));
    let message = app.send(&acme, "incoming_message", incoming()).await;
    app.wait_for_attempts(&acme, &message, 1).await;
    let reply = app.get(&format!("/api/v1/app/{acme}/msg/{message}/reply")).await.expect(200);
    let attempt = app.attempts(&acme, &message).await[0]["id"].clone();
    let actions = json!([
        {"type": "send_message", "content": "Reply message text", "to_number": "+16505550001", "message_type": "sms", "route_id": "PN1"},
        {"type": "send_message", "content": "Another", "to_number": "+16505550123", "message_type": "sms", "route_id": "PN2",
            "status_url": "http://a.example/s", "status_secret": "x"},
        {"type": "send_message", "to_number": "*104*1#", "message_type": "ussd", "route_id": "PN1"},
        {"type": "send_message", "to_number": "+16505550001", "message_type": "ussd", "route_id": "PN1"},
        {"type": "set_variable", "name": "contact.name", "value": "John Smith"},
        {"type": "set_variable", "name": "$foo", "value": 42},
        {"type": "set_variable", "name": "state.id", "value": null},
    ]);
    assert_eq!(reply, json!({"data": [{"endpointId": endpoint, "attemptId": attempt, "actions": actions}]}));
    // What was removed is gone from here, too.
    let attempt = attempt.as_str().unwrap();
    app.delete(&format!("/api/v1/app/{acme}/msg/{message}/attempt/{attempt}/content")).await.expect(204);
    assert_eq!(app.get(&format!("/api/v1/app/{acme}/msg/{message}/reply")).await.expect(200), json!({"data": []}));
}

#[tokio::test]
async fn a_reply_that_is_wrong_asks_for_nothing_and_says_why() {
    let (app, receiver) = started().await;
    let (acme, _) = telerivet(&app, &receiver).await;
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let deeper_than_we_wrap = format!(r#"{{"x":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    let many = json!({"messages": vec![json!({"content": "x"}); 2_000]}).to_string();
    let huge = json!({"messages": [{"content": "x".repeat(100_000)}]}).to_string();
    for (body, why) in [
        (r#"{"messages":[{"content":"x"},]}"#, "the response is not JSON"),
        (r#"{"messages":[{"content":42}]}"#, "/messages/0/content of the response: 42 is not of type \"string\""),
        (r#"{"messages":[{"to_number":"+1"}]}"#, "/messages/0 of the response: \"content\" is a required property"),
        (r#"{"messages":[{"content":"x","message_type":"mms"}]}"#, "/messages/0/message_type of the response"),
        (r#"{"messages":[{"content":"x","status_url":"ftp://a"}]}"#, "/messages/0/status_url of the response"),
        (r#"{"messages":{"content":"x"}}"#, "/messages of the response"),
        (r#"{"variables":{"a":{"b":1}}}"#, "/variables/a of the response"),
        ("[]", "the response: [] is not of type \"object\""),
        ("null", "the response: null is not of type \"object\""),
        (&deep, "the response is not JSON: recursion limit"),
        (&deeper_than_we_wrap, "the response is nested deeper than 64 levels"),
        (&many, "/messages of the response"),
        (&huge, "the response is not JSON"),
    ] {
        receiver.answer("/hook", answer(body));
        let reply = asked(&app, &acme).await;
        let error = reply["data"][0]["error"].as_str().unwrap_or_default();
        assert!(error.starts_with(why), "{why}: {}", reply["data"]);
        assert!(error.len() < 700, "{} bytes", error.len());
        assert_eq!((&reply["done"], &reply["data"][0]["actions"]), (&json!(true), &json!([])), "{why}");
    }
    // Nothing at all is no mistake, and neither is JSON that asks for nothing.
    for body in ["", "  ", "{}", r#"{"messages":[]}"#, r#"{"messages":null}"#] {
        receiver.answer("/hook", answer(body));
        let reply = asked(&app, &acme).await;
        let wrong = body.contains("null");
        assert_eq!(reply["data"].as_array().unwrap().len(), usize::from(wrong), "{body:?}: {reply}");
    }
    // Other events may ask for nothing.
    receiver.answer("/hook", answer(r#"{"messages":[{"content":"x"}]}"#));
    let form = json!({"eventType": "send_status", "payload": {"id": "SM1"}});
    let sent = app.post(&format!("/api/v1/app/{acme}/msg?wait=20"), form).await.expect(202);
    assert_eq!(sent["reply"], json!({"done": true, "data": []}));
}

#[tokio::test]
async fn the_provider_is_told_what_was_asked_for_until_it_takes_it() {
    let (app, clock, receiver) = on_a_clock().await;
    let form = json!({"url": receiver.url("/ops"), "filterTypes": ["message.reply"]});
    app.post("/api/v1/operational-webhook/endpoint", form).await.expect(201);
    let (acme, endpoint) = telerivet(&app, &receiver).await;
    receiver.answer("/hook", answer(r#"{"messages":[{"content":"a"}]}"#));
    receiver.answer_in_turn("/ops", vec![Answer::status(500), Answer::status(200)]);
    let message = app.send(&acme, "incoming_message", incoming()).await;
    receiver.wait_for("/ops", 1).await;
    let again = async || {
        clock.advance(Duration::from_secs(10));
        receiver.count("/ops") == 2
    };
    assert!(eventually(again).await, "what the provider does not take is tried again");
    let told: Vec<Value> = receiver.received("/ops").iter().map(Received::json).collect();
    assert_eq!(told[0], told[1]);
    let attempt = app.attempts(&acme, &message).await[0]["id"].clone();
    let action = json!({"type": "send_message", "content": "a", "to_number": "+16505550001", "message_type": "sms",
        "route_id": "PN1"});
    let data =
        json!({"appId": acme, "endpointId": endpoint, "msgId": message, "attemptId": attempt, "actions": [action]});
    assert_eq!(told[0], json!({"type": "message.reply", "data": data}));

    receiver.answer("/hook", answer("oops"));
    app.send(&acme, "incoming_message", incoming()).await;
    let told = receiver.wait_for("/ops", 3).await[2].json();
    let error = "the response is not JSON: expected value at line 1 column 1";
    assert_eq!((&told["data"]["actions"], &told["data"]["error"]), (&json!([]), &json!(error)));
}

#[tokio::test]
async fn a_sender_waits_as_long_as_it_says_and_no_longer() {
    let (app, receiver) = started().await;
    let acme = id(&app.post("/api/v1/app", json!({"name": "Desk", "contract": "tiledesk"})).await.expect(201));
    let form = json!({"url": receiver.url("/select"), "eventTypes": ["operator.select"]});
    let endpoint = app.endpoint(&acme, form).await;
    receiver.answer("/select", answer(r#"{"operators":[{"id_user":"u2"}]}"#));
    let form = json!({"eventType": "operator.select", "payload": {"operators": [{"id_user": "u1"}]}});
    let path = format!("/api/v1/app/{acme}/msg");
    let chosen = app.post(&format!("{path}?wait=20"), form.clone()).await.expect(202);
    let reply = &chosen["reply"]["data"][0];
    assert_eq!(reply["actions"], json!([{"type": "select_operators", "operators": [{"id_user": "u2"}]}]));
    assert_eq!((&chosen["reply"]["done"], &reply["endpointId"]), (&json!(true), &json!(endpoint)));
    // Anything else keeps the choice that was made.
    for other in [Answer::status(200).body("ok"), answer(r#"{"agents":[]}"#), answer("")] {
        receiver.answer("/select", other);
        let kept = app.post(&format!("{path}?wait=20"), form.clone()).await.expect(202);
        assert_eq!(kept["reply"], json!({"done": true, "data": []}));
    }
    // One that takes longer is delivered as usual, and the sender is told that it was not done.
    receiver.answer("/select", answer(r#"{"operators":[]}"#).delay(Duration::from_millis(1_500)));
    let late = app.post(&format!("{path}?wait=1"), form.clone()).await.expect(202);
    assert_eq!(late["reply"], json!({"done": false, "data": []}));
    let replies = format!("{path}/{}/reply", id(&late));
    assert!(
        eventually(async || app.get(&replies).await.expect(200)["data"][0]["actions"][0]["operators"] == json!([]))
            .await
    );
    // To nobody: there is nothing to wait for.
    let nobody = app.post(&format!("{path}?wait=20"), json!({"eventType": "lead.create", "payload": {}})).await;
    assert_eq!(nobody.expect(202)["reply"], json!({"done": true, "data": []}));
    for wrong in ["0", "31", "soon", "-1"] {
        let refused = app.post(&format!("{path}?wait={wrong}"), form.clone()).await;
        assert_eq!(refused.expect(422)["detail"][0]["loc"], json!(["query", "wait"]), "{wrong}");
    }
    assert_eq!(receiver.count("/select"), 5, "what was refused was not sent");
}

#[tokio::test]
async fn nobody_reads_the_replies_of_another_application() {
    let app = App::start().await;
    let receiver = Receiver::start().await;
    let (acme, _) = telerivet(&app, &receiver).await;
    let other = app.application().await;
    let message = app.send(&acme, "incoming_message", incoming()).await;
    app.get(&format!("/api/v1/app/{other}/msg/{message}/reply")).await.expect(404);
    app.get(&format!("/api/v1/app/{acme}/msg/msg_none/reply")).await.expect(404);
}

#[tokio::test]
async fn a_reply_as_deep_as_is_taken_is_told_and_so_is_the_next() {
    let (app, receiver) = started().await;
    let ops = json!({"url": receiver.url("/ops"), "filterTypes": ["message.reply"]});
    app.post("/api/v1/operational-webhook/endpoint", ops).await.expect(201);
    let acme = id(&app.post("/api/v1/app", json!({"name": "Desk", "contract": "tiledesk"})).await.expect(201));
    app.endpoint(&acme, json!({"url": receiver.url("/select"), "eventTypes": ["operator.select"]})).await;
    for depth in [63, 64, 126, 1] {
        let deep = format!(r#"{{"operators":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        receiver.answer("/select", answer(&deep));
        app.post(&format!("/api/v1/app/{acme}/msg?wait=20"), json!({"eventType": "operator.select", "payload": {}}))
            .await
            .expect(202);
    }
    let told = receiver.wait_for("/ops", 4).await;
    let failed = told.iter().filter(|request| request.json()["data"].get("error").is_some()).count();
    assert_eq!(failed, 2, "those that are too deep ask for nothing, and that is told too");
}
