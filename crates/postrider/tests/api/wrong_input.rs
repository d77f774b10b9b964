//! Errors of requests: which field, what was wrong, what would be right, as JSON, in our own words.

use super::started;
use postrider_testkit::app::{App, Reply, id};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Words of the parser and the database that no caller may see.
const NOT_OURS: &[&str] = &[
    ", expected",
    "expected one of",
    "expected value",
    "invalid type",
    "struct ",
    "u16",
    "unknown variant",
    "missing field",
    "db error",
];

/// Type, place and message of each mistake.
fn mistakes(answer: &Value) -> Vec<(String, String, String)> {
    let text = answer.to_string();
    NOT_OURS.iter().for_each(|words| assert!(!text.contains(words), "{words:?} in {text}"));
    let place = |item: &Value| {
        let parts: Vec<&str> = item["loc"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
        parts.join(".")
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = answer["detail"].as_array().unwrap_or_else(|| panic!("{answer}"));
    list.iter().map(|item| (text(&item["type"]), place(item), text(&item["msg"]))).collect()
}

/// That an answer is an error as JSON, with this code.
fn plain(reply: &Reply, status: u16, code: &str) -> String {
    assert_eq!((reply.status, reply.body["code"].as_str()), (status, Some(code)), "{}", reply.body);
    assert_eq!(reply.headers["content-type"], "application/json");
    NOT_OURS.iter().for_each(|words| assert!(!reply.body.to_string().contains(words), "{words:?} in {}", reply.body));
    reply.body["detail"].as_str().unwrap().to_owned()
}

async fn refused(app: &App, method: &str, path: &str, body: Value) -> Vec<(String, String, String)> {
    mistakes(&app.request(method, path, &[], Some(body.to_string().into_bytes())).await.expect(422))
}

fn mistake(kind: &str, place: &str, msg: &str) -> (String, String, String) {
    (kind.to_owned(), place.to_owned(), msg.to_owned())
}

#[tokio::test]
async fn a_wrong_field_is_named_with_what_would_be_right() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let apps = "/api/v1/app";
    let endpoints = format!("/api/v1/app/{acme}/endpoint");
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/")})).await;
    let one = format!("{endpoints}/{endpoint}");
    let missing = mistake("missing", "body.name", "is missing; give a string");
    assert_eq!(refused(&app, "POST", apps, json!({})).await, std::slice::from_ref(&missing));
    // What was meant is among the warnings.
    let answer = app.post(apps, json!({"nam": "Acme"})).await.expect(422);
    assert_eq!(mistakes(&answer), [missing]);
    assert_eq!(answer["warnings"][0]["didYouMean"], "name");
    for (method, path, body, expected) in [
        ("POST", apps, json!({"name": 5}), mistake("wrong_type", "body.name", "must be a string, not the number 5")),
        ("POST", apps, json!([]), mistake("wrong_type", "body", "must be an object, not a list")),
        ("POST", apps, json!("x"), mistake("wrong_type", "body", "must be an object, not the string \"x\"")),
        (
            "POST",
            apps,
            json!({"name": "A", "metadata": []}),
            mistake("wrong_type", "body.metadata", "must be an object, not a list"),
        ),
        (
            "POST",
            apps,
            json!({"name": "A", "metadata": {"a": 1}}),
            mistake("wrong_type", "body.metadata.a", "must be a string, not the number 1"),
        ),
        (
            "POST",
            apps,
            json!({"name": "A", "throttleRate": 70000}),
            mistake("out_of_range", "body.throttleRate", "70000 is out of range; use a number from 1 to 65535"),
        ),
        (
            "POST",
            apps,
            json!({"name": "A", "throttleRate": 1.5}),
            mistake("wrong_type", "body.throttleRate", "must be a whole number from 1 to 65535, not 1.5"),
        ),
        (
            "POST",
            &endpoints,
            json!({"url": "https://example.com/", "filterTypes": ["a", 7]}),
            mistake("wrong_type", "body.filterTypes.1", "must be a string, not the number 7"),
        ),
        (
            "POST",
            &endpoints,
            json!({"url": "https://example.com/", "headers": {"X-A": true}}),
            mistake("wrong_type", "body.headers.X-A", "must be a string, not true"),
        ),
        (
            "POST",
            &endpoints,
            json!({"url": "https://example.com/", "actions": [{"type": "notify"}]}),
            mistake(
                "unknown_value",
                "body.actions.0.type",
                "\"notify\" is not a known value; use one of \"notify_webhook\", \"log_message\"",
            ),
        ),
        (
            "PATCH",
            &one,
            json!({"disabled": "yes"}),
            mistake("wrong_type", "body.disabled", "must be true or false, not the string \"yes\""),
        ),
        ("PATCH", &one, json!({"url": 7}), mistake("wrong_type", "body.url", "must be a string, not the number 7")),
        (
            "POST",
            "/api/v1/key",
            json!({"name": "k", "scope": "sned"}),
            mistake(
                "unknown_value",
                "body.scope",
                "\"sned\" is not a known value; did you mean \"send\"? use one of \"all\", \"read\", \"send\"",
            ),
        ),
    ] {
        assert_eq!(refused(&app, method, path, body.clone()).await, [expected], "{method} {path} {body}");
    }
    // All mistakes at once.
    let all = refused(&app, "POST", apps, json!({"name": 1, "uid": 2, "throttleRate": "3"})).await;
    assert_eq!(
        all.iter().map(|(_, place, _)| place.as_str()).collect::<Vec<_>>(),
        ["body.name", "body.uid", "body.throttleRate"]
    );
    let name = json!({"url": "https://example.com/", "filterTypes": ["no blanks"]});
    let name = refused(&app, "POST", &endpoints, name).await;
    assert_eq!((name.len(), name[0].1.as_str()), (1, "body.filterTypes.0"), "{name:?}");
    let rate = json!({"url": "https://example.com/", "rateLimit": 0});
    assert_eq!(refused(&app, "POST", &endpoints, rate).await[0].1, "body.rateLimit");
}

#[tokio::test]
async fn fields_that_an_object_refuses_are_named_too() {
    let (app, _) = started().await;
    let acme = app.application().await;
    let message = json!({"eventType": "a", "payload": {}, "deliverTo": {"ulr": "https://example.com/"}});
    let list = refused(&app, "POST", &format!("/api/v1/app/{acme}/msg"), message).await;
    assert_eq!(
        list,
        [mistake("unknown_field", "body.deliverTo.ulr", "\"ulr\" is not a known field; did you mean \"url\"?")]
    );
}

#[tokio::test]
async fn a_body_that_is_not_json_is_a_400_that_says_where() {
    let (app, _) = started().await;
    for (body, expected) in [
        (&b""[..], "the body is empty; send JSON"),
        (b"  \n", "the body is empty; send JSON"),
        (b"{\"name\": \"A\",\n \"uid\" \"b\"}", "the body is not JSON: unexpected '\"' at line 2, column 8"),
        (b"{\"name\": \"A\"", "the body is not JSON: it ends at line 1, column 12, in the middle of a value"),
        (b"{\"name\": \"A\"} x", "the body is not JSON: 'x' follows the end of the value at line 1, column 15"),
        (b"{\"name\": \"A\",}", "the body is not JSON: a comma precedes a closing bracket at line 1, column 14"),
        (b"{\"name\": \"A\xff\"}", "the body is not UTF-8: byte 0xff at line 1, column 12"),
        (b"name=A", "the body is not JSON: unexpected 'a' at line 1, column 2"),
    ] {
        let reply = app.request("POST", "/api/v1/app", &[], Some(body.to_vec())).await;
        assert_eq!(plain(&reply, 400, "bad_json"), expected, "{}", String::from_utf8_lossy(body));
    }
    let form =
        b"POST /api/v1/app HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\nauthorization: ";
    let form = [form, format!("Bearer {}\r\ncontent-length: 6\r\nconnection: close\r\n\r\nname=A", app.key).as_bytes()]
        .concat();
    let answer = raw(&app, &form).await;
    assert!(
        answer.contains("its content type is \\\"application/x-www-form-urlencoded\\\"; send application/json"),
        "{answer}"
    );
}

/// What is answered to these bytes on a connection of their own.
async fn raw(app: &App, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_401_says_whether_the_key_is_missing_malformed_or_unknown() {
    let (app, _) = started().await;
    let unknown = app.with_key("nobody").get("/api/v1/app").await;
    assert!(
        plain(&unknown, 401, "authentication_failed")
            .starts_with("the API key or token is unknown, expired or revoked")
    );
    assert_eq!(unknown.headers["www-authenticate"], "Bearer");
    let http = reqwest::Client::new();
    let ask = async |value: Option<&str>| {
        let request = http.get(format!("{}/api/v1/app", app.url));
        let request = value.into_iter().fold(request, |request, value| request.header("authorization", value));
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 401);
        response.json::<Value>().await.unwrap()["detail"].as_str().unwrap().to_owned()
    };
    assert!(ask(None).await.starts_with("the header Authorization is missing"));
    for malformed in ["Basic YTpi", "Bearer", "Bearer  ", app.key.as_str()] {
        assert!(ask(Some(malformed)).await.starts_with("the header Authorization is malformed"), "{malformed}");
    }
}

#[tokio::test]
async fn a_404_and_a_409_name_what_they_are_about() {
    let (app, receiver) = started().await;
    let acme = app.post("/api/v1/app", json!({"name": "Acme", "uid": "acme"})).await.expect(201);
    let gone = |path: &str, text: &str| {
        let (path, text) = (path.to_owned(), text.to_owned());
        let app = &app;
        async move { assert_eq!(plain(&app.get(&path).await, 404, "not_found"), text, "{path}") }
    };
    gone("/api/v1/app/nobody", "application \"nobody\" not found").await;
    gone("/api/v1/app/acme/endpoint/ep_1", "endpoint \"ep_1\" not found").await;
    gone("/api/v1/app/acme/msg/msg_1", "message \"msg_1\" not found").await;
    gone("/api/v1/event-type/a.b", "event type \"a.b\" not found").await;
    let taken = app.post("/api/v1/app", json!({"name": "B", "uid": "acme"})).await;
    let said = "there is another application with the uid \"acme\"; choose another uid, or update that application";
    assert_eq!(plain(&taken, 409, "conflict"), said);
    let form = json!({"url": receiver.url("/"), "uid": "hook"});
    app.endpoint(&id(&acme), form.clone()).await;
    let taken = app.post("/api/v1/app/acme/endpoint", form).await;
    assert!(plain(&taken, 409, "conflict").contains("\"hook\""));
    let message = json!({"eventType": "a", "payload": {}, "eventId": "order-1"});
    app.post("/api/v1/app/acme/msg", message.clone()).await.expect(202);
    let taken = app.post("/api/v1/app/acme/msg", message).await;
    assert!(plain(&taken, 409, "event_exists").contains("\"order-1\""));
    let other = app.post("/api/v1/event-type", json!({"name": "a.b", "description": ""})).await;
    other.expect(201);
    let taken = app.post("/api/v1/event-type", json!({"name": "a.b", "description": ""})).await;
    assert!(plain(&taken, 409, "conflict").contains("\"a.b\""));
}

#[tokio::test]
async fn every_error_is_json() {
    let (app, _) = started().await;
    let acme = app.application().await;
    let nothing = app.get("/api/v1/nothing").await;
    assert!(plain(&nothing, 404, "not_found").contains("/api/v1/nothing"));
    let not_allowed = app.delete("/api/v1/app").await;
    assert_eq!(plain(&not_allowed, 405, "method_not_allowed"), "DELETE is not possible at /api/v1/app; use GET, POST");
    assert_eq!(not_allowed.headers["allow"], "GET,HEAD,POST");
    plain(&app.get("/api/v1/app/%ff").await, 400, "bad_path");
    plain(&app.get(&format!("/api/v1/app/{acme}/endpoint/%ff%fe")).await, 400, "bad_path");
    for query in ["limit=%ff", "limit=%zz", "%ff=1"] {
        let refused = mistakes(&app.get(&format!("/api/v1/app?{query}")).await.expect(422));
        assert!(refused[0].1.starts_with("query."), "{refused:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_http_gets_json_too() {
    let (app, _) = started().await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(200_000));
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "x".repeat(200_000));
    for (request, status) in [
        ("GET /a b HTTP/1.1\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("GET /api/v1/app HTTP/1.1\r\nbad header: 1\r\n\r\n", 400),
        ("POST /api/v1/app HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n", 400),
        (&large, 431),
        (&long, 431),
    ] {
        let answer = raw(&app, request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
        assert!(body["code"].is_string() && body["detail"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn an_iterator_that_is_none_is_refused_in_every_listing() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/")})).await;
    let message = app.send(&acme, "a", json!({})).await;
    for path in [
        "/api/v1/app".to_owned(),
        "/api/v1/operational-webhook/endpoint".to_owned(),
        "/api/v1/background-task".to_owned(),
        format!("/api/v1/app/{acme}/endpoint"),
        format!("/api/v1/app/{acme}/integration"),
        format!("/api/v1/app/{acme}/msg"),
        format!("/api/v1/app/{acme}/msg/{message}/endpoint"),
        format!("/api/v1/app/{acme}/attempt/msg/{message}"),
        format!("/api/v1/app/{acme}/attempt/endpoint/{endpoint}"),
    ] {
        for iterator in ["garbage", "-garbage", "msg_1", "%20"] {
            let refused = mistakes(&app.get(&format!("{path}?iterator={iterator}")).await.expect(422));
            assert_eq!((refused.len(), refused[0].1.as_str()), (1, "query.iterator"), "{path} {iterator}");
        }
    }
    let refused = mistakes(&app.get("/api/v1/event-type?iterator=no%20name").await.expect(422));
    assert_eq!(refused[0].1, "query.iterator");
}

#[tokio::test]
async fn a_list_in_a_query_is_understood_in_every_spelling() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    app.endpoint(&acme, json!({"url": receiver.url("/")})).await;
    for event_type in ["a", "b", "c"] {
        app.send(&acme, event_type, json!({})).await;
    }
    for query in [
        "event_types=a&event_types=b",
        "event_types=a,b",
        "event_types[]=a&event_types[]=b",
        "event_types[0]=a&event_types[1]=b",
        "event_types%5B%5D=a&event_types%5B%5D=b",
    ] {
        let page = app.get(&format!("/api/v1/app/{acme}/msg?{query}")).await.expect(200);
        let types: Vec<&str> =
            page["data"].as_array().unwrap().iter().map(|row| row["eventType"].as_str().unwrap()).collect();
        assert_eq!((types, page.get("warnings")), (vec!["b", "a"], None), "{query}");
    }
}

#[tokio::test]
async fn text_that_no_database_stores_is_refused_wherever_it_comes() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/")})).await;
    let one = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let messages = format!("/api/v1/app/{acme}/msg");
    let nul = "a\0b";
    for (method, path, body, place) in [
        ("POST", "/api/v1/environment", json!({"name": nul}), "body.name"),
        ("POST", "/api/v1/key", json!({"name": nul}), "body.name"),
        ("POST", "/api/v1/app", json!({"name": nul}), "body.name"),
        ("POST", "/api/v1/app", json!({"name": "A", "uid": nul}), "body.uid"),
        ("POST", "/api/v1/app", json!({"name": "A", "metadata": {"k": nul}}), "body.metadata.k"),
        ("POST", "/api/v1/app", json!({"name": "A", "metadata": {nul: "v"}}), "body.metadata.a\0b"),
        ("POST", &format!("/api/v1/auth/app-portal-access/{acme}"), json!({"sessionId": nul}), "body.sessionId"),
        ("POST", &format!("/api/v1/app/{acme}/integration"), json!({"name": nul}), "body.name"),
        ("POST", "/api/v1/event-type", json!({"name": "a", "description": nul}), "body.description"),
        ("PATCH", &one, json!({"description": nul}), "body.description"),
        ("PATCH", &one, json!({"template": nul}), "body.template"),
        ("PATCH", &one, json!({"url": format!("https://example.com/{nul}")}), "body.url"),
        ("PUT", &format!("{one}/headers"), json!({"headers": {"X-A": nul}}), "body.headers.X-A"),
        ("POST", &messages, json!({"eventType": "a", "payload": {}, "tags": ["x", nul]}), "body.tags.1"),
        ("POST", &messages, json!({"eventType": "a", "payload": {}, "channels": [nul]}), "body.channels.0"),
        ("POST", &messages, json!({"eventType": "a", "payload": {}, "schemaVersion": nul}), "body.schemaVersion"),
    ] {
        let list = refused(&app, method, path, body).await;
        let expected = mistake("unstorable_text", place, "has the character \\u0000, which can't be stored; remove it");
        assert_eq!(list, [expected], "{method} {path}");
    }
    for path in [
        format!("/api/v1/app/{acme}/msg?tag=%00"),
        format!("/api/v1/app/{acme}/msg?channel=a%00b"),
        format!("/api/v1/app/{acme}/msg?event_types=%00"),
        "/api/v1/app/%00/msg".to_owned(),
        format!("/api/v1/app/{acme}/msg/%00"),
        "/api/v1/event-type/%00".to_owned(),
        format!("/api/v1/app/{acme}/variable?subject=%00"),
    ] {
        let list = mistakes(&app.get(&path).await.expect(422));
        assert_eq!(list[0].0, "unstorable_text", "{path}");
    }
    // A payload may have it.
    let message = json!({"eventType": "a", "payload": {"text": nul}});
    let sent = id(&app.post(&messages, message).await.expect(202));
    app.wait_for_attempts(&acme, &sent, 1).await;
    let request = receiver.wait_for("/", 1).await.remove(0);
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap()["text"], nul);
}
