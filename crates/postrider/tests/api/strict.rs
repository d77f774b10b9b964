//! What a contract forbids of an endpoint, on a server that was started without `--relax-contracts`.

use postrider_testkit::app::{App, Start};
use postrider_testkit::receiver::Receiver;
use serde_json::{Value, json};

async fn strict() -> App {
    Start { relax_contracts: false, ..Start::default() }.start().await
}

/// What an answer that refuses says of the URL.
fn of_url(refused: &Value) -> &str {
    let detail = refused["detail"].as_array().unwrap();
    assert_eq!((detail.len(), &detail[0]["loc"]), (1, &json!(["body", "url"])), "{refused}");
    detail[0]["msg"].as_str().unwrap()
}

#[tokio::test]
async fn telerivet_sends_to_its_five_ports_and_to_no_other() {
    let (app, receiver) = (strict().await, Receiver::start().await);
    let acme = app.application().await;
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let form = |url: &str| json!({"url": url, "contract": "telerivet", "secret": "s"});
    let mut allowed = Vec::new();
    for url in [
        "http://example.com/",
        "https://example.com/",
        "http://example.com:80/",
        "http://example.com:443/",
        "https://example.com:8000/",
        "http://example.com:8080/",
        "https://example.com:8443/",
    ] {
        allowed.push(app.endpoint(&acme, form(url)).await);
    }
    let one = format!("{endpoints}/{}", allowed[0]);
    let ports = [0, 1, 22, 79, 81, 442, 444, 3_000, 7_999, 8_001, 8_079, 8_081, 8_442, 8_444, 9_000, 65_535];
    for port in ports.into_iter().chain([receiver.port()]) {
        let url = format!("https://example.com:{port}/");
        let refused = [
            app.post(&endpoints, form(&url)).await.expect(422),
            app.put(&one, form(&url)).await.expect(422),
            app.patch(&one, json!({"url": url})).await.expect(422),
        ];
        for refused in &refused {
            let said = of_url(refused);
            assert!(said.contains(&port.to_string()) && said.contains("80, 443, 8000, 8080, 8443"), "{port}: {said}");
        }
    }
    assert_eq!(app.endpoint_now(&acme, &allowed[0]).await["url"], "http://example.com/");
    // An address that a message names is no way around it.
    let message = json!({
        "eventType": "send_status", "payload": {"id": "SM1", "status": "sent"}, "deliverTo": {"url": receiver.url("/")}
    });
    let telerivet = json!({"name": "T", "contract": "telerivet"});
    let telerivet = app.post("/api/v1/app", telerivet).await.expect(201);
    let path = format!("/api/v1/app/{}/msg", telerivet["id"].as_str().unwrap());
    let refused = app.post(&path, message).await.expect(422);
    assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("80, 443, 8000, 8080, 8443"), "{refused}");
    // Another contract has no such rule; changing to this one brings it.
    let other = app.endpoint(&acme, json!({"url": receiver.url("/")})).await;
    let refused = app.patch(&format!("{endpoints}/{other}"), json!({"contract": "telerivet"})).await;
    of_url(&refused.expect(422));
    assert_eq!(receiver.all().len(), 0);
}

#[tokio::test]
async fn scope_sends_to_https_alone() {
    let app = strict().await;
    let acme = app.application().await;
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let form = |url: &str| json!({"url": url, "contract": "scope", "eventTypes": ["user/created"]});
    let made = app.endpoint(&acme, form("https://example.com:8444/hook")).await;
    let one = format!("{endpoints}/{made}");
    let http = "http://example.com/hook";
    for refused in [
        app.post(&endpoints, form(http)).await,
        app.put(&one, form(http)).await,
        app.patch(&one, json!({"url": http})).await,
    ] {
        let refused = refused.expect(422);
        assert_eq!(of_url(&refused), "must be https: the contract scope requires it");
    }
    let other = app.endpoint(&acme, json!({"url": http})).await;
    let path = format!("{endpoints}/{other}");
    let changed = json!({"contract": "scope", "eventTypes": ["user/created"]});
    of_url(&app.patch(&path, changed).await.expect(422));
}

#[tokio::test]
async fn without_those_rules_contracts_send_to_what_the_network_rules_allow() {
    let (app, receiver) = (strict().await, Receiver::start().await);
    let acme = app.application().await;
    for (contract, event_type) in [("standard", "a"), ("tiledesk", "lead.create")] {
        let path = format!("/{contract}");
        app.endpoint(&acme, json!({"url": receiver.url(&path), "contract": contract})).await;
        app.send(&acme, event_type, json!({})).await;
        receiver.wait_for(&path, 1).await;
    }
}
