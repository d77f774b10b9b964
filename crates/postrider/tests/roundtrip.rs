//! Whatever a payload holds, receivers read back what went in: forms in PHP and in qs, XML in Python, signatures over
//! any text. The payloads are made up, the same ones in every run.
#![allow(clippy::unwrap_used, clippy::panic)]

use postrider_testkit::app::{App, Start};
use postrider_testkit::packages::{installed, node, says};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::strategy::{BoxedStrategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use standardwebhooks::Webhook;
use std::process::Command;

const CASES: usize = 200;

fn json_with_keys(keys: &'static str) -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-99_999..99_999).prop_map(|n| json!(f64::from(n) / 100.0)),
        "\\PC{0,12}".prop_map(Value::from),
        "[ &=+%;\\[\\]<>\"'#~]{1,6}".prop_map(Value::from),
    ];
    let any = leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(keys, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    btree_map(keys, any, 1..6).prop_map(|map| Value::Object(map.into_iter().collect())).boxed()
}

/// The same values in every run.
fn made_up<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// The bodies that an endpoint of this contract would get.
async fn bodies(app: &App, contract: &str, event_type: &str, payloads: &[Value]) -> Vec<Value> {
    let acme = app.application().await;
    let mut endpoint =
        json!({"url": "https://example.com/", "contract": contract, "secret": "the secret of this test"});
    if contract == "tree" {
        endpoint["contentType"] = json!("application/xml");
    }
    let endpoint = app.endpoint(&acme, endpoint).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}/preview");
    let mut previews = Vec::new();
    for payload in payloads {
        previews.push(app.post(&path, json!({"eventType": event_type, "payload": payload})).await.expect(200));
    }
    previews
}

/// A form has no place for null and for what is empty, in a list not even for the gap that it leaves.
fn without_gaps(value: Value) -> Value {
    let is_something = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    match value {
        Value::Array(items) => items.into_iter().map(without_gaps).filter(is_something).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, without_gaps(value)));
            Value::Object(fields.filter(|(_, value)| is_something(value)).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// What a form can say of a value: texts.
fn as_texts(value: &Value) -> Value {
    match value {
        Value::Bool(value) => json!(if *value { "1" } else { "0" }),
        // As PHP writes it: 325.0 is 325.
        Value::Number(number) => json!(number.to_string().trim_end_matches(".0")),
        Value::Array(items) => items.iter().map(as_texts).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), as_texts(value))).collect(),
        other => other.clone(),
    }
}

async fn forms() -> (Vec<Value>, String) {
    let app = App::start().await;
    let payloads: Vec<Value> = made_up(&json_with_keys("k[a-z_0-9é]{0,6}")).into_iter().map(without_gaps).collect();
    let bodies = bodies(&app, "telerivet", "send_status", &payloads).await;
    let lines = bodies.iter().map(|preview| format!("{}\n", preview["body"].as_str().unwrap()));
    let mut wanted: Vec<Value> = payloads.iter().map(as_texts).collect();
    for one in &mut wanted {
        one["event"] = json!("send_status");
        one["secret"] = json!("the secret of this test");
    }
    (wanted, lines.collect())
}

fn assert_read(read: &str, wanted: &[Value]) {
    let read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), wanted.len());
    for (read, wanted) in read.iter().zip(wanted) {
        assert_eq!(read, wanted);
    }
}

#[tokio::test]
async fn forms_are_read_back_by_php() {
    let dir = tempfile::tempdir().unwrap();
    if !installed("php", dir.path(), "", || {}) {
        return;
    }
    let (wanted, lines) = forms().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/roundtrip/forms.php");
    let read = says(Command::new("php").args(["-d", "max_input_vars=100000", script]), &lines);
    assert_read(&read, &wanted);
}

#[tokio::test]
async fn forms_are_read_back_by_qs() {
    let Some(packages) = tokio::task::spawn_blocking(|| node("qs-node", &["qs@6.14.0"])).await.unwrap() else { return };
    let (wanted, lines) = forms().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/roundtrip/forms.mjs");
    assert_read(&says(Command::new("node").arg(script).arg(packages), &lines), &wanted);
}

/// Everything that a payload may hold, as XML.
const TREE: &str = r#"
name = "tree"
title = "Tree"
description = "The payload as XML."
events = { open = true }
body = { xml = true, value = "payload" }
"#;

/// Whether a node holds this value, by the types that it states.
fn holds(node: &Value, value: &Value) -> bool {
    let (kind, children) = (&node["attributes"]["type"], node["children"].as_array().unwrap());
    let text = node["text"].as_str().unwrap();
    let all = |values: &mut dyn Iterator<Item = &Value>| {
        let values: Vec<&Value> = values.collect();
        values.len() == children.len() && values.iter().zip(children).all(|(value, child)| holds(child, value))
    };
    match value {
        Value::Null => node["attributes"]["nil"] == "true",
        Value::Bool(value) => kind == "boolean" && text == value.to_string(),
        Value::Number(number) if number.is_f64() => kind == "float" && text.parse().ok() == number.as_f64(),
        Value::Number(number) => kind == "integer" && text == number.to_string(),
        Value::String(value) => kind.is_null() && text == value,
        Value::Array(items) => kind == "array" && all(&mut items.iter()),
        Value::Object(fields) => kind.is_null() && all(&mut fields.values()),
    }
}

#[tokio::test]
async fn xml_is_read_back_whatever_the_names() {
    let dir = tempfile::tempdir().unwrap();
    if !installed("python3", dir.path(), "", || {}) {
        return;
    }
    let contracts = tempfile::tempdir().unwrap();
    std::fs::write(contracts.path().join("tree.toml"), TREE).unwrap();
    let app = Start { contracts: Some(contracts.path().to_owned()), ..Start::default() }.start().await;
    let payloads = made_up(&json_with_keys("[A-Za-z0-9_ .:é&</-]{0,6}"));
    let bodies = bodies(&app, "tree", "a", &payloads).await;
    let lines: String = bodies.iter().map(|preview| format!("{}\n", preview["body"])).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/roundtrip/read_xml.py");
    let read = says(Command::new("python3").arg(script), &lines);
    for ((node, payload), preview) in read.lines().zip(&payloads).zip(&bodies) {
        let node: Value = serde_json::from_str(node).unwrap();
        assert!(holds(&node, payload), "{payload}\n{}\n{node}", preview["body"].as_str().unwrap());
    }
    assert_eq!(read.lines().count(), CASES);
}

#[tokio::test]
async fn signatures_verify_over_any_text() {
    let app = App::start().await;
    let payloads: Vec<Value> = made_up(&"\\PC{0,200}").into_iter().map(|text| json!({ "text": text })).collect();
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": "https://example.com/"})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let secret = app.get(&format!("{path}/secret")).await.expect(200);
    let webhook = Webhook::new(secret["key"].as_str().unwrap()).unwrap();
    for payload in &payloads {
        let preview =
            app.post(&format!("{path}/preview"), json!({"eventType": "a", "payload": payload})).await.expect(200);
        let headers = preview["headers"].as_object().unwrap().iter();
        let headers = headers.map(|(name, value)| {
            (name.parse::<reqwest::header::HeaderName>().unwrap(), value.as_str().unwrap().parse().unwrap())
        });
        let body = preview["body"].as_str().unwrap();
        webhook.verify(body.as_bytes(), &headers.collect()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(body).unwrap(), *payload);
    }
}
