//! Requests and responses byte for byte: what receivers get, and what they may answer.

use super::started;
use postrider_testkit::app::{App, eventually, id};
use postrider_testkit::receiver::Answer;
use postrider_testkit::script::{Heard, Script, Step};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Write;

/// What comes of one message to an endpoint with these bytes for a response: its only attempt.
async fn answered_by(app: &App, fields: Value, bytes: impl AsRef<[u8]>) -> Value {
    let script = Script::answers(bytes).await;
    let acme = app.application().await;
    let mut endpoint = json!({"url": script.url("/hook"), "retrySchedule": []});
    endpoint.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    app.endpoint(&acme, endpoint).await;
    let message = app.send(&acme, "a", json!({"n": 1})).await;
    app.wait_for_attempts(&acme, &message, 1).await.remove(0)
}

/// The value of a header of a request, by its exact name.
fn header<'a>(heard: &'a Heard, name: &str) -> Option<&'a str> {
    heard.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn a_connection_that_the_receiver_closed_while_it_was_idle_costs_no_attempt() {
    let (app, _) = started().await;
    for end in [None, Some(Step::Reset)] {
        // Answers the first request of each connection, and reads the second without a word.
        let script = Script::start(move |_| {
            let steps = [Step::Read, Step::ok(), Step::Read].into_iter();
            steps.chain(end.clone()).collect()
        })
        .await;
        let acme = app.application().await;
        app.endpoint(&acme, json!({"url": script.url("/hook"), "ordered": true, "retrySchedule": [3600]})).await;
        let mut messages = Vec::new();
        for n in 0..6 {
            messages.push(app.send(&acme, "a", json!({"n": n})).await);
        }
        for message in &messages {
            let attempts = app.wait_for_attempts(&acme, message, 1).await;
            assert_eq!(attempts.len(), 1, "{attempts:?}");
            assert_eq!(attempts[0]["responseStatusCode"], 200, "{attempts:?}");
        }
        let heard = script.heard();
        let again = heard.len() - messages.len();
        assert!(again > 0, "no connection was used twice");
        for heard in heard.windows(2).filter(|two| two[0].body == two[1].body) {
            assert_ne!(heard[0].connection, heard[1].connection, "sent again over the connection that was closed");
            assert_eq!(header(&heard[0], "webhook-id"), header(&heard[1], "webhook-id"));
            assert!(header(&heard[0], "webhook-id").is_some());
        }
        let ids: HashSet<_> = heard.iter().map(|heard| header(heard, "webhook-id").unwrap().to_owned()).collect();
        assert_eq!(ids.len(), messages.len());
    }
}

#[tokio::test]
async fn a_new_connection_that_is_closed_without_a_response_is_a_failed_attempt() {
    let (app, _) = started().await;
    let script = Script::start(|_| vec![Step::Read]).await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": script.url("/hook"), "retrySchedule": []})).await;
    let message = app.send(&acme, "a", json!({})).await;
    let attempt = app.wait_for_attempts(&acme, &message, 1).await.remove(0);
    assert_eq!(attempt["error"]["code"], "reset", "{attempt}");
    assert_eq!(script.heard().len(), 1, "sent twice");
}

#[tokio::test]
async fn the_status_counts_whatever_becomes_of_the_body_and_what_came_of_it_is_kept() {
    let (app, _) = started().await;
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhi", "hi", "after 2 of 100 bytes"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n", "hi", "before the last chunk"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\nzz", "hi", "not correctly chunked"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi!!!\r\n", "hi", "not correctly chunked"),
    ];
    for (bytes, kept, why) in cases {
        let attempt = answered_by(&app, json!({}), bytes).await;
        assert_eq!(attempt["status"], 0, "{bytes:?}: {attempt}");
        assert_eq!(attempt["responseStatusCode"], 200, "{bytes:?}");
        assert_eq!(attempt["response"], kept, "{bytes:?}");
        assert_eq!(attempt["error"]["code"], "incomplete_response", "{bytes:?}: {attempt}");
        assert!(attempt["error"]["message"].as_str().unwrap().contains(why), "{bytes:?}: {attempt}");
    }
    // It says that it is gone, and so it is.
    let attempt = answered_by(&app, json!({}), "HTTP/1.1 410 Gone\r\ncontent-length: 100\r\n\r\nbye").await;
    assert_eq!((&attempt["responseStatusCode"], &attempt["response"]), (&json!(410), &json!("bye")));
    let message = attempt["error"]["message"].as_str().unwrap();
    assert!(message.contains("410") && message.contains("after 3 of 100 bytes"), "{attempt}");
    let path =
        format!("/api/v1/app/{}/endpoint/{}", app_of(&app, &attempt).await, attempt["endpointId"].as_str().unwrap());
    assert_eq!(app.get(&path).await.expect(200)["disabled"], true);
}

/// The application whose endpoint an attempt was for.
async fn app_of(app: &App, attempt: &Value) -> String {
    let endpoint = attempt["endpointId"].as_str().unwrap();
    for one in app.get("/api/v1/app").await.expect(200)["data"].as_array().unwrap() {
        let id = id(one);
        if app.get(&format!("/api/v1/app/{id}/endpoint/{endpoint}")).await.status == 200 {
            return id;
        }
    }
    panic!("no application has {endpoint}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_a_delivery_when_its_time_is_over() {
    let (app, _) = started().await;
    let silent = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhi";
    let script = Script::start(move |_| vec![Step::Read, Step::write(silent), Step::Silence]).await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": script.url("/hook"), "timeoutSeconds": 1})).await;
    let message = app.send(&acme, "a", json!({})).await;
    let attempts = app.wait_for_attempts(&acme, &message, 1).await;
    assert_eq!((&attempts[0]["status"], &attempts[0]["response"]), (&json!(0), &json!("hi")), "{attempts:?}");
    assert_eq!(attempts[0]["error"]["code"], "incomplete_response");
}

#[tokio::test]
async fn every_way_to_end_a_body_is_understood() {
    let (app, _) = started().await;
    let cases = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nhello",
        "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\ncontent-length: 5\n\nhello",
        "HTTP/1.1 200 OK\r\nnot a header\r\ncontent-length: 5\r\n\r\nhello",
    ];
    for bytes in cases {
        let attempt = answered_by(&app, json!({}), bytes).await;
        assert_eq!(attempt["response"], "hello", "{bytes:?}: {attempt}");
        assert_eq!(attempt["responseStatusCode"], 200, "{bytes:?}");
        assert_eq!(attempt["error"], Value::Null, "{bytes:?}");
    }
    for bytes in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"] {
        let attempt = answered_by(&app, json!({}), bytes).await;
        assert_eq!((&attempt["status"], &attempt["response"]), (&json!(0), &json!("")), "{bytes:?}: {attempt}");
    }
}

#[tokio::test]
async fn a_connection_serves_the_next_request_after_a_body_that_was_read_to_its_end() {
    let (app, _) = started().await;
    for chunked in [false, true] {
        let response = match chunked {
            true => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            false => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        };
        let script = Script::start(move |_| vec![vec![Step::Read, Step::write(response)]; 3].concat()).await;
        let acme = app.application().await;
        app.endpoint(&acme, json!({"url": script.url("/hook"), "ordered": true})).await;
        for n in 0..3 {
            let message = app.send(&acme, "a", json!({"n": n})).await;
            app.wait_for_attempts(&acme, &message, 1).await;
        }
        let connections: Vec<usize> = script.heard().iter().map(|heard| heard.connection).collect();
        assert_eq!(connections, [0, 0, 0]);
    }
}

#[tokio::test]
async fn header_names_are_sent_as_they_were_written() {
    let (app, _) = started().await;
    for (contract, event_type) in [("standard", "a"), ("scope", "user/created")] {
        let script = Script::answers("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let acme = app.application().await;
        let headers = json!({"X-Api-Token": "t", "x-lower": "l", "X-MiXed": "m"});
        app.endpoint(&acme, json!({"url": script.url("/h?a=b"), "contract": contract, "headers": headers})).await;
        let message = app.send(&acme, event_type, json!({"id": "1"})).await;
        app.wait_for_attempts(&acme, &message, 1).await;
        let heard = script.heard().remove(0);
        assert!(heard.head.starts_with("POST /h?a=b HTTP/1.1\r\nHost: 127.0.0.1:"), "{}", heard.head);
        for (name, value) in [("X-Api-Token", "t"), ("x-lower", "l"), ("X-MiXed", "m"), ("Accept", "*/*")] {
            assert_eq!(header(&heard, name), Some(value), "{contract}: {}", heard.head);
        }
        assert_eq!(header(&heard, "Content-Length"), Some(&*heard.body.len().to_string()));
    }
}

#[tokio::test]
async fn compressed_responses_are_understood_within_the_cap() {
    let (app, receiver) = started().await;
    let acme = id(&app.post("/api/v1/app", json!({"name": "Acme", "contract": "telerivet"})).await.expect(201));
    app.endpoint(&acme, json!({"url": receiver.url("/hook"), "secret": "s"})).await;
    let json = br#"{"messages": [{"content": "hello back"}]}"#;
    let answer = Answer::status(200).header("content-type", "application/json").header("content-encoding", "gzip");
    receiver.answer("/hook", answer.clone().body(gzip(json)));
    let payload = json!({"id": "SM1", "from_number": "+16505550001", "phone_id": "PN1", "content": "hello"});
    let form = json!({"eventType": "incoming_message", "payload": payload});
    let sent = app.post(&format!("/api/v1/app/{acme}/msg?wait=20"), form.clone()).await.expect(202);
    assert_eq!(sent["reply"]["data"][0]["actions"][0]["content"], "hello back", "{sent}");

    // A hundred mebibytes of nothing, in a hundred kilobytes.
    receiver.answer("/hook", answer.clone().body(gzip(&vec![b' '; 100 << 20])));
    let message = id(&app.post(&format!("/api/v1/app/{acme}/msg"), form.clone()).await.expect(202));
    let attempt = app.wait_for_attempts(&acme, &message, 1).await.remove(0);
    assert_eq!(attempt["response"].as_str().unwrap().len(), 64 << 10);

    receiver.answer("/hook", answer.body(json.to_vec()));
    let message = id(&app.post(&format!("/api/v1/app/{acme}/msg"), form).await.expect(202));
    let attempt = app.wait_for_attempts(&acme, &message, 1).await.remove(0);
    assert_eq!(attempt["error"]["code"], "incomplete_response", "{attempt}");
    assert!(attempt["error"]["message"].as_str().unwrap().contains("decompressed"), "{attempt}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_receiver_ends_the_retries_of_a_message_or_disables_its_endpoint_by_a_header() {
    let (app, receiver) = started().await;
    // The contracts whose document has no such header take no notice of it.
    let cases = [
        ("standard", "disable", 500, 2, true),
        ("standard", "disable", 200, 0, true),
        ("svix", "Disable", 503, 2, true),
        ("standard", "abort-message", 500, 2, false),
        ("svix", "abort-message", 429, 2, false),
        ("standard", "abort-message", 200, 0, false),
        ("standard", "something-else", 500, 3, false),
        ("uplodr", "disable, abort-message", 500, 3, false),
    ];
    for (n, (contract, instruction, status, state, disabled)) in cases.into_iter().enumerate() {
        let path = format!("/hook{n}");
        receiver.answer(&path, Answer::status(status).header("webhook-delivery", instruction));
        let acme = app.application().await;
        let fields = json!({"url": receiver.url(&path), "contract": contract,
            "eventTypes": if contract == "uplodr" { json!(["store.created"]) } else { json!(null) }});
        let endpoint = app.endpoint(&acme, fields).await;
        let message = app.send(&acme, "store.created", json!({"id": "1"})).await;
        let attempt = app.wait_for_attempts(&acme, &message, 1).await.remove(0);
        let case = format!("{contract}, {instruction}, {status}: {attempt}");
        let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
        assert!(eventually(async || app.get(&path).await.expect(200)["disabled"] == disabled).await, "{case}");
        let states = ["success", "", "fail", "pending"];
        assert_eq!(app.states(&acme, &message).await, [states[state]], "{case}");
    }
}

#[tokio::test]
async fn a_receiver_that_answers_before_it_has_read_all_gets_all() {
    let (app, _) = started().await;
    let payload = json!({"text": "x".repeat(12 << 20)});
    let length = payload.to_string().len();
    let early = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
    // It ends its answer when it has read the request, or at once.
    for (before, after) in [(early.to_owned(), "0\r\n\r\n"), (format!("{early}0\r\n\r\n"), "")] {
        let script = Script::start(move |_| {
            vec![Step::ReadHead, Step::write(&before), Step::Read, Step::write(after), Step::Silence]
        })
        .await;
        let acme = app.application().await;
        app.endpoint(&acme, json!({"url": script.url("/hook"), "retrySchedule": []})).await;
        let message = app.send(&acme, "a", payload.clone()).await;
        let attempt = app.wait_for_attempts(&acme, &message, 1).await.remove(0);
        assert_eq!((&attempt["responseStatusCode"], &attempt["response"]), (&json!(200), &json!("ok")));
        assert_eq!(attempt["error"], Value::Null, "{attempt}");
        assert_eq!(script.heard().iter().map(|heard| heard.body.len()).collect::<Vec<_>>(), [length]);
    }
}

#[tokio::test]
async fn an_empty_response_is_complete_whatever_its_coding_is_called() {
    let (app, _) = started().await;
    for head in ["204 No Content\r\ncontent-encoding: gzip", "200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0"] {
        let attempt = answered_by(&app, json!({}), format!("HTTP/1.1 {head}\r\n\r\n")).await;
        assert_eq!((&attempt["status"], &attempt["error"]), (&json!(0), &Value::Null), "{attempt}");
    }
}
