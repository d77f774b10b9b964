//! What a response asks for, and what of it is kept for the next message.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{Case, contract, text};
use postrider_contract::{Asking, Contract, Kept, KeptFor, MessageView, Reply};
use serde_json::{Value, json};

const SENDS: &str = r#"
[reply]
events = ["asked"]
content_type = "application/json"
[reply.schema]
type = "object"
properties.send.type = ["array", "object", "null"]
[reply.actions.send]
each = "response.send"
[reply.actions.send.fields]
key = "key"
text = "item.text"
to = "item.to or payload.from"
of = "message.event_type ~ ' ' ~ message.id ~ ' ' ~ message.created_ms ~ ' ' ~ (message.event_id or 'none')"
[reply.actions.close]
when = "response.close"
[reply.actions.close.fields]
reason = "response.reason"
[reply.actions.set]
each = "response.set"
[reply.actions.set.fields]
name = "key"
value = "item"
[state]
subject = "payload.contact"
action = "set"
application = ["contact."]
endpoint = ["state."]
"#;

fn sends() -> Contract {
    contract("json", "payload", SENDS)
}

fn message(payload: &Bytes) -> MessageView<'_> {
    MessageView { id: "msg_1", event_type: "asked", event_id: None, payload, created_ms: 17 }
}

fn reply_as(content_type: Option<&str>, body: &str) -> Option<Reply> {
    let (payload, body) = (Bytes::from_static(b"{\"from\":\"me\"}"), Bytes::copy_from_slice(body.as_bytes()));
    sends().reply(&Asking { message: message(&payload), content_type, body: &body })
}

fn reply(body: &str) -> Option<Reply> {
    reply_as(Some("application/json"), body)
}

/// The actions that a response asks for.
fn actions(body: &Value) -> Value {
    match reply(&body.to_string()) {
        Some(Reply::Actions { json, .. }) => serde_json::from_slice(&json).unwrap(),
        other => panic!("{body}: {other:?}"),
    }
}

/// What is wrong with a response.
fn wrong(body: &str) -> String {
    match reply(body) {
        Some(Reply::Wrong(reason)) => reason,
        other => panic!("{body:.80}: {other:?}"),
    }
}

#[test]
fn an_action_is_made_for_each_item_of_a_list_or_an_object_or_once() {
    let of = "asked msg_1 17 none";
    let list = json!({"send": [{"text": "a", "to": "you"}, {"text": "b"}]});
    let wanted = json!([
        {"type": "send", "text": "a", "to": "you", "of": of}, {"type": "send", "text": "b", "to": "me", "of": of}
    ]);
    assert_eq!(actions(&list), wanted);
    let object = json!({"send": {"one": {"text": "a"}, "two": {}}, "close": true, "reason": "over"});
    let wanted = json!([
        {"type": "send", "key": "one", "text": "a", "to": "me", "of": of},
        {"type": "send", "key": "two", "to": "me", "of": of},
        {"type": "close", "reason": "over"}
    ]);
    assert_eq!(actions(&object), wanted);
    assert_eq!(actions(&json!({"close": 1})), json!([{"type": "close"}]), "what is undefined is omitted");
    assert_eq!(actions(&json!({"close": true, "reason": null})), json!([{"type": "close", "reason": null}]));
    for nothing in [json!({}), json!({"send": []}), json!({"send": null}), json!({"close": false})] {
        assert_eq!(reply(&nothing.to_string()), None, "{nothing}");
    }
}

#[test]
fn only_responses_of_the_contracts_events_and_type_are_read() {
    let body = json!({"close": true}).to_string();
    for read in ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8", " application/json ;x"] {
        assert!(reply_as(Some(read), &body).is_some(), "{read}");
    }
    for other in [None, Some(""), Some("text/plain"), Some("application/jsonp"), Some("text/html; application/json")] {
        assert_eq!(reply_as(other, &body), None, "{other:?}");
    }
    assert_eq!((reply(""), reply(" \r\n\t")), (None, None));
    let (payload, body) = (Bytes::from_static(b"{}"), Bytes::from(body));
    let asking = |event_type| Asking {
        message: MessageView { event_type, ..message(&payload) },
        content_type: Some("application/json"),
        body: &body,
    };
    assert!(sends().reply(&asking("asked")).is_some());
    assert_eq!(sends().reply(&asking("told")), None);
    let any = contract("json", "payload", "[reply.actions.close]\nfields.done = \"true\"");
    assert!(any.reply(&asking("told")).is_some(), "without a list, all events");
    assert!(any.may_ask() && sends().may_ask() && !contract("json", "payload", "").may_ask());
    assert_eq!(contract("json", "payload", "").reply(&asking("asked")), None);
}

#[test]
fn a_response_that_can_not_be_understood_says_why() {
    assert!(wrong("{").starts_with("the response is not JSON: "));
    assert!(wrong("[]").starts_with("the response: [] is not of type \"object\""), "{}", wrong("[]"));
    assert!(wrong("{\"send\": 1}").starts_with("/send of the response: "), "{}", wrong("{\"send\": 1}"));
    assert!(
        wrong("{\"set\": 1}").starts_with("set: a list or an object is needed, not a number"),
        "{}",
        wrong("{\"set\": 1}")
    );
    // A value that is quoted is shortened to 500 characters.
    let long = wrong(&format!("{{\"send\": \"{}\"}}", "ü".repeat(5_000)));
    assert_eq!(long.strip_prefix("/send of the response: ").unwrap().chars().count(), 501, "{long}");
    assert!(long.ends_with('…'));
}

#[test]
fn a_response_has_at_most_64_levels_a_thousand_actions_and_a_mebibyte_of_them() {
    let deep = |levels: usize| format!("{{\"close\": true, \"reason\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(matches!(reply(&deep(63)), Some(Reply::Actions { .. })));
    assert_eq!(wrong(&deep(64)), "the response is nested deeper than 64 levels");
    let many = |count: usize| json!({"send": vec![json!({}); count]}).to_string();
    assert_eq!(actions(&serde_json::from_str(&many(1_000)).unwrap()).as_array().unwrap().len(), 1_000);
    assert_eq!(wrong(&many(1_001)), "send: the response asks for more than 1000 things");
    let around = json!([{"type": "close", "reason": ""}]).to_string().len();
    let large = |bytes: usize| json!({"close": true, "reason": "x".repeat(bytes - around)}).to_string();
    assert!(matches!(reply(&large(1 << 20)), Some(Reply::Actions { .. })));
    let refused = "the response asks for 1048577 bytes of actions; at most 1048576 are taken";
    assert_eq!(wrong(&large((1 << 20) + 1)), refused);
}

/// A name, whose it is, and the value as JSON.
type Variable = (String, KeptFor, Option<String>);

/// What a response's `set` leaves behind: name, whose, value; and why something is not kept.
fn kept(set: &Value) -> (Vec<Variable>, Option<String>) {
    match reply(&json!({"set": set}).to_string()) {
        Some(Reply::Actions { settings, not_kept, .. }) => {
            let plain = |value: Bytes| String::from_utf8(value.to_vec()).unwrap();
            let settings = settings.into_iter().map(|one| (one.name, one.kept_for, one.value.map(plain)));
            (settings.collect(), not_kept)
        }
        other => panic!("{set}: {other:?}"),
    }
}

#[test]
fn what_a_response_sets_is_kept_by_the_beginning_of_its_name() {
    let (settings, not_kept) = kept(&json!({
        "contact.name": "Zoë", "state.id": 7, "state.list": [1, {"a": null}], "contact.gone": null, "other": 1, "contact": 2
    }));
    let wanted = [
        ("contact.gone", KeptFor::Application, None),
        ("contact.name", KeptFor::Application, Some("\"Zoë\"")),
        ("state.id", KeptFor::Endpoint, Some("7")),
        ("state.list", KeptFor::Endpoint, Some("[1,{\"a\":null}]")),
    ];
    let mut settings: Vec<_> =
        settings.iter().map(|(name, whose, value)| (name.as_str(), *whose, value.as_deref())).collect();
    settings.sort_by_key(|(name, ..)| *name);
    assert_eq!((settings, not_kept), (wanted.into(), None));
    // Another kind of action sets nothing, whatever its fields are called.
    let others = contract("json", "payload", &SENDS.replace("action = \"set\"", "action = \"other\""));
    let (payload, body) = (Bytes::from_static(b"{}"), Bytes::from_static(b"{\"set\": {\"state.id\": 1}}"));
    let asking = Asking { message: message(&payload), content_type: Some("application/json"), body: &body };
    let Some(Reply::Actions { settings, not_kept, .. }) = others.reply(&asking) else { panic!("actions") };
    assert_eq!((settings, not_kept), (vec![], None));
}

#[test]
fn a_name_has_256_characters_and_16_parts_at_most_and_a_value_8_kibibytes() {
    let long = |characters: usize| format!("state.{}", "ü".repeat(characters - 6));
    let parts = |count: usize| format!("state{}", ".a".repeat(count - 1));
    for name in [long(256), parts(16)] {
        let (settings, not_kept) = kept(&json!({name.clone(): 1}));
        assert_eq!((settings.len(), not_kept), (1, None), "{name}");
    }
    for name in [long(257), parts(17), "state.a\nb".to_owned()] {
        let (settings, not_kept) = kept(&json!({name.clone(): 1, "state.b": 2}));
        assert_eq!(settings.len(), 1, "its neighbour is kept");
        let quoted: String = name.chars().take(40).collect();
        assert_eq!(not_kept, Some(format!("{quoted:?} is not kept: a name has up to 256 characters and 16 parts")));
    }
    let value = |bytes: usize| json!({"state.a": "x".repeat(bytes - 2)});
    assert_eq!(kept(&value(8_192)).1, None);
    let (settings, not_kept) = kept(&value(8_193));
    assert_eq!(not_kept.as_deref(), Some("state.a is not kept: it has 8193 bytes; at most 8192 are"));
    assert!(settings.is_empty());
}

#[test]
fn variables_belong_to_the_subject_of_a_message() {
    let subject = |contract: &Contract, payload: &str| {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        contract.subject(&message(&payload)).unwrap()
    };
    let sends = sends();
    assert_eq!(subject(&sends, "{\"contact\": \"CT1\"}").as_deref(), Some("CT1"));
    assert_eq!(subject(&sends, "{\"contact\": 7}").as_deref(), Some("7"));
    let long = |characters: usize| format!("{{\"contact\": \"{}\"}}", "ü".repeat(characters));
    assert!(subject(&sends, &long(256)).is_some());
    for nobody in ["{}", "{\"contact\": null}", "{\"contact\": \"\"}", "{\"contact\": \"a\\nb\"}", &long(257)] {
        assert_eq!(subject(&sends, nobody), None, "{nobody:.40}");
    }
    let none = contract("json", "payload", "");
    assert!(sends.has_state() && !none.has_state());
    assert_eq!(subject(&none, "{\"contact\": \"CT1\"}"), None);
    let by_message = contract("json", "payload", &SENDS.replace("payload.contact", "message.event_type"));
    assert_eq!(subject(&by_message, "{}").as_deref(), Some("asked"));
    let fails = contract("json", "payload", &SENDS.replace("payload.contact", "1 // (1 - 1)"));
    let payload = Bytes::from_static(b"{}");
    assert!(fails.subject(&message(&payload)).unwrap_err().to_string().contains("state.subject"));
}

#[test]
fn what_is_kept_goes_out_nested_by_the_dots_of_its_names() {
    let variable = |name: &str, value: &str, since_ms| Kept {
        name: name.to_owned(),
        value: Bytes::copy_from_slice(value.as_bytes()),
        since_ms,
    };
    let kept = [
        variable("contact.name", "\"Zoë\"", 3),
        variable("state.id", "7", 5),
        variable("state.a.b", "[1]", 8),
        variable("state.a", "\"hidden by what is below it\"", 9),
    ];
    let contract = contract(
        "json",
        "{'kept': kept, 'id': kept.state.id, 'since': kept_since['state.id'], 'other': kept_since['contact.name']}",
        "",
    );
    let request = Case { kept: &kept, ..Case::of("t") }.render_with(&contract);
    let wanted = json!({
        "kept": {"contact": {"name": "Zoë"}, "state": {"a": {"b": [1]}, "id": 7}}, "id": 7, "since": 5, "other": 3
    });
    assert_eq!(serde_json::from_str::<Value>(&text(&request.body)).unwrap(), wanted);
    let contract = common::contract("json", "{'kept': kept, 'since': kept_since}", "");
    let request = Case::of("t").render_with(&contract);
    assert_eq!(text(&request.body), "{\"kept\":{},\"since\":{}}");
}
