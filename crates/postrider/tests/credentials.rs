//! Endpoints that take only clients with a certificate, or with an access token: real servers, in Node.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{App, Client};
use postrider_testkit::certs::{Authority, Identity, self_signed};
use postrider_testkit::foreign::Running;
use postrider_testkit::packages::node;
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn script(name: &str, argument: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg(format!("{}/tests/receivers/{name}", env!("CARGO_MANIFEST_DIR"))).arg(argument);
    command
}

/// The last attempt of a new message to the only endpoint of an application.
async fn attempt(app: &Client, acme: &str) -> Value {
    let message = app.send(acme, "a", json!({})).await;
    app.wait_for_attempts(acme, &message, 1).await.remove(0)
}

struct Mtls {
    server: Running,
    authority: Authority,
    client: Identity,
    _dir: TempDir,
}

/// A server that demands certificates of an authority that also issued its own; `None` where there is no Node.
async fn mtls() -> Option<Mtls> {
    tokio::task::spawn_blocking(|| node("credentials-node", &["oidc-provider@9.13.3"])).await.unwrap()?;
    let (authority, dir) = (Authority::new(), TempDir::new().unwrap());
    let (own, client) = (authority.identity(&["localhost"]), authority.identity(&["postrider.test"]));
    std::fs::write(dir.path().join("server.pem"), own.chain_pem()).unwrap();
    std::fs::write(dir.path().join("server-key.pem"), own.key_pem()).unwrap();
    std::fs::write(dir.path().join("authority.pem"), authority.pem()).unwrap();
    let mut server = Running::says_its_port(&mut script("mtls.mjs", dir.path()));
    server.url = server.url.replace("http://127.0.0.1", "https://localhost");
    Some(Mtls { server, authority, client, _dir: dir })
}

#[tokio::test]
async fn a_server_that_demands_a_certificate_gets_that_of_the_endpoint() {
    let Some(mtls) = mtls().await else { return };
    let app = App::start().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": mtls.server.url, "retrySchedule": []})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/tls");
    assert_eq!(attempt(&app, &acme).await["error"]["code"], "tls", "its authority is not known");

    app.put(&path, json!({"caCertificates": mtls.authority.pem()})).await.expect(200);
    let refused = attempt(&app, &acme).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("requires a client certificate"), "{refused}");

    let tls = json!({
        "caCertificates": mtls.authority.pem(),
        "clientCertificate": mtls.client.chain_pem(), "clientKey": mtls.client.key_pem(),
    });
    app.put(&path, tls).await.expect(200);
    let taken = attempt(&app, &acme).await;
    assert_eq!((&taken["responseStatusCode"], &taken["response"]), (&json!(200), &json!("DNS:postrider.test")));

    let strange = Authority::named("Another").identity(&["postrider.test"]);
    let tls = json!({
        "caCertificates": mtls.authority.pem(), "clientCertificate": strange.chain_pem(), "clientKey": strange.key_pem(),
    });
    app.put(&path, tls).await.expect(200);
    let refused = attempt(&app, &acme).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("does not accept the client cert"), "{refused}");

    // An endpoint beside it at the same server shows nothing of it, though there is a connection.
    let other = app.application().await;
    let beside = app.endpoint(&other, json!({"url": mtls.server.url, "retrySchedule": []})).await;
    let beside = format!("/api/v1/app/{other}/endpoint/{beside}/tls");
    app.put(&beside, json!({"caCertificates": mtls.authority.pem()})).await.expect(200);
    assert_eq!(attempt(&app, &other).await["error"]["code"], "tls");

    // The key is nowhere to be seen, and not in the database.
    let shown = app.get(&path).await.expect(200);
    assert_eq!(shown["clientCertificate"], strange.chain_pem());
    let key = strange.key_pem().lines().nth(1).unwrap();
    let all = [shown, app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}")).await.body];
    assert!(all.iter().all(|body| !body.to_string().contains(key)));
    app.delete(&path).await.expect(204);
    assert_eq!(attempt(&app, &acme).await["error"]["code"], "tls");
}

#[tokio::test]
async fn wrong_certificates_are_refused_with_what_is_wrong() {
    let app = App::start().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": "https://localhost:1/"})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/tls");
    let (one, two) = (self_signed("one.test"), self_signed("two.test"));
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let cases = [
        (json!({}), None, "give clientCertificate and clientKey"),
        (json!({"clientCertificate": one.chain_pem()}), Some("clientKey"), "is missing"),
        (json!({"clientKey": one.key_pem()}), Some("clientCertificate"), "is missing"),
        (
            json!({"clientCertificate": "hello", "clientKey": one.key_pem()}),
            Some("clientCertificate"),
            "no certificate",
        ),
        (json!({"clientCertificate": one.chain_pem(), "clientKey": "hello"}), Some("clientKey"), "not a private key"),
        (json!({"clientCertificate": one.chain_pem(), "clientKey": encrypted}), Some("clientKey"), "decrypted first"),
        (
            json!({"clientCertificate": one.chain_pem(), "clientKey": two.key_pem()}),
            Some("clientKey"),
            "does not belong",
        ),
        (json!({"caCertificates": garbage}), Some("caCertificates"), "certificate 1"),
        (json!({"caCertificates": "x".repeat(70_000)}), Some("caCertificates"), "64 KiB"),
    ];
    for (body, field, words) in cases {
        let refused = app.put(&path, body).await.expect(422);
        let loc = field.map_or(json!(["body"]), |field| json!(["body", field]));
        assert_eq!(refused["detail"][0]["loc"], loc, "{refused}");
        assert!(refused["detail"][0]["msg"].as_str().unwrap().contains(words), "{words}: {refused}");
    }
}

#[tokio::test]
async fn access_tokens_are_asked_for_once_kept_and_renewed_when_they_are_refused() {
    let packages = tokio::task::spawn_blocking(|| node("credentials-node", &["oidc-provider@9.13.3"])).await.unwrap();
    let Some(packages) = packages else { return };
    let server = Running::says_its_port(&mut script("oidc.mjs", &packages));
    let its = Client::new(&server.url, "");
    let asked = async || its.get("/asked").await.body;
    let app = App::start().await;
    for (client, authentication) in [("basic", "client_secret_basic"), ("post", "client_secret_post")] {
        let before = asked().await.as_u64().unwrap();
        let acme = app.application().await;
        let fields = json!({"url": format!("{}/hook", server.url), "retrySchedule": []});
        let endpoint = app.endpoint(&acme, fields).await;
        let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/oauth");
        assert_eq!(attempt(&app, &acme).await["responseStatusCode"], 401);
        let oauth = json!({
            "tokenUrl": format!("{}/token", server.url), "clientId": client, "clientSecret": "s3cr:t%/",
            "scopes": ["hooks", "more"], "authentication": authentication,
        });
        let shown = app.put(&path, oauth).await.expect(200);
        assert!(!shown.to_string().contains("s3cr"), "{shown}");

        // Twenty at once ask for one token.
        let mut messages = Vec::new();
        for _ in 0..20 {
            messages.push(app.send(&acme, "a", json!({})).await);
        }
        for message in &messages {
            let attempt = app.wait_for_attempts(&acme, message, 1).await.remove(0);
            assert_eq!((&attempt["responseStatusCode"], &attempt["response"]), (&json!(200), &json!("hooks more")));
        }
        assert_eq!(asked().await, before + 1, "{client}");

        // A token that was withdrawn before its time is replaced within the same attempt.
        its.post("/withdraw", json!({})).await.expect(204);
        assert_eq!(attempt(&app, &acme).await["responseStatusCode"], 200);
        assert_eq!(asked().await, before + 2, "{client}");

        // What the token server says of a wrong secret is what the attempt says; without a secret the old one stays.
        let wrong = |secret: Value| {
            json!({
                "tokenUrl": format!("{}/token", server.url), "clientId": client, "clientSecret": secret,
                "authentication": authentication,
            })
        };
        app.put(&path, wrong(json!("wrong"))).await.expect(200);
        let failed = attempt(&app, &acme).await;
        assert_eq!(failed["error"]["code"], "oauth", "{failed}");
        let words = failed["error"]["message"].as_str().unwrap();
        assert!(words.contains("401") && words.contains("invalid_client"), "{words}");
        app.put(&path, wrong(json!("s3cr:t%/"))).await.expect(200);
        app.put(&path, wrong(Value::Null)).await.expect(200);
        assert_eq!(attempt(&app, &acme).await["responseStatusCode"], 200);
        app.delete(&path).await.expect(204);
        assert_eq!(app.get(&path).await.expect(200), Value::Null);
        assert_eq!(attempt(&app, &acme).await["responseStatusCode"], 401);
    }
}

#[tokio::test]
async fn a_token_server_that_fails_is_named_and_the_delivery_is_tried_again() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let cases = [
        (Answer::status(503).body("down"), "answered 503"),
        (Answer::status(200).body("hello"), "not a JSON object"),
        (Answer::status(200).body(r#"{"token_type":"Bearer"}"#), "no access_token"),
        (Answer::status(200).body(r#"{"access_token":"a\nb","token_type":"Bearer"}"#), "can't be sent"),
        (Answer::status(200).body(r#"{"access_token":"a","token_type":"mac"}"#), "other than Bearer"),
    ];
    for (n, (answer, words)) in cases.into_iter().enumerate() {
        receiver.answer("/token", answer);
        let hook = format!("/hook{n}");
        let acme = app.application().await;
        let endpoint = app.endpoint(&acme, json!({"url": receiver.url(&hook), "retrySchedule": [1]})).await;
        let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/oauth");
        let oauth = json!({"tokenUrl": receiver.url("/token"), "clientId": "a", "clientSecret": "b"});
        app.put(&path, oauth).await.expect(200);
        let failed = attempt(&app, &acme).await;
        assert_eq!(failed["error"]["code"], "oauth", "{failed}");
        assert!(failed["error"]["message"].as_str().unwrap().contains(words), "{words}: {failed}");
        assert_eq!(receiver.count(&hook), 0, "it got a request without a token");
        let token = r#"{"access_token":"right","token_type":"bearer","expires_in":"3600"}"#;
        receiver.answer("/token", Answer::status(200).body(token));
        let message = failed["msgId"].as_str().unwrap();
        let attempts = app.wait_for_attempts(&acme, message, 2).await;
        assert_eq!(attempts[0]["responseStatusCode"], 200, "{attempts:?}");
        assert_eq!(receiver.received(&hook)[0].header("authorization"), Some("Bearer right"));
    }
}

#[tokio::test]
async fn a_token_url_is_checked_as_an_endpoints_is() {
    let app = App::start().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": "http://127.0.0.1:1/", "retrySchedule": []})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/oauth");
    let oauth = |token_url: &str| json!({"tokenUrl": token_url, "clientId": "a", "clientSecret": "b"});
    for wrong in ["", "ftp://auth.test/", "https://a:b@auth.test/", "http:///"] {
        let refused = app.put(&path, oauth(wrong)).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "tokenUrl"]), "{wrong}: {refused}");
    }
    let mut scopes = oauth("https://auth.test/");
    scopes["scopes"] = json!(["right", "two words"]);
    assert_eq!(app.put(&path, scopes).await.expect(422)["detail"][0]["loc"], json!(["body", "scopes", "1"]));
    let missing = app.put(&path, json!({"tokenUrl": "https://auth.test/", "clientId": "a"})).await.expect(422);
    assert_eq!(missing["detail"][0]["loc"], json!(["body", "clientSecret"]));
    // A private address is asked for nothing.
    app.put(&path, oauth("http://[::1]:1/token")).await.expect(200);
    let failed = attempt(&app, &acme).await;
    assert_eq!(failed["error"]["code"], "oauth");
    assert!(failed["error"]["message"].as_str().unwrap().contains("not a public address"), "{failed}");
}

#[tokio::test]
async fn the_command_sets_shows_and_removes_both() {
    let (app, receiver) = (App::start().await, Receiver::start().await);
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let dir = TempDir::new().unwrap();
    let identity = self_signed("postrider.test");
    let file = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let (chain, key) = (file("client.pem", identity.chain_pem()), file("key.pem", identity.key_pem()));
    let secret = file("secret.txt", "a secret\n");
    let (url, app_key) = (app.url.clone(), app.key.clone());
    let run = async |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.arg("endpoint").args(args).args(["--app", &acme, "--endpoint", &endpoint]);
        command.env("POSTRIDER_URL", &url).env("POSTRIDER_TOKEN", &app_key);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (done, said) = run(&["tls", "--certificate", &chain, "--key", &key]).await;
    assert!(done && said.contains("BEGIN CERTIFICATE") && !said.contains("PRIVATE"), "{said}");
    let (done, said) = run(&["tls", "--certificate", &chain]).await;
    assert!(!done && said.contains("--key"), "{said}");
    assert!(run(&["tls", "--remove"]).await.0);
    let (_, said) = run(&["tls"]).await;
    assert!(said.contains("Client certificate: none of its own"), "{said}");
    let set = ["oauth", "--token-url", "https://auth.test/token", "--client-id", "me", "--client-secret-file", &secret];
    let (done, said) = run(&[&set[..], &["--scope", "a", "--scope", "b"]].concat()).await;
    assert!(done && said.contains("Scopes: a b") && !said.contains("a secret"), "{said}");
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/oauth");
    assert_eq!(app.get(&path).await.expect(200)["clientId"], "me");
    // The preview shows where the token would come from, and asks for none.
    let preview = json!({"eventType": "a", "payload": {}});
    let preview = app.post(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/preview"), preview).await.expect(200);
    assert_eq!(preview["headers"]["Authorization"], "Bearer <token of https://auth.test/token>");
    assert!(run(&["oauth", "--remove"]).await.0);
    let (_, said) = run(&["oauth"]).await;
    assert!(said.contains("no access token"), "{said}");
}
