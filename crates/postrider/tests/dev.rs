//! `postrider dev`, as a person meets it.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::eventually;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const CONTRACTS: [&str; 7] = ["scope", "standard", "svix", "telerivet", "tellescope", "tiledesk", "uplodr"];

fn postrider(temporary: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.arg("dev").args(args).env("TMPDIR", temporary).stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

/// A line for each contract, all of them good.
fn assert_verified(output: &Output) {
    let said = text(output);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for contract in CONTRACTS {
        let line = said.lines().find(|line| line.trim_start().starts_with(&format!("{contract} ")));
        assert!(line.is_some_and(|line| line.contains(" verified in ")), "{contract}: {said}");
    }
    assert!(said.contains("7 of 7 verified."), "{said}");
}

#[test]
fn once_delivers_to_every_contract_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = postrider(temporary.path(), &["--once"]).output().unwrap();
    assert_verified(&output);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(is_empty(temporary.path()));
}

#[test]
fn a_busy_port_and_data_of_an_earlier_run_are_no_obstacle() {
    // Where it is taken already, it is busy as well.
    let _taken = TcpListener::bind("127.0.0.1:8071");
    let (temporary, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dir = data.path().join("dev");
    for _ in 0..2 {
        let output = postrider(temporary.path(), &["--once", "--data", dir.to_str().unwrap()]).output().unwrap();
        assert_verified(&output);
        assert!(text(&output).contains("Port 8071 is busy"));
    }
    assert!(!is_empty(&dir) && is_empty(temporary.path()));
}

/// A running `dev`, and what it said.
struct Dev {
    child: Child,
    said: Vec<String>,
}

impl Dev {
    fn start(temporary: &Path) -> Dev {
        let mut child = postrider(temporary, &[]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = vec![];
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            said.push(line.unwrap());
            if said.last().unwrap().contains("Ctrl-C") {
                break;
            }
        }
        Dev { child, said }
    }

    /// The rest of the line that starts so.
    fn line(&self, start: &str) -> &str {
        let found = self.said.iter().find_map(|line| line.trim_start().strip_prefix(start));
        found.unwrap_or_else(|| panic!("no line starts with {start:?}: {:#?}", self.said)).trim()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn what_it_prints_works_and_the_inbox_is_safe_to_open() {
    let temporary = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(temporary.path());
    let (api, key, inbox) = (dev.line("API   "), dev.line("API key"), dev.line("Inbox"));
    let client = reqwest::Client::new();
    let requests = async || -> Vec<Value> {
        let text = client.get(format!("{inbox}requests.json")).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(requests().await.len(), CONTRACTS.len());

    let curl = format!("curl --silent --show-error --fail {}", dev.line("curl "));
    if Command::new("curl").arg("--version").output().is_ok() {
        let output = Command::new("sh").args(["-c", &curl]).output().unwrap();
        assert!(output.status.success(), "{curl}\n{output:?}");
    } else {
        assert!(std::env::var_os("CI").is_none(), "curl is not installed, and its line must be tested here");
        let message = r#"{"eventType": "invoice.paid", "payload": {"invoice": "in_2"}}"#;
        let request = client.post(format!("{api}/api/v1/app/demo/msg")).bearer_auth(key);
        let sent = request.header("content-type", "application/json").body(message).send().await.unwrap();
        assert!(sent.status().is_success());
    }
    let arrived = eventually(async || {
        let all = requests().await;
        let sent = |contract: &str| {
            all.iter().any(|one| one["contract"] == contract && one["body"].as_str().unwrap().contains("in_2"))
        };
        assert!(all.iter().all(|one| one["verified"] == true), "{all:#?}");
        sent("standard") && sent("svix")
    });
    assert!(arrived.await);

    let evil = "<script>alert('</pre>')</script>";
    let posted = client.post(format!("{inbox}standard")).body(evil).send().await.unwrap();
    assert_eq!(posted.status(), 200);
    let newest = requests().await.remove(0);
    assert_eq!((&newest["verified"], newest["body"].as_str()), (&Value::Bool(false), Some(evil)));
    let page = client.get(inbox).send().await.unwrap();
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'"), "{policy}");
    let html = page.text().await.unwrap();
    assert!(!html.contains("<script"));
    assert!(html.contains("&lt;script&gt;alert(&#39;&lt;/pre&gt;&#39;)&lt;/script&gt;"));
    assert!(html.contains("not verified"));

    let port = inbox.trim_end_matches('/').rsplit_once(':').unwrap().1;
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        (format!("rebound.example:{port}"), 421),
        ("127.0.0.1".to_owned(), 421),
    ] {
        for path in ["", "requests.json"] {
            let answer = client.get(format!("{inbox}{path}")).header("host", &host).send().await.unwrap();
            assert_eq!(answer.status(), status, "{host}");
        }
    }
    let elsewhere = client.post(format!("{inbox}standard")).header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(elsewhere.unwrap().status(), 403);

    let stopped = Command::new("kill").args(["-TERM", &dev.child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let status = tokio::task::spawn_blocking(move || dev.child.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(is_empty(temporary.path()));
}
