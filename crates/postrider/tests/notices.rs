//! People are told by mail that an endpoint fails, by a real mail server.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider::config::MailConfig;
use postrider_clock::Clock;
use postrider_testkit::app::{PATIENCE, Start};
use postrider_testkit::packages::python;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

/// A mail server's process; it ends with the test.
struct Mailbox {
    child: Child,
    port: String,
    mails: mpsc::Receiver<Value>,
}

impl Mailbox {
    /// `None` where there is no Python.
    fn start() -> Option<Mailbox> {
        let python = python("mail-venv", &["aiosmtpd==1.4.6"])?;
        let script = format!("{}/tests/receivers/mailbox.py", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python);
        let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap();
        let (sender, mails) = mpsc::channel();
        std::thread::spawn(move || pass_on(lines, &sender));
        Some(Mailbox { child, port, mails })
    }

    fn config(&self, interval: Duration) -> Option<MailConfig> {
        let from = "Hooks <hooks@example.com>".to_owned();
        Some(MailConfig { url: format!("smtp://127.0.0.1:{}", self.port), from, interval })
    }

    async fn next(&mut self) -> Value {
        tokio::task::block_in_place(|| self.mails.recv_timeout(PATIENCE).unwrap())
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pass_on(lines: Lines<BufReader<ChildStdout>>, mails: &mpsc::Sender<Value>) {
    for line in lines.map_while(Result::ok) {
        if mails.send(serde_json::from_str(&line).unwrap()).is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_of_a_failure_once_in_an_interval() {
    let Some(mut mailbox) = Mailbox::start() else { return };
    let (clock, receiver) = (Clock::manual(START_MS), Receiver::start().await);
    let mail = mailbox.config(Duration::from_secs(3_600));
    let app = Start { clock: clock.clone(), mail: mail.clone(), ..Start::default() }.start().await;
    let acme = app.application().await;
    let fields = json!({"name": "Acme & Söhne", "contract": "telerivet", "notifyEmails": ["ops@acme.example"]});
    app.patch(&format!("/api/v1/app/{acme}"), fields).await.expect(200);
    let form = json!({"url": receiver.url("/hook"), "retrySchedule": [], "secret": "geheim",
        "notifyEmails": ["me@acme.example", "ops@acme.example"]});
    let endpoint = app.endpoint(&acme, form).await;
    let quiet = app.endpoint(&acme, json!({"url": receiver.url("/good"), "retrySchedule": []})).await;
    receiver.answer("/hook", Answer::status(403).body("Invalid webhook secret"));
    receiver.answer("/good", Answer::status(200));

    let failed = app.send(&acme, "incoming_message", json!({"content": "hi"})).await;
    let told = mailbox.next().await;
    let reason = "HTTP 403: the secret in the webhook's code is not the 'secret' that is sent; make them the same";
    let text = format!(
        "A webhook of Acme & Söhne failed.\n\nURL: {}\nEvent type: incoming_message\nMessage: {failed}\n\
         Time: 2026-01-01 00:00:00 UTC\nReason: {reason}\nResponse: Invalid webhook secret\n\n\
         It will not be tried again by itself.\n\n\
         All errors of this webhook: GET /api/v1/app/{acme}/endpoint/{endpoint}/error\n\
         There will be no other mail about it within an hour.",
        receiver.url("/hook")
    );
    let wanted = json!({
        "from": "Hooks <hooks@example.com>", "to": ["me@acme.example", "ops@acme.example"],
        "subject": format!("A webhook of Acme & Söhne failed: {reason}"), "text": text,
    });
    assert_eq!(told, wanted);
    // The log has it in the same words.
    let errors = app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/error")).await.expect(200);
    assert_eq!(errors["data"][0]["message"], reason);

    // More of the same within the hour, and after a restart, is silence.
    let second = app.send(&acme, "incoming_message", json!({"content": "again"})).await;
    app.wait_for_attempts(&acme, &second, 2).await;
    let dir = app.stop().await;
    clock.advance(Duration::from_secs(3_000));
    let app = Start { clock: clock.clone(), mail, dir: Some(dir), ..Start::default() }.start().await;
    let third = app.send(&acme, "incoming_message", json!({"content": "still"})).await;
    app.wait_for_attempts(&acme, &third, 2).await;
    receiver.answer("/hook", Answer::status(301).header("location", "/new"));
    clock.advance(Duration::from_secs(900));
    let moved = app.send(&acme, "incoming_message", json!({"content": "moved"})).await;
    let told = mailbox.next().await;
    assert!(told["subject"].as_str().unwrap().contains("failed: HTTP 301: "), "{told}");
    assert!(told["text"].as_str().unwrap().contains(&format!("Message: {moved}\n")), "{told}");
    let good = app.endpoint_now(&acme, &quiet).await;
    assert_eq!(good["notifyEmails"], json!([]));
}

#[tokio::test]
async fn addresses_are_checked_and_nobody_is_told_where_there_is_no_mail_server() {
    let (app, receiver) = (Start::default().start().await, Receiver::start().await);
    let acme = app.application().await;
    let many: Vec<String> = (0..11).map(|n| format!("a{n}@example.com")).collect();
    for (addresses, field, said) in [
        (json!(["nobody"]), "notifyEmails.0", "is not a mail address"),
        (json!(["a@example.com", "A <b@example.com>"]), "notifyEmails.1", "give the address alone"),
        (json!(["a@example.com\r\nBcc: b@example.com"]), "notifyEmails.0", "is not a mail address"),
        (json!(many), "notifyEmails", "at most 10"),
    ] {
        let body = json!({"url": receiver.url("/x"), "notifyEmails": addresses});
        let refused = app.post(&format!("/api/v1/app/{acme}/endpoint"), body).await.expect(422);
        let place: Vec<&str> =
            refused["detail"][0]["loc"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(place[1..].join("."), field, "{refused}");
        assert!(refused["detail"][0]["msg"].as_str().unwrap().contains(said), "{refused}");
        app.patch(&format!("/api/v1/app/{acme}"), json!({"notifyEmails": addresses})).await.expect(422);
    }
    app.endpoint(&acme, json!({"url": receiver.url("/x"), "notifyEmails": ["a@example.com"]})).await;
    receiver.answer("/x", Answer::status(500));
    let message = app.send(&acme, "a.b", json!({})).await;
    assert_eq!(app.wait_for_attempts(&acme, &message, 1).await[0]["error"]["code"], "status");
}
