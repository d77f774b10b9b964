//! `postrider import svix`: what another server has is here afterwards, under the same uids and secrets.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{App, Client, KEY};
use postrider_testkit::process::free_port;
use postrider_testkit::receiver::{Answer, Received, Receiver};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const OTHER_SECRET: &str = "whsec_FxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA";
const TOKEN: &str = "the-token-of-the-source";
/// More than a page.
const CUSTOMERS: usize = 260;

/// What the command said, and how it ended.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    code: i32,
}

/// Runs `postrider import svix` with nothing in the environment but these keys.
async fn run(token: &str, api_key: &str, args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.env_clear().env("SVIX_AUTH_TOKEN", token).env("POSTRIDER_TOKEN", api_key);
    command.args(["import", "svix"]).args(args).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let said = Said { out: text(output.stdout), err: text(output.stderr), code: output.status.code().unwrap() };
    for secret in [SECRET, OTHER_SECRET, token, api_key].into_iter().filter(|secret| !secret.is_empty()) {
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "a secret is not printed: {said:?}");
    }
    said
}

/// From a server that takes `token` into this one.
async fn import(from: &str, token: &str, new: &Client, more: &[&str]) -> Said {
    run(token, KEY, &[&["--from", from, "--url", &new.url], more].concat()).await
}

impl Said {
    /// Everything that was said, with the servers by their names.
    fn text(&self, from: &str, new: &Client) -> String {
        format!("{}{}exit {}", self.out, self.err, self.code).replace(from, "[old]").replace(&new.url, "[new]")
    }
}

/// A whole listing.
async fn all(client: &Client, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut iterator = String::new();
    loop {
        let page = client.get(&format!("/api/v1/{path}?limit=250&order=ascending{iterator}")).await.expect(200);
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["done"] == true {
            return all;
        }
        iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
    }
}

/// Without what is a server's own; what has no uid is known by its id.
fn portable(rows: &[Value]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        let fields = row.as_object_mut().unwrap();
        let id = fields.remove("id");
        fields.remove("createdAt");
        fields.remove("updatedAt");
        if fields.get("uid").is_none_or(Value::is_null)
            && let Some(id) = id
        {
            fields.insert("uid".to_owned(), id);
        }
    }
    rows.sort_by_key(|row| format!("{} {}", row["uid"], row["name"]));
    rows
}

/// Whether this secret signed it, under Svix's header names.
fn verifies(secret: &str, received: &Received) -> bool {
    let header = |name| received.header(name).unwrap();
    let timestamp = header("svix-timestamp").parse().unwrap();
    let signed = Webhook::new(secret).unwrap().sign(header("svix-id"), timestamp, &received.body).unwrap();
    header("svix-signature").split(' ').any(|one| one == signed)
}

/// What a provider has after some years: more customers than fit a page, and something of everything.
async fn provider(receiver: &Receiver) -> (App, String) {
    let old = App::start().await;
    let schemas = json!({"1": {"type": "object", "maximum": 12_345_678_901_234_567_890_u64}});
    let created = json!({"name": "user.created", "description": "A user came", "schemas": schemas,
                         "featureFlags": ["beta", "new"], "groupName": "users"});
    old.post("/api/v1/event-type", created).await.expect(201);
    old.post("/api/v1/event-type", json!({"name": "user.left", "description": "A user left"})).await.expect(201);
    old.delete("/api/v1/event-type/user.left").await.expect(204);

    let acme = json!({"name": "Acme", "uid": "acme", "metadata": {"plan": "gold"}, "throttleRate": 500});
    old.post("/api/v1/app", acme).await.expect(201);
    let main = json!({"uid": "main", "url": receiver.url("/main"), "secret": SECRET, "contract": "svix",
                      "headers": {"X-Team": "ops"}, "description": "Everything", "metadata": {"region": "eu"},
                      "eventTypes": ["user.created"], "channels": ["project_1"], "throttleRate": 70});
    old.endpoint("acme", main).await;
    let off = json!({"uid": "off", "url": receiver.url("/off"), "contract": "svix", "disabled": true});
    old.endpoint("acme", off).await;
    let nameless = old.application().await;
    let hook = json!({"url": receiver.url("/nameless"), "secret": OTHER_SECRET, "contract": "svix",
                      "eventTypes": ["user.left"], "retrySchedule": [60, 3600]});
    old.endpoint(&nameless, hook).await;
    for n in 0..CUSTOMERS {
        old.post("/api/v1/app", json!({"name": "Customer", "uid": format!("customer-{n}")})).await.expect(201);
    }
    (old, nameless)
}

#[tokio::test]
async fn everything_arrives_once_and_signs_with_the_secrets_it_had() {
    let (receiver, new) = (Receiver::start().await, App::start().await);
    let (old, nameless) = provider(&receiver).await;

    let first = import(&old.url, KEY, &new, &[]).await;
    insta::assert_snapshot!(first.text(&old.url, &new), @r"
    WHAT          MADE  THERE ALREADY  SKIPPED
    event types   2     0              0
    applications  262   0              0
    endpoints     3     0              0
    All is there. Point your code to [new]/, with an API key of that server.
    exit 0
    ");
    for path in ["app", "app/acme/endpoint", &format!("app/{nameless}/endpoint")] {
        assert_eq!(portable(&all(&new, path).await), portable(&all(&old, path).await), "{path}");
    }
    for path in ["app/acme/endpoint/main/secret", "app/acme/endpoint/off/secret", "app/acme/endpoint/main/headers"] {
        let path = format!("/api/v1/{path}");
        assert_eq!(new.get(&path).await.expect(200), old.get(&path).await.expect(200), "{path}");
    }
    let event_types = "/api/v1/event-type?include_archived=true&with_content=true";
    let (of_new, of_old) = (new.get(event_types).await.expect(200), old.get(event_types).await.expect(200));
    let rows = |page: &Value| portable(page["data"].as_array().unwrap());
    assert_eq!(rows(&of_new), rows(&of_old));
    assert_eq!(rows(&of_new).len(), 2);

    // The receivers need to learn nothing.
    let message = json!({"eventType": "user.created", "payload": {"id": 7}, "channels": ["project_1"]});
    new.post("/api/v1/app/acme/msg", message).await.expect(202);
    let received = receiver.wait_for("/main", 1).await.remove(0);
    assert!(verifies(SECRET, &received) && !verifies(OTHER_SECRET, &received), "{received:?}");
    assert_eq!((received.header("x-team"), received.header("webhook-id")), (Some("ops"), None));
    new.send(&nameless, "user.left", json!({})).await;
    assert!(verifies(OTHER_SECRET, &receiver.wait_for("/nameless", 1).await[0]));
    assert_eq!(receiver.count("/off"), 0);

    // What was changed here since stays, as far as the source doesn't know of it.
    new.patch("/api/v1/app/acme", json!({"name": "Changed", "contract": "svix"})).await.expect(200);
    new.patch("/api/v1/app/acme/endpoint/off", json!({"disabled": false})).await.expect(200);
    let again = import(&old.url, KEY, &new, &[]).await;
    insta::assert_snapshot!(again.text(&old.url, &new), @r"
    WHAT          MADE  THERE ALREADY  SKIPPED
    event types   0     2              0
    applications  0     262            0
    endpoints     0     3              0
    All is there. Point your code to [new]/, with an API key of that server.
    exit 0
    ");
    assert_eq!((all(&new, "app").await.len(), all(&new, "app/acme/endpoint").await.len()), (CUSTOMERS + 2, 2));
    let acme = new.get("/api/v1/app/acme").await.expect(200);
    assert_eq!((&acme["name"], &acme["contract"]), (&json!("Acme"), &json!("svix")));
    assert_eq!(new.endpoint_now("acme", "off").await["disabled"], false);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_made_and_makes_nothing() {
    let (receiver, old, new) = (Receiver::start().await, App::start().await, App::start().await);
    for server in [&old, &new] {
        server.post("/api/v1/app", json!({"name": "Acme", "uid": "acme"})).await.expect(201);
    }
    old.post("/api/v1/app", json!({"name": "Beta", "uid": "beta"})).await.expect(201);
    old.post("/api/v1/event-type", json!({"name": "user.created", "description": ""})).await.expect(201);
    let hook = json!({"uid": "main", "url": receiver.url("/hook"), "contract": "svix",
                      "headers": {"Authorization": "Bearer hidden"}});
    old.endpoint("beta", hook).await;

    let dry = import(&old.url, KEY, &new, &["--dry-run"]).await;
    insta::assert_snapshot!(dry.text(&old.url, &new), @r"
    WHAT          TO MAKE  THERE ALREADY  SKIPPED
    event types   1        0              0
    applications  1        1              0
    endpoints     1        0              0
    Warnings:
      endpoint main of beta lacks Authorization: the source hides what it holds. Set it with PATCH /api/v1/app/beta/endpoint/main/headers
    This was a dry run: nothing was made.
    exit 0
    ");
    assert_eq!((all(&new, "app").await.len(), all(&new, "event-type").await.len()), (1, 0));
}

/// A recorded Svix: of the older names for rates and filters, with two pages of applications and hidden headers.
fn record(svix: &Receiver) {
    let at = json!("2024-05-06T07:08:09.123456Z");
    let page = |data: Value, last: &str, done: bool| {
        let (iterator, before) = (json!(last), format!("-{last}"));
        json!({"data": data, "iterator": iterator, "prevIterator": before, "done": done})
    };
    let busy = |status| Answer::status(status).header("retry-after", "0").body(r#"{"code":"busy","detail":"later"}"#);
    let event_types = json!([
        {"name": "invoice.paid", "description": "An invoice was paid", "archived": false, "deprecated": true,
         "schemas": {"1": {"type": "object"}}, "featureFlag": "beta", "createdAt": at, "updatedAt": at}
    ]);
    let event_types = page(event_types, "invoice.paid", true);
    svix.answer_in_turn("/api/v1/event-type", vec![busy(429), busy(503), answer(event_types)]);
    let acme = json!([
        {"id": "app_1srOrx2ZWZBpBUvZwXKQmoEYga2", "uid": "acme", "name": "Acme", "rateLimit": 50,
         "metadata": {"plan": "gold"}, "createdAt": at, "updatedAt": at}
    ]);
    let nameless = json!([
        {"id": "app_2bQvT5dZ0yMpYh8mWn7rK4sLcXe", "name": "Nameless", "metadata": {}, "createdAt": at, "updatedAt": at}
    ]);
    let pages =
        [page(acme, "app_1srOrx2ZWZBpBUvZwXKQmoEYga2", false), page(nameless, "app_2bQvT5dZ0yMpYh8mWn7rK4sLcXe", true)];
    svix.answer_in_turn("/api/v1/app", pages.into_iter().map(answer).collect());

    let main = json!([
        {"id": "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2", "uid": "main", "url": "https://example.com/webhook/", "version": 3,
         "description": "The main one", "disabled": true, "filterTypes": ["invoice.paid"], "channels": ["project_1"],
         "metadata": {"region": "eu"}, "rateLimit": 7, "createdAt": at, "updatedAt": at}
    ]);
    let newer = json!([
        {"id": "ep_2bQvT5dZ0yMpYh8mWn7rK4sLcXe", "url": "https://example.com/newer/", "description": "",
         "disabled": false, "eventTypes": null, "channels": null, "metadata": {}, "throttleRate": 0,
         "createdAt": at, "updatedAt": at}
    ]);
    let headers = json!({"headers": {"X-Team": "ops"}, "sensitive": ["Authorization", "X-Api-Key"]});
    let none = json!({"headers": {}, "sensitive": []});
    for (app, endpoints, endpoint, headers, secret) in [
        ("app_1srOrx2ZWZBpBUvZwXKQmoEYga2", main, "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2", headers, SECRET),
        ("app_2bQvT5dZ0yMpYh8mWn7rK4sLcXe", newer, "ep_2bQvT5dZ0yMpYh8mWn7rK4sLcXe", none, OTHER_SECRET),
    ] {
        let path = format!("/api/v1/app/{app}/endpoint");
        svix.answer(&path, answer(page(endpoints, endpoint, true)));
        svix.answer(&format!("{path}/{endpoint}/headers"), answer(headers));
        svix.answer(&format!("{path}/{endpoint}/secret"), answer(json!({"key": secret})));
    }
}

fn answer(body: Value) -> Answer {
    Answer::status(200).header("content-type", "application/json").body(body.to_string())
}

#[tokio::test]
async fn a_svix_that_is_busy_and_hides_headers_is_taken_over() {
    let (svix, new) = (Receiver::start().await, App::start().await);
    record(&svix);
    let first = import(&svix.url(""), TOKEN, &new, &[]).await;
    insta::assert_snapshot!(first.text(&svix.url(""), &new), @r"
    WHAT          MADE  THERE ALREADY  SKIPPED
    event types   1     0              0
    applications  2     0              0
    endpoints     2     0              0
    Warnings:
      endpoint main of acme lacks Authorization, X-Api-Key: the source hides what it holds. Set it with PATCH /api/v1/app/acme/endpoint/main/headers
    All is there. Point your code to [new]/, with an API key of that server.
    exit 0
    ");
    assert_eq!(svix.count("/api/v1/event-type"), 3, "twice it was busy");
    let bearer = format!("Bearer {TOKEN}");
    let asked = svix.all();
    assert!(
        asked.iter().all(|request| request.method == "GET" && request.header("authorization") == Some(bearer.as_str()))
    );
    let queries: Vec<_> = svix.received("/api/v1/app").into_iter().map(|request| request.query.unwrap()).collect();
    let next = "limit=250&order=ascending&iterator=app_1srOrx2ZWZBpBUvZwXKQmoEYga2";
    assert_eq!(queries, ["limit=250&order=ascending", next]);

    let event_type = new.get("/api/v1/event-type/invoice.paid").await.expect(200);
    assert_eq!((&event_type["deprecated"], &event_type["featureFlags"]), (&json!(true), &json!(["beta"])));
    let acme = new.get("/api/v1/app/acme").await.expect(200);
    assert_eq!((&acme["throttleRate"], &acme["metadata"]), (&json!(50), &json!({"plan": "gold"})));
    let main = new.endpoint_now("acme", "main").await;
    let wanted = json!({
        "uid": "main", "url": "https://example.com/webhook/", "description": "The main one", "disabled": true,
        "eventTypes": ["invoice.paid"], "channels": ["project_1"], "metadata": {"region": "eu"}, "throttleRate": 7,
        "contract": "svix"
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(main[name], *value, "{name}");
    }
    let path = "/api/v1/app/acme/endpoint/main";
    assert_eq!(new.get(&format!("{path}/secret")).await.expect(200), json!({"key": SECRET}));
    let headers = new.get(&format!("{path}/headers")).await.expect(200);
    assert_eq!(headers, json!({"headers": {"X-Team": "ops"}, "sensitive": []}));
    // What has no uid is found by the id that it had.
    let newer = new.endpoint_now("app_2bQvT5dZ0yMpYh8mWn7rK4sLcXe", "ep_2bQvT5dZ0yMpYh8mWn7rK4sLcXe").await;
    assert_eq!((&newer["contract"], &newer["throttleRate"]), (&json!("svix"), &Value::Null));

    // Told again, until it is done.
    let one = json!({"headers": {"authorization": "Bearer hidden"}});
    new.patch(&format!("{path}/headers"), one).await.expect(204);
    record(&svix);
    let again = import(&svix.url(""), TOKEN, &new, &[]).await;
    insta::assert_snapshot!(again.text(&svix.url(""), &new), @r"
    WHAT          MADE  THERE ALREADY  SKIPPED
    event types   0     1              0
    applications  0     2              0
    endpoints     0     2              0
    Warnings:
      endpoint main of acme lacks X-Api-Key: the source hides what it holds. Set it with PATCH /api/v1/app/acme/endpoint/main/headers
    All is there. Point your code to [new]/, with an API key of that server.
    exit 0
    ");
}

#[tokio::test]
async fn what_can_not_be_taken_over_is_left_out_and_told() {
    let (svix, new) = (Receiver::start().await, App::start().await);
    record(&svix);
    let public = json!({"key": "whpk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="});
    let endpoint = "/api/v1/app/app_1srOrx2ZWZBpBUvZwXKQmoEYga2/endpoint/ep_1srOrx2ZWZBpBUvZwXKQmoEYga2";
    svix.answer(&format!("{endpoint}/secret"), answer(public));
    let endpoint = "/api/v1/app/app_2bQvT5dZ0yMpYh8mWn7rK4sLcXe/endpoint/ep_2bQvT5dZ0yMpYh8mWn7rK4sLcXe";
    svix.answer(&format!("{endpoint}/headers"), answer(json!({"headers": {"Host": "example.org"}, "sensitive": []})));
    let told = import(&svix.url(""), TOKEN, &new, &[]).await;
    insta::assert_snapshot!(told.text(&svix.url(""), &new), @r"
    WHAT          MADE  THERE ALREADY  SKIPPED
    event types   1     0              0
    applications  2     0              0
    endpoints     0     0              2
    Warnings:
      endpoint main of acme was left out: the source shows its public key (whpk_…) alone, and nobody can sign with that. Make it with the signing key (whsk_…), or with a new secret that its receiver learns
      endpoint ep_2bQvT5dZ0yMpYh8mWn7rK4sLcXe of app_2bQvT5dZ0yMpYh8mWn7rK4sLcXe was left out: headers.Host: Host can't be set: HTTP or the contract svix uses it
    postrider: 2 were left out; the warnings say why. Put it right, and run the same command again
    exit 1
    ");

    // Put right, the rest follows.
    record(&svix);
    let rest = import(&svix.url(""), TOKEN, &new, &[]).await;
    assert!(rest.code == 0 && rest.out.contains("endpoints     2     0              0\n"), "{rest:?}");
}

#[tokio::test]
async fn a_run_that_broke_off_goes_on() {
    let (svix, new) = (Receiver::start().await, App::start().await);
    record(&svix);
    let (first, second) = ("app_1srOrx2ZWZBpBUvZwXKQmoEYga2", "app_2bQvT5dZ0yMpYh8mWn7rK4sLcXe");
    let path = |app: &str| format!("/api/v1/app/{app}/endpoint");
    svix.answer(&path(second), Answer::status(502).header("retry-after", "0").body("<html>"));
    let state = new.dir.path().join("import.state");
    let args = ["--state", state.to_str().unwrap()];

    let broken = import(&svix.url(""), TOKEN, &new, &args).await;
    insta::assert_snapshot!(broken.text(&svix.url(""), &new), @r"
    postrider: [old]/ was busy 8 times in a row (it answered 502); try again later
    What was made stays. Run the same command again: it goes on from there
    exit 1
    ");
    assert_eq!((svix.count(&path(first)), svix.count(&path(second))), (1, 8));
    let noted = std::fs::read_to_string(&state).unwrap();
    assert!(noted.contains(first) && !noted.contains(second) && !noted.contains(SECRET), "{noted}");

    // As if it had been killed while it wrote.
    OpenOptions::new().append(true).open(&state).unwrap().write_all(br#"{"application":"app_2b"#).unwrap();
    record(&svix);
    let whole = import(&svix.url(""), TOKEN, &new, &args).await;
    insta::assert_snapshot!(whole.text(&svix.url(""), &new), @r"
    WHAT          MADE  THERE ALREADY  SKIPPED
    event types   0     1              0
    applications  1     1              0
    endpoints     2     0              0
    Warnings:
      endpoint main of acme lacks Authorization, X-Api-Key: the source hides what it holds. Set it with PATCH /api/v1/app/acme/endpoint/main/headers
    All is there. Point your code to [new]/, with an API key of that server.
    exit 0
    ");
    assert_eq!(svix.count(&path(first)), 1, "what was done was not asked for again");
    assert!(!state.exists(), "the next run looks at everything");

    // A file of something else is not touched.
    for (text, problem) in [
        ("{\"from\":\"http://a/\",\"to\":\"http://b/\"}\n", "is of an import from http://a/ into http://b/; run that"),
        ("my notes\n", "was not written by this command; give another file"),
        ("my notes", "was not written by this command; give another file"),
    ] {
        std::fs::write(&state, text).unwrap();
        let refused = import(&svix.url(""), TOKEN, &new, &args).await;
        assert!(refused.code == 1 && refused.err.contains(problem), "{refused:?}");
        assert_eq!(std::fs::read_to_string(&state).unwrap(), text);
    }
}

#[tokio::test]
async fn an_error_says_what_to_do() {
    let (old, new, other) = (App::start().await, App::start().await, Receiver::start().await);
    let from_old = ["--from", &old.url, "--url", &new.url];
    let text = async |token: &str, key: &str, args: &[&str]| run(token, key, args).await.text(&old.url, &new);
    insta::assert_snapshot!(text("wrong-token", KEY, &from_old).await, @r"
    postrider: [old]/ does not know this token; give one that it knows with --token or SVIX_AUTH_TOKEN. A token of Svix is good in its own region only
    exit 1
    ");
    insta::assert_snapshot!(text(KEY, "wrong-key", &from_old).await, @r"
    postrider: [new]/ does not know this API key; set POSTRIDER_TOKEN to one that it knows, or give --api-key
    exit 1
    ");
    insta::assert_snapshot!(text(KEY, "", &from_old).await, @r"
    postrider: no API key to call [new]/ with; set POSTRIDER_TOKEN to one, or give --api-key
    exit 1
    ");
    insta::assert_snapshot!(text(KEY, KEY, &["--from", &new.url, "--url", &new.url]).await, @r"
    postrider: [new]/ is both where to read (--from) and where to write (--url or POSTRIDER_URL); give two servers
    exit 1
    ");
    let port = free_port();
    let nobody = text(TOKEN, KEY, &["--from", &format!("http://127.0.0.1:{port}"), "--url", &new.url]).await;
    insta::assert_snapshot!(nobody.replace(&port.to_string(), "[port]"), @r"
    postrider: no server answers at http://127.0.0.1:[port]/ (connection refused); say with --from where Svix is, such as https://api.eu.svix.com
    exit 1
    ");
    let nobody = text(TOKEN, KEY, &["--from", &old.url, "--url", &format!("http://127.0.0.1:{port}")]).await;
    assert!(nobody.contains("or say where it is with --url or POSTRIDER_URL\nexit 1"), "{nobody}");

    // It answers, but it is something else.
    let strange = text(TOKEN, KEY, &["--from", &other.url(""), "--url", &new.url]).await;
    insta::assert_snapshot!(strange.replace(&other.url(""), "[other]"), @r"
    postrider: [other]/ does not answer /api/v1/event-type as Svix does (the answer has another shape); --from is the URL of a Svix server or a Postrider, without /api/v1
    exit 1
    ");
    other.answer("/api/v1/key", Answer::status(404).body(r#"{"code":"not_found","detail":"Entity not found"}"#));
    let swapped = text(TOKEN, KEY, &["--from", &new.url, "--url", &other.url("")]).await;
    insta::assert_snapshot!(swapped.replace(&other.url(""), "[other]"), @r"
    postrider: [other]/ is not a Postrider server; --url takes the one to write to, --from the one to read
    exit 1
    ");
    assert_eq!(other.count("/api/v1/event-type"), 1, "and it was not written to");

    // Keys that may do less.
    old.post("/api/v1/app", json!({"name": "Acme", "uid": "acme"})).await.expect(201);
    old.endpoint("acme", json!({"url": "https://example.com/", "contract": "svix"})).await;
    let read = |made: Value| made["key"].as_str().unwrap().to_owned();
    let of_old = read(old.post("/api/v1/key", json!({"name": "a", "scope": "read"})).await.expect(201));
    let of_new = read(new.post("/api/v1/key", json!({"name": "a", "scope": "read"})).await.expect(201));
    let refused = text(KEY, &of_new, &from_old).await;
    assert!(
        refused.contains("make one with `postrider key create import`") && refused.ends_with("exit 1"),
        "{refused}"
    );
    let refused = text(&of_old, KEY, &from_old).await;
    assert!(refused.contains("give one that may read all, secrets too") && refused.ends_with("exit 1"), "{refused}");
    assert_eq!(all(&new, "app/acme/endpoint").await, Vec::<Value>::new());

    let missing = run("", KEY, &from_old).await;
    assert!(missing.code == 2 && missing.err.contains("--token"), "{missing:?}");
}

#[tokio::test]
async fn a_contract_that_the_target_lacks_ends_it_at_once() {
    let (svix, new) = (Receiver::start().await, App::start().await);
    record(&svix);
    let app = "app_1srOrx2ZWZBpBUvZwXKQmoEYga2";
    let own = json!([{"id": "ep_1", "uid": "own", "url": "https://example.com/", "contract": "our-own"}]);
    svix.answer(&format!("/api/v1/app/{app}/endpoint"), answer(json!({"data": own, "iterator": null, "done": true})));
    svix.answer(&format!("/api/v1/app/{app}/endpoint/ep_1/headers"), answer(json!({"headers": {}, "sensitive": []})));
    svix.answer(&format!("/api/v1/app/{app}/endpoint/ep_1/secret"), answer(json!({"key": SECRET})));
    let refused = import(&svix.url(""), TOKEN, &new, &[]).await;
    assert!(refused.code == 1 && refused.err.contains("\"our-own\" is not a contract of this server"), "{refused:?}");
    assert!(refused.err.contains("give it one with `postrider serve --contracts DIR`"), "{refused:?}");
}
