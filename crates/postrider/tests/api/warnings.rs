//! What was accepted and looks like a mistake: a `warnings` list in the answer, and an error where the environment is
//! strict.

use super::started;
use postrider_testkit::app::{App, Client, id};
use serde_json::{Value, json};

/// Code, place and suggestion of each warning of an answer.
fn warnings(answer: &Value) -> Vec<(String, String, Value)> {
    let list = answer["warnings"].as_array().cloned().unwrap_or_default();
    let place = |warning: &Value| {
        let parts: Vec<&str> = warning["loc"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
        parts.join(".")
    };
    let shown = |warning: &Value| {
        assert!(!warning["msg"].as_str().unwrap().is_empty(), "{warning}");
        (warning["code"].as_str().unwrap().to_owned(), place(warning), warning["didYouMean"].clone())
    };
    list.iter().map(shown).collect()
}

fn warning(code: &str, place: &str, meant: Value) -> (String, String, Value) {
    (code.to_owned(), place.to_owned(), meant)
}

/// Type and place of each mistake.
fn refused(answer: Value) -> Vec<String> {
    let shown = |item: &Value| {
        let place: Vec<&str> = item["loc"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
        format!("{} {}", item["type"].as_str().unwrap(), place.join("."))
    };
    answer["detail"].as_array().unwrap().iter().map(shown).collect()
}

/// An application of a new environment, which is strict if `strict` says so.
async fn environment(app: &App, strict: bool) -> (Client, String, String) {
    let made = app
        .post("/api/v1/environment", json!({"name": format!("Strict: {strict}"), "strict": strict}))
        .await
        .expect(201);
    assert_eq!(made["strict"], strict);
    let client = app.with_key(made["key"].as_str().unwrap());
    let acme = client.application().await;
    (client, acme, id(&made))
}

#[tokio::test]
async fn a_field_that_is_not_known_is_a_warning_with_the_name_that_was_meant() {
    let (app, receiver) = started().await;
    let made = app.post("/api/v1/app", json!({"name": "Acme", "Meta_Data": {}, "color": 1})).await.expect(201);
    assert_eq!(
        warnings(&made),
        [
            warning("unknown_field", "body.Meta_Data", json!("metadata")),
            warning("unknown_field", "body.color", Value::Null)
        ]
    );
    let acme = id(&made);
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let form = json!({"url": receiver.url("/"), "filter_types": ["a"], "headers": {"X-Any": "1"}, "secret": null});
    let made = app.post(&endpoints, form).await.expect(201);
    assert_eq!(warnings(&made), [warning("unknown_field", "body.filter_types", json!("filterTypes"))]);
    let one = format!("{endpoints}/{}", id(&made));
    let patched = app.patch(&one, json!({"decription": "x"})).await.expect(200);
    assert_eq!(warnings(&patched), [warning("unknown_field", "body.decription", json!("description"))]);
    // An answer without a body has them in a header.
    let reply = app.put(&format!("{one}/headers"), json!({"headers": {}, "sensitive": []})).await;
    assert_eq!(reply.status, 204);
    let listed: Value = serde_json::from_str(&reply.headers["postrider-warnings"]).unwrap();
    assert_eq!(warnings(&json!({"warnings": listed})), [warning("unknown_field", "body.sensitive", Value::Null)]);
    // Names of the caller's own are not the operation's.
    let made = app.post("/api/v1/app", json!({"name": "B", "metadata": {"anything": "x"}})).await.expect(201);
    assert_eq!(made.get("warnings"), None);
}

#[tokio::test]
async fn a_provider_that_registers_no_event_types_is_not_warned_of_them() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/")})).await;
    let message = json!({"eventType": "user.created", "payload": {}});
    let messages = format!("/api/v1/app/{acme}/msg");
    assert_eq!(app.post(&messages, message.clone()).await.expect(202).get("warnings"), None);
    app.post("/api/v1/event-type", json!({"name": "invoice.paid", "description": ""})).await.expect(201);
    let sent = app.post(&messages, message).await.expect(202);
    assert_eq!(warnings(&sent), [warning("unregistered_event_type", "body.eventType", Value::Null)]);
}

#[tokio::test]
async fn a_message_is_warned_of_its_fields_its_type_and_that_nobody_takes_it() {
    let (app, receiver) = started().await;
    app.post("/api/v1/event-type", json!({"name": "user.created", "description": ""})).await.expect(201);
    let acme = app.application().await;
    let messages = format!("/api/v1/app/{acme}/msg");
    let message = |event_type: &str| json!({"eventType": event_type, "eventid": "1", "payload": {"eventid": 1}});
    let sent = app.post(&messages, message("user.craeted")).await.expect(202);
    let expected = [
        warning("unknown_field", "body.eventid", json!("eventId")),
        warning("unregistered_event_type", "body.eventType", json!("user.created")),
        warning("no_endpoint", "body.eventType", Value::Null),
    ];
    assert_eq!(warnings(&sent), expected);
    let form = json!({"url": receiver.url("/"), "eventTypes": ["user.created"]});
    app.endpoint(&acme, form).await;
    let right = json!({"eventType": "user.created", "payload": {}});
    let sent = app.post(&messages, right.clone()).await.expect(202);
    assert_eq!(sent.get("warnings"), None, "{sent}");
    let batch = json!({"messages": [right, message("user.craeted")], "mesages": []});
    let batch = app.post(&format!("{messages}/batch"), batch).await.expect(202);
    assert_eq!(warnings(&batch), [warning("unknown_field", "body.mesages", json!("messages"))]);
    assert_eq!(batch["data"][0]["message"].get("warnings"), None);
    assert_eq!(warnings(&batch["data"][1]["message"]), expected);
}

#[tokio::test]
async fn event_types_of_a_contracts_catalogue_are_known() {
    let (app, receiver) = started().await;
    let telerivet = id(&app.post("/api/v1/app", json!({"name": "T", "contract": "telerivet"})).await.expect(201));
    app.endpoint(&telerivet, json!({"url": receiver.url("/"), "secret": "s"})).await;
    let message = json!({"eventType": "incoming_message", "payload": {"id": "SM1"}});
    let sent = app.post(&format!("/api/v1/app/{telerivet}/msg"), message).await.expect(202);
    assert_eq!(sent.get("warnings"), None, "{sent}");
}

#[tokio::test]
async fn a_query_parameter_that_is_not_known_is_a_warning() {
    let (app, _) = started().await;
    let page = app.get("/api/v1/app?limt=5&order=ascending").await.expect(200);
    assert_eq!(warnings(&page), [warning("unknown_parameter", "query.limt", json!("limit"))]);
    let page = app.get("/api/v1/app?limit=5").await.expect(200);
    assert_eq!(page.get("warnings"), None);
    // Also where an operation has no parameters at all.
    let page = app.get("/api/v1/environment?page=2").await.expect(200);
    assert_eq!(warnings(&page), [warning("unknown_parameter", "query.page", Value::Null)]);
}

#[tokio::test]
async fn warnings_are_limited_in_number_and_length() {
    let (app, _) = started().await;
    let mut form = json!({"name": "Acme"});
    for n in 0..500 {
        form[format!("{n}{}", "x".repeat(1_000))] = json!(1);
    }
    let made = app.post("/api/v1/app", form).await.expect(201);
    let list = made["warnings"].as_array().unwrap();
    assert_eq!(list.len(), 21);
    assert_eq!(list[20]["code"], "more_warnings");
    assert_eq!(list[20]["msg"], "480 more warnings are not listed");
    assert!(made["warnings"].to_string().len() < 20_000, "{}", made["warnings"].to_string().len());
}

#[tokio::test]
async fn where_the_environment_is_strict_all_of_it_is_refused() {
    let (app, receiver) = started().await;
    let (strict, acme, environment_id) = environment(&app, true).await;
    let (other, _, _) = environment(&app, false).await;
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let typo = json!({"url": receiver.url("/"), "filter_types": ["a"]});
    assert_eq!(refused(strict.post(&endpoints, typo).await.expect(422)), ["unknown_field body.filter_types"]);
    assert_eq!(strict.get(&endpoints).await.expect(200)["data"], json!([]));
    assert_eq!(refused(strict.get("/api/v1/app?limt=1").await.expect(422)), ["unknown_parameter query.limt"]);
    other.get("/api/v1/app?limt=1").await.expect(200);
    let messages = format!("/api/v1/app/{acme}/msg");
    let message = json!({"eventType": "user.created", "payload": {}});
    let nobody = strict.post(&messages, message.clone()).await.expect(422);
    assert_eq!(refused(nobody), ["unregistered_event_type body.eventType", "no_endpoint body.eventType"]);
    strict.post("/api/v1/event-type", json!({"name": "user.created", "description": ""})).await.expect(201);
    let endpoint = strict.endpoint(&acme, json!({"url": receiver.url("/")})).await;
    strict.post(&messages, message.clone()).await.expect(202);
    // Each message of a batch is by itself.
    let wrong = json!({"eventType": "user.created", "payload": {}, "eventid": "1"});
    let unknown = json!({"eventType": "user.deleted", "payload": {}});
    let batch =
        strict.post(&format!("{messages}/batch"), json!({"messages": [message, wrong, unknown]})).await.expect(202);
    let states: Vec<&Value> = batch["data"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
    assert_eq!(states, [202, 422, 422], "{batch}");
    // A test names its endpoint, and needs no registered type.
    let test = json!({"eventType": "never.registered", "payload": {}});
    strict.post(&format!("{endpoints}/{endpoint}/test"), test).await.expect(202);
    // The setting can be changed.
    let path = format!("/api/v1/environment/{environment_id}");
    assert_eq!(strict.patch(&path, json!({"strict": false})).await.expect(200)["strict"], false);
    strict.get("/api/v1/app?limt=1").await.expect(200);
}

#[tokio::test]
async fn an_empty_filter_is_refused_instead_of_taking_everything() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    for name in ["filterTypes", "eventTypes", "channels"] {
        let form = json!({"url": receiver.url("/"), name: []});
        let refused = app.post(&endpoints, form.clone()).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", name]));
        assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("null"), "{refused}");
        let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/"), "channels": ["a"]})).await;
        let one = format!("{endpoints}/{endpoint}");
        app.patch(&one, json!({name: []})).await.expect(422);
        app.put(&one, form).await.expect(422);
        assert_eq!(app.endpoint_now(&acme, &endpoint).await["channels"], json!(["a"]));
        let open = app.patch(&one, json!({name: null})).await.expect(200);
        assert_eq!(open[name], Value::Null);
    }
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/")})).await;
    let replay = json!({"since": "2026-01-01T00:00:00Z", "eventTypes": []});
    let refused = app.post(&format!("{endpoints}/{endpoint}/bulk-replay"), replay).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "eventTypes"]));
    let operational = json!({"url": receiver.url("/"), "filterTypes": []});
    let refused = app.post("/api/v1/operational-webhook/endpoint", operational).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "filterTypes"]));
}
