//! Drives a server with Svix's own client for Rust: `svix-sdk URL KEY RECEIVER`, where RECEIVER answers 200 to
//! everything. `svix-sdk verify` checks deliveries, a JSON line each on standard input, with the libraries that
//! receivers use. Ends with 0 when all of it works.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use svix::api::{MessageListOptions, Svix, SvixOptions};
use svix::error::Error;
use svix::models::{AppPortalAccessIn, ApplicationIn, EndpointIn, EndpointSecretRotateIn, MessageIn};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [verify] if verify == "verify" => println!("{}", verify_all()),
        [url, key, receiver] => drive(url, key, receiver).await,
        other => panic!("{other:?}: give URL KEY RECEIVER, or verify"),
    }
}

fn client(url: &str, key: &str) -> Svix {
    Svix::new(key.to_owned(), Some(SvixOptions { server_url: Some(url.to_owned()), ..SvixOptions::default() }))
}

async fn drive(url: &str, key: &str, receiver: &str) {
    let svix = client(url, key);
    let acme =
        ApplicationIn { uid: Some("acme".into()), throttle_rate: Some(500), ..ApplicationIn::new("Acme".into()) };
    let made = svix.application().create(acme.clone(), None).await.unwrap();
    assert_eq!(made.throttle_rate, Some(500));
    assert_eq!(svix.application().get_or_create(acme, None).await.unwrap().id, made.id);
    let endpoint = EndpointIn {
        uid: Some("main".into()),
        event_types: Some(["user.*".into()].into()),
        ..EndpointIn::new(receiver.to_owned())
    };
    let endpoint = svix.endpoint().create("acme".into(), endpoint, None).await.unwrap();
    assert_eq!(endpoint.event_types, Some(["user.*".to_owned()].into()));
    let rotation = EndpointSecretRotateIn::default();
    let rotated = svix.endpoint().rotate_secret("acme".into(), "main".into(), rotation, None).await.unwrap();
    let secret = svix.endpoint().get_secret("acme".into(), "main".into()).await.unwrap();
    assert_eq!(rotated.key, secret.key);

    let mut sent = Vec::new();
    for n in 0..3 {
        let message = MessageIn::new("user.created".into(), json!({"n": n}));
        sent.push(svix.message().create("acme".into(), message, None).await.unwrap().id);
    }
    let options = MessageListOptions { limit: Some(2), with_content: Some(true), ..MessageListOptions::default() };
    let page = svix.message().list("acme".into(), Some(options)).await.unwrap();
    assert_eq!((page.done, page.data.len(), &page.data[0].id), (false, 2, &sent[2]));
    assert_eq!(page.data[0].payload, json!({"n": 2}));
    let started = Instant::now();
    while svix.endpoint().get_stats("acme".into(), "main".into(), None).await.unwrap().success != 3 {
        assert!(started.elapsed() < Duration::from_secs(20), "waited in vain for three deliveries");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let attempts = svix.message_attempt().list_by_msg("acme".into(), sent[0].clone(), None).await.unwrap();
    assert_eq!(attempts.data[0].response_status_code, 200);

    let access = AppPortalAccessIn::default();
    let access = svix.authentication().app_portal_access("acme".into(), access, None).await.unwrap();
    let token = client(url, &access.token);
    assert_eq!(token.endpoint().list("acme".into(), None).await.unwrap().data.len(), 1);
    assert_eq!(status(token.application().list(None).await.unwrap_err()), 403);
    assert_eq!(status(svix.message().get("acme".into(), "msg_nothing".into(), None).await.unwrap_err()), 404);
    let invalid = EndpointIn::new("nowhere".into());
    match svix.endpoint().create("acme".into(), invalid, None).await {
        Err(Error::Validation(error)) => assert_eq!(error.status.as_u16(), 422),
        other => panic!("{other:?}"),
    }
}

fn status(error: Error) -> u16 {
    match error {
        Error::Http(error) => error.status.as_u16(),
        other => panic!("{other:?}"),
    }
}

fn verify_all() -> usize {
    let lines = std::io::stdin().lines();
    lines.map(|line| verify(&serde_json::from_str(&line.unwrap()).unwrap())).sum()
}

/// With how many libraries a delivery verified.
fn verify(delivery: &Value) -> usize {
    let secret = delivery["secret"].as_str().unwrap();
    let body = BASE64_STANDARD.decode(delivery["body"].as_str().unwrap()).unwrap();
    let headers = delivery["headers"].as_object().unwrap().iter();
    let headers: HeaderMap = headers
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.as_str().unwrap().parse().unwrap()))
        .collect();
    let svix = svix::webhooks::Webhook::new(secret).unwrap();
    svix.verify(&body, &headers).unwrap();
    svix.verify(b"changed", &headers).unwrap_err();
    if !headers.contains_key("webhook-id") {
        return 1;
    }
    let standard = standardwebhooks::Webhook::new(secret).unwrap();
    standard.verify(&body, &headers).unwrap();
    standard.verify(b"changed", &headers).unwrap_err();
    2
}
