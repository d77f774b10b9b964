//! Messages that name where they go, and what is remembered of it.

use super::{on_a_clock, started};
use postrider_testkit::app::{Client, eventually, id};
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

async fn project(app: &Client, receiver: &Receiver) -> String {
    let acme = id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": "telerivet"})).await.expect(201));
    app.endpoint(&acme, json!({"url": receiver.url("/project"), "secret": "project"})).await;
    acme
}

fn status(message: &str, status: &str) -> Value {
    json!({"eventType": "send_status", "payload": {"id": message, "status": status}})
}

fn to(mut message: Value, deliver_to: Value) -> Value {
    message["deliverTo"] = deliver_to;
    message
}

#[tokio::test]
async fn all_that_is_told_of_a_message_goes_where_its_first_status_went() {
    let (app, receiver) = started().await;
    let acme = project(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/msg");
    let address = json!({"url": receiver.url("/status"), "secret": "of the status"});
    app.post(&path, to(status("SM1", "queued"), address.clone())).await.expect(202);
    for told in ["sent", "delivered"] {
        app.post(&path, status("SM1", told)).await.expect(202);
    }
    let told = receiver.wait_for("/status", 3).await;
    let mut bodies: Vec<String> = told.iter().map(|request| request.text()).collect();
    bodies.sort();
    let body = |status: &str| format!("event=send_status&id=SM1&status={status}&secret=of+the+status");
    assert_eq!(bodies, ["delivered", "queued", "sent"].map(body));

    // Another message, and another event about the same one, have nothing to do with it.
    app.post(&path, status("SM2", "sent")).await.expect(202);
    let starred = json!({"eventType": "message_metadata", "payload": {"id": "SM1", "update_type": "star"}});
    app.post(&path, starred).await.expect(202);
    receiver.wait_for("/project", 2).await;
    // The last address counts.
    let other = json!({"url": receiver.url("/other")});
    app.post(&path, to(status("SM1", "failed"), other)).await.expect(202);
    app.post(&path, status("SM1", "sent")).await.expect(202);
    let told = receiver.wait_for("/other", 2).await;
    assert!(told.iter().all(|request| !request.text().contains("secret")), "it has none");
    assert_eq!((receiver.count("/status"), receiver.count("/project")), (3, 2));

    // Nobody takes an address for an endpoint; whoever looks for it finds it.
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let urls = async |query: &str| {
        let page = app.get(&format!("{endpoints}{query}")).await.expect(200);
        let rows = page["data"].as_array().unwrap().clone();
        rows.iter().map(|row| row["url"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(urls("").await, [receiver.url("/project")]);
    let mut addresses = urls("?addressed=true").await;
    addresses.sort();
    assert_eq!(addresses, [receiver.url("/other"), receiver.url("/status")]);
}

#[tokio::test]
async fn an_address_is_under_the_rules_of_endpoints() {
    let (app, receiver) = started().await;
    let acme = project(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/msg");
    for (wrong, field) in [
        (json!({"url": "ftp://example.com"}), "url"),
        (json!({"url": "not a url"}), "url"),
        (json!({"url": receiver.url("/x"), "secret": "x".repeat(201)}), "secret"),
    ] {
        let refused = app.post(&path, to(status("SM1", "sent"), wrong.clone())).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "deliverTo", field]), "{wrong}: {refused}");
    }
    for wrong in [json!({}), json!({"secret": "s"}), json!({"url": "http://a", "endpointId": "b"}), json!("http://a")] {
        app.post(&path, to(status("SM1", "sent"), wrong)).await.expect(422);
    }
    let nul = to(status("SM\0", "sent"), json!({"url": receiver.url("/x")}));
    let refused = app.post(&path, nul).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "payload"]), "{refused}");
    // Where messages about it go is not remembered, and it goes where it always would.
    app.post(&path, json!({"eventType": "send_status", "payload": {"id": "SM\0", "status": "sent"}})).await.expect(202);
    // What is not open to endpoints is not open to an address either.
    let closed = to(status("SM1", "sent"), json!({"url": "http://10.0.0.1:8000/"}));
    let refused = app.post(&path, closed).await.expect(422);
    assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("10.0.0.1"), "{refused}");
    assert_eq!(receiver.count("/x"), 0);
}

#[tokio::test]
async fn an_endpoint_can_be_named_and_gets_what_it_does_not_filter_for() {
    let (app, receiver) = started().await;
    let acme = project(&app, &receiver).await;
    let form = json!({"url": receiver.url("/one"), "uid": "one", "secret": "s", "eventTypes": ["contact_update"]});
    let one = app.endpoint(&acme, form).await;
    let answer = json!({"messages": [{"content": "hello"}]}).to_string();
    receiver.answer("/one", Answer::status(200).header("content-type", "application/json").body(answer));
    let incoming = json!({"eventType": "incoming_message", "payload": {"id": "SM1", "from_number": "+1"}});
    let path = format!("/api/v1/app/{acme}/msg?wait=20");
    for name in ["one", one.as_str()] {
        let sent = app.post(&path, to(incoming.clone(), json!({"endpointId": name}))).await.expect(202);
        assert_eq!(sent["reply"]["done"], true);
        assert_eq!(sent["reply"]["data"][0]["actions"][0]["content"], "hello");
    }
    assert_eq!((receiver.count("/one"), receiver.count("/project")), (2, 0));
    let refused = app.post(&path, to(incoming.clone(), json!({"endpointId": "two"}))).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "deliverTo", "endpointId"]));
    app.patch(&format!("/api/v1/app/{acme}/endpoint/one"), json!({"disabled": true})).await.expect(200);
    app.post(&path, to(incoming, json!({"endpointId": "one"}))).await.expect(409);
}

#[tokio::test]
async fn addresses_that_nobody_names_any_more_are_forgotten() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = project(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/msg");
    let address = json!({"url": receiver.url("/status"), "secret": "s"});
    let addresses = async || {
        let page = app.get(&format!("/api/v1/app/{acme}/endpoint?addressed=true")).await.expect(200);
        page["data"].as_array().unwrap().len()
    };
    for n in 0..3 {
        app.post(&path, to(status(&format!("SM{n}"), "queued"), address.clone())).await.expect(202);
    }
    receiver.wait_for("/status", 3).await;
    assert_eq!(addresses().await, 1, "the same address is one");
    clock.advance(DAY * 29);
    app.post(&path, status("SM1", "sent")).await.expect(202);
    receiver.wait_for("/status", 4).await;
    clock.advance(DAY * 2);
    app.post(&path, status("SM1", "delivered")).await.expect(202);
    receiver.wait_for("/project", 1).await;
    // In use again, by a new one, while the old one goes.
    app.post(&path, to(status("SM1", "queued"), address)).await.expect(202);
    receiver.wait_for("/status", 5).await;
    assert_eq!(addresses().await, 2);
    let old_is_gone = async || {
        clock.advance(DAY);
        addresses().await == 1
    };
    assert!(eventually(old_is_gone).await, "{} addresses", addresses().await);
}

#[tokio::test]
async fn one_application_can_name_so_many_addresses_and_no_more() {
    let (app, receiver) = started().await;
    let acme = project(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/msg");
    for n in 0..1_000 {
        let address = json!({"url": receiver.url("/status"), "secret": format!("secret {n}")});
        app.post(&path, to(status(&format!("SM{n}"), "queued"), address)).await.expect(202);
    }
    let refused = app.post(&path, to(status("SM1", "sent"), json!({"url": receiver.url("/more")}))).await;
    assert_eq!(refused.expect(429)["code"], "too_many_addresses");
    app.post(&path, status("SM7", "sent")).await.expect(202);
    let told = receiver.wait_for("/status", 1_001).await;
    assert_eq!(told.iter().filter(|request| request.text().ends_with("secret=secret+7")).count(), 2);
}

#[tokio::test]
async fn the_same_address_is_made_once_however_many_name_it_at_once() {
    let (app, receiver) = started().await;
    let acme = project(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/msg");
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let (client, path, url) = (app.client.clone(), path.clone(), receiver.url("/status"));
            tokio::spawn(async move {
                let message = to(status(&format!("SM{n}"), "queued"), json!({"url": url, "secret": "s"}));
                client.post(&path, message).await.expect(202)
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    receiver.wait_for("/status", 100).await;
    let page = app.get(&format!("/api/v1/app/{acme}/endpoint?addressed=true")).await.expect(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    assert_eq!(page["data"][0]["uid"], Value::Null, "what it goes by is ours");
}

#[tokio::test]
async fn an_address_needs_a_secret_where_endpoints_have_one_and_is_nothing_of_the_customers() {
    let (app, receiver) = started().await;
    for contract in ["standard", "svix", "uplodr", "tiledesk", "tellescope"] {
        let acme = id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": contract})).await.expect(201));
        let event = if contract == "uplodr" { "employee.created" } else { "automation" };
        let message = json!({"eventType": event, "payload": {"id": "1", "message": "m"}});
        let named = to(message, json!({"url": receiver.url("/x")}));
        let refused = app.post(&format!("/api/v1/app/{acme}/msg"), named).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "deliverTo", "secret"]), "{contract}");
    }
    let acme = project(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/msg");
    let unnamed = to(status("", "sent"), json!({"url": receiver.url("/status")}));
    assert_eq!(app.post(&path, unnamed).await.expect(422)["detail"][0]["loc"], json!(["body", "payload"]));
    app.post(&path, to(status("SM1", "sent"), json!({"url": receiver.url("/status"), "secret": "t"})))
        .await
        .expect(202);
    let page = app.get(&format!("/api/v1/app/{acme}/endpoint?addressed=true")).await.expect(200);
    let address = page["data"][0]["id"].as_str().unwrap();
    let access = app.post(&format!("/api/v1/auth/app-portal-access/{acme}"), json!({})).await.expect(200);
    let customer = app.with_key(access["token"].as_str().unwrap());
    let seen = customer.get(&format!("/api/v1/app/{acme}/endpoint?addressed=true")).await.expect(200);
    assert_eq!(seen["data"].as_array().unwrap().len(), 1, "its own endpoints");
    assert_ne!(seen["data"][0]["id"], address);
    customer.get(&format!("/api/v1/app/{acme}/endpoint/{address}/secret")).await.expect(404);
    customer.delete(&format!("/api/v1/app/{acme}/endpoint/{address}")).await.expect(404);
}

#[tokio::test]
async fn an_address_that_was_disabled_is_refused_like_any_endpoint() {
    let (app, receiver) = started().await;
    let acme = project(&app, &receiver).await;
    let path = format!("/api/v1/app/{acme}/msg");
    let message = || to(status("SM1", "queued"), json!({"url": receiver.url("/status"), "secret": "x"}));
    app.post(&path, message()).await.expect(202);
    let addressed = app.get(&format!("/api/v1/app/{acme}/endpoint?addressed=true")).await.expect(200);
    let address = format!("/api/v1/app/{acme}/endpoint/{}", id(&addressed["data"][0]));
    app.patch(&address, json!({"disabled": true})).await.expect(200);
    app.post(&path, message()).await.expect(409);
    app.patch(&address, json!({"disabled": false})).await.expect(200);
    app.post(&path, message()).await.expect(202);
    receiver.wait_for("/status", 2).await;
}
