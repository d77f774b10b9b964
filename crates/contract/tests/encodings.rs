//! Bodies beside what Node and PHP make of the same JSON (`data/`).
#![allow(clippy::unwrap_used)]

mod common;

use common::{Case, contract, text};

fn rows(json: &str) -> Vec<(String, String)> {
    serde_json::from_str(json).unwrap()
}

fn body(encoding: &str, value: &str, payload: &str) -> String {
    text(&Case { payload, ..Case::of("t") }.render_with(&contract(encoding, value, "")).body)
}

#[test]
fn canonical_json_is_what_javascript_writes() {
    for (input, expected) in rows(include_str!("data/canonical.json")) {
        assert_eq!(body("canonical-json", "payload", &input), expected, "{input}");
        let inside = format!("{{\"0\":1,\"id\":\"x\",\"payload\":{expected}}}");
        assert_eq!(body("canonical-json", "{'id': 'x', 'payload': payload, '0': 1.0}", &input), inside, "{input}");
        // What it wrote stays as it is.
        assert_eq!(body("canonical-json", "payload", &expected), expected);
    }
}

#[test]
fn forms_are_what_php_writes() {
    for (input, expected) in rows(include_str!("data/form.json")) {
        assert_eq!(body("form", "payload", &input), expected, "{input}");
    }
}

#[test]
fn parts_of_the_payload_keep_the_bytes_they_came_with() {
    let payload =
        r#"{"n": 12345678901234567890123, "sum": {"z": 1.50, "a": [1e2 , -0.0, "\u00e9"]}, "lone": "\ud800"}"#;
    let composed = "{'n': payload.n, 'sum': payload.sum, 'list': payload.sum.a, 'all': payload}";
    let expected = format!(
        r#"{{"n":12345678901234567890123,"sum":{},"list":{},"all":{payload}}}"#,
        r#"{"z": 1.50, "a": [1e2 , -0.0, "\u00e9"]}"#, r#"[1e2 , -0.0, "\u00e9"]"#
    );
    assert_eq!(body("json", composed, payload), expected);
    assert_eq!(
        body("json", "[payload.sum.a | length, payload.sum.a[2], payload.nothing, payload.sum.z * 2]", payload),
        "[3,\"é\",null,3]"
    );
    let long = "1234567890123456789012345678901234567890.10";
    assert_eq!(
        body("json", "{'n': payload.n, 'text': payload.n ~ '!'}", &format!("{{\"n\":{long}}}")),
        format!("{{\"n\":{long},\"text\":\"{long}!\"}}")
    );
    assert_eq!(
        body("raw", "json(payload.sum) ~ '|' ~ payload.lone", payload),
        format!("{}|\u{fffd}", r#"{"z": 1.50, "a": [1e2 , -0.0, "\u00e9"]}"#)
    );
}

#[test]
fn a_payload_need_not_be_an_object() {
    for payload in ["\"text\"", "1.50", "null", "true", "[1,2]", " {} "] {
        let request = Case { payload, ..Case::of("standard") }.render();
        assert_eq!(text(&request.body), payload);
    }
}
