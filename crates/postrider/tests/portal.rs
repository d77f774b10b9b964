//! The consumer portal, as a customer sees it: a real browser (`portal/portal.mjs`).
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::App;
use postrider_testkit::packages::{node, succeed};
use postrider_testkit::receiver::{Answer, Receiver};
use postrider_testkit::skip::skip;
use serde_json::json;
use std::process::Command;

#[tokio::test]
async fn a_customer_looks_after_its_endpoints_in_a_browser() {
    let packages = tokio::task::spawn_blocking(|| node("portal-node", &["puppeteer-core@24.16.0"])).await.unwrap();
    let Some(packages) = packages else { return };
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if !std::path::Path::new(&chromium).exists() {
        return skip(&format!("{chromium} is not there (set CHROMIUM, or run scripts/services start)"));
    }
    let (app, receiver) = (App::start().await, Receiver::start().await);
    // What comes from outside is text, never a part of the page.
    receiver.answer("/hook", Answer::status(200).body("<script>alert(1)</script>"));
    app.post("/api/v1/app", json!({"name": "Acme", "uid": "acme"})).await.expect(201);
    let schema = json!({"1": {"type": "object", "example": {"id": "in_1"}}});
    for (name, flags) in [("invoice.paid", json!([])), ("beta.only", json!(["beta"]))] {
        let event_type = json!({"name": name, "description": name, "schemas": schema, "featureFlags": flags});
        app.post("/api/v1/event-type", event_type).await.expect(201);
    }
    let link = app.post("/api/v1/auth/app-portal-access/acme", json!({})).await.expect(200);
    let second = one_that_fails_and_one_that_is_pulled(&app, &receiver).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/portal/portal.mjs");
    let mut command = Command::new("node");
    command.args([script, link["url"].as_str().unwrap(), &receiver.url("/hook")]).arg(packages).arg(second);
    tokio::task::spawn_blocking(move || succeed(&mut command)).await.unwrap();
    assert_eq!(receiver.wait_for("/hook", 2).await.len(), 2, "the example, and the same by hand");
}

/// The link to an application with an endpoint that is down and one without a URL.
async fn one_that_fails_and_one_that_is_pulled(app: &App, receiver: &Receiver) -> String {
    let busy = app.application().await;
    receiver.answer("/down", Answer::status(500));
    app.endpoint(&busy, json!({"url": receiver.url("/down")})).await;
    app.endpoint(&busy, json!({"poll": true, "description": "Nightly import"})).await;
    for _ in 0..3 {
        let message = app.send(&busy, "invoice.paid", json!({})).await;
        app.wait_for_attempts(&busy, &message, 1).await;
    }
    let link = app.post(&format!("/api/v1/auth/app-portal-access/{busy}"), json!({})).await.expect(200);
    link["url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_pages_may_run_their_own_code_alone() {
    let app = App::start().await;
    let page = app.get("/portal").await;
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    assert!(page.headers["content-security-policy"].starts_with("default-src 'none'; script-src 'self'"));
    let script = app.get("/portal/portal.js").await;
    assert_eq!((script.status, script.headers["content-type"].as_str()), (200, "text/javascript; charset=utf-8"));
    app.get("/portal/nothing.js").await.expect(404);
}
