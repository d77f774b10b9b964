//! The commands at the front door: what is typed, and what it says.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_clock::Clock;
use postrider_testkit::app::{App, Client, KEY, Start, id};
use postrider_testkit::process::free_port;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// 2026-01-31T12:00:00Z.
const START_MS: i64 = 1_769_860_800_000;
/// What follows the prefix of an id.
const DIGITS: usize = 22;

/// What a command said, and how it ended.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    code: i32,
}

impl Said {
    /// For a snapshot: ids and addresses, which differ from run to run, by their names.
    fn tidy(&self) -> String {
        let mut text = format!("{}{}exit {}", self.out, self.err, self.code);
        for prefix in ["msg_", "ep_", "app_", "key_", "atmpt_"] {
            let parts: Vec<&str> = text.split(prefix).collect();
            let is_id = |part: &str| part.len() >= DIGITS && part[..DIGITS].bytes().all(|b| b.is_ascii_alphanumeric());
            let shorten = |part: &&str| {
                if is_id(part) { format!("{}{}", "x".repeat(DIGITS), &part[DIGITS..]) } else { (*part).to_owned() }
            };
            text = std::iter::once(parts[0].to_owned())
                .chain(parts[1..].iter().map(shorten))
                .collect::<Vec<_>>()
                .join(prefix);
        }
        text
    }

    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Runs `postrider ARGS` with nothing in the environment but `env`.
async fn run(env: &[(&str, &str)], args: &[&str], input: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.env_clear().envs(env.iter().copied()).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    });
    let output = ended.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { out: text(output.stdout), err: text(output.stderr), code: output.status.code().unwrap() }
}

/// Runs a command against a server, with its key.
async fn on(app: &App, args: &[&str]) -> Said {
    run(&[("POSTRIDER_URL", &app.url), ("POSTRIDER_TOKEN", KEY)], args, "").await
}

async fn started() -> (App, Receiver) {
    let app = Start { clock: Clock::manual(START_MS), ..Start::default() }.start().await;
    app.post("/api/v1/app", json!({"name": "Acme", "uid": "acme"})).await.expect(201);
    (app, Receiver::start().await)
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let (app, _) = started().await;
    let made = on(&app, &["key", "create", "billing service", "--scope", "read"]).await;
    let key = made.out.lines().next().unwrap().to_owned();
    insta::assert_snapshot!(made.tidy().replace(&key, "[key]"), @r"
    [key]
    This is the key key_xxxxxxxxxxxxxxxxxxxxxx (billing service), shown once: keep it.
    exit 0
    ");
    let with_it = Client::new(&app.url, &key);
    with_it.get("/api/v1/app").await.expect(200);

    let listed = on(&app, &["key", "list"]).await;
    insta::assert_snapshot!(listed.tidy(), @r"
    ID                          NAME                    SCOPE  CREATED               REVOKED
    key_xxxxxxxxxxxxxxxxxxxxxx  from POSTRIDER_API_KEY  all    2026-01-31T12:00:00Z  -
    key_xxxxxxxxxxxxxxxxxxxxxx  billing service         read   2026-01-31T12:00:00Z  -
    exit 0
    ");
    let keys = on(&app, &["key", "list", "--json"]).await.json();
    assert_eq!(keys, app.get("/api/v1/key").await.expect(200));
    let row = keys["data"].as_array().unwrap().iter().find(|row| row["name"] == "billing service").unwrap();

    let revoked = on(&app, &["key", "revoke", &id(row)]).await;
    insta::assert_snapshot!(revoked.tidy(), @r"
    Revoked key_xxxxxxxxxxxxxxxxxxxxxx.
    exit 0
    ");
    with_it.get("/api/v1/app").await.expect(401);
    let listed = on(&app, &["key", "list"]).await;
    insta::assert_snapshot!(listed.tidy(), @r"
    ID                          NAME                    SCOPE  CREATED               REVOKED
    key_xxxxxxxxxxxxxxxxxxxxxx  from POSTRIDER_API_KEY  all    2026-01-31T12:00:00Z  -
    key_xxxxxxxxxxxxxxxxxxxxxx  billing service         read   2026-01-31T12:00:00Z  2026-01-31T12:00:00Z
    exit 0
    ");
    let again = on(&app, &["key", "revoke", "key_nonsense"]).await;
    insta::assert_snapshot!(again.tidy(), @r#"
    postrider: key "key_nonsense" not found (404, not_found)
    exit 1
    "#);
}

#[tokio::test]
async fn a_link_for_a_customer_is_made() {
    let (app, _) = started().await;
    let made = on(&app, &["portal", "acme", "--read-only", "--hours", "1"]).await;
    let (link, rest) = made.out.split_once('\n').unwrap();
    assert!(link.starts_with(&format!("{}/portal#key=", app.url)), "{link}");
    assert_eq!(rest, "Good for an hour. End it sooner: POST /api/v1/auth/app/acme/expire-all\n");
    let access = on(&app, &["portal", "acme", "--json"]).await.json();
    app.with_key(access["token"].as_str().unwrap()).get("/api/v1/app/acme").await.expect(200);
    let none = on(&app, &["portal", "nobody"]).await;
    insta::assert_snapshot!(none.tidy(), @r#"
    postrider: application "nobody" not found (404, not_found)
    exit 1
    "#);
}

#[tokio::test]
async fn a_message_is_sent_and_followed() {
    let (app, receiver) = started().await;
    receiver.answer_in_turn("/hook", vec![Answer::status(200), Answer::status(500)]);
    app.endpoint("acme", json!({"url": receiver.url("/hook"), "uid": "main"})).await;

    app.post("/api/v1/event-type", json!({"name": "user.left", "description": ""})).await.expect(201);
    let payload = r#"{"b": 1.50,  "a": 12345678901234567890}"#;
    let sent =
        on(&app, &["send", "--app", "acme", "--type", "user.created", "--payload", payload, "--event-id", "ev-1"])
            .await;
    insta::assert_snapshot!(sent.tidy(), @r#"
    msg_xxxxxxxxxxxxxxxxxxxxxx
    Accepted. Follow it with: postrider attempts --app acme --message msg_xxxxxxxxxxxxxxxxxxxxxx
    Warning: "user.created" is not a registered event type
    exit 0
    "#);
    let first = sent.out.lines().next().unwrap();
    app.wait_for_attempts("acme", first, 1).await;
    assert_eq!(receiver.wait_for("/hook", 1).await[0].text(), payload);

    let env = [("POSTRIDER_URL", app.url.as_str()), ("POSTRIDER_API_KEY", KEY)];
    let args =
        ["send", "--app", "acme", "--type", "user.left", "--file", "-", "--channel", "a", "--channel", "b", "--json"];
    let piped = run(&env, &args, "[1, 2]\n").await.json();
    let second = id(&piped);
    app.wait_for_attempts("acme", &second, 1).await;
    assert_eq!(piped, app.get(&format!("/api/v1/app/acme/msg/{second}")).await.expect(200));
    assert_eq!(receiver.wait_for("/hook", 2).await[1].text(), "[1, 2]");

    let file = app.dir.path().join("payload.json");
    std::fs::write(&file, "{\"n\": 3}\n").unwrap();
    let args = ["send", "--app", "acme", "--type", "x", "--file", file.to_str().unwrap(), "--idempotency-key", "once"];
    let (one, two) = (on(&app, &args).await, on(&app, &args).await);
    assert_eq!((one.code, &one.out), (0, &two.out));
    app.wait_for_attempts("acme", one.out.lines().next().unwrap(), 1).await;

    insta::assert_snapshot!(on(&app, &["messages", "--app", "acme"]).await.tidy(), @r"
    ID                          TYPE          TIME                  EVENT ID  CHANNELS
    msg_xxxxxxxxxxxxxxxxxxxxxx  x             2026-01-31T12:00:00Z  -         -
    msg_xxxxxxxxxxxxxxxxxxxxxx  user.left     2026-01-31T12:00:00Z  -         a, b
    msg_xxxxxxxxxxxxxxxxxxxxxx  user.created  2026-01-31T12:00:00Z  ev-1      -
    exit 0
    ");
    let some = ["messages", "--app", "acme", "--type", "user.created", "--type", "user.left", "--limit", "1"];
    insta::assert_snapshot!(on(&app, &some).await.tidy(), @r"
    ID                          TYPE       TIME                  EVENT ID  CHANNELS
    msg_xxxxxxxxxxxxxxxxxxxxxx  user.left  2026-01-31T12:00:00Z  -         a, b
    There are more: raise --limit.
    exit 0
    ");
    let listed = on(&app, &["messages", "--app", "acme", "--json"]).await.json();
    assert_eq!(listed, app.get("/api/v1/app/acme/msg").await.expect(200));

    insta::assert_snapshot!(on(&app, &["attempts", "--app", "acme", "--message", first]).await.tidy(), @r"
    TIME                  ENDPOINT                   RESULT   STATUS  MS  ERROR
    2026-01-31T12:00:00Z  ep_xxxxxxxxxxxxxxxxxxxxxx  success  200     0   -
    exit 0
    ");
    let failed = on(&app, &["attempts", "--app", "acme", "--endpoint", "main", "--failed", "--limit", "1"]).await;
    insta::assert_snapshot!(failed.tidy(), @r"
    TIME                  MESSAGE                     RESULT  STATUS  MS  ERROR
    2026-01-31T12:00:00Z  msg_xxxxxxxxxxxxxxxxxxxxxx  fail    500     0   status: the endpoint answered 500 (Internal Server Error)
    There are more: raise --limit.
    exit 0
    ");
    let none = on(&app, &["attempts", "--app", "acme", "--message", first, "--failed"]).await;
    insta::assert_snapshot!(none.tidy(), @r"
    No attempt failed.
    exit 0
    ");
    let listed = on(&app, &["attempts", "--app", "acme", "--message", first, "--json"]).await.json();
    assert_eq!(listed, app.get(&format!("/api/v1/app/acme/attempt/msg/{first}")).await.expect(200));
}

#[tokio::test]
async fn an_error_says_what_to_do() {
    let (app, _) = started().await;
    let port = free_port();
    let nobody = run(&[], &["key", "list", "--token", "x", "--url", &format!("http://127.0.0.1:{port}")], "").await;
    insta::assert_snapshot!(nobody.tidy().replace(&port.to_string(), "[port]"), @r"
    postrider: no server answers at http://127.0.0.1:[port]/ (connection refused); start one with `postrider dev` or `postrider serve`, or say where it is with --url or POSTRIDER_URL
    exit 1
    ");
    let no_token = run(&[], &["key", "list"], "").await;
    insta::assert_snapshot!(no_token.tidy(), @r"
    postrider: no API key to call http://127.0.0.1:8071/ with; set POSTRIDER_TOKEN to one, or give --token
    exit 1
    ");
    let wrong = run(&[("POSTRIDER_URL", &app.url), ("POSTRIDER_TOKEN", "wrong")], &["key", "list"], "").await;
    insta::assert_snapshot!(wrong.tidy().replace(&app.url, "[url]"), @r"
    postrider: [url]/ does not know this API key; set POSTRIDER_TOKEN to one that it knows, or give --token
    exit 1
    ");

    let send = async |app_id: &str, event_type: &str, more: &[&str]| {
        on(&app, &[&["send", "--app", app_id, "--type", event_type], more].concat()).await.tidy()
    };
    let wrong = ["--payload", "1", "--event-id", "ev 1", "--channel", "a b"];
    insta::assert_snapshot!(send("acme", "user created", &wrong).await, @r#"
    postrider: the request is not right:
      eventType: ' ' is not allowed; use letters, digits and any of "-_./"
      eventId: ' ' is not allowed; use letters, digits and any of "-_."
      channels.0: ' ' is not allowed; use letters, digits and any of "-_."
    exit 1
    "#);
    insta::assert_snapshot!(send("acme", "a", &["--payload", "{n: 1}"]).await, @r"
    postrider: the payload is not JSON: key must be a string at line 1 column 2
    exit 1
    ");
    insta::assert_snapshot!(send("acme", "a", &["--file", "nowhere.json"]).await, @r"
    postrider: can't read nowhere.json: No such file or directory (os error 2)
    exit 1
    ");
    insta::assert_snapshot!(send("a/../acme", "a", &["--payload", "1"]).await, @r#"
    postrider: application "a/../acme" not found (404, not_found)
    exit 1
    "#);
    let neither = on(&app, &["send", "--app", "acme", "--type", "a"]).await;
    assert!(neither.code == 2 && neither.err.contains("--payload"), "{neither:?}");
    let other = on(&app, &["messages", "--app", "nobody"]).await;
    insta::assert_snapshot!(other.tidy(), @r#"
    postrider: application "nobody" not found (404, not_found)
    exit 1
    "#);
}

#[tokio::test]
async fn every_command_teaches_with_an_example_and_shows_no_key() {
    let commands = [
        "serve",
        "key create",
        "key list",
        "key revoke",
        "send",
        "messages",
        "attempts",
        "contract check",
        "contract show",
        "contract list",
        "import svix",
        "migrate",
        "doctor",
    ];
    for command in commands {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = run(&[("POSTRIDER_TOKEN", "a-secret-key")], &args, "").await;
        assert_eq!(help.code, 0, "{help:?}");
        assert!(help.out.contains(&format!("  postrider {command}")), "{command}: {}", help.out);
        assert!(help.out.contains("Example") && !help.out.contains("a-secret-key"), "{command}: {}", help.out);
    }
}
