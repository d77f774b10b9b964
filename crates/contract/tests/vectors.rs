//! Every worked case of the five systems that concerns body, headers and signature, byte for byte.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::Case;
use postrider_contract::{ContentType, Contract};
use serde_json::Value;

fn vectors(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn uplodr() {
    let vectors = vectors("uplodr");
    for case in vectors["cases"].as_array().unwrap() {
        let body: Value = serde_json::from_str(text(case, "body")).unwrap();
        let request = Case {
            event_type: text(&body, "type"),
            event_id: body["id"].as_str(),
            payload: &body["payload"].to_string(),
            secrets: &[text(&vectors, "secret")],
            ..Case::of("uplodr")
        }
        .render();
        assert_eq!(common::text(&request.body), text(case, "body"), "{}", case["name"]);
        let signature = common::header(&request, "x-uplodr-signature").unwrap();
        assert_eq!(signature, text(&case["headers"], "x-uplodr-signature"), "{}", case["name"]);
        assert_eq!(common::header(&request, "content-type").unwrap(), "application/json");
    }
}

#[test]
fn tellescope() {
    let vectors = vectors("tellescope");
    for case in vectors["cases"].as_array().unwrap() {
        let body = &case["body"];
        let kind = text(body, "type");
        let event_type = body["model"].as_str().map_or(kind.to_owned(), |model| format!("{model}.{kind}"));
        let mut payload = body.as_object().unwrap().clone();
        for made in ["model", "type", "timestamp", "integrity"] {
            payload.shift_remove(made);
        }
        let request = Case {
            event_type: &event_type,
            payload: &Value::Object(payload).to_string(),
            secrets: &[text(&vectors, "secret")],
            now_ms: text(body, "timestamp").parse().unwrap(),
            ..Case::of("tellescope")
        }
        .render();
        assert_eq!(common::text(&request.body), body.to_string(), "{}", case["name"]);
        assert_eq!(common::header(&request, "content-type").unwrap(), "application/json");
    }
    let example = &vectors["doc_example"];
    let records: Vec<String> = example["ids"].as_array().unwrap().iter().map(|id| format!("{{\"id\":{id}}}")).collect();
    let request = Case {
        event_type: "endusers.create",
        payload: &format!("{{\"records\":[{}]}}", records.join(",")),
        secrets: &[text(example, "secret")],
        now_ms: text(example, "timestamp").parse().unwrap(),
        ..Case::of("tellescope")
    }
    .render();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["integrity"], example["integrity"]);
}

#[test]
fn tiledesk() {
    let vectors = vectors("tiledesk");
    for case in vectors["cases"].as_array().unwrap() {
        let body: Value = serde_json::from_str(text(case, "body")).unwrap();
        let hook = &body["hook"];
        let is_global = text(case, "jwt_key") != text(case, "secret");
        let global = if is_global { "true" } else { "false" };
        let request = Case {
            event_type: text(case, "event"),
            payload: &body["payload"].to_string(),
            secrets: &[text(case, "secret")],
            now_ms: case["now_ms"].as_i64().unwrap(),
            url: text(hook, "target"),
            endpoint_uid: hook["_id"].as_str(),
            application_uid: hook["id_project"].as_str(),
            metadata: &[("createdBy", text(hook, "createdBy")), ("global", global)],
            settings: &[("origin", "http://localhost:3000"), ("server_key", "nodeauthsecret")],
            // 2019-03-12T12:01:56.462Z, as in the captured hooks.
            endpoint_ms: 1_552_392_116_462,
            ..Case::of("tiledesk")
        }
        .render();
        assert_eq!(common::text(&request.body), text(case, "body"), "{}", case["name"]);
        for line in case["headers"].as_array().unwrap() {
            let (name, value) = line.as_str().unwrap().split_once(": ").unwrap();
            if !["host", "content-length", "connection"].contains(&name.to_ascii_lowercase().as_str()) {
                let sent = (name.to_owned(), value.to_owned());
                assert!(request.headers.contains(&sent), "{}: {line} is not in {:?}", case["name"], request.headers);
            }
        }
    }
}

#[test]
fn telerivet() {
    let vectors = vectors("telerivet");
    for case in vectors["cases"].as_array().unwrap() {
        let mut input = case["input"].as_object().unwrap().clone();
        let event = input.shift_remove("event").unwrap();
        let secret = input.shift_remove("secret").unwrap();
        let request = Case {
            event_type: event.as_str().unwrap(),
            payload: &Value::Object(input).to_string(),
            secrets: &[secret.as_str().unwrap()],
            ..Case::of("telerivet")
        }
        .render();
        assert_eq!(common::text(&request.body), text(case, "body"), "{}", case["name"]);
        assert_eq!(common::header(&request, "content-type").as_deref(), vectors["content_type"].as_str());
    }
}

/// Scope's default body and headers; the cases with a query's result go through the same encodings
/// by a contract whose body is the payload.
#[test]
fn scope() {
    let vectors = vectors("scope");
    let by_payload = include_str!("../../../contracts/scope.toml")
        .replace(r#"'{"data": {"id": payload.id, "url": settings.base_url ~ payload.id}}'"#, "'payload'");
    let by_payload = Contract::parse(&by_payload).unwrap();
    let mut seen = 0;
    for case in vectors["cases"].as_array().unwrap().iter().filter(|case| case["content_type"].is_string()) {
        let content_type: ContentType = text(case, "content_type").parse().unwrap();
        let default = text(case, "name").starts_with("default");
        let payload = if default { case["input"]["data"].to_string() } else { case["input"].to_string() };
        let case_input = Case {
            event_type: "scenario_session/created",
            event_id: Some("2ee2e0d1d5b0d9c0f2b1c3aa"),
            payload: &payload,
            secrets: &[text(&vectors, "shared_secret")],
            endpoint_uid: Some("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
            // 2020-10-20T18:06:02Z
            now_ms: 1_603_217_162_000,
            content_type,
            ..Case::of("scope")
        };
        let request = if default { case_input.render() } else { case_input.render_with(&by_payload) };
        assert_eq!(common::text(&request.body), text(case, "body"), "{}", case["name"]);
        assert_eq!(
            common::header(&request, "X-Scope-Hmac-Sha256").as_deref(),
            case["hmac"].as_str(),
            "{}",
            case["name"]
        );
        assert_eq!(common::header(&request, "content-type").as_deref(), case["content_type"].as_str());
        if text(case, "name") == "default_json" {
            for (name, value) in vectors["headers_for_default"].as_object().unwrap() {
                let sent = (name.clone(), value.as_str().unwrap().to_owned());
                assert!(request.headers.contains(&sent), "{sent:?} is not in {:?}", request.headers);
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 7, "cases with a body");
}
