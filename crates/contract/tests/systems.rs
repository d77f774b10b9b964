//! The rules of the five systems, beside their worked cases (`vectors.rs`).
#![allow(clippy::unwrap_used)]

mod common;

use common::{Case, header, text};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use postrider_contract::{Answer, Book, ContentType, Outcome, TimeoutRule};
use serde_json::{Value, json};
use std::time::Duration;

fn judge(contract: &str, status: u16) -> Outcome {
    let answer = Answer { status, retry_after: Some("60"), delivery: None, now_ms: 0 };
    let judgement = Book::shipped().get(contract).unwrap().judge(&answer);
    assert!(!judgement.disable && judgement.hold.is_none() && judgement.retry_after.is_none());
    judgement.outcome
}

#[test]
fn tiledesk_tokens_are_verified_by_another_implementation() {
    let claims = |body: &[u8], key: &str, audience: &str| {
        let body: Value = serde_json::from_slice(body).unwrap();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.set_audience(&[audience]);
        validation.set_issuer(&["https://tiledesk.com"]);
        let key = DecodingKey::from_secret(key.as_bytes());
        jsonwebtoken::decode::<Value>(body["token"].as_str().unwrap(), &key, &validation).map(|token| token.claims)
    };
    let uid = "5c879fb4f1ae6600173b8c75";
    let case =
        || Case { event_type: "lead.create", endpoint_uid: Some(uid), secrets: &["s3cret"], ..Case::of("tiledesk") };
    let own = format!("https://tiledesk.com/subscriptions/{uid}");
    let request = case().render();
    let token = claims(&request.body, "s3cret", &own).unwrap();
    assert_eq!(
        (&token["sub"], &token["iat"], &token["_id"]),
        (&json!("subscription"), &json!(1_700_000_000), &json!(uid))
    );
    assert!(claims(&request.body, "another", &own).is_err() && claims(&request.body, "s3cret", "x").is_err());
    assert_eq!(header(&request, "x-hook-secret").unwrap(), "s3cret");

    let global = Case { metadata: &[("global", "true")], settings: &[("server_key", "server")], ..case() }.render();
    assert!(claims(&global.body, "server", "https://tiledesk.com").is_ok());
}

#[test]
fn what_a_receiver_trusts_is_never_signed_with_nothing() {
    let book = Book::shipped();
    for (contract, metadata) in
        [("tiledesk", &[][..]), ("tiledesk", &[("global", "true")]), ("uplodr", &[]), ("tellescope", &[])]
    {
        let case = Case { event_type: "endusers.create", payload: "{\"records\":[]}", metadata, ..Case::of(contract) };
        let error = case.try_render(book.get(contract).unwrap()).unwrap_err().to_string();
        assert!(error.contains("key") || error.contains("missing"), "{contract}: {error}");
    }
}

#[test]
fn tiledesk_names_the_hook_by_its_one_event_or_the_messages() {
    let hook = |event_types: &[&str], uid| {
        let case =
            Case { event_type: "faq.update", event_types, endpoint_uid: uid, secrets: &["s"], ..Case::of("tiledesk") };
        let body: Value = serde_json::from_slice(&case.render().body).unwrap();
        body["hook"].clone()
    };
    assert_eq!(hook(&["faq.create"], None)["event"], "faq.create");
    assert_eq!(hook(&[], None)["event"], "faq.update");
    assert_eq!(hook(&["faq.create", "faq.update"], None)["event"], "faq.update");
    let derived = hook(&[], Some("not 24 hex"));
    let id = derived["_id"].as_str().unwrap();
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(derived["_id"], hook(&[], None)["_id"]);
}

#[test]
fn responses_mean_what_each_document_says() {
    for status in [200, 201, 204, 299] {
        for contract in ["uplodr", "scope", "tellescope", "tiledesk"] {
            assert_eq!(judge(contract, status), Outcome::Success, "{contract} {status}");
        }
    }
    for status in [201, 204, 301, 400, 500] {
        assert_eq!(judge("telerivet", status), Outcome::Retry, "{status}");
    }
    assert_eq!(judge("telerivet", 200), Outcome::Success);
    for (status, outcome) in
        [(100, Outcome::Retry), (429, Outcome::Retry), (500, Outcome::Retry), (599, Outcome::Retry)]
    {
        assert_eq!(judge("tiledesk", status), outcome, "{status}");
    }
    for status in [301, 304, 400, 404, 410] {
        assert_eq!(judge("tiledesk", status), Outcome::Fail, "{status}");
        assert_eq!(judge("scope", status), Outcome::Retry, "{status}");
    }
}

#[test]
fn limits_are_those_of_the_documents() {
    let book = Book::shipped();
    let of = |name: &str| book.get(name).unwrap();
    for (name, seconds, fixed) in [
        ("standard", 15, false),
        ("svix", 15, false),
        ("tiledesk", 10, true),
        ("telerivet", 10, true),
        ("scope", 5, true),
        ("tellescope", 10, false),
        ("uplodr", 15, false),
    ] {
        assert_eq!(of(name).timeout(), TimeoutRule { seconds, fixed }, "{name}");
        assert_eq!(of(name).urls().https_only, name == "scope");
        assert_eq!(of(name).secrets().overlap(), matches!(name, "standard" | "svix"));
        let made = of(name).secrets().generate(&[1; 32]);
        assert_eq!(made.is_none(), name == "scope");
        assert!(made.is_none_or(|secret| of(name).secrets().check(&secret).is_ok()), "{name}");
    }
    assert_eq!(of("telerivet").urls().ports.as_deref(), Some(&[80, 443, 8000, 8080, 8443][..]));
    for (name, least, most) in
        [("tellescope", 16, 256), ("telerivet", 1, 200), ("uplodr", 1, 256), ("tiledesk", 1, 256)]
    {
        let check = |length: usize| of(name).secrets().check(&"ü".repeat(length)).is_ok();
        assert!(check(least) && check(most) && !check(least - 1) && !check(most + 1), "{name}");
    }
    let scope = of("scope").disable();
    assert!(scope.on_exhausted && scope.errors_within == Some((100, Duration::from_secs(3600))));
    assert_eq!(of("standard").disable().failing_for, Some(Duration::from_secs(5 * 86_400)));
    assert_eq!(of("scope").content_types(), [ContentType::Json, ContentType::Xml]);
    assert_eq!(of("uplodr").content_types(), [ContentType::Json]);
    assert!(of("tiledesk").reserved_headers().contains(&"user-agent".to_owned()));
}

#[test]
fn catalogues_hold_what_the_documents_list() {
    let book = Book::shipped();
    let knows = |contract: &str, event: &str| {
        let events = book.get(contract).unwrap().events();
        assert_eq!(events.in_catalogue(event), events.check_filter(event).is_ok(), "{contract} {event}");
        events.in_catalogue(event)
    };
    for (contract, right, wrong) in [
        (
            "uplodr",
            &["transcript.updated", "store.deleted"][..],
            &["user.created", "transcript.read", "transcript.*"][..],
        ),
        (
            "scope",
            &["scenario_session/created", "call/completed"],
            &["call/started", "/created", "a/b/created", "a.b/created"],
        ),
        (
            "tellescope",
            &["endusers.create", "tickets.delete", "automation", "calendar_event_reminder"],
            &["endusers.read", "api_keys.create", "integrations.delete", "a.b.create", "automations"],
        ),
        (
            "tiledesk",
            &["lead.create", "event.emit", "event.emit.typing.start", "message.create.request.channel.telegram"],
            &["message.create.request.channel.a.b", "message.create.request.channel.", "event.emit.", "lead.*"],
        ),
        ("telerivet", &["incoming_message", "contact_update"], &["incoming", "send_status.x"]),
    ] {
        right.iter().for_each(|event| assert!(knows(contract, event), "{contract} {event}"));
        wrong.iter().for_each(|event| assert!(!knows(contract, event), "{contract} {event}"));
        assert!(!book.get(contract).unwrap().events().is_open());
    }
    let tellescope = book.get("tellescope").unwrap().events();
    let filters = ["endusers.create".to_owned()];
    assert!(tellescope.matches(&filters, "automation") && tellescope.matches(&filters, "endusers.create"));
    assert!(!tellescope.matches(&filters, "endusers.update"));
}

#[test]
fn ids_are_the_given_ones_where_they_fit_and_derived_ones_elsewhere() {
    let uplodr = |event_id| {
        let case = Case { event_type: "transcript.updated", event_id, secrets: &["k"], ..Case::of("uplodr") };
        let body: Value = serde_json::from_slice(&case.render().body).unwrap();
        body["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(uplodr(Some("a056V7R7NmNRjl70")), "a056V7R7NmNRjl70");
    let derived = uplodr(None);
    assert!(derived.len() == 16 && derived.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(derived, uplodr(Some("too-short")));

    let scope = Case { event_type: "user/created", payload: "{\"id\":\"x\"}", ..Case::of("scope") }.render();
    assert_eq!(header(&scope, "x-scope-hmac-sha256"), None, "no secret, no signature");
    assert_eq!(header(&scope, "x-scope-webhook-id").unwrap().len(), 36);
    assert_eq!(header(&scope, "x-scope-webhook-job-id").unwrap().len(), 24);
    assert_eq!(
        text(&scope.body),
        "{\"data\":{\"id\":\"x\",\"url\":\"https://cms.scopear.com/api/v3/graphql/object/x\"}}"
    );
}

#[test]
fn telerivets_event_and_secret_are_ours_whatever_the_payload_says() {
    let payload = "{\"secret\":\"forged\",\"id\":\"SM1\",\"event\":\"other\",\"n\":12345678901234567890}";
    let case = Case { event_type: "send_status", payload, secrets: &["s3cret"], ..Case::of("telerivet") };
    assert_eq!(text(&case.render().body), "event=send_status&id=SM1&n=12345678901234567890&secret=s3cret");
    let book = Book::shipped();
    let error = Case { payload: "[1]", ..case }.try_render(book.get("telerivet").unwrap()).unwrap_err();
    assert!(error.to_string().contains("an object is needed"), "{error}");
}

#[test]
fn failures_are_told_in_the_words_of_the_documents() {
    let reason = |name: &str, code, status| Book::shipped().get(name).unwrap().reason(code, status);
    assert_eq!(reason("tiledesk", "timeout", 0).unwrap(), "Failed: 504 Gateway Timeout");
    assert_eq!(reason("tiledesk", "status", 500), None);
    for (code, status, words) in [
        ("status", 403, "HTTP 403: the secret"),
        ("status", 301, "HTTP 301: "),
        ("status", 302, "HTTP 302: "),
        ("status", 204, "HTTP 204: only 200 is a success"),
        ("timeout", 0, "timed out: "),
    ] {
        assert!(reason("telerivet", code, status).unwrap().starts_with(words), "{code} {status}");
    }
    assert_eq!(reason("standard", "timeout", 0), None);
}
