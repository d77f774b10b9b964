//! Templates of an endpoint: which messages it gets, what they look like, and what an answer means.

use super::{on_a_clock, started};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use postrider_testkit::app::{App, id};
use postrider_testkit::receiver::{Answer, Receiver};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;

/// An endpoint of the contract scope for `user/created`, with these fields beside.
async fn scope_endpoint(app: &App, acme: &str, receiver: &Receiver, fields: Value) -> String {
    let mut endpoint = json!({"url": receiver.url("/hook"), "contract": "scope", "eventTypes": ["user/created"]});
    endpoint.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    app.endpoint(acme, endpoint).await
}

#[tokio::test]
async fn a_template_makes_the_body_and_the_signature_is_over_what_goes_out() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let template = r#"{"node": {{ data.id | json }}, "short": "{{ data.id | slice: 0, 2 | upcase }}"{% if data.none %}, "never": 1{% endif %}}"#;
    scope_endpoint(&app, &acme, &receiver, json!({"secret": "shared", "template": template})).await;
    let message = app.send(&acme, "user/created", json!({"id": "ab\"c="})).await;
    let received = receiver.wait_for("/hook", 1).await.remove(0);
    assert_eq!(received.text(), r#"{"node": "ab\"c=", "short": "AB"}"#);
    assert_eq!(received.header("content-type"), Some("application/json"));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"shared").unwrap();
    mac.update(&received.body);
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(received.header("x-scope-hmac-sha256"), Some(signature.as_str()));
    assert_eq!(app.wait_for_attempts(&acme, &message, 1).await[0]["statusText"], "success");
}

#[tokio::test]
async fn a_validation_template_decides_whether_a_message_is_sent_and_a_test_passes_it() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let validation = r#"{% if data.id contains "ok" %}true{% else %}false{% endif %}"#;
    let endpoint = scope_endpoint(&app, &acme, &receiver, json!({"validationTemplate": validation})).await;
    let unwanted = app.send(&acme, "user/created", json!({"id": "no"})).await;
    let attempt = app.wait_for_attempts(&acme, &unwanted, 1).await.remove(0);
    assert_eq!(
        (&attempt["statusText"], &attempt["responseStatusCode"], &attempt["response"]),
        (&json!("success"), &json!(0), &json!("not sent: the validation template says false"))
    );
    let wanted = app.send(&acme, "user/created", json!({"id": "ok"})).await;
    receiver.wait_for("/hook", 1).await;
    app.wait_for_attempts(&acme, &wanted, 1).await;

    // A test takes the last message as it is, whatever the template says.
    app.send(&acme, "user/created", json!({"id": "last"})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let tested = app.post(&format!("{path}/test"), json!({})).await.expect(202);
    assert!(receiver.wait_for("/hook", 2).await[1].text().contains(r#""id":"last""#));
    let tested = app.get(&format!("/api/v1/app/{acme}/msg/{}", tested["msgId"].as_str().unwrap())).await.expect(200);
    assert_eq!(tested["tags"], json!(["postrider:test"]));

    app.patch(&path, json!({"validationTemplate": "maybe"})).await.expect(200);
    let neither = app.send(&acme, "user/created", json!({"id": "ok"})).await;
    let attempt = app.wait_for_attempts(&acme, &neither, 1).await.remove(0);
    let said = "the validation template says \"maybe\", neither true nor false";
    assert_eq!(attempt["error"], json!({"code": "template", "message": said}));
    let errors = app.get(&format!("{path}/error")).await.expect(200);
    assert_eq!(errors["data"].as_array().unwrap().len(), 1, "{errors}");
    receiver.expect_silence("/hook", Duration::from_millis(100)).await;
}

#[tokio::test]
async fn an_error_template_finds_the_error_in_a_successful_response() {
    let (app, clock, receiver) = on_a_clock().await;
    let acme = app.application().await;
    let template = r#"{% if body.error %}{{ body.error }} ({{ headers["X-CODE"] }}){% endif %}"#;
    let endpoint = scope_endpoint(&app, &acme, &receiver, json!({"errorTemplate": template})).await;
    let bad = Answer::status(200).header("X-Code", "17").body(r#"{"error": "User already exists"}"#);
    receiver.answer_in_turn("/hook", vec![bad, Answer::status(200).body("{}"), Answer::status(500)]);
    let failed = app.send(&acme, "user/created", json!({"id": "1"})).await;
    let attempt = app.wait_for_attempts(&acme, &failed, 1).await.remove(0);
    assert_eq!(attempt["error"], json!({"code": "template", "message": "User already exists (17)"}));
    assert_eq!((&attempt["statusText"], &attempt["responseStatusCode"]), (&json!("fail"), &json!(200)));
    let fine = app.send(&acme, "user/created", json!({"id": "2"})).await;
    assert_eq!(app.wait_for_attempts(&acme, &fine, 1).await[0]["statusText"], "success");
    // What is an error without it stays one.
    let broken = app.send(&acme, "user/created", json!({"id": "3"})).await;
    assert_eq!(app.wait_for_attempts(&acme, &broken, 1).await[0]["error"]["code"], "status");
    // What the template complains of has arrived, and is not sent again; what is broken is, by the contract's schedule.
    let states = [app.states(&acme, &failed).await, app.states(&acme, &broken).await];
    assert_eq!(states, [["fail"], ["pending"]]);
    clock.advance(Duration::from_secs(3_600));
    app.wait_for_attempts(&acme, &broken, 2).await;
    assert_eq!(app.attempts(&acme, &failed).await.len(), 1, "once, and never again");
    assert_eq!(receiver.count("/hook"), 4);
    let errors = app.get(&format!("/api/v1/app/{acme}/endpoint/{endpoint}/error")).await.expect(200);
    assert_eq!(errors["data"].as_array().unwrap().len(), 3, "{errors}");
}

#[tokio::test]
async fn a_template_that_is_none_is_refused_with_its_place() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let endpoint = app.endpoint(&acme, json!({"url": receiver.url("/hook")})).await;
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    let deep = "{% if a %}".repeat(100) + &"{% endif %}".repeat(100);
    for (field, template, said) in [
        ("template", "fine\n{% for x %}{% endfor %}", "line 2, column "),
        ("validationTemplate", "a\n b {{ a | nothing }}", "line 2, column 4: Unknown filter"),
        ("errorTemplate", "{% tablerow a in b %}{% endtablerow %}", "line 1, column "),
        ("template", "{% include 'other' %}", "line 1, column "),
        ("template", "{% if a %}", "line 1, column "),
        ("template", &"x".repeat(1 << 20), "has 1048576 bytes; at most 65536 are allowed"),
        ("template", &deep, "line 1: nested deeper than 64 levels"),
        ("template", &format!("{{{{ {}a{} }}}}", "a[".repeat(3000), "]".repeat(3000)), "nested deeper than 64 levels"),
    ] {
        let refused = app.patch(&path, json!({field: template})).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", field]), "{refused}");
        assert!(refused["detail"][0]["msg"].as_str().unwrap().contains(said), "{refused}");
    }
    assert_eq!(app.endpoint_now(&acme, &endpoint).await["template"], Value::Null);
}

#[tokio::test]
async fn a_template_that_would_never_end_ends_as_an_error_and_harms_nobody() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let assigns = "{% assign a = a | append: a %}".repeat(40);
    let captures = "{% capture a %}{{ a }}{{ a }}{% endcapture %}".repeat(40);
    let nested = "{% for i in list %}{% for j in list %}{% for k in list %}{{ k }}{% endfor %}{% endfor %}{% endfor %}";
    let bombs = [
        "{% for i in (1..9999999999) %}x{% endfor %}".to_owned(),
        "{% for i in (1..9999999999) %}{% endfor %}".to_owned(),
        "{% for i in (1..9999999999) %}{% if i == 0 %}{% break %}{% endif %}{% endfor %}".to_owned(),
        format!("{{% assign a = 'xxxxxxxx' %}}{assigns}{{{{ a }}}}"),
        format!("{{% assign a = 'xxxxxxxx' %}}{captures}"),
        nested.to_owned(),
        "{% assign a = text | replace: 'x', text %}{{ a }}".to_owned(),
        "{% assign l = text | split: '' %}{% assign a = l | join: text %}{{ a }}".to_owned(),
        "{% assign a = list | uniq %}{{ a | size }}".to_owned(),
        "{{ 'now' | date: '%999999999d' }}".to_owned(),
        "{{ 'now' | date: '%99999999999999999999d' }}".to_owned(),
        "{{ 9223372036854775807 | plus: 1 }}{% for i in (0..9223372036854775807) %}x{% endfor %}".to_owned(),
        "{{ 1 | divided_by: 0 }}".to_owned(),
        "{{ -9223372036854775808 | divided_by: -1 }}".to_owned(),
        "{{ -9223372036854775808 | modulo: -1 }}".to_owned(),
        "{{ 9223372036854775807 | times: 2 }}".to_owned(),
        "{% for i in (-9223372036854775808..9223372036854775807) %}{% endfor %}".to_owned(),
        "{% for i in (-9223372036854775808..9223372036854775807) reversed %}{{ i }}{% endfor %}".to_owned(),
    ];
    let healthy = app.endpoint(&acme, json!({"url": receiver.url("/healthy")})).await;
    let mut endpoints = Vec::new();
    for bomb in &bombs {
        endpoints.push(app.endpoint(&acme, json!({"url": receiver.url("/bomb"), "template": bomb})).await);
    }
    let memory = peak_memory_mb();
    let list: Vec<u32> = (0..20_000).collect();
    let message = app.send(&acme, "user.created", json!({"list": list, "text": "x".repeat(100_000)})).await;
    receiver.wait_for("/healthy", 1).await;
    let attempts = app.wait_for_attempts(&acme, &message, bombs.len() + 1).await;
    for (endpoint, bomb) in endpoints.iter().zip(&bombs) {
        let attempt = attempts.iter().find(|attempt| attempt["endpointId"] == json!(endpoint)).unwrap();
        assert_eq!(attempt["error"]["code"], "template", "{bomb:.80}: {attempt}");
        assert!(attempt["error"]["message"].as_str().unwrap().starts_with("the template: "), "{attempt}");
    }
    assert_eq!(receiver.count("/bomb"), 0);
    assert!(
        attempts.iter().any(|attempt| attempt["endpointId"] == json!(healthy) && attempt["statusText"] == "success")
    );
    let grown = peak_memory_mb() - memory;
    assert!(grown < 150, "the bombs took {grown} MB");
}

/// The most memory that this process, with the server in it, has had.
fn peak_memory_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn a_preview_runs_the_templates_on_a_real_message() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let template = "{% for item in items %}{{ forloop.index }}. {{ item.name }}{% unless forloop.last %}, {% endunless %}{% endfor %}";
    let validation = "{% if items %}true{% else %}false{% endif %}";
    let form = json!({"url": receiver.url("/hook"), "template": template, "validationTemplate": validation});
    let endpoint = app.endpoint(&acme, form).await;
    let message = app.send(&acme, "list.made", json!({"items": [{"name": "a"}, {"name": "b"}]})).await;
    let preview = format!("/api/v1/app/{acme}/endpoint/{endpoint}/preview");
    let shown = app.post(&preview, json!({"msgId": message})).await.expect(200);
    assert_eq!(shown["body"], "1. a, 2. b");
    assert_eq!(receiver.wait_for("/hook", 1).await[0].text(), "1. a, 2. b");
    let unwanted = app.post(&preview, json!({"eventType": "list.made", "payload": {}})).await.expect(422);
    let said = "makes no request: not sent: the validation template says false";
    assert_eq!(unwanted["detail"][0]["msg"], said);
}

#[tokio::test]
async fn a_token_changes_templates_only_with_the_capability_for_it() {
    let (app, receiver) = started().await;
    let acme = app.application().await;
    let link = format!("/api/v1/auth/app-portal-access/{acme}");
    let token = async |capabilities: Value| {
        let made = app.post(&link, json!({"capabilities": capabilities})).await.expect(200);
        app.with_key(made["token"].as_str().unwrap())
    };
    let owner = token(json!(["ViewBase", "ManageEndpoint"])).await;
    let form = json!({"url": receiver.url("/hook"), "template": "x"});
    let refused = owner.post(&format!("/api/v1/app/{acme}/endpoint"), form.clone()).await.expect(403);
    assert!(refused["detail"].as_str().unwrap().contains("ManageTransformations"), "{refused}");
    let editor = token(json!(["ViewBase", "ManageEndpoint", "ManageTransformations"])).await;
    let endpoint = id(&editor.post(&format!("/api/v1/app/{acme}/endpoint"), form).await.expect(201));
    // What it does not touch it may keep.
    let path = format!("/api/v1/app/{acme}/endpoint/{endpoint}");
    assert_eq!(owner.patch(&path, json!({"description": "mine"})).await.expect(200)["template"], "x");
    owner.patch(&path, json!({"template": null})).await.expect(403);
}
