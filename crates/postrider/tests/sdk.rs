//! The clients that Svix publishes, unchanged, against this server: what they call is in `sdk/`.
#![allow(clippy::unwrap_used, clippy::panic)]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use postrider_testkit::app::{App, KEY};
use postrider_testkit::packages::{kept, node, python, says, succeed};
use postrider_testkit::receiver::{Received, Receiver};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;

fn script(name: &str) -> String {
    format!("{}/tests/sdk/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Every group of the client, blocking and not.
async fn python_client(dir: &'static str, package: &'static str) {
    let Some(python) = tokio::task::spawn_blocking(move || python(dir, &[package])).await.unwrap() else { return };
    for mode in ["sync", "async"] {
        let app = App::start().await;
        let mut command = Command::new(&python);
        command.args([&script("svix_sdk.py"), &app.url, KEY, mode]);
        tokio::task::spawn_blocking(move || succeed(&mut command)).await.unwrap();
    }
}

#[tokio::test]
async fn the_python_client_works_unchanged() {
    python_client("sdk-venv", "svix==2.9.1").await;
}

#[tokio::test]
async fn the_python_client_before_2_works_unchanged() {
    python_client("sdk-venv-1", "svix==1.99.1").await;
}

const NODE: &[&str] = &["svix@2.5.0", "standardwebhooks@1.0.0"];

#[tokio::test]
async fn the_node_client_works_unchanged() {
    let Some(dir) = tokio::task::spawn_blocking(|| node("sdk-node", NODE)).await.unwrap() else { return };
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let mut command = Command::new("node");
    command.args([&script("svix_sdk.mjs"), &app.url, KEY, &receiver.url("/hook")]).arg(dir);
    tokio::task::spawn_blocking(move || succeed(&mut command)).await.unwrap();
    let received = receiver.wait_for("/hook", 6).await;
    assert!(received.iter().all(|request| request.header("x-team") == Some("ops")));
}

/// The program of `sdk/rust`, built in a directory of its own.
fn rust() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--locked", "--manifest-path", &script("rust/Cargo.toml"), "--target-dir"]);
    command.arg(kept("sdk-rust")).arg("--");
    command
}

#[tokio::test]
async fn the_rust_client_works_unchanged() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let mut command = rust();
    command.args([&app.url, KEY, &receiver.url("/hook")]);
    tokio::task::spawn_blocking(move || succeed(&mut command)).await.unwrap();
    assert_eq!(receiver.wait_for("/hook", 3).await.len(), 3);
}

/// A delivery as the scripts read it, with the secret that its endpoint's owner sees.
fn line(request: &Received, secret: &Value) -> String {
    let headers: BTreeMap<_, _> = request.headers.iter().cloned().collect();
    let body = BASE64_STANDARD.encode(&request.body);
    format!("{}\n", json!({"secret": secret, "headers": headers, "body": body}))
}

/// Deliveries to an endpoint of each kind: Standard Webhooks' and Svix's header names, and an asymmetric key.
struct Deliveries {
    symmetric: String,
    asymmetric: String,
}

async fn deliveries() -> Deliveries {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let acme = app.application().await;
    let key = format!("whsk_{}", BASE64_STANDARD.encode([42; 32]));
    let mut secrets = BTreeMap::new();
    for (path, endpoint) in [
        ("/standard", json!({"contract": "standard"})),
        ("/svix", json!({"contract": "svix"})),
        ("/asymmetric", json!({"contract": "standard", "secret": key})),
    ] {
        let mut endpoint = endpoint;
        endpoint["url"] = json!(receiver.url(path));
        let endpoint = app.endpoint(&acme, endpoint).await;
        let secret = app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/secret")).await.expect(200);
        secrets.insert(path, secret["key"].clone());
    }
    let payloads = [json!({}), json!({"text": "Grüße \u{1F426} \u{2028}"}), json!({"deep": [[[{"a": null}]]]})];
    for payload in &payloads {
        app.send(&acme, "a", payload.clone()).await;
    }
    let mut lines = BTreeMap::new();
    for (path, secret) in &secrets {
        let received = receiver.wait_for(path, payloads.len()).await;
        lines.insert(*path, received.iter().map(|request| line(request, secret)).collect::<String>());
    }
    Deliveries {
        symmetric: format!("{}{}", lines["/standard"], lines["/svix"]),
        asymmetric: lines["/asymmetric"].clone(),
    }
}

#[tokio::test]
async fn deliveries_verify_with_what_python_receivers_use() {
    let packages = &["svix==2.9.1", "standardwebhooks==1.1.0"];
    let Some(python) = tokio::task::spawn_blocking(|| python("verify-venv", packages)).await.unwrap() else { return };
    let deliveries = deliveries().await;
    let said = says(Command::new(python).arg(script("verify.py")), &deliveries.symmetric);
    assert_eq!(said, "9", "three with svix alone, three with both");
}

#[tokio::test]
async fn deliveries_verify_with_what_node_receivers_use() {
    let Some(dir) = tokio::task::spawn_blocking(|| node("sdk-node", NODE)).await.unwrap() else { return };
    let deliveries = deliveries().await;
    let lines = format!("{}{}", deliveries.symmetric, deliveries.asymmetric);
    let said = says(Command::new("node").arg(script("verify.mjs")).arg(dir), &lines);
    assert_eq!(said, "12", "three with svix alone, three with both, three by ed25519");
}

#[tokio::test]
async fn deliveries_verify_with_what_rust_receivers_use() {
    let lines = deliveries().await.symmetric;
    let said = tokio::task::spawn_blocking(move || says(rust().arg("verify"), &lines)).await.unwrap();
    assert_eq!(said, "9", "three with svix alone, three with both");
}
