//! Whatever is asked, the answer is one of those that the OpenAPI document promises, and never a 500: Schemathesis
//! makes up requests for every operation, right and wrong, out of the document that the server itself serves.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{App, KEY, id};
use postrider_testkit::packages::python;
use serde_json::json;
use std::path::Path;
use std::process::Command;

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";
/// Made up requests for each operation, beside those for each edge of each parameter.
const EXAMPLES: &str = "12";

/// Paths of about half of the operations.
const ENDPOINTS: &str = "^/api/v1/app/{app_id}/";

/// Something of each kind, for the requests to find, as a configuration of Schemathesis.
async fn fixtures(app: &App) -> String {
    // By their ids: a uid may be changed by what comes.
    let acme = app.application().await;
    let schemas = json!({"1": {"type": "object", "example": {"id": "1"}}});
    let event_type = json!({"name": "user.created", "description": "x", "schemas": schemas});
    app.post("/api/v1/event-type", event_type).await.expect(201);
    let endpoint = app.endpoint(&acme, json!({"url": "http://127.0.0.1:1/closed", "retrySchedule": [1]})).await;
    let message = app.send(&acme, "user.created", json!({})).await;
    let attempt = id(&app.wait_for_attempts(&acme, &message, 1).await[0]);
    let recover = format!("/api/v1/app/{acme}/endpoint/{endpoint}/recover");
    let task = id(&app.post(&recover, json!({"since": "2020-01-01T00:00:00Z"})).await.expect(202));
    let environment = id(&app.post("/api/v1/environment", json!({"name": "Other"})).await.expect(201));
    let key = id(&app.post("/api/v1/key", json!({"name": "other"})).await.expect(201));
    let known = [
        ("app_id", acme.as_str()),
        ("endpoint_id", &endpoint),
        ("msg_id", &message),
        ("attempt_id", &attempt),
        ("error_id", &attempt),
        ("task_id", &task),
        ("event_type_name", "user.created"),
        ("environment_id", &environment),
        ("key_id", &key),
    ];
    let lines = known.map(|(name, value)| format!("\"path.{name}\" = \"{value}\"\n"));
    format!("[parameters]\n{}", lines.concat())
}

/// Runs it on the operations that `which` chooses; how many requests it made.
fn run(python: &Path, dir: &Path, url: &str, which: &[&str]) -> u32 {
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command.current_dir(dir).args(["--config-file", "schemathesis.toml", "run", &format!("{url}/api/v1/openapi.json")]);
    command.args(["-H", &format!("Authorization: Bearer {KEY}"), "--checks", CHECKS, "--max-examples", EXAMPLES]);
    command.args(["--phases", "coverage,fuzzing", "--generation-deterministic", "--continue-on-failure", "--no-color"]);
    let output = command.args(which).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let line = said.lines().find(|line| line.contains(" generated, ")).unwrap_or_else(|| panic!("{said}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_answer_is_one_that_the_document_promises() {
    let made = tokio::task::spawn_blocking(|| python("schemathesis-venv", &["schemathesis==4.32.5"])).await.unwrap();
    let Some(python) = made else { return };
    let app = App::start().await;
    let config = fixtures(&app).await;
    let (dir, url) = (tempfile::tempdir().unwrap(), app.url.clone());
    std::fs::write(dir.path().join("schemathesis.toml"), config).unwrap();
    let requests = tokio::task::spawn_blocking(move || {
        // Two at once, about as many operations each. What deletes comes last, so that the others have something to find.
        let run = |which: &[&str]| run(&python, dir.path(), &url, which);
        let of_endpoints = ["--exclude-method", "DELETE", "--include-path-regex", ENDPOINTS];
        let others = ["--exclude-method", "DELETE", "--exclude-path-regex", ENDPOINTS];
        let made = std::thread::scope(|scope| {
            let of_endpoints = scope.spawn(|| run(&of_endpoints));
            run(&others) + of_endpoints.join().unwrap()
        });
        made + run(&["--include-method", "DELETE"])
    });
    let requests = requests.await.unwrap();
    println!("{requests} requests");
    assert!(requests > 1_000, "only {requests} requests");
    app.get("/api/v1/app").await.expect(200);
}
