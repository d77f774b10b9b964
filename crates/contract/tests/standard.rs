//! Standard Webhooks and Svix: verified as receivers verify them, and their rules.
#![allow(clippy::unwrap_used)]

mod common;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::{Case, header};
use ed25519_dalek::{Signature, SigningKey, Verifier};
use postrider_contract::{Answer, Book, FilterKind, Judgement, Outcome, Request};
use standardwebhooks::Webhook;
use std::time::Duration;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// As a receiver would, but for the age of the message.
fn verifies(request: &Request, secret: &str, prefix: &str) -> bool {
    let get = |name: &str| header(request, &format!("{prefix}-{name}")).unwrap();
    let webhook = Webhook::new(secret).unwrap();
    let timestamp: i64 = get("timestamp").parse().unwrap();
    let own = webhook.sign(&get("id"), timestamp, &request.body).unwrap();
    get("signature").split(' ').any(|signature| signature == own)
}

#[test]
fn receivers_verify_it_with_the_new_secret_and_with_the_old_one() {
    for (contract, prefix) in [("standard", "webhook"), ("svix", "svix")] {
        let payload = " {\"a\": 1.50,\n \"b\": [12345678901234567890] } ";
        let request = Case { payload, secrets: &[NEW, OLD], ..Case::of(contract) }.render();
        assert_eq!(&request.body[..], payload.as_bytes(), "byte for byte");
        assert!(verifies(&request, NEW, prefix) && verifies(&request, OLD, prefix));
        assert!(!verifies(&request, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx", prefix));
        assert_eq!(header(&request, &format!("{prefix}-id")).unwrap(), "msg_0123456789abcdefghijkl");
        assert_eq!(header(&request, &format!("{prefix}-timestamp")).unwrap(), "1700000000");
        assert_eq!(header(&request, "content-type").unwrap(), "application/json");
        assert!(header(&request, "user-agent").unwrap().starts_with("Postrider/"));
    }
}

/// The example of the specification, with the signature that it gives.
#[test]
fn a_signature_is_that_of_the_published_example() {
    let signature =
        Webhook::new(OLD).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
    assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn an_asymmetric_key_signs_so_that_its_public_key_verifies() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let seed = format!("whsk_{}", BASE64_STANDARD.encode(key.to_bytes()));
    let pair = format!("whsk_{}", BASE64_STANDARD.encode(key.to_keypair_bytes()));
    let request = Case { payload: "{\"a\":1}", secrets: &[&seed, &pair, OLD], ..Case::of("standard") }.render();
    let signatures = header(&request, "webhook-signature").unwrap();
    let [one, two, symmetric] = signatures.split(' ').collect::<Vec<_>>()[..] else { unreachable!("{signatures}") };
    assert!(one == two && symmetric.starts_with("v1,"));
    let signature = BASE64_STANDARD.decode(one.strip_prefix("v1a,").unwrap()).unwrap();
    let signed = b"msg_0123456789abcdefghijkl.1700000000.{\"a\":1}";
    key.verifying_key().verify(signed, &Signature::from_slice(&signature).unwrap()).unwrap();
}

#[test]
fn without_a_secret_there_is_no_signature_and_own_headers_never_replace_the_contracts() {
    let headers = &[("Webhook-Id", "forged"), ("content-type", "text/x"), ("X-Own", "1"), ("user-agent", "me")];
    let request = Case { headers, ..Case::of("standard") }.render();
    assert_eq!(header(&request, "webhook-signature"), None);
    assert_eq!(header(&request, "webhook-id").unwrap(), "msg_0123456789abcdefghijkl");
    assert_eq!(header(&request, "content-type").unwrap(), "application/json");
    assert_eq!(
        (header(&request, "x-own").unwrap(), header(&request, "user-agent").unwrap()),
        ("1".into(), "me".into())
    );
    assert_eq!(request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("webhook-id")).count(), 1);
}

#[test]
fn responses_are_judged_as_the_specification_says() {
    let book = Book::shipped();
    let judge = |status, retry_after| {
        book.get("standard").unwrap().judge(&Answer { status, retry_after, delivery: None, now_ms: 1_700_000_000_000 })
    };
    let plain = |outcome| Judgement { outcome, disable: false, overloaded: false, hold: None, retry_after: None };
    for status in [200, 201, 204, 299] {
        assert_eq!(judge(status, Some("60")), plain(Outcome::Success), "{status}");
    }
    for status in [101, 301, 302, 400, 404, 500, 503] {
        assert_eq!(judge(status, None), plain(Outcome::Retry), "{status}");
    }
    assert_eq!(judge(410, None), Judgement { disable: true, ..plain(Outcome::Fail) });
    for status in [429, 502, 504] {
        let minute = Some(Duration::from_secs(60));
        assert_eq!(
            judge(status, Some("60")),
            Judgement { overloaded: true, hold: minute, retry_after: minute, ..plain(Outcome::Retry) }
        );
        assert_eq!(judge(status, None), Judgement { overloaded: true, ..plain(Outcome::Retry) }, "{status}");
    }
    assert_eq!(judge(503, Some("Tue, 14 Nov 2023 22:14:20 GMT")).retry_after, Some(Duration::from_secs(60)));
    assert_eq!(judge(503, Some("9999999")).retry_after, Some(Duration::from_secs(86_400)));
    assert_eq!(judge(503, Some("-1")).retry_after, None);
}

#[test]
fn secrets_are_those_of_the_specification_and_of_svix() {
    let book = Book::shipped();
    let rules = book.get("standard").unwrap().secrets();
    let made = rules.generate(&[9; 32]).unwrap();
    assert_eq!(BASE64_STANDARD.decode(made.strip_prefix("whsec_").unwrap()).unwrap(), [9; 24]);
    let of = |prefix: &str, bytes: usize| format!("{prefix}{}", BASE64_STANDARD.encode(vec![1; bytes]));
    let pair = SigningKey::from_bytes(&[7; 32]).to_keypair_bytes();
    let whsk = |bytes: &[u8]| format!("whsk_{}", BASE64_STANDARD.encode(bytes));
    for right in [made, of("whsec_", 24), of("whsec_", 64), of("", 24), of("", 75), of("whsk_", 32), whsk(&pair)] {
        assert_eq!(rules.check(&right), Ok(()), "{right}");
    }
    for wrong in [of("whsec_", 23), of("whsec_", 65), of("", 21), of("", 76), whsk(&[1; 64]), whsk(&[1; 31])] {
        assert!(rules.check(&wrong).is_err(), "{wrong}");
    }
    let told = rules.check("whsec_?topsecret").unwrap_err();
    assert!(told.contains("24 to 64 bytes") && !told.contains("topsecret"), "{told}");
    assert!(rules.overlap());
}

#[test]
fn any_event_and_any_pattern_can_be_subscribed_to() {
    let book = Book::shipped();
    let events = book.get("standard").unwrap().events();
    assert!(events.is_open() && !events.in_catalogue("user.created"));
    assert_eq!(events.check_filter("user.*"), Ok(FilterKind::Pattern));
    assert_eq!(events.check_filter("user.created"), Ok(FilterKind::Exact));
    assert!(events.check_filter("us*er").unwrap_err().contains("user.*"));
    assert!(events.matches(&[], "anything") && events.matches(&["user.*".into()], "user.a.b"));
}
