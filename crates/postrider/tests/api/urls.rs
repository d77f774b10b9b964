//! URLs of endpoints: normalised, their passwords hidden, their addresses public; and headers and uids.

use super::started;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use postrider_testkit::app::{App, Start, id};
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The place and message of the one mistake of an answer.
fn mistake(refused: &Value) -> (String, String) {
    let detail = refused["detail"].as_array().unwrap_or_else(|| panic!("{refused}"));
    assert_eq!(detail.len(), 1, "{refused}");
    let place: Vec<&str> = detail[0]["loc"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
    (place.join("."), detail[0]["msg"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_url_is_normalised_and_shown_and_called_that_way() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let port = receiver.port();
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    for (given, path) in [
        (format!("http:127.0.0.1:{port}/one"), "/one"),
        (format!("  http://127.0.0.1:{port}/two  "), "/two"),
        (format!("HTTP://127.0.0.1:{port}\\three"), "/three"),
        (format!("http://127.0.0.1:{port}/a/../fo ur#part"), "/fo%20ur"),
    ] {
        let made = app.post(&endpoints, json!({"url": given, "eventTypes": null})).await.expect(201);
        let shown = format!("http://127.0.0.1:{port}{path}");
        assert_eq!(made["url"], shown, "{given}");
        let sent = app.send(&acme, "a", json!({})).await;
        let attempts = app.wait_for_attempts(&acme, &sent, 1).await;
        assert_eq!((&attempts[0]["url"], &attempts[0]["statusText"]), (&json!(shown), &json!("success")));
        receiver.wait_for(path, 1).await;
        app.delete(&format!("{endpoints}/{}", id(&made))).await.expect(204);
    }
    for wrong in ["http://a\tb/", "http://a/\n", "not a url", "http://", "ftp://example.com/"] {
        let refused = app.post(&endpoints, json!({"url": wrong})).await.expect(422);
        assert_eq!(mistake(&refused).0, "body.url", "{wrong}");
    }
}

#[tokio::test]
async fn a_password_in_a_url_is_sent_and_shown_nowhere() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let at = format!("127.0.0.1:{}", receiver.port());
    receiver.answer("/hook", Answer::status(500));
    let given = format!("http://ann:s3cr%3At@{at}/hook");
    let shown = format!("http://ann:***@{at}/hook");
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let made = app.post(&endpoints, json!({"url": given, "uid": "hook", "retrySchedule": []})).await.expect(201);
    assert_eq!(made["url"], shown);
    let one = format!("{endpoints}/{}", id(&made));
    let basic = format!("Basic {}", BASE64_STANDARD.encode("ann:s3cr:t"));
    let mut sent = 0;
    let mut sends_it = async |app: &App| {
        let message = app.send(&acme, "a", json!({})).await;
        let attempt = app.wait_for_attempts(&acme, &message, 1).await.remove(0);
        sent += 1;
        let request = receiver.wait_for("/hook", sent).await.pop().unwrap();
        assert_eq!(request.header("authorization"), Some(basic.as_str()));
        (message, attempt)
    };
    let (message, attempt) = sends_it(&app).await;
    assert_eq!(attempt["url"], shown);
    // What is shown can be given back.
    app.patch(&one, json!({"url": shown, "description": "x"})).await.expect(200);
    app.put(&one, json!({"url": shown, "retrySchedule": []})).await.expect(200);
    app.patch(&one, json!({"url": format!("http://ann:***@{at}/hook?a=1")})).await.expect(200);
    app.patch(&one, json!({"url": shown})).await.expect(200);
    sends_it(&app).await;
    for path in [
        one.clone(),
        endpoints.clone(),
        format!("/api/v1/app/{acme}/attempt/endpoint/{}", id(&made)),
        format!("/api/v1/app/{acme}/attempt/msg/{message}"),
        format!("/api/v1/app/{acme}/msg/{message}/endpoint"),
        format!("/api/v1/app/{acme}/endpoint/{}/error", id(&made)),
    ] {
        let text = app.get(&path).await.expect(200).to_string();
        assert!(text.contains("ann:***@") && !text.contains("s3cr"), "{path}: {text}");
    }
    let preview = app.post(&format!("{one}/preview"), json!({"eventType": "a", "payload": {}})).await.expect(200);
    assert!(!preview.to_string().contains("s3cr"), "{preview}");
    // It is not taken elsewhere, and the mask alone is no password.
    for url in [
        format!("http://ann:***@localhost:{}/hook", receiver.port()),
        format!("http://bob:***@{at}/hook"),
        format!("https://ann:***@{at}/hook"),
    ] {
        let refused = app.patch(&one, json!({"url": url})).await.expect(422);
        assert!(mistake(&refused).1.ends_with("give the password"), "{refused}");
    }
    let refused = app.post(&endpoints, json!({"url": shown})).await.expect(422);
    assert!(mistake(&refused).1.ends_with("give the password"), "{refused}");
    // A URL without a password has none.
    let open = app.patch(&one, json!({"url": format!("http://{at}/hook")})).await.expect(200);
    assert_eq!(open["url"], format!("http://{at}/hook"));
    app.send(&acme, "a", json!({})).await;
    assert_eq!(receiver.wait_for("/hook", 3).await.pop().unwrap().header("authorization"), None);
}

#[tokio::test]
async fn a_password_lasts_across_a_restart_and_is_not_stored_in_the_clear() {
    let receiver = Receiver::start().await;
    let app = App::start().await;
    let acme = app.application().await;
    let url = format!("http://ann:s3cr3t-of-ann@127.0.0.1:{}/hook", receiver.port());
    app.endpoint(&acme, json!({"url": url})).await;
    let dir = app.stop().await;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(!bytes.windows(13).any(|part| part == b"s3cr3t-of-ann"), "{}", path.display());
    }
    let app = Start { dir: Some(dir), ..Start::default() }.start().await;
    app.send(&acme, "a", json!({})).await;
    let basic = format!("Basic {}", BASE64_STANDARD.encode("ann:s3cr3t-of-ann"));
    assert_eq!(receiver.wait_for("/hook", 1).await[0].header("authorization"), Some(basic.as_str()));
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused_when_it_is_given() {
    let app = Start { allow: vec!["10.1.0.0/16"], ..Start::default() }.start().await;
    let acme = app.application().await;
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let open = app.endpoint(&acme, json!({"url": "http://10.1.2.3/"})).await;
    let one = format!("{endpoints}/{open}");
    for host in ["localhost", "LOCALHOST.", "api.localhost", "127.0.0.1", "2130706433", "0x7f.1", "10.0.0.3", "[::1]"] {
        let url = format!("http://{host}/hook");
        for refused in [
            app.post(&endpoints, json!({"url": url})).await,
            app.put(&one, json!({"url": url})).await,
            app.patch(&one, json!({"url": url})).await,
            app.post("/api/v1/operational-webhook/endpoint", json!({"url": url})).await,
        ] {
            let (place, msg) = mistake(&refused.expect(422));
            assert!(
                place == "body.url" && msg.contains("not a public address") && !msg.contains("--"),
                "{host}: {msg}"
            );
        }
        let message = json!({"eventType": "a", "payload": {}, "deliverTo": {"url": url, "secret": SECRET}});
        let refused = app.post(&format!("/api/v1/app/{acme}/msg"), message).await.expect(422);
        assert_eq!(mistake(&refused).0, "body.deliverTo.url", "{host}");
    }
    app.endpoint(&acme, json!({"url": "http://93.184.216.34/"})).await;
    app.endpoint(&acme, json!({"url": "http://name-that-may-be-private.example/"})).await;
}

#[tokio::test]
async fn a_header_that_http_cannot_carry_is_refused_at_once() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let one = format!("{endpoints}/{}", app.endpoint(&acme, json!({"url": receiver.url("/")})).await);
    for value in ["a\nb", "a\u{7f}", "caf\u{e9}", "\u{1f600}", " a", "a\t", "a\u{1}"] {
        for refused in [
            app.post(&endpoints, json!({"url": receiver.url("/"), "headers": {"X-A": value}})).await,
            app.put(&format!("{one}/headers"), json!({"headers": {"X-A": value}})).await,
            app.patch(&format!("{one}/headers"), json!({"headers": {"X-A": value}})).await,
        ] {
            assert_eq!(mistake(&refused.expect(422)).0, "body.headers.X-A", "{value:?}");
        }
    }
    app.put(&format!("{one}/headers"), json!({"headers": {"X-A": "a b\tc~!"}})).await.expect(204);
}

#[tokio::test]
async fn a_uid_that_begins_as_an_id_is_refused() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    for uid in [acme.as_str(), "app_1", "ep_1", "msg_1", "atmpt_1", "key_1", "env_1", "integ_1", "qtask_1"] {
        let refused = app.post("/api/v1/app", json!({"name": "B", "uid": uid})).await.expect(422);
        assert_eq!(mistake(&refused).0, "body.uid", "{uid}");
        let refused = app.post(&endpoints, json!({"url": receiver.url("/"), "uid": uid})).await.expect(422);
        assert_eq!(mistake(&refused).0, "body.uid", "{uid}");
        let refused = app.patch(&format!("/api/v1/app/{acme}"), json!({"uid": uid})).await.expect(422);
        assert_eq!(mistake(&refused).0, "body.uid", "{uid}");
    }
    app.put("/api/v1/app/ep_1", json!({"name": "B"})).await.expect(422);
    app.put(&format!("{endpoints}/app_1"), json!({"url": receiver.url("/")})).await.expect(422);
    app.post("/api/v1/app", json!({"name": "B", "uid": "application_1"})).await.expect(201);
}

#[tokio::test]
async fn lengths_are_counted_in_characters() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let smile = |n: usize| "\u{1f600}".repeat(n);
    let apps = "/api/v1/app";
    app.post(apps, json!({"name": smile(256)})).await.expect(201);
    let refused = app.post(apps, json!({"name": smile(257)})).await.expect(422);
    assert_eq!(mistake(&refused), ("body.name".into(), "has 257 characters; at most 256 are allowed".into()));
    let refused = app.post(apps, json!({"name": "  "})).await.expect(422);
    assert_eq!(mistake(&refused), ("body.name".into(), "is blank; give 1 to 256 characters".into()));
    app.post("/api/v1/environment", json!({"name": smile(256)})).await.expect(201);
    app.post("/api/v1/key", json!({"name": smile(256)})).await.expect(201);
    app.post(apps, json!({"name": "A", "metadata": {smile(256): smile(4_096)}})).await.expect(201);
    let refused = app.post(apps, json!({"name": "A", "metadata": {"a": smile(4_097)}})).await.expect(422);
    assert!(mistake(&refused).1.contains("characters"), "{refused}");
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let form = |n: usize| json!({"url": receiver.url("/"), "description": smile(n)});
    app.post(&endpoints, form(4_096)).await.expect(201);
    let refused = app.post(&endpoints, form(4_097)).await.expect(422);
    assert_eq!(mistake(&refused).1, "has 4097 characters; at most 4096 are allowed");
}

#[tokio::test]
async fn half_of_a_surrogate_pair_is_refused_by_everything_that_takes_a_payload() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let filter = json!({"url": receiver.url("/filtered"), "payloadFilter": {"kind": "a"}});
    app.endpoint(&acme, filter).await;
    let template = json!({"url": receiver.url("/template"), "template": "{{ text }}"});
    let endpoint = app.endpoint(&acme, template).await;
    let schema = json!({"name": "strict", "description": "", "payloadValidation": "enforce", "schemas": {"1": {"type": "object"}}});
    app.post("/api/v1/event-type", schema).await.expect(201);
    let payload = r#"{"kind":"a","text":"x\ud83d"}"#;
    let base = format!("/api/v1/app/{acme}");
    for event_type in ["a", "strict"] {
        let message = format!(r#"{{"eventType":"{event_type}","payload":{payload}}}"#);
        for path in [
            format!("{base}/msg"),
            format!("{base}/msg/precheck/active"),
            format!("{base}/endpoint/{endpoint}/test"),
            format!("{base}/endpoint/{endpoint}/preview"),
        ] {
            let reply = app.request("POST", &path, &[], Some(message.clone().into_bytes())).await;
            let (place, msg) = mistake(&reply.expect(422));
            assert_eq!(place, "body.payload", "{path}");
            assert!(msg.starts_with(r"has the escape \ud83d at byte 21, half of a surrogate pair"), "{path}: {msg}");
        }
        let batch = format!(r#"{{"messages":[{message}]}}"#);
        let batch = app.request("POST", &format!("{base}/msg/batch"), &[], Some(batch.into_bytes())).await.expect(202);
        assert_eq!(batch["data"][0]["status"], 422, "{batch}");
    }
    let whole = r#"{"eventType":"a","payload":{"kind":"a","text":"x\ud83d\ude00 \\ud83d"}}"#;
    let sent = app.request("POST", &format!("{base}/msg"), &[], Some(whole.as_bytes().to_vec())).await.expect(202);
    assert_eq!(sent.get("warnings").map(|list| list[0]["code"].clone()), Some(json!("unregistered_event_type")));
    receiver.wait_for("/filtered", 1).await;
    assert_eq!(receiver.wait_for("/template", 1).await[0].body, "x\u{1f600} \\ud83d".as_bytes());
}
