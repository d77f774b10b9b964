//! Webhooks in PHP, Node and Python, written after the samples of Telerivet's document, answer over HTTP, well and
//! badly: what they ask for is read alike, and what is wrong does no harm.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{App, id};
use postrider_testkit::foreign::Running;
use postrider_testkit::packages::{installed, node, python};
use postrider_testkit::process::free_port;
use serde_json::{Value, json};
use std::process::Command;

const SECRET: &str = "YOUR_WEBHOOK_SECRET_HERE";

fn script(name: &str) -> String {
    format!("{}/tests/receivers/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn a_webhook_in_php() {
    let dir = tempfile::tempdir().unwrap();
    if !installed("php", dir.path(), "", || {}) {
        return;
    }
    let port = free_port();
    let mut command = Command::new("php");
    command.args(["-S", &format!("127.0.0.1:{port}"), &script("answers.php")]).env("SECRET", SECRET);
    answers(&Running::on_port(port, &mut command).await, "9223372036854775807").await;
}

#[tokio::test]
async fn a_webhook_in_node() {
    let packages = || node("express-answers", &["express@5.1.0"]);
    let Some(packages) = tokio::task::spawn_blocking(packages).await.unwrap() else { return };
    let mut command = Command::new("node");
    command.arg(script("answers.mjs")).arg(packages).arg(SECRET);
    answers(&Running::says_its_port(&mut command), "9007199254740991").await;
}

#[tokio::test]
async fn a_webhook_in_python() {
    let packages = || python("django-answers", &["django==5.2.8"]);
    let Some(python) = tokio::task::spawn_blocking(packages).await.unwrap() else { return };
    let mut command = Command::new(python);
    command.arg(script("answers.py")).arg(SECRET);
    answers(&Running::says_its_port(&mut command), "1237940039285380274899124224").await;
}

/// What the webhook says to each content, `big` being its largest number.
async fn answers(webhook: &Running, big: &str) {
    let app = App::start().await;
    let acme = id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": "telerivet"})).await.expect(201));
    app.endpoint(&acme, json!({"url": format!("{}/", webhook.url), "secret": SECRET})).await;
    let ask = async |content: &str| {
        let payload =
            json!({"id": "SM1", "contact_id": "CT1", "from_number": "+1650", "phone_id": "PN1", "content": content});
        let form = json!({"eventType": "incoming_message", "payload": payload});
        let sent = app.post(&format!("/api/v1/app/{acme}/msg?wait=20"), form).await.expect(202);
        assert_eq!(sent["reply"]["done"], true, "{content}");
        assert_eq!(
            app.states(&acme, &id(&sent)).await,
            ["success"],
            "{content}: it is delivered, whatever was answered"
        );
        sent["reply"]["data"].clone()
    };
    let sms = |content: &str| json!({"type": "send_message", "content": content, "to_number": "+1650", "message_type": "sms", "route_id": "PN1"});
    let set = |name: &str, value: Value| json!({"type": "set_variable", "name": name, "value": value});
    assert_eq!(ask("autoreply").await[0]["actions"], json!([sms("Thanks for your message!")]));
    let ussd =
        json!({"type": "send_message", "to_number": "*104*12312312*456#", "message_type": "ussd", "route_id": "PN1"});
    assert_eq!(ask("two").await[0]["actions"], json!([sms("Zoë & 李 🚀"), ussd]));
    let variables = json!([
        set("contact.name", json!("John Smith")),
        set("$foo", json!(42)),
        set("$half", json!(1.5)),
        set("$yes", json!(true)),
        set("$none", json!(null)),
        set("$big", serde_json::from_str(big).unwrap()),
    ]);
    assert_eq!(ask("variables").await[0]["actions"], variables);
    for content in ["nothing", "text"] {
        assert_eq!(ask(content).await, json!([]), "{content}");
    }
    for (content, why) in [
        ("broken", "the response is not JSON: trailing comma"),
        ("wrong", "/messages/0/content of the response: "),
        ("nested", "/variables/$foo of the response: "),
        ("thousands", "/messages of the response: "),
        ("huge", "the response is not JSON: EOF while parsing a string"),
        ("deep", "the response is not JSON: recursion limit exceeded"),
    ] {
        let reply = ask(content).await[0].clone();
        assert!(reply["error"].as_str().unwrap().starts_with(why), "{content}: {reply}");
        assert_eq!(reply["actions"], json!([]), "{content}");
    }
    // And it goes on as if nothing had been.
    assert_eq!(ask("autoreply").await[0]["actions"], json!([sms("Thanks for your message!")]));
}
