//! Receivers in the languages of the five documents, each checking what it gets as its document tells its readers
//! to (`receivers/`), against real deliveries.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{App, Client};
use postrider_testkit::foreign::Running;
use postrider_testkit::packages::{installed, node, python};
use postrider_testkit::process::free_port;
use serde_json::{Value, json};
use std::process::Command;

const SECRET: &str = "as the documents have it";

/// What passed the receiver's check.
async fn checked(running: &Running) -> Vec<Value> {
    Client::new(&running.url, "").get("/seen").await.expect(200).as_array().unwrap().clone()
}

fn script(name: &str) -> String {
    format!("{}/tests/receivers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// An application with an endpoint at the receiver, and one whose secret the receiver doesn't know.
struct Story {
    app: App,
    acme: String,
    known: String,
    stranger: String,
}

impl Story {
    async fn new(running: &Running, contract: &str, event_types: &[&str]) -> Story {
        let app = App::start().await;
        let acme = app.application().await;
        let endpoint = |secret: &str| {
            let url = format!("{}/{contract}", running.url);
            json!({"url": url, "contract": contract, "secret": secret, "eventTypes": event_types, "retrySchedule": []})
        };
        let known = app.endpoint(&acme, endpoint(SECRET)).await;
        let stranger = app.endpoint(&acme, endpoint("another that nobody knows")).await;
        Story { app, acme, known, stranger }
    }

    /// Sends it; the status with which the receiver that knows the secret answered. The other one refuses.
    async fn send(&self, event_type: &str, payload: Value) -> u64 {
        let message = self.app.send(&self.acme, event_type, payload).await;
        let attempts = self.app.wait_for_attempts(&self.acme, &message, 2).await;
        let of = |endpoint: &str| attempts.iter().find(|attempt| attempt["endpointId"] == endpoint).unwrap();
        assert_eq!(of(&self.stranger)["responseStatusCode"], 403, "{event_type}: a wrong secret is refused");
        assert_eq!(of(&self.known)["statusText"], "success", "{event_type}: {}", of(&self.known));
        of(&self.known)["responseStatusCode"].as_u64().unwrap()
    }
}

fn express() -> Option<Running> {
    let packages = node("express-node", &["express@5.1.0", "jsonwebtoken@9.0.2"])?;
    let mut command = Command::new("node");
    Some(Running::says_its_port(command.arg(script("express.mjs")).arg(packages).arg(SECRET)))
}

async fn on_express() -> Option<Running> {
    tokio::task::spawn_blocking(express).await.unwrap()
}

#[tokio::test]
async fn tellescope_on_express() {
    let Some(running) = on_express().await else { return };
    let story = Story::new(&running, "tellescope", &["endusers.create", "endusers.update", "endusers.delete"]).await;
    let two = json!([{"id": "60398b0231a295e64f084fd9", "fname": "Zoë"}, {"id": "60398b0231a295e64f084fda"}]);
    assert_eq!(story.send("endusers.create", json!({"records": two})).await, 204);
    let updates = json!([{"recordBeforeUpdate": {"id": "1", "n": 1}, "update": {"n": 2}}]);
    story.send("endusers.update", json!({"records": [{"id": "1", "n": 2}], "updates": updates})).await;
    story.send("endusers.delete", json!({"records": []})).await;
    // These go out whatever was subscribed to.
    story.send("automation", json!({"message": "hello", "enduserId": "7"})).await;
    let event = json!({"id": "abc", "title": "Visit", "startTimeInMS": 1_767_225_600_000_i64});
    story.send("calendar_event_reminder", json!({"event": event})).await;

    let seen = checked(&running).await;
    let shape = |n: usize| seen[n]["body"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(seen.len(), 5);
    assert_eq!((&seen[0]["body"]["model"], &seen[0]["body"]["type"]), (&json!("endusers"), &json!("create")));
    assert_eq!((&seen[0]["body"]["records"], &seen[0]["body"]["relatedRecords"]), (&two, &json!({})));
    assert_eq!(seen[1]["body"]["updates"], updates);
    assert_eq!(shape(3), ["type", "message", "enduserId", "timestamp", "integrity"]);
    assert_eq!(
        (shape(4), &seen[4]["body"]["event"]),
        (["type", "event", "timestamp", "integrity"].map(str::to_owned).into(), &event)
    );
    assert!(seen.iter().all(|one| one["body"]["timestamp"].is_string()));
    // Several megabytes are one webhook too.
    let many: Vec<Value> = (0..3_000).map(|n| json!({"id": n.to_string(), "text": "x".repeat(1_000)})).collect();
    story.send("endusers.create", json!({"records": many})).await;
    assert_eq!(checked(&running).await[5]["body"]["records"].as_array().unwrap().len(), 3_000);
}

#[tokio::test]
async fn uplodr_on_express() {
    let Some(running) = on_express().await else { return };
    let story = Story::new(&running, "uplodr", &["question.updated"]).await;
    let question = json!({
        "id": "SIuAFUNKdSYHZF2w", "transcript_id": "xgQQXg3hrtjh7AvZ", "question": "Where’s “Zoë”? \u{1F426} \u{2028}",
        "employee": {"id": "WAz8eIbvDR60rouK", "phone_number": null}, "reactions": [], "attachments": [], "read_at": 705_103_200
    });
    assert_eq!(story.send("question.updated", question.clone()).await, 200);
    let seen = checked(&running).await;
    let body: Value = serde_json::from_str(seen[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["type"], &body["payload"]), (&json!("question.updated"), &question));
    assert_eq!(body["id"].as_str().unwrap().len(), 16);
}

#[tokio::test]
async fn tiledesk_on_express() {
    let Some(running) = on_express().await else { return };
    let story = Story::new(&running, "tiledesk", &["message.create.request.channel.telegram"]).await;
    let payload = json!({"_id": "5c879fb4f1ae6600173b8c99", "text": "ciao", "request": {"status": 200}});
    assert_eq!(story.send("message.create.request.channel.telegram", payload.clone()).await, 200);
    let seen = checked(&running).await.remove(0);
    assert_eq!(seen["body"]["payload"], payload);
    let hook = &seen["body"]["hook"];
    assert_eq!(hook["event"], "message.create.request.channel.telegram");
    assert_eq!(hook["target"], format!("{}/tiledesk", running.url));
    assert!(["_id", "createdAt", "updatedAt"].iter().all(|field| hook[field].is_string()), "{hook}");
    let headers = &seen["headers"];
    assert_eq!(
        (&headers["user-agent"], &headers["origin"]),
        (&json!("tiledesk-webhooks"), &json!("https://tiledesk.com"))
    );
}

/// A message with all that a form makes difficult, and what a receiver reads of it.
fn incoming() -> (Value, Vec<(&'static str, &'static str)>) {
    let sent = json!({
        "id": "SM0123456789abcdef", "message_type": "mms", "content": "Zoë & Co + 50% ~ \u{1F426}", "from_number": "+16505550123",
        "time_created": 1_390_000_000, "starred": false, "simulated": true, "error_message": null,
        "media": [{"url": "https://example.com/a b.jpg", "type": "image/jpeg", "size": 12_345}],
        "contact": {"name": "John Smith", "vars": {"birthdate": "2001-01-01"}}, "label_ids": []
    });
    let read = vec![
        ("event", "incoming_message"),
        ("content", "Zoë & Co + 50% ~ \u{1F426}"),
        ("from_number", "+16505550123"),
        ("time_created", "1390000000"),
        ("starred", "0"),
        ("simulated", "1"),
        ("secret", SECRET),
    ];
    (sent, read)
}

#[tokio::test]
async fn telerivet_on_express() {
    let Some(running) = on_express().await else { return };
    let story = Story::new(&running, "telerivet", &["incoming_message"]).await;
    let (sent, read) = incoming();
    assert_eq!(story.send("incoming_message", sent).await, 200);
    let body = checked(&running).await[0]["body"].clone();
    for (name, value) in read {
        assert_eq!(body[name], value, "{name}");
    }
    assert_eq!(body["media"], json!([{"url": "https://example.com/a b.jpg", "type": "image/jpeg", "size": "12345"}]));
    assert_eq!(body["contact"], json!({"name": "John Smith", "vars": {"birthdate": "2001-01-01"}}));
    assert!(body.get("error_message").is_none() && body.get("label_ids").is_none(), "{body}");
}

#[tokio::test]
async fn telerivet_on_django() {
    let made = tokio::task::spawn_blocking(|| python("django-venv", &["django==5.2.8"])).await.unwrap();
    let Some(python) = made else { return };
    let running = Running::says_its_port(Command::new(python).arg(script("django_receiver.py")).arg(SECRET));
    let story = Story::new(&running, "telerivet", &["incoming_message", "send_status"]).await;
    let (sent, read) = incoming();
    assert_eq!(story.send("incoming_message", sent).await, 200);
    story.send("send_status", json!({"id": "SM1", "status": "delivered", "time_sent": null})).await;
    let seen = checked(&running).await;
    for (name, value) in read {
        assert_eq!(seen[0]["body"][name], value, "{name}");
    }
    assert_eq!(seen[0]["body"]["contact[vars][birthdate]"], "2001-01-01");
    assert_eq!(seen[1]["body"], json!({"event": "send_status", "id": "SM1", "status": "delivered", "secret": SECRET}));
}

#[tokio::test]
async fn telerivet_on_php() {
    let dir = tempfile::tempdir().unwrap();
    if !installed("php", dir.path(), "", || {}) {
        return;
    }
    let port = free_port();
    let mut command = Command::new("php");
    command.args(["-S", &format!("127.0.0.1:{port}"), &script("receiver.php")]);
    command.env("SECRET", SECRET).env("SEEN", dir.path().join("seen"));
    let running = Running::on_port(port, &mut command).await;
    let story = Story::new(&running, "telerivet", &["incoming_message"]).await;
    let (sent, read) = incoming();
    assert_eq!(story.send("incoming_message", sent).await, 200);
    let body = checked(&running).await[0]["body"].clone();
    for (name, value) in read {
        assert_eq!(body[name], value, "{name}");
    }
    assert_eq!(body["media"][0]["url"], "https://example.com/a b.jpg");
    assert_eq!(body["contact"]["vars"]["birthdate"], "2001-01-01");
}

#[tokio::test]
async fn scope_on_sinatra() {
    let dir = tempfile::tempdir().unwrap();
    if !installed("ruby", dir.path(), "", || {}) {
        return;
    }
    let port = free_port();
    let mut command = Command::new("ruby");
    command.args([&script("sinatra.rb"), &port.to_string(), SECRET]);
    let running = Running::on_port(port, &mut command).await;
    let story = Story::new(&running, "scope", &["scenario_session/updated"]).await;
    assert_eq!(
        story.send("scenario_session/updated", json!({"id": "t5V3S3X8Trt/weWu0A2YHb0cRFJfcRA2rXT3vAGTz1A="})).await,
        200
    );
    let path = format!("/api/v1/app/{}/endpoint", story.acme);
    for endpoint in [&story.known, &story.stranger] {
        let xml = json!({"contentType": "application/xml"});
        story.app.patch(&format!("{path}/{endpoint}"), xml).await.expect(200);
    }
    story.send("scenario_session/updated", json!({"id": "Zoë"})).await;
    let seen = checked(&running).await;
    let body: Value = serde_json::from_str(seen[0]["body"].as_str().unwrap()).unwrap();
    let url = "https://cms.scopear.com/api/v3/graphql/object/t5V3S3X8Trt/weWu0A2YHb0cRFJfcRA2rXT3vAGTz1A=";
    assert_eq!(body, json!({"data": {"id": "t5V3S3X8Trt/weWu0A2YHb0cRFJfcRA2rXT3vAGTz1A=", "url": url}}));
    assert!(seen[1]["body"].as_str().unwrap().contains("<id>Zoë</id>"), "{}", seen[1]);
    let headers = |n: usize| seen[n]["headers"].as_object().unwrap();
    assert_eq!(headers(0)["HTTP_X_SCOPE_TOPIC"], "scenario_session/updated");
    assert_eq!(headers(0)["HTTP_X_SCOPE_API_VERSION"], "3");
    assert_eq!(
        (&headers(0)["CONTENT_TYPE"], &headers(1)["CONTENT_TYPE"]),
        (&json!("application/json"), &json!("application/xml"))
    );
    let missing = ["TOPIC_VERSION", "DOMAIN", "WEBHOOK_ID", "WEBHOOK_TYPE", "WEBHOOK_JOB_ID", "TIME"]
        .map(|name| format!("HTTP_X_SCOPE_{name}"))
        .into_iter()
        .filter(|name| !headers(0).contains_key(name))
        .collect::<Vec<_>>();
    assert_eq!(missing, Vec::<String>::new());
}
